"""Which sums of inner gradients learn: the announcement's figure, and its twin.

    python -m experiments.gradient_sums      about half an hour on two cores

Section 6.2 of Nichol, Achiam, Schulman 2018, arXiv:1803.02999v3: train by g1, g2 and so
on alone, and by sums of them. At an equal outer step size epsilon, as in the paper,
longer sums learn faster. But they also move phi further. The twin has the same movement
for all: epsilon times the number of gradients is equal. The table is printed, and the
figure drawn to figures/gradient_sums.png.

But: alpha = 0.01 and 3,000 iterations, where the paper has 0.003 and 40,000. g1 alone
makes some progress here. The columns "last layer 0" tell of what kind: with the last
layer set to zero, what is learnt below it counts, and what g1 has learnt does not.
"""

import argparse
import signal
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from omniglot import demo
from omniglot.data import SIDE, accuracy
from reptile import MLP, trajectory

FIGURE = Path(__file__).parents[1] / "figures" / "gradient_sums.png"
SUMS = {  # c of Σ c_i g_i
    "g1": [1],
    "g2": [0, 1],
    "g1 + g2": [1, 1],
    "g3": [0, 0, 1],
    "g1 + g2 + g3": [1, 1, 1],
    "g4": [0, 0, 0, 1],
    "g1 + g2 + g3 + g4": [1, 1, 1, 1],
}
STYLES = {  # last gradients alone as FOMAML, sums as Reptile
    "g1": ("#E69F00", "-"),
    "g2": ("#009E73", ":"),
    "g3": ("#009E73", "-."),
    "g4": ("#009E73", "-"),
    "g1 + g2": ("#0072B2", ":"),
    "g1 + g2 + g3": ("#0072B2", "-."),
    "g1 + g2 + g3 + g4": ("#0072B2", "-"),
}
ALPHA, EPSILON = 0.01, 0.25
N = 5
STEPS, TASKS = 5, 100  # to judge by
NET = MLP([SIDE**2, 256, 128, N], loss="cross-entropy")


def outer_steps(name):
    """ε of a sum in the two panels: equal ε, and equal ε times number of gradients."""
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
    return demo.Method(name, weighted_sum(c), ALPHA, epsilon, k=len(c),
                       drawings=5 * len(c), meta_batch=1)


def run(job):
    """Train by one sum from one seed: % at tenths of the way, and with last layer 0.

    None if it diverges.
    """
    name, epsilon, seed, iterations, drawings, test = job
    curve = []
    try:
        stops = demo.meta_train(method(name, epsilon), NET, drawings, iterations, seed)
        for i, learner in stops:
            curve.append([i, five_shot(learner, test)])
        zeroed = five_shot(without_last_layer(learner), test)
    except FloatingPointError as error:
        print(f"  {name}, epsilon = {epsilon:g}, seed {seed}: {error}", flush=True)
        return None

    print(f"  {name}, epsilon = {epsilon:g}, seed {seed}: {curve[0][1]:.1f} -> "
          f"{curve[-1][1]:.1f} %", flush=True)
    return np.array(curve), zeroed


def five_shot(learner, test):
    """5-way 5-shot accuracy (%)."""
    classify = demo.classifier(learner, N, STEPS)
    return accuracy(classify, test, N, 5, TASKS, seed=1).mean()


def without_last_layer(learner):
    """The learner with zeros in its last layer: all classes are equally likely."""
    phi = learner.phi.copy()
    learner.net.unpack(phi)[-1][...] = 0
    return learner._replace(phi=phi)


def untrained(seed, test):
    """% of the random φ, and with last layer 0."""
    random = demo.METHODS["random"]._replace(alpha=ALPHA)
    _, learner = next(demo.meta_train(random, NET, None, 0, seed))
    return five_shot(learner, test), five_shot(without_last_layer(learner), test)


def train_all(seeds, iterations, drawings, test):
    """{(name, ε): what `run` returns, for each seed}, on all cores."""
    settings = {(name, epsilon) for name in SUMS for epsilon in outer_steps(name)}
    # The longest first, so that no core is left with a long one at the end.
    settings = sorted(settings, key=lambda setting: -len(SUMS[setting[0]]))
    jobs = [(*setting, seed, iterations, drawings, test)
            for setting in settings for seed in seeds]
    print(f"{len(jobs)} trainings of {iterations:,} iterations", flush=True)

    found = {setting: [] for setting in settings}
    for (name, epsilon, *_), result in zip(jobs, demo.all_cores().map(run, jobs)):
        found[name, epsilon].append(result)
    return found


def print_table(found, start):
    """% of each sum, twice, each beside % with the last layer set to zero."""
    print(f"\n{N}-way 5-shot accuracy (%) after {STEPS} steps of alpha = {ALPHA}: "
          "mean (range) of three seeds\n")
    print_row("", ["equal epsilon", "last layer 0", "equal movement", "last layer 0"])
    for name in SUMS:
        cells = []
        for epsilon in outer_steps(name):
            results = found[name, epsilon]
            if None in results:
                cells += ["diverged", ""]
                continue
            curves, zeroed = zip(*results)
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


def draw(found, path):
    """The announcement's figure and its twin: the seeds' mean, and their range."""
    figure = Figure(figsize=(16, 7), dpi=120, layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for i, title in enumerate([f"Equal ε = {EPSILON}", "Equal movement"]):
        axes = panels[i]
        last = {}  # % at the end
        for name in SUMS:
            results = found[name, outer_steps(name)[i]]
            if None in results:
                continue
            curves = np.array([curve for curve, _ in results])  # (seeds, points, 2)
            iteration, five = curves[0, :, 0], curves[:, :, 1]
            colour, line = STYLES[name]
            axes.plot(iteration, five.mean(axis=0), ls=line, color=colour, lw=3,
                      label=name)
            axes.fill_between(iteration, five.min(axis=0), five.max(axis=0),
                              color=colour, alpha=0.15, lw=0)
            last[name] = five[:, -1].mean()

        best = max(last, key=last.get)
        axes.set_title(f"{title}: {best} is best, with {last[best]:.0f} %", fontsize=18)
        axes.set_xlabel("iteration of meta-training", fontsize=15)
        axes.tick_params(labelsize=14)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel(f"{N}-way 5-shot accuracy (%)\nafter {STEPS} steps",
                         fontsize=15)
    panels[0].legend(fontsize=15)
    figure.savefig(path)


def main(argv=None):
    """Train by each sum from three seeds, twice; print the table, draw the figure."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it at once
    p = argparse.ArgumentParser(prog="python -m experiments.gradient_sums",
                                description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--iterations", type=demo.number(1, 10**7), default=3000,
                   metavar="I", help="outer steps (default: 3000)")
    p.add_argument("--seed", type=demo.number(0, 2**32 - 3), default=0,
                   help="the first of the three (default: 0)")
    args = p.parse_args(argv)
    drawings, test = demo.load("alphabets", "pixels", args.seed)

    seeds = range(args.seed, args.seed + 3)
    found = train_all(seeds, args.iterations, drawings, test)
    print_table(found, [untrained(seed, test) for seed in seeds])
    draw(found, FIGURE)


if __name__ == "__main__":
    main()
