"""The figures of the demo. Their titles state what they show; greyscale is enough."""

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from omniglot.data import SIDE

SUM_STYLES = {  # last gradients alone as FOMAML, sums as Reptile
    "g1": ("#E69F00", "-"),
    "g2": ("#009E73", ":"),
    "g3": ("#009E73", "-."),
    "g4": ("#009E73", "-"),
    "g1 + g2": ("#0072B2", ":"),
    "g1 + g2 + g3": ("#0072B2", "-."),
    "g1 + g2 + g3 + g4": ("#0072B2", "-"),
}


def new_figure(width, height, columns, **options):
    """A figure and its axes, in a row, without the frame's upper and right side."""
    with rc_context({"font.size": 15}):
        figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
        panels = figure.subplots(1, columns, squeeze=False, **options)[0]
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
    return figure, panels


def save(figure, path):
    """Write the figure to `path`, with all that stands beside its axes."""
    figure.savefig(path, bbox_inches="tight", pad_inches=0.15)


def episode(path, support, query, before, after, method):
    """A 1-shot task: the probability of each class before and after adaptation.

    support, query  a drawing of each class, (N, 400) each
    before, after   probabilities (N queries, N classes)
    """
    N = len(support)
    figure, panels = new_figure(13, 7, 2)
    for axes, p, when in (panels[0], before, "Before"), (panels[1], after, "After"):
        right = np.sum(p.argmax(axis=1) == np.arange(N))
        axes.imshow(p, cmap="Blues", vmin=0, vmax=1, extent=(0, N, N, 0))
        write_percent(axes, p)
        put_beside(axes, support, query)
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


def put_beside(axes, top, left):
    """Put drawings, (N, 400) each, above the N columns and beside the N rows."""
    N = len(top)
    for i in range(N):
        axes.imshow(top[i].reshape(SIDE, SIDE), cmap="gray_r",
                    extent=(i, i + 1, -0.1, -1.1))
        axes.imshow(left[i].reshape(SIDE, SIDE), cmap="gray_r",
                    extent=(-1.1, -0.1, i + 1, i))
    axes.set(xlim=(-1.1, N), ylim=(N, -1.1), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def found_characters(path, drawings, kernels):
    """Which drawings belong together: K(x, x') of drawings of a few new characters.

    drawings  one of each character, (N, 400)
    kernels   {title: (n, n)}, the drawings of a character one after another
    """
    N = len(drawings)
    figure, panels = new_figure(17, 5.2, len(kernels))
    for axes, (title, K) in zip(panels, kernels.items()):
        size = np.sqrt(K.diagonal())
        similarity = K / size[:, None] / size
        image = axes.imshow(similarity, cmap="RdBu_r", vmin=-1, vmax=1,
                            extent=(0, N, N, 0))
        put_beside(axes, drawings, drawings)
        axes.set_title(title, fontsize=18)
    bar = figure.colorbar(image, ax=panels, shrink=0.6, ticks=[-1, 0, 1])
    bar.set_label("K(x, x'), scaled to 1 for x = x'")
    save(figure, path)


def gradient_sums(path, panels, N, steps):
    """The announcement's figure and its twin: 5-shot accuracy of sums of gradients.

    panels  {title: {name: [curve of a seed, (points, 2)]}}, each point (iteration, %):
            drawn are the seeds' mean and range
    """
    figure, all_axes = new_figure(16, 7, len(panels), sharey=True)
    for axes, (title, sums) in zip(all_axes, panels.items()):
        for name, of_seeds in sums.items():
            colour, line = SUM_STYLES[name]
            iteration = of_seeds[0][:, 0]
            five_shot = np.array(of_seeds)[:, :, 1]  # (seeds, points)
            axes.plot(iteration, five_shot.mean(axis=0), ls=line, color=colour, lw=3,
                      label=name)
            axes.fill_between(iteration, five_shot.min(axis=0), five_shot.max(axis=0),
                              color=colour, alpha=0.15, lw=0)

        last, whole = (np.mean(sums[name], axis=0)[-1, 1]
                       for name in ("g4", "g1 + g2 + g3 + g4"))
        axes.set_title(f"{title}: g4 {last:.0f} %, sum of four {whole:.0f} %",
                       fontsize=18)
        axes.set_xlabel("iteration of meta-training")
    all_axes[0].set_ylabel(f"{N}-way 5-shot accuracy (%)\nafter {steps} steps")
    all_axes[0].legend(fontsize=15)
    save(figure, path)
