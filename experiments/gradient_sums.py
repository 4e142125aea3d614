"""Which sums of inner gradients learn: the announcement's figure, and its twin.

    python -m experiments.gradient_sums --figures figures

Section 6.2 of Nichol, Achiam, Schulman 2018, arXiv:1803.02999v3: train by g1, g2 and so
on alone, and by sums of them. At an equal outer step size ε, as in the paper, longer
sums learn faster. But they also move φ further. The twin has the same movement for all:
ε times the number of gradients is equal.

But: α = 0.01 and 3,000 iterations, where the paper has 0.003 and 40,000. g1 alone makes
some progress here. The columns "last layer 0" tell of what kind: with the last layer
set to zero, what is learnt below it counts, and what g1 has learnt does not.
"""

import argparse
import signal
from pathlib import Path

import numpy as np

from omniglot import demo, figures
from omniglot.data import SIDE, accuracy
from reptile import MLP, trajectory

SUMS = {  # c of Σ c_i g_i
    "g1": [1],
    "g2": [0, 1],
    "g1 + g2": [1, 1],
    "g3": [0, 0, 1],
    "g1 + g2 + g3": [1, 1, 1],
    "g4": [0, 0, 0, 1],
    "g1 + g2 + g3 + g4": [1, 1, 1, 1],
}
ALPHA, EPSILON = 0.01, 0.25
N = 5
STEPS, TASKS = 5, 100  # to judge by
NET = MLP([SIDE**2, 256, 128, N], loss="cross-entropy")


def outer_steps(name):
    """ε of a sum in the two figures: equal ε, and equal ε times number of gradients."""
    return EPSILON, 4 * EPSILON / sum(SUMS[name])


def weighted_sum(c):
    """The update W = φ − α (c_1 g_1 + ... + c_k g_k), for k numbers c."""
    def update(net, phi, x, y, alpha, inner=None):
        _, grads = trajectory(net, phi, x, y, alpha, inner)
        return phi - alpha * sum(c_i * g_i for c_i, g_i in zip(c, grads))

    return update


def method(name, epsilon):
    """The method that moves φ along one sum, by mini-batches of 25 drawings."""
    c = SUMS[name]
    return demo.Method(weighted_sum(c), ALPHA, epsilon, k=len(c), shots=5 * len(c),
                       meta_batch=1)


def run(job):
    """Train by one sum from one seed: % at tenths of the way, and with last layer 0."""
    name, epsilon, seed, iterations, pictures, test = job
    curve = []
    stops = demo.meta_train(method(name, epsilon), NET, pictures, iterations, seed)
    for i, learner in stops:
        curve.append([i, five_shot(learner, test)])
    zeroed = learner._replace(phi=without_last_layer(learner.phi))
    print(f"  {name}, ε = {epsilon:g}, seed {seed}: {curve[0][1]:.1f} -> "
          f"{curve[-1][1]:.1f} %", flush=True)
    return np.array(curve), five_shot(zeroed, test)


def five_shot(learner, test):
    """5-way 5-shot accuracy (%)."""
    classify = demo.classifier(learner, N, STEPS)
    return accuracy(classify, test, N, 5, TASKS, seed=1).mean()


def without_last_layer(phi):
    """φ with zeros in its last layer: all classes are equally likely to it."""
    phi = phi.copy()
    NET.unpack(phi)[-1][...] = 0
    return phi


def untrained(seed, test):
    """% of the random φ, and with last layer 0."""
    random = demo.METHODS["random"]._replace(alpha=ALPHA)
    _, learner = next(demo.meta_train(random, NET, None, 0, seed))
    zeroed = learner._replace(phi=without_last_layer(learner.phi))
    return five_shot(learner, test), five_shot(zeroed, test)


def train_all(seeds, iterations, pictures, test):
    """{(name, ε): a pair for each seed, as `run` returns it}, on all cores."""
    settings = {(name, epsilon) for name in SUMS for epsilon in outer_steps(name)}
    # The longest first, so that no core is left with a long one at the end.
    settings = sorted(settings, key=lambda setting: -len(SUMS[setting[0]]))
    jobs = [(*setting, seed, iterations, pictures, test)
            for setting in settings for seed in seeds]
    print(f"{len(jobs)} trainings of {iterations:,} iterations", flush=True)

    found = {setting: [] for setting in settings}
    for (name, epsilon, *_), result in zip(jobs, demo.all_cores().map(run, jobs)):
        found[name, epsilon].append(result)
    return found


def print_table(found, start):
    """% of each sum, twice, each beside % with the last layer set to zero."""
    print(f"\n{N}-way 5-shot accuracy (%) after {STEPS} steps of α = "
          f"{ALPHA}: mean (range) of three seeds\n")
    print_row("", ["equal ε", "last layer 0", "equal movement", "last layer 0"])
    for name in SUMS:
        cells = []
        for epsilon in outer_steps(name):
            curves, zeroed = zip(*found[name, epsilon])
            ends = [curve[-1, 1] for curve in curves]
            cells += [mean_and_range(ends), mean_and_range(zeroed)]
        print_row(name, cells)
    print_row("random", [mean_and_range(values) for values in zip(*start)])


def print_row(title, cells):
    """A row of the table."""
    print(f"{title:20}" + "".join(f"{cell:>20}" for cell in cells))


def mean_and_range(values):
    """As a cell of a table: mean (least-most)."""
    return f"{np.mean(values):.1f} ({min(values):.1f}-{max(values):.1f})"


def main(argv=None):
    """Train by each sum from three seeds, twice; print the table, draw the figure."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it at once
    p = argparse.ArgumentParser(prog="python -m experiments.gradient_sums",
                                description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    demo.add_data_options(p)
    p.add_argument("--iterations", type=demo.number(1, 10**7), default=3000,
                   metavar="I", help="outer steps (default: 3000)")
    p.add_argument("--figures", type=Path, metavar="FOLDER",
                   help="draw gradient_sums.png in this folder")
    args = p.parse_args(argv)
    pictures, test = demo.load(p, args)

    seeds = range(args.seed, args.seed + 3)
    found = train_all(seeds, args.iterations, pictures, test)
    print_table(found, [untrained(seed, test) for seed in seeds])

    if args.figures:
        equal, twin = {}, {}
        for name in SUMS:
            for panel, epsilon in zip((equal, twin), outer_steps(name)):
                panel[name] = [curve for curve, _ in found[name, epsilon]]
        panels = {f"Equal ε = {EPSILON}": equal, "Equal movement": twin}
        figures.gradient_sums(args.figures / "gradient_sums.png", panels, N, STEPS)


if __name__ == "__main__":
    main()
