"""What the preparation of Omniglot's drawings brings, one thing after another.

    python -m experiments.omniglot_preparation      about 3 minutes of one core

Raw: the whole sheet, shrunk to 20 x 20 pixels. Then centred and scaled; then with
deformed copies to train on; then turned and mirrored, as more characters; then edges
instead of pixels. Reptile is trained on each for 2,000 iterations, with the demo's
settings, on three alphabets of small1. Left: 5-way accuracy on the other two, by which
the preparation was chosen. Right: on small2, which had no say.
"""

from functools import partial

import numpy as np
from PIL import Image

from omniglot import data, demo
from reptile import MLP

ITERATIONS, TASKS, STEPS = 2000, 400, 50
NET = MLP([data.SIDE**2, 256, 128, 20], loss="cross-entropy")


def main():
    """Print the table."""
    pictures, test = data.load_split("small1", "small2")
    alphabets, raw = raw_set("small1")
    others, raw_test = raw_set("small2")
    held_out = np.isin(alphabets, sorted(set(alphabets))[:2])
    new = ~np.isin(others, alphabets)
    raw_tests = raw[held_out], raw_test[new]
    tests = pictures[held_out][:, :, :1], test

    print(f"{'':48}{'held-out alphabets':^30}{'small2':^30}")
    print(f"{'':48}" + f"{'1-shot':>15}{'5-shot':>15}" * 2)
    report("raw", "nearest neighbour", demo.nearest_neighbour, raw_tests)
    report("", "random initialisation", trained("random", None), raw_tests)
    report("", "Reptile", trained("reptile", raw[~held_out], turns=1), raw_tests)

    pictures = pictures[~held_out]
    plain = pictures[:, :, :1]
    report("centred and scaled", "nearest neighbour", demo.nearest_neighbour, tests)
    report("", "random initialisation", trained("random", None), tests)
    report("", "Reptile", trained("reptile", plain, turns=1), tests)
    report("  and deformed", "Reptile", trained("reptile", pictures, turns=1), tests)
    report("  and turned", "Reptile", trained("reptile", pictures), tests)

    edges = data.edges
    nearest = partial(demo.nearest_neighbour, inputs=edges)
    report("edges of all this", "nearest neighbour", nearest, tests)
    report("", "random initialisation", trained("random", None, inputs=edges), tests)
    report("", "Reptile", trained("reptile", pictures, inputs=edges), tests)


def raw_set(name):
    """As `load_set`, of whole sheets: alphabets, and pictures (characters, 20, 1, 400).
    """
    alphabets, pictures = [], []
    for alphabet, _, ink in data.read_drawings(data.find_set(name)):
        sheet = Image.fromarray(ink.astype(np.float32))
        small = sheet.resize((data.SIDE, data.SIDE), Image.Resampling.BOX)
        alphabets.append(alphabet)
        pictures.append(np.asarray(small).ravel())
    return alphabets[::20], np.array(pictures).reshape(-1, 20, 1, data.SIDE**2)


def trained(name, pictures, turns=8, inputs=data.pixels):
    """`classify` for `accuracy`, of a method trained on pictures."""
    method = demo.METHODS[name]._replace(turns=turns)
    *_, (_, learner) = demo.meta_train(method, NET, pictures, ITERATIONS, 0, inputs)
    return demo.classifier(learner, 5, STEPS)


def report(preparation, title, classify, tests):
    """A row of the table."""
    cells = [demo.interval([data.accuracy(classify, test, 5, K, TASKS, seed=0)])
             for test in tests for K in (1, 5)]
    print(f"{preparation:24}{title:24}" + "".join(f"{cell:>15}" for cell in cells),
          flush=True)


if __name__ == "__main__":
    main()
