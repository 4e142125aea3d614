"""The figures of the demo. Their titles state what they show; greyscale is enough."""

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from omniglot.data import SIDE, whole

STYLES = {  # label, colour, line style
    "reptile": ("Reptile", "#0072B2", "-"),
    "reptile-adam": ("Reptile, Adam inside", "#0072B2", "--"),
    "joint": ("joint training", "#E69F00", ":"),
    "control": ("the same, k = 1:\njoint training", "#E69F00", "-."),
    "fomaml": ("FOMAML", "#009E73", "--"),
    "maml": ("MAML", "#D55E00", (0, (5, 1, 1, 1, 1, 1))),
    "random": ("random", "#888888", "--"),
    "nearest": ("nearest neighbour", "#000000", ":"),
}
COMBINATION_STYLES = {  # last gradients alone as FOMAML, sums as Reptile
    "g1": ("#E69F00", "-"),
    "g2": ("#009E73", ":"),
    "g3": ("#009E73", "-."),
    "g4": ("#009E73", "-"),
    "g1 + g2": ("#0072B2", ":"),
    "g1 + g2 + g3": ("#0072B2", "-."),
    "g1 + g2 + g3 + g4": ("#0072B2", "-"),
}


def save(figure, path):
    """Write the figure to `path`, whole or not at all."""
    with whole(path) as part:
        figure.savefig(part, format="png", bbox_inches="tight", pad_inches=0.15)


def new_figure(width, height, columns):
    """A figure and its axes, in a row, without the frame's upper and right side."""
    with rc_context({"font.size": 15}):
        figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
        panels = figure.subplots(1, columns, squeeze=False)[0]
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
    return figure, panels


def label_ends(axes, labels):
    """Write each label beside the end of its line; labels: [(y, text, colour), ...].

    From the top down, and where two would overlap, the lower one is moved down.
    """
    low, high = axes.get_ylim()
    one_line = 0.06 * (high - low)
    free = np.inf  # below this height nothing is written yet
    for y, text, colour in sorted(labels, reverse=True):
        half = one_line * (1 + text.count("\n")) / 2
        middle = min(y, free - half)
        free = middle - half
        axes.annotate(text, (1.02, middle), xycoords=("axes fraction", "data"),
                      va="center", color=colour, fontsize=15, annotation_clip=False)


def learning_curve(path, learner, curves, flat, ways, steps):
    """Accuracy on new characters while φ is trained, 1-shot and 5-shot.

    learner  the method that the titles are about
    curves   {name: (points, 3)}, each point (iteration, 1-shot %, 5-shot %)
    flat     {name: (1-shot %, 5-shot %)} of what is not trained
    """
    figure, panels = new_figure(14, 6, 2)
    for axes, shots, column in (panels[0], 1, 1), (panels[1], 5, 2):
        labels = []
        for name, curve in curves.items():
            label, colour, line = STYLES[name]
            axes.plot(curve[:, 0], curve[:, column], ls=line, color=colour, lw=3)
            labels.append((curve[-1, column], label, colour))
        for name, levels in flat.items():
            label, colour, line = STYLES[name]
            level = levels[column - 1]
            axes.axhline(level, ls=line, color=colour, lw=2)
            labels.append((level, label, colour))

        label_ends(axes, labels)
        name = STYLES[learner][0]
        first, last = curves[learner][[0, -1], column]
        title = f"{ways}-way {shots}-shot: {name} from {first:.0f} to {last:.0f} %"
        axes.set_title(title, fontsize=18)
        axes.set_xlabel("iteration of meta-training")
        axes.locator_params(nbins=5)
    panels[0].set_ylabel(f"accuracy (%) after {steps} steps")
    save(figure, path)


def episode(path, support, query, before, after, method):
    """A 1-shot task: the probability of each class before and after adaptation.

    support, query  a drawing of each class, (N, 400) each
    before, after   probabilities (N queries, N classes)
    """
    N = len(support)
    top = np.hstack(support.reshape(N, SIDE, SIDE))
    left = query.reshape(N * SIDE, SIDE)

    figure, panels = new_figure(13, 7, 2)
    for axes, p, when in (panels[0], before, "Before"), (panels[1], after, "After"):
        right = np.sum(p.argmax(axis=1) == np.arange(N))
        axes.imshow(p, cmap="Blues", vmin=0, vmax=1, extent=(0, N, N, 0))
        axes.imshow(top, cmap="gray_r", extent=(0, N, -0.1, -1.1))
        axes.imshow(left, cmap="gray_r", extent=(-1.1, -0.1, N, 0))
        if N <= 10:  # else the numbers would overlap
            write_percent(axes, p)
        axes.set(xlim=(-1.1, N), ylim=(N, -1.1), xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        axes.set_title(f"{when} 50 steps: {right} of {N} right", fontsize=20)
    figure.supxlabel(f"{method}: probability (%) of each class (top), "
                     "for each new drawing (left)", fontsize=18)
    save(figure, path)


def write_percent(axes, p):
    """Write each probability of p, (rows, columns), into its square."""
    for i, j in np.ndindex(p.shape):
        colour = "white" if p[i, j] > 0.5 else "black"
        axes.text(j + 0.5, i + 0.5, f"{100 * p[i, j]:.0f}", ha="center", va="center",
                  color=colour, fontsize=18)


def gradient_combinations(path, curves, zeroed, ways, steps):
    """The announcement's figure: 5-shot accuracy for each sum of inner gradients.

    curves  {name: [curve of a seed, (points, 3)]}: drawn are their mean and range
    zeroed  % of the random initialisation with its last layer set to zero
    """
    figure, (axes,) = new_figure(11, 6.5, 1)
    labels = [(zeroed, "random,\nlast layer 0", "#888888")]
    axes.axhline(zeroed, color="#888888", ls="--", lw=2)
    ends = {}

    for name, of_seeds in curves.items():
        colour, line = COMBINATION_STYLES[name]
        iteration = of_seeds[0][:, 0]
        five_shot = np.array(of_seeds)[:, :, 2]  # (seeds, points)
        mean = five_shot.mean(axis=0)
        axes.plot(iteration, mean, ls=line, color=colour, lw=3)
        axes.fill_between(iteration, five_shot.min(axis=0), five_shot.max(axis=0),
                          color=colour, alpha=0.15, lw=0)
        labels.append((mean[-1], name, colour))
        ends[name] = mean[0], mean[-1]

    start, end = ends["g1"]
    axes.set_title(f"From {start:.0f} %: g1 leads to {end:.0f} %, "
                   f"the sum of four to {ends['g1 + g2 + g3 + g4'][1]:.0f} %",
                   fontsize=19)
    axes.set_xlabel("iteration of meta-training")
    axes.set_ylabel(f"{ways}-way 5-shot accuracy (%)\nafter {steps} steps")
    label_ends(axes, labels)
    save(figure, path)
