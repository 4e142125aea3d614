"""Choose the settings of each method of omniglot/demo.py, on held-out alphabets.

    python benchmarks/tune_omniglot.py             about 15 minutes of one core
    python benchmarks/tune_omniglot.py maml        one method

One rule for all: train for 800 iterations on three of small1's alphabets, judge on the
first two, Balinese and Early Aramaic, by the mean of the table's six numbers (1-shot
and 5-shot accuracy after 1, 5 and 50 steps) over 100 tasks.

Begin with k disjoint mini-batches, as in Reptile, and with the step sizes in START.
Change one thing at a time: the format (k, and the drawings of each class in a support
set that is seen at each step, if there is one); then the inner step size α; then the
outer step size ε. Of each, keep the best, if it gains half a point: less is noise.

The file that the demo is tested on is never opened.
"""

import sys
from functools import partial

# First of all, as it tells BLAS to take one thread.
from omniglot.demo import METHODS, RANDOM, STEPS, TITLES  # isort: skip
from omniglot.demo import classifier, go_on, new_run  # isort: skip

import numpy as np

from omniglot.data import SIDE, accuracy, augment, centred, find_zip, read_zip
from reptile import MLP

ITERATIONS, TASKS = 800, 100
GAIN = 0.5  # points that a change must bring
N = 5

# What is tried, besides what METHODS has: formats (k, support); factors of α and of ε.
LAST_GRADIENT = [(5, 0), (2, 1), (4, 1), (4, 5)]
FORMATS = {
    "random": [(0, 0)],
    "joint": [(1, 0)],
    "fomaml": LAST_GRADIENT,
    "maml": LAST_GRADIENT,
    "reptile": [(5, 0), (10, 0), (4, 1)],
    "reptile-adam": [(5, 0), (10, 0)],
}
START = {  # α, ε
    "random": (0.2, 0),
    "joint": (0.2, 0.3),
    "fomaml": (0.2, 0.001),
    "maml": (0.4, 0.001),
    "reptile": (0.1, 1.0),
    "reptile-adam": (0.001, 1.0),
}
ALPHA_FACTORS = 0.5, 2
EPSILON_FACTORS = 0.33, 3  # ε > 1 would leap over W, and is not tried


def main(names):
    """Tune the named methods, or all."""
    net, images, held_out = load()
    for name in names or FORMATS:
        tune(name, net, images, held_out)


def load():
    """The network, images to train on, and the held-out ones to judge by."""
    alphabets, drawings = read_zip(find_zip("small1"))
    names = sorted(set(alphabets))
    held_out = np.isin(alphabets, names[:2])
    print(f"training on {', '.join(names[2:])}; judged on {', '.join(names[:2])}")
    net = MLP([SIDE**2, 256, 128, N], loss="cross-entropy")
    images = augment(drawings[~held_out], np.random.default_rng(0), variants=8)
    return net, images, centred(drawings[held_out])


def tune(name, net, images, held_out):
    """Change one setting at a time, and keep what is best."""
    print(f"\n{TITLES[name]}")
    base = RANDOM if name == "random" else METHODS[name]
    alpha, epsilon = START[name]
    base = base._replace(alpha=alpha, epsilon=epsilon)

    formats = [base._replace(k=k, support=support) for k, support in FORMATS[name]]
    judge = partial(score, net=net, images=images, held_out=held_out)
    kept = formats[0], judge(formats[0])
    kept = better(kept, formats[1:], judge)

    alpha = kept[0].alpha
    alphas = [kept[0]._replace(alpha=factor * alpha) for factor in ALPHA_FACTORS]
    kept = better(kept, alphas, judge)

    epsilons = [factor * kept[0].epsilon for factor in EPSILON_FACTORS]
    outer = [kept[0]._replace(epsilon=epsilon) for epsilon in epsilons
             if 0 < epsilon <= 1]
    kept = better(kept, outer, judge)

    print(f"  best: {settings(kept[0])}, {kept[1]:.2f} %")


def better(kept, methods, judge):
    """(method, score): the best of the methods if it gains enough, or what was kept."""
    scores = [judge(method) for method in methods]
    best = max(scores, default=0)
    if best < kept[1] + GAIN:
        return kept
    return methods[scores.index(best)], best


def score(method, net, images, held_out):
    """The mean of the six numbers (%), which are printed; 0 if training diverges."""
    try:
        numbers = six_numbers(method, net, images, held_out)
    except FloatingPointError as error:
        print(f"  {settings(method)}: {error}", flush=True)
        return 0
    cells = "".join(f"{number:7.1f}" for number in numbers)
    print(f"  {settings(method)}{cells}   mean {np.mean(numbers):.2f}", flush=True)
    return np.mean(numbers)


def six_numbers(method, net, images, held_out):
    """1-shot and then 5-shot accuracy (%), each after 1, 5 and 50 steps."""
    run = new_run(net, method, seed=0)
    if method.k:
        for _ in go_on(run, net, method, images, ITERATIONS):
            pass
    return [accuracy(classifier(net, run.phi, method, steps), held_out, N, K, TASKS, 1)
            .mean() for K in (1, 5) for steps in STEPS]


def settings(method):
    """The settings that are tuned, in words."""
    deal = f"support {method.support}" if method.support else "mini-batches"
    sizes = f"α = {method.alpha:<6g} ε = {method.epsilon:<7.2g}"
    return f"k = {method.k:2}, {deal:12}, {sizes}"


if __name__ == "__main__":
    main(sys.argv[1:])
