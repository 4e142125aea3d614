"""The figures of tutorial.ipynb, a function each, and the tables that it prints.

The cells of the notebook compute; these functions draw what they are given. A title
that states a result is made from the numbers that are drawn, so it changes with them.
Text is 24 pixels high in a figure of 1,100, to be read from the last row.
"""

import contextlib
import io
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw

from omniglot.data import prepare
from reptile import adapt, every_step, trajectory
from sine_demo import (
    METHODS,
    B,
    X,
    curves,
    draw_sine,
    evaluate,
    new_sines,
    plane,
    sine,
    tangent_kernel,
)

ROOT = Path(__file__).parents[1]
RACE = ROOT / "experiments" / "results" / "race.json"

COLOURS = {name: colour for _, name, colour in METHODS.values()}
COLOURS |= {"random φ": "#888888", "two terms": "#6A3D9A"}
LINES = {
    "Reptile": "-",
    "joint training": "--",
    "FOMAML": "-.",
    "MAML": ":",
    "random φ": (0, (1, 3)),
}
FAMILIES = {"sines": "o", "one phase stronger": "s", "a sin x": "^",
            "lines a x + c": "D", "smooth curves": "v"}
LOOKS = {"Reptile": (-0.006, 13), "MAML": (0.006, 8)}  # shift, size of the marks
MARKERS = {"Reptile": "o", "joint training": "^", "FOMAML": "s", "MAML": "D"}
STYLE = {
    "font.size": 17,
    "axes.titlesize": 17,
    "legend.fontsize": 15,
    "lines.linewidth": 3,
    "lines.markersize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}

np.seterr(over="ignore", invalid="ignore")  # divergence is said in words instead


def panels(columns=1, share=False, height=5.2):
    """A figure, 1,100 by 520 pixels, and a list of its panels."""
    plt.rcParams.update(STYLE)
    figure, axes = plt.subplots(
        1, columns, figsize=(11, height), dpi=100, sharey=share, layout="constrained"
    )
    return figure, list(np.ravel(axes))


def legend_below(figure, axes, columns):
    """One legend for all panels, below them."""
    figure.legend(
        *axes.get_legend_handles_labels(), loc="outside lower center", ncols=columns,
        frameon=False,
    )


def show(figure):
    """Display a figure as a PNG of 256 colours: half of the usual size."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    plt.close(figure)
    few = Picture.open(file).convert("RGB").quantize(256, Picture.Quantize.MAXCOVERAGE,
                                                     dither=Picture.Dither.NONE)
    file = io.BytesIO()
    few.save(file, format="png", optimize=True)
    from IPython.display import Image, display  # here, as only notebooks have it

    display(Image(file.getvalue()))


# Tables


def in_words(error, digits=2):
    """An error as text: a number, or that training has diverged."""
    return f"{error:.{digits}f}" if error < 1000 else "diverged"


@contextlib.contextmanager
def divergence_is_said(name):
    """Print a FloatingPointError in words; the cell goes on without this result."""
    try:
        yield
    except FloatingPointError as error:
        print(f"{name:8} {error}")


def interval(values):
    """The mean over tasks, (T,), and half the width of its 95 % interval."""
    return values.mean(), 1.96 * values.std(ddof=1) / len(values) ** 0.5


def print_gist(iteration, error, published=None):
    """Print the error of the plotted sine, beside the one that OpenAI's gist prints."""
    ours = in_words(error, digits=3)
    hint = "; lower ALPHA or EPSILON" if ours == "diverged" else ""
    beside = f"; PyTorch printed {published:.3f}" if published else ""
    print(f"iteration {iteration:6,}: {ours}{hint}{beside}")


def print_errors(net, phis, alpha, steps):
    """Print each φ's error on 1,000 new sines after some steps, 95 % intervals."""
    print(f"{'error, after steps:':21}", *(f"{n:<13}" for n in steps))
    for name, phi in phis.items():
        cells = []
        for n in steps:
            try:
                (errors,) = evaluate(net, phi, alpha, seed=1, T=1000, steps=(n,))
            except FloatingPointError:
                errors = np.full(1000, np.nan)
            mean, half = interval(errors)
            cell = in_words(mean)
            cells.append(cell if cell == "diverged" else f"{cell} ± {half:.2f}")
        print(f"{name:21}", *(f"{cell:13}" for cell in cells))


def print_live(name, errors):
    """Print a live run's errors on new sines after 60 and 200 iterations."""
    cells = [in_words(error) for error in errors]
    print(f"{name:8} error after 60 iterations: {cells[0]}, after 200: {cells[1]}")


def print_change(name, loss, change, first, second):
    """Print a loss, (T,), how it changes, and two terms that should explain that."""
    print(
        f"{name:11} L_2 is {loss.mean():.2f}, changes by {change.mean():6.2f} "
        f"and falls in {np.mean(change < 0):4.0%} of the tasks\n"
        f"{'':11} first term {first.mean():6.2f}, second {second.mean():5.2f}"
    )


def print_agreement(name, products, formula):
    """Print the mean of g1·g2, (T,), with a 95 % interval, and what a formula says."""
    mean, half = interval(products)
    print(
        f"{name:30} g1·g2 measured {mean:6.1f} ± {half:4.1f}, "
        f"by the formula {formula:6.1f}"
    )


def print_race(*names):
    """Print rows of the recorded race: errors at its end, and what they cost."""
    recorded = json.loads(RACE.read_text("utf-8"))
    steps = "1", "8", "32"
    print(f"{'error, after steps:':23}", *(f"{n:<6}" for n in steps),
          "CPU seconds   minus Reptile's, after 8 and 32")
    for name in names:
        row = recorded[name]
        cells = [f"{row['steps'][n]['mean']:.3f} " for n in steps]
        cells.append(f"{row['seconds'][-1]:8.1f}     ")
        for n in "8", "32":
            minus, half = row["steps"][n]["less Reptile's"]
            cells.append("" if name == "Reptile" else f"{minus:+.3f} ± {half:.3f}  ")
        print(f"{name:23}", *cells)


def print_file(path, start=""):
    """Print a table that another program has printed, from the line with `start`."""
    text = (ROOT / path).read_text("utf-8")
    print(text[text.index(start):].rstrip())


# The plane of functions


def draw_plane(axes, title):
    """Axes for the plane: rings for the amplitudes 1 to 5."""
    angle = np.linspace(0, 2 * np.pi, 200)
    for amplitude in range(1, 6):
        ring = amplitude * np.cos(angle), amplitude * np.sin(angle)
        axes.plot(*ring, color="0.85", linewidth=1)
    axes.set(
        aspect="equal", title=title, xlabel="p, of sin x", xticks=(-4, 0, 4),
        xlim=(-5.4, 5.4), yticks=(-4, 0, 4), ylim=(-5.4, 5.4),
    )


def star(net, phis, alpha, names=None, steps=8):
    """The plane for each {title: φ}: a ray of inner steps towards each of 24 new sines.

    The title goes on with their error after the last step. `names`, keys of COLOURS,
    give the rays their colours.
    """
    figure, axes = panels(len(phis), share=True)
    task, x = new_sines(seed=3, T=24)
    targets = sine(task, X)  # (T, 50, 1)
    names = names or ["Reptile"] * len(phis)

    for panel, name, (title, phi) in zip(axes, names, phis.items()):
        draw_plane(panel, title)
        panel.plot(*plane(targets).T, "kx", markersize=11, markeredgewidth=2)
        try:
            path, _ = trajectory(net, phi, *every_step(x, sine(task, x), steps),
                                 alpha)
        except FloatingPointError:
            panel.set_title(f"{title}\ndiverged")
            continue

        outputs = curves(net, path)  # (steps + 1, T, 50, 1)
        error = np.square(outputs[-1] - targets).mean()
        rays = plane(outputs)
        panel.plot(*np.moveaxis(rays, -1, 0), color=COLOURS[name], linewidth=2)
        panel.plot(*rays[-1].T, "o", color=COLOURS[name], markersize=7)
        panel.plot(*rays[0, 0], "ko", markersize=13)  # φ
        panel.set_title(f"{title}\nerror {in_words(error)}")

    axes[0].set_ylabel("q, of cos x")
    show(figure)


# Lesson 1


def before_after(net, phis, alpha, steps=(0, 1, 2, 8)):
    """One sine, ten of its points, the same steps: a panel for each {name: φ}."""
    figure, axes = panels(len(phis), share=True)
    rng = np.random.RandomState(0)  # the sine of OpenAI's gist
    task = draw_sine(rng)
    x = rng.permutation(X)[:B]

    for panel, (name, phi) in zip(axes, phis.items()):
        path, _ = trajectory(net, phi, *every_step(x, sine(task, x), steps[-1]), alpha)
        panel.plot(X, sine(task, X), "k--", linewidth=2, label="the sine")
        for n, shade in zip(steps, np.linspace(0.1, 0.9, len(steps))):
            curve = net.predict(path[n], X)
            panel.plot(
                X, curve, color=plt.cm.plasma_r(shade), linewidth=2 + 3 * shade,
                label=f"step {n}",
            )
        panel.plot(x, sine(task, x), "ko", zorder=3)
        error = np.square(curve - sine(task, X)).mean()
        panel.set(xlabel="x", title=f"From {name}:\nerror {error:.2f} after {n} steps")

    axes[0].set_ylabel("f(x)")
    legend_below(figure, axes[0], columns=5)
    show(figure)


def one_function(net, phi):
    """Sixty sines, and the one curve that a network has learnt for all of them."""
    task, _ = new_sines(seed=3, T=60)
    prediction = net.predict(phi, X)
    figure, (axes,) = panels()
    axes.plot(X, sine(task, X)[..., 0].T, color="0.75", linewidth=0.6)
    axes.plot(X, prediction, color=COLOURS["joint training"], linewidth=6)
    axes.set(
        xlabel="x", ylabel="f(x)",
        title="Sixty sines, and the function that joint training learns: "
        f"|f(x)| ≤ {np.abs(prediction).max():.2f}",
    )
    show(figure)


def two_loops(net, phi, alpha, k, epsilon):
    """An outer iteration on one sine, k inner steps: in the plane, and as curves."""
    figure, (left, right) = panels(2)
    rng = np.random.default_rng(13)
    task = draw_sine(rng)
    order = np.concatenate([rng.permutation(len(X)) for _ in range(0, k, 5)])
    x = X[order[: B * k]].reshape(k, 1, B, 1)  # mini-batches of one task
    draw_plane(left, "Inner loop, thin; outer step, thick")
    try:
        path, _ = trajectory(net, phi, x, sine(task, x), alpha)
    except FloatingPointError:
        left.set_title("The inner loop diverged")
        path = np.full((k + 1, 1, len(phi)), np.nan, phi.dtype)

    W = path[-1, 0]
    new = phi + epsilon * (W - phi)
    places = plane(curves(net, path[:, 0]))
    target, moved = plane(sine(task, X)), plane(net.predict(new, X))
    left.plot(*target, "kx", markersize=16, markeredgewidth=3)
    left.plot(*places.T, "ko-", linewidth=2, markerfacecolor="white")
    left.plot(*np.transpose([places[0], moved]), color=COLOURS["Reptile"], linewidth=8)
    for text, place, offset in (
        ("φ", places[0], (-30, 2)), ("W", places[-1], (-32, -8)),
        ("task", target, (14, -8)),
    ):
        left.annotate(text, place, offset, textcoords="offset points", fontsize=20)
    left.set_ylabel("q, of cos x")

    right.plot(X, sine(task, X), "k--", linewidth=2, label="task")
    right.plot(np.ravel(x), np.ravel(sine(task, x)), "k.", markersize=7)
    right.plot(X, net.predict(phi, X), color="0.5", linestyle=":", label="φ")
    right.plot(X, net.predict(W, X), color="black", label="W")
    right.plot(
        X, net.predict(new, X), color=COLOURS["Reptile"], linewidth=5,
        label="φ + ε (W − φ)",
    )
    right.set(xlabel="x", ylabel="f(x)", title="The same, as functions")
    legend_below(figure, right, columns=4)
    show(figure)


# Lesson 2


def race(*names):
    """The recorded race, against tasks and against seconds."""
    recorded = json.loads(RACE.read_text("utf-8"))
    figure, axes = panels(2, share=True)
    for x, panel in zip(("tasks", "seconds"), axes):
        for name in names:
            row = recorded[name]
            colour = COLOURS[name]
            panel.fill_between(
                row[x], row["least"], row["largest"], color=colour, alpha=0.15,
                linewidth=0,
            )
            panel.plot(row[x], row["mean"], LINES[name] + MARKERS[name], color=colour,
                       label=name)
        panel.set(xscale="log", yscale="log")

    axes[0].set(xlabel="tasks seen", ylabel="error after 8 steps",
                title="The same number of tasks")
    axes[1].set(xlabel="CPU seconds", title="The same time")
    axes[0].set_yticks([0.03, 0.1, 0.3, 1, 2], ["0.03", "0.1", "0.3", "1", "2"])
    axes[0].yaxis.set_minor_formatter("")
    legend_below(figure, axes[0], columns=3)
    show(figure)


# Lesson 3


def second_gradient():
    """Steps −α g on two quadratic losses of two weights, over contour lines of L_2."""
    figure, (axes,) = panels()
    A, alpha = np.diag([1, 2.5]), 0.3  # L_i = (φ − centre_i) · A (φ − centre_i) / 2
    phi, centre_1, centre = np.array([[-2, 1.2], [0.3, 0], [1, 1.5]])
    g_1, second_bar = A @ (phi - centre_1), A @ (phi - centre)
    after = phi - alpha * g_1
    second = A @ (after - centre)

    u, v = np.meshgrid(np.linspace(-2.9, 1.2, 100), np.linspace(-0.1, 1.9, 100))
    away = np.stack([u, v], axis=-1) - centre
    axes.contour(u, v, np.einsum("...i,ij,...j", away, A, away), 10, colors="0.8")
    axes.plot(*centre, "k*", markersize=20)
    axes.annotate(
        "least $L_2$", centre, (0, -36), ha="center", textcoords="offset points"
    )

    for base, g, text, colour, offset in (
        (phi, g_1, r"$-\alpha\,g_1$", "black", (-100, -14)),
        (phi, second_bar, r"$-\alpha\,\bar g_2$", "0.5", (-60, 22)),
        (after, second, r"$-\alpha\,g_2$", COLOURS["Reptile"], (24, -24)),
    ):
        arrow = {"color": colour, "width": 5, "headwidth": 17}
        axes.annotate("", base - alpha * g, base, arrowprops=arrow)
        axes.annotate(
            text, base - alpha * g / 2, offset, textcoords="offset points",
            color=colour, fontsize=24,
        )
    axes.plot(*phi, "ko", markersize=12)

    lengths = np.linalg.norm(second) * np.linalg.norm(second_bar)
    angle = np.degrees(np.arccos(second @ second_bar / lengths))
    axes.set(
        xlabel="first weight", ylabel="second weight", aspect="equal",
        title=f"The first step has turned the second gradient by {angle:.0f}°",
    )
    show(figure)


def fading(alphas, left, in_use):
    """What is left of the second coefficient: {method: runs (n, len(alphas))}."""
    figure, (axes,) = panels()
    axes.axhline(1, color="0.8", linewidth=2)
    rest = {}
    here = np.argmin(np.abs(np.log(alphas / in_use)))
    lowest = 0
    for name, runs in left.items():
        middle = np.median(runs, axis=0)
        rest[name] = middle[here]
        lowest = min(lowest, np.min(runs))
        axes.semilogx(alphas, middle, LINES[name], color=COLOURS[name], label=name)
        axes.fill_between(
            alphas, np.min(runs, axis=0), np.max(runs, axis=0), color=COLOURS[name],
            alpha=0.2, linewidth=0,
        )
    axes.axvline(in_use, color="0.6", linewidth=2)
    axes.set(
        xlabel="α (grey line: the α in use)", ylabel="measured / table",
        ylim=(max(lowest, -1) - 0.1, 1.2),
        title="What is left of the second term at the α in use: "
        + ", ".join(f"{name} {share:.0%}" for name, share in rest.items()),
    )
    axes.legend(loc="lower left", frameon=False)
    show(figure)


# Lesson 4


def landing(net, phi, x):
    """The step sizes that land on points x, (n, 1), to first order: 1 / 2K(x, x)."""
    return 1 / (2 * np.diag(tangent_kernel(net, phi, x)))


def draw_step(axes, net, phi, point, colour):
    """The function before and after one step on (x₀, y₀), scaled to land on it."""
    x_0, y_0 = (np.array([[number]]) for number in point)  # a mini-batch of one
    alpha = landing(net, phi, x_0).item()
    W = adapt(net, phi, x_0, y_0, alpha, steps=1)
    before, after = net.predict(phi, X), net.predict(W, X)
    axes.plot(X, before, color="0.4", linestyle=":", label="before the step")
    axes.plot(X, after, color=colour)
    axes.plot([], [], color="black", label="after it")  # in the legend, for any colour
    axes.plot(*point, "ko", markersize=16, zorder=3, label="the one point")


def draw_kernel(axes, K, alpha, x_0=None):
    """The image of 2 α K, (50, 50), with a line at x' = x_0. Returns the image."""
    low, high = X[0, 0], X[-1, 0]
    image = axes.imshow(
        2 * alpha * K, cmap="RdBu_r", vmin=-2, vmax=2, origin="lower", aspect="auto",
        extent=(low, high, low, high), interpolation="nearest",
    )
    if x_0 is not None:
        axes.axhline(x_0, color="black", linestyle="--", linewidth=2)
    return image


def one_point(net, phis, point):
    """One gradient step that lands on one point, from each {name: φ}."""
    figure, axes = panels(len(phis), share=True)
    for panel, (name, phi) in zip(axes, phis.items()):
        draw_step(panel, net, phi, point, COLOURS[name])
        panel.set(title=name, xlabel="x", ylim=(-5.2, 5.2))
    axes[0].set_ylabel("f(x)")
    legend_below(figure, axes[-1], columns=3)
    show(figure)


def kernels(Ks, alpha, x_0=None):
    """The tangent kernels {title: K}, as images with one scale."""
    figure, axes = panels(len(Ks), share=True)
    for panel, (title, K) in zip(axes, Ks.items()):
        image = draw_kernel(panel, K, alpha, x_0)
        panel.set(title=title, xlabel="x")
    axes[0].set_ylabel("x′")
    figure.colorbar(image, ax=axes, label="2α K(x, x′)", ticks=[-2, -1, 0, 1, 2])
    show(figure)


def cloud(e, y, B):
    """What B points say about each task in y, (T, 50), and what is true.

    A panel for each pattern, a column of e, (50, n), with the mean of e² = 1.
    """
    figure, axes = panels(e.shape[1], share=True)
    places = np.random.default_rng(0).integers(len(e), size=(len(y), B))
    given = np.take_along_axis(y, places, axis=1)  # (T, B)
    ends = np.array([-5.5, 5.5])
    for i, panel in enumerate(axes):
        c = (y * e[:, i]).mean(axis=1)
        estimate = (given * e[places, i]).mean(axis=1)
        slope = (estimate * c).sum() / np.square(estimate).sum()
        panel.plot(estimate, c, "o", color="0.65", markersize=4)
        panel.plot(ends, ends, "k--", linewidth=2, label="45°")
        panel.plot(ends, slope * ends, color=COLOURS["Reptile"], linewidth=4,
                   label="best line")
        panel.set(title=f"pattern {i + 1}: slope {slope:.2f}", xlim=ends, ylim=ends,
                  xlabel=f"$\\hat c$, from {B} points")
    axes[0].set_ylabel("c, of the whole sine")
    legend_below(figure, axes[0], columns=2)
    show(figure)


def law(recorded, live):
    """Gains 2ακ that training has reached, against signal / (signal + noise).

    recorded  the rows of experiments/law.py: a mark is the mean of their seeds, with a
              line from the least to the largest
    live      {B: (by the law, measured)}, of sines
    """
    plt.rcParams.update(STYLE)
    figure, axes = plt.subplots(figsize=(11, 7), dpi=100, layout="constrained")
    axes.plot([0, 1], [0, 1], color="black", linewidth=1)
    for rows in jobs(recorded, "families", "no room", "control: 128 units"):
        method, family, points = (rows[0][key] for key in ("method", "family", "B"))
        colour = COLOURS[method] if rows[0]["room"] else "0.6"
        side, size = LOOKS[method]  # so that both are seen, in grey, too
        expected = np.array(rows[0]["law"]) + side
        gains = np.array([row["measured"] for row in rows])  # (seeds, patterns)
        axes.vlines(expected, gains.min(axis=0), gains.max(axis=0), colour,
                    linewidth=2)
        axes.plot(expected, gains.mean(axis=0), FAMILIES[family], color=colour,
                  markerfacecolor=colour if points == 10 else "white",
                  markersize=size, markeredgewidth=2)
    for points, (expected, gains) in live.items():
        axes.plot(expected, gains, "k*", markersize=20, markeredgewidth=2,
                  markerfacecolor="black" if points == 10 else "white")

    dots = {"linestyle": "", "markersize": 12, "markeredgewidth": 2}
    for name, (_, size) in LOOKS.items():
        axes.plot([], [], "o", color=COLOURS[name], label=name,
                  **dots | {"markersize": size})
    axes.plot([], [], "v", color="0.6", label="64 units: no room", **dots)
    for family, marker in FAMILIES.items():
        axes.plot([], [], marker, color="0.3", label=family, **dots)
    axes.plot([], [], " ", label="   (B = 10: 128 units)")
    axes.plot([], [], "o", color="0.3", label="filled: B = 10", **dots)
    axes.plot([], [], "o", color="0.3", label="open: B = 3", markerfacecolor="white",
              **dots)
    axes.plot([], [], "k*", markersize=20, linestyle="", label="live")
    figure.legend(loc="outside right center", frameon=False)
    axes.set(xlabel="the law: signal / (signal + noise)", ylabel="after training: 2ακ",
             aspect="equal", xlim=(0, 1.02), ylim=(0, 1.06),
             title="How far one step trusts each pattern")
    show(figure)


def jobs(recorded, *groups):
    """The rows of some groups: a list for each job, with all its seeds."""
    found = {}
    for row in recorded:
        if row["group"] in groups:
            job = [value for key, value in row.items()
                   if key not in ("seed", "measured", "random")]
            found.setdefault(str(job), []).append(row)
    return found.values()


def print_gains(recorded, *groups):
    """Print recorded jobs: the law's gains, and the mean of those after training."""
    for group in groups:
        print(group)
        for rows in jobs(recorded, group):
            first = rows[0]
            what = f"{first['family']}, B = {first['B']}, {first['method']}"
            if first["iterations"] != 3000:
                what += f", {first['iterations']:,} {first['outer']}"
            gains = np.mean([row["measured"] for row in rows], axis=0)
            print(f"  {what:46}" + " ".join(f"{gain:.2f}" for gain in first["law"])
                  + "  |  " + " ".join(f"{gain:.2f}" for gain in gains))


def inside(layers):
    """The two main functions of each {name: a layer's units, (50, n)}."""
    figure, axes = panels(len(layers), share=True)
    for panel, (name, h) in zip(axes, layers.items()):
        u, s, _ = np.linalg.svd(h, full_matrices=False)
        share = np.square(s[:2]).sum() / np.square(s).sum()
        panel.plot(X, u[:, 0], color="black", label="first function")
        panel.plot(X, u[:, 1], color="black", linestyle="--", label="second function")
        panel.set(title=f"{name}:\n{share:.0%} of the squares", xlabel="x")
    legend_below(figure, axes[0], columns=2)
    show(figure)


# Lesson 5


def picture(path):
    """Show a figure of this project that another program has drawn and saved."""
    image = plt.imread(ROOT / path)
    height, width = image.shape[:2]
    figure = plt.figure(figsize=(11, 11 * height / width), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(image, interpolation="antialiased")
    axes.axis("off")
    show(figure)


def network_input(drawing):
    """What the network sees, (400,), of a drawing "x,y x,y ... / x,y ..."."""
    paper = Picture.new("L", (105, 105))
    for stroke in drawing.split("/"):
        points = [tuple(map(int, point.split(","))) for point in stroke.split()]
        ImageDraw.Draw(paper).line(points, fill=1, width=5, joint="curve")
    return prepare(np.asarray(paper))


def similarities(Ks, x):
    """Kernels {title: (n, n)} of n drawings x, (n, 400), as a share of the diagonal."""
    figure, axes = panels(len(Ks))
    n = len(x)
    for panel, (title, K) in zip(axes, Ks.items()):
        size = np.sqrt(K.diagonal())
        image = panel.imshow(K / size[:, None] / size, cmap="RdBu_r", vmin=-1, vmax=1,
                             extent=(0, n, n, 0))
        for i, drawing in enumerate(x.reshape(n, 20, 20)):
            for extent in (i, i + 1, -0.1, -1.1), (-1.1, -0.1, i + 1, i):
                panel.imshow(drawing, cmap="gray_r", extent=extent)
        panel.set(title=title, xlim=(-1.1, n), ylim=(n, -1.1), xticks=[], yticks=[])
        panel.spines[:].set_visible(False)
    figure.colorbar(image, ax=axes, label="K, 1 for a drawing and itself",
                    ticks=[-1, 0, 1])
    show(figure)


# Appendix


def solution_sets(steps, rest, normal):
    """Outer steps (φ, W, new φ) between a circle and the line normal·W = 1.8."""
    figure, (axes,) = panels()
    angle = np.linspace(0, 2 * np.pi, 200)
    axes.plot(np.cos(angle), np.sin(angle), "k--")
    along = np.array([-normal[1], normal[0]])
    line = 1.8 * normal + np.array([[-1.6], [1.6]]) * along
    axes.plot(*line.T, "k--")
    for number, (phi, W, new) in enumerate(steps, start=1):
        axes.plot(*np.transpose([phi, W]), "k.-", linewidth=1)
        axes.plot(*np.transpose([phi, new]), color=COLOURS["Reptile"], linewidth=6)
        offset = (-34, -14) if number % 2 == 1 else (12, -10)  # circle, line
        axes.annotate(f"$W_{number}$", W, offset, textcoords="offset points")
    axes.plot(*rest, "k*", markersize=22)
    axes.annotate("at rest", rest, (14, -6), textcoords="offset points")
    axes.plot(*steps[0][0], "ko", markersize=13)
    axes.annotate("φ", steps[0][0], (14, -6), textcoords="offset points")
    axes.text(-0.75, -0.1, "task 1")
    axes.text(*(line[0] + (0.1, 0.05)), "task 2")
    gaps = np.linalg.norm(rest) - 1, 1.8 - normal @ rest
    axes.set(
        aspect="equal", xlabel="first weight", ylabel="second weight",
        title=f"At rest: {gaps[0]:.2f} from the circle, {gaps[1]:.2f} from the line",
    )
    show(figure)


def disc(net, phis, x, y, given, alpha, steps):
    """One disc, learnt from its first `given` points: a panel for each {name: φ}."""
    figure, axes = panels(len(phis), share=True)
    side = np.linspace(-1, 1, 60)
    mesh = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    for panel, (name, phi) in zip(axes, phis.items()):
        W = adapt(net, phi, x[:given], y[:given], alpha, steps)
        inside = net.predict(W, mesh)[:, 1].reshape(60, 60)
        levels = np.linspace(0, 1, 11)
        panel.contourf(side, side, inside, levels, cmap="Greys", alpha=0.6)
        if inside.min() < 0.5 < inside.max():
            panel.contour(
                side, side, inside, [0.5], colors=COLOURS["Reptile"], linewidths=5
            )
        panel.scatter(*x[given:].T, c=y[given:], cmap="gray_r", s=9)
        panel.scatter(
            *x[:given].T, c=y[:given], cmap="gray_r", edgecolors="black", s=110
        )
        right = net.predict(W, x[given:]).argmax(axis=-1) == y[given:]
        panel.set(title=f"{name}: {right.mean():.0%} right", aspect="equal",
                  xlabel="first coordinate")
    axes[0].set_ylabel("second coordinate")
    show(figure)
