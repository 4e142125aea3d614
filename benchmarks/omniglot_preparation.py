"""What the preparation of Omniglot's images does: random and Reptile side by side.

    python benchmarks/omniglot_preparation.py       about 3 minutes of one core

Trains Reptile for 2,000 iterations on each kind of image, with the demo's settings, and
prints 5-way accuracy on 400 tasks of new characters, after 1 and 50 inner steps.
"""

from omniglot.demo import METHODS, RANDOM, classifier, go_on, new_run  # isort: skip

import numpy as np
from PIL import Image

from omniglot.data import SIDE, accuracy, augment, centred, load_split
from reptile import MLP

ITERATIONS, TASKS, N = 2000, 400, 5


def main():
    """Print the table."""
    (_, drawings), (_, new) = load_split("small1", "small2")
    rng = np.random.default_rng(0)
    test_raw, test_centred = raw(new), centred(new)

    print(f"{'':44}{'1-shot, after':^24}{'5-shot, after':^24}")
    print(f"{'':44}{'1 step':>12}{'50 steps':>12}{'1 step':>12}{'50 steps':>12}")
    report("raw", "random", None, test_raw)
    report("raw", "Reptile", raw(drawings), test_raw)
    report("centred and scaled", "random", None, test_centred)
    report("centred and scaled", "Reptile", centred(drawings), test_centred)
    # The first of the eight is the character as it stands.
    upright = augment(drawings, rng, variants=8)[::8]
    report("  and deformed", "Reptile", upright, test_centred)
    augmented = augment(drawings, rng, variants=8)
    report("  and turned and mirrored", "Reptile", augmented, test_centred)


def raw(drawings):
    """The whole sheet, shrunk to SIDE x SIDE pixels: (classes, 20, 400)."""
    images = np.empty((*drawings.shape[:2], SIDE**2), np.float32)
    for c, d in np.ndindex(drawings.shape[:2]):
        sheet = Image.fromarray(drawings[c, d].astype(np.float32))
        small = sheet.resize((SIDE, SIDE), Image.Resampling.BOX)
        images[c, d] = np.asarray(small).ravel()
    return images


def report(images_name, method_name, images, test):
    """Train on images, unless they are None, and print a row of the table."""
    method = RANDOM if images is None else METHODS["reptile"]
    net = MLP([SIDE**2, 256, 128, N], loss="cross-entropy")
    run = new_run(net, method, seed=0)
    if images is not None:
        for _ in go_on(run, net, method, images, ITERATIONS):
            pass

    cells = ""
    for K in 1, 5:
        for steps in 1, 50:
            classify = classifier(net, run.phi, method, steps)
            found = accuracy(classify, test, N, K, TASKS, seed=0)
            half = 1.96 * found.std() / len(found) ** 0.5
            cells += f"{f'{found.mean():.1f} ± {half:.1f}':>12}"
    print(f"{images_name:32}{method_name:12}{cells}", flush=True)


if __name__ == "__main__":
    main()
