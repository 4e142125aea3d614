"""What Reptile has found: the README's figure, and its one number.

    python -m tutorial.found

meta-trains on sines for a few seconds, draws figures/found.png, and prints how far off
a curve is after one gradient step on one point. Above: such a step, from a random phi
and from Reptile's. Below: the tangent kernel of each, which says how far the output at
x moves when one step pulls at x'.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from reptile import train
from sine_demo import (
    ALPHA,
    NETWORK,
    X,
    new_sines,
    pytorch_init,
    sample_sines,
    sine,
    tangent_kernel,
)
from tutorial import figures

POINT = -2.0, 2.5  # (x₀, y₀) of the figure
SINES = 2000  # to measure by
SEEDS = 1, 2, 3


def one_point(seed):
    """SINES new sines, targets (SINES, 50, 1), and one point of each, (SINES, 1)."""
    task, x = new_sines(seed, SINES)
    return sine(task, X), x[:, 0], sine(task, x)[:, 0]


def error_after_one_pull(net, phi, seed, alpha=None):
    """Mean squared error on the 50 points after one step on one of them.

    The step has the size alpha; if that is None, it lands on the point.
    """
    targets, x_0, y_0 = one_point(seed)
    if alpha is None:
        alpha = figures.landing(net, phi, x_0)[:, None]  # (SINES, 1)
    phis = np.tile(phi, (SINES, 1))
    _, g = net.loss_and_gradient(phis, x_0[:, None], y_0[:, None])
    return net.loss(phis - alpha * g, np.tile(X, (SINES, 1, 1)), targets).mean()


def errors_without_a_network(seed):
    """The same errors of the zero function, and of the best guess.

    The mean of all sines through (x₀, y₀) is y₀ cos(x − x₀): the sines through a point
    are y₀ cos(x − x₀) + z sin(x − x₀), and z is as often positive as negative.
    """
    targets, x_0, y_0 = one_point(seed)
    guess = y_0[:, None] * np.cos(X - x_0[:, None])
    return np.square(targets).mean(), np.square(guess - targets).mean()


def meta_train(seed):
    """A random φ, and Reptile's."""
    start = pytorch_init(NETWORK, seed)
    for _, phi in train(NETWORK, start, sample_sines, np.random.default_rng(seed),
                        alpha=ALPHA, epsilon=0.5, iterations=6000):
        pass
    return start, phi


def draw(start, phi):
    """The figure: a step on one point, and all such steps, from both."""
    plt.rcParams.update(figures.STYLE | {"font.size": 27, "axes.titlesize": 30,
                                         "legend.fontsize": 25, "lines.linewidth": 5})
    figure, axes = plt.subplots(2, 2, figsize=(16, 11), dpi=100, sharex=True,
                                sharey="row", layout="constrained")
    phis = {"random φ": start, "Reptile": phi}
    for column, (name, phi) in zip(axes.T, phis.items()):
        figures.draw_step(column[0], NETWORK, phi, POINT, figures.COLOURS[name])
        image = figures.draw_kernel(column[1], tangent_kernel(NETWORK, phi), ALPHA,
                                    x_0=POINT[0])

    axes[0, 0].set(title="One pull from a random φ", ylabel="f(x)", ylim=(-5.2, 5.2))
    axes[0, 1].set(title="One pull from Reptile's φ")
    axes[1, 0].set(xlabel="x", ylabel="x′")
    axes[1, 1].set(xlabel="x")
    figure.colorbar(image, ax=axes[1], label="2α K(x, x′)", ticks=[-2, -1, 0, 1, 2])
    figure.legend(*axes[0, 1].get_legend_handles_labels(), ncols=4, frameon=False,
                  loc="outside lower center")
    return figure


def mean_and_range(errors):
    """As text; nothing for no errors."""
    if len(errors) == 0:
        return ""
    return f"{np.mean(errors):.2f}  ({min(errors):.2f}-{max(errors):.2f})"


def main(argv=None):
    """Meta-train, draw, and print."""
    p = argparse.ArgumentParser(prog="python -m tutorial.found", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--output", type=Path, default=figures.ROOT / "figures/found.png",
                   metavar="FILE", help="the picture (default: figures/found.png)")
    args = p.parse_args(argv)

    rows = []
    for seed in SEEDS:
        start, phi = meta_train(seed)
        zero, best_guess = errors_without_a_network(seed)
        rows.append([zero, *(error_after_one_pull(NETWORK, w, seed)
                             for w in (start, phi)), best_guess])
        if seed == SEEDS[0]:
            draw(start, phi).savefig(args.output)

    print(f"squared error after one pull at one point, {SINES:,} sines, the mean (and "
          f"range)\nof {len(SEEDS)} trainings, each with sines of its own\n")
    names = "predicting zero", "random phi", "Reptile", "the best guess"
    for name, errors in zip(names, np.transpose(rows)):
        print(f"{name:16} {mean_and_range(errors)}")
    print(f"\nthe picture: {args.output}")


if __name__ == "__main__":
    main()
