"""What the preparation of Omniglot's drawings brings, one thing after another.

    python -m experiments.omniglot_preparation      a few minutes

Raw: the whole sheet, shrunk to 20 x 20 pixels. Then centred and scaled; then with
deformed copies to train on; then turned and mirrored, as more characters; then edges
instead of pixels. Reptile is trained on each for 2,000 iterations, with the demo's
settings, on three alphabets of small1. Left: 5-way accuracy on the other two, by which
the preparation was chosen. Right: on small2, which had no say.
"""

import argparse
from functools import partial

import numpy as np
from PIL import Image

from omniglot import data, demo
from omniglot.data import Drawings, edges, mini_batches
from reptile import MLP

TASKS, STEPS = 400, 50
NET = MLP([data.SIDE**2, 256, 128, 20], loss="cross-entropy")
ONLY_UPRIGHT = partial(mini_batches, turns=1)


def main(argv=None):
    """Print the table."""
    p = argparse.ArgumentParser(prog="python -m experiments.omniglot_preparation",
                                description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--iterations", type=demo.number(1, 10**7), default=2000,
                   metavar="I", help="outer steps (default: 2000)")
    p.add_argument("--seed", type=demo.number(0, 2**32 - 1), default=0,
                   help="of phi and of the tasks (default: 0)")
    args = p.parse_args(argv)

    alphabets, raw = raw_set("small1")
    others, raw_new = raw_set("small2")
    held_out = np.isin(alphabets, sorted(set(alphabets))[:2])
    new = ~np.isin(others, alphabets)
    drawings, test = data.load_split("small1", "small2")
    pictures = drawings.pictures[~held_out]

    print(f"{'':48}{'held-out alphabets':^30}{'small2':^30}")
    print(f"{'':48}" + f"{'1-shot':>15}{'5-shot':>15}" * 2)

    tests = Drawings(raw[held_out]), Drawings(raw_new[new])
    untrained("raw", tests, args)
    trained("", Drawings(raw[~held_out]), tests, args, ONLY_UPRIGHT)

    tests = Drawings(drawings.pictures[held_out][:, :, :1]), test
    untrained("centred and scaled", tests, args)
    trained("", Drawings(pictures[:, :, :1]), tests, args, ONLY_UPRIGHT)
    trained("  and deformed", Drawings(pictures), tests, args, ONLY_UPRIGHT)
    trained("  and turned", Drawings(pictures), tests, args)

    tests = [of._replace(see=edges) for of in tests]
    untrained("edges of all this", tests, args)
    trained("", Drawings(pictures, edges), tests, args)


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


def untrained(preparation, tests, args):
    """The rows of what is not trained: nearest neighbour, random φ."""
    report(preparation, "nearest neighbour", demo.nearest_neighbour, tests, args)
    learner = last_learner(demo.METHODS["random"], None, args)
    report("", "random initialisation", demo.classifier(learner, 5, STEPS), tests, args)


def trained(preparation, drawings, tests, args, tasks=mini_batches):
    """The row of Reptile, trained on drawings; 'diverged' if it does."""
    method = demo.METHODS["reptile"]._replace(tasks=tasks)
    try:
        learner = last_learner(method, drawings, args)
    except FloatingPointError:
        print(f"{preparation:24}{'Reptile':24}       diverged", flush=True)
        return
    report(preparation, "Reptile", demo.classifier(learner, 5, STEPS), tests, args)


def last_learner(method, drawings, args):
    """The learner at the end of a training."""
    stops = demo.meta_train(method, NET, drawings, args.iterations, args.seed)
    *_, (_, learner) = stops
    return learner


def report(preparation, title, classify, tests, args):
    """A row of the table."""
    cells = [
        demo.interval([data.accuracy(classify, test, 5, K, TASKS, args.seed)])
        for test in tests for K in (1, 5)]
    print(f"{preparation:24}{title:24}" + "".join(f"{cell:>15}" for cell in cells),
          flush=True)


if __name__ == "__main__":
    main()
