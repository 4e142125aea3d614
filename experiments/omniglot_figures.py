"""Draw the pictures of omniglot/README.md: one task, and what has been found.

    python -m experiments.omniglot_figures          a few minutes

Trains as the demo does by default, from seed 0: Reptile, and joint training as its
control. Writes episode.png and found_characters.png to figures/.
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from omniglot import demo
from omniglot.data import SIDE, draw_tasks, pixels
from omniglot.kernel import correlation, tangent_kernel
from reptile import MLP, adapt

FIGURES = Path(__file__).parents[1] / "figures"
N = 5


def main(argv=None):
    """Load, train, draw."""
    p = argparse.ArgumentParser(prog="python -m experiments.omniglot_figures",
                                description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--iterations", type=demo.number(1, 10**7), default=8000,
                   metavar="I", help="outer steps (default: 8000)")
    args = p.parse_args(argv)
    drawings, test = demo.load("alphabets", "pixels", 0)

    net = MLP([SIDE**2, 256, 128, 20], loss="cross-entropy")
    learners = {}
    for name in "random", "joint", "reptile":
        print(f"training: {name}", flush=True)
        method = demo.METHODS[name]
        *_, last = demo.meta_train(method, net, drawings, args.iterations, seed=0)
        _, learners[method.title] = last

    # Eight drawings of each of five new characters: (N, 8, 400).
    pictures = draw_tasks(np.random.default_rng(0), test._replace(see=pixels), 1, N, 8)
    pictures = pictures[0]
    draw_episode(FIGURES / "episode.png", learners["Reptile"], pictures[:, :2])
    draw_kernels(FIGURES / "found_characters.png", learners, pictures)


def draw_episode(path, learner, pictures):
    """A 1-shot task, before and after: the probability of each class.

    pictures  of each class one drawing to learn, and one to tell, (N, 2, 400)
    """
    learner = demo.first_classes(learner, N)
    net, phi, _, adam = learner
    support, query = pictures[:, 0], pictures[:, 1]
    W = adapt(net, phi, support, np.arange(N), demo.step_size(learner, N), 50, adam)

    figure, panels = new_figure(13, 7, 2)
    for axes, weights, when in zip(panels, (phi, W), ("Before", "After")):
        p = net.predict(weights, query)  # (N queries, N classes)
        right = np.sum(p.argmax(axis=1) == np.arange(N))
        axes.imshow(p, cmap="Blues", vmin=0, vmax=1, extent=(0, N, N, 0))
        write_percent(axes, p)
        put_beside(axes, support, query)
        axes.set_title(f"{when} 50 steps: {right} of {N} right", fontsize=20)
    figure.supxlabel("Reptile: probability (%) of each class (top), "
                     "for each new drawing (left)", fontsize=18)
    save(figure, path)


def write_percent(axes, p):
    """Write each probability of p, (rows, columns), into its square."""
    for i, j in np.ndindex(p.shape):
        colour = "white" if p[i, j] > 0.5 else "black"
        axes.text(j + 0.5, i + 0.5, f"{100 * p[i, j]:.0f}", ha="center", va="center",
                  color=colour, fontsize=18)


def draw_kernels(path, learners, pictures):
    """Which drawings belong together: the kernel of each pair of pictures, (N, 8, 400).
    """
    x = pictures.reshape(N * 8, -1)
    kernels = {"pixels": correlation(x)}
    for title, learner in learners.items():
        net, phi, *_ = demo.first_classes(learner, N)
        kernels[title] = tangent_kernel(net, phi, x)

    figure, panels = new_figure(17, 5.2, len(kernels))
    for axes, (title, kernel) in zip(panels, kernels.items()):
        size = np.sqrt(kernel.diagonal())
        image = axes.imshow(kernel / size[:, None] / size, cmap="RdBu_r", vmin=-1,
                            vmax=1, extent=(0, N, N, 0))
        put_beside(axes, pictures[:, 0], pictures[:, 0])
        axes.set_title(title, fontsize=18)
    bar = figure.colorbar(image, ax=panels, shrink=0.6, ticks=[-1, 0, 1])
    bar.set_label("kernel, 1 for a drawing\nand itself", fontsize=15)
    save(figure, path)


def put_beside(axes, top, left):
    """Put drawings, (N, 400) each, above the N columns and beside the N rows."""
    for i in range(N):
        axes.imshow(top[i].reshape(SIDE, SIDE), cmap="gray_r",
                    extent=(i, i + 1, -0.1, -1.1))
        axes.imshow(left[i].reshape(SIDE, SIDE), cmap="gray_r",
                    extent=(-1.1, -0.1, i + 1, i))
    axes.set(xlim=(-1.1, N), ylim=(N, -1.1), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def new_figure(width, height, columns):
    """A figure, and its axes in a row."""
    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    return figure, figure.subplots(1, columns)


def save(figure, path):
    """Write the figure to `path`, with all that stands beside its axes."""
    figure.savefig(path, bbox_inches="tight", pad_inches=0.15)


if __name__ == "__main__":
    main()
