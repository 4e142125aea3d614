"""The figures of tutorial.ipynb, a function each, and its recorded results.

The cells of the notebook compute; these functions draw what they are given. A title
that states a result is made from the numbers that are drawn, so it changes with them.
Text is 24 pixels high in a figure of 1,100, to be read from the last row.
"""

import io
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from IPython import get_ipython
from IPython.display import Image, display
from PIL import Image as Picture

from reptile import adapt, inner_loop
from sine_demo import B, X, draw_sine, plane, sine

ROOT = Path(__file__).parents[1]
RECORDED = ROOT / "tutorial" / "recorded.json"  # written by the notebook's appendix
RACE = ROOT / "benchmarks" / "race.txt"  # printed by benchmarks/race.py
TITLES = {  # of what is recorded
    "epsilon": "error after 8 steps",
    "two terms": "error after 8 steps, and g1·g2 at φ",
    "ratio": "error after 8 steps",
    "where": "error after 8 steps, if the gradients are taken",
    "reuse": "errors on the points given and on the others",
    "divergence": "training with the two terms alone",
    "tails": "error after 8 steps",
}

COLOURS = {
    "Reptile": "#0072B2",
    "joint training": "#E69F00",
    "FOMAML": "#009E73",
    "MAML": "#D55E00",
    "random φ": "#888888",
}
LINES = {
    "Reptile": "-",
    "joint training": "--",
    "FOMAML": "-.",
    "MAML": ":",
    "random φ": (0, (1, 3)),
}
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


def panels(columns=1, share=False):
    """A figure, 1,100 by 520 pixels, and a list of its panels."""
    plt.rcParams.update(STYLE)
    figure, axes = plt.subplots(
        1, columns, figsize=(11, 5.2), dpi=100, sharey=share, layout="constrained"
    )
    return figure, list(np.ravel(axes))


def show(figure):
    """Display a figure as a PNG of 64 colours: a third of the usual size."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    plt.close(figure)
    few = Picture.open(file).convert("RGB").quantize(64, dither=Picture.Dither.NONE)
    file = io.BytesIO()
    few.save(file, format="png", optimize=True)
    display(Image(file.getvalue()))


def report_divergence():
    """From now on a FloatingPointError in a cell prints its message, no traceback."""
    def report(shell, kind, error, traceback, tb_offset=None):
        print(f"This diverged. {error}")

    if get_ipython():
        np.seterr(over="ignore", invalid="ignore")  # no warnings on the way there
        get_ipython().set_custom_exc((FloatingPointError,), report)


# What was recorded


def record(name, rows):
    """Write {row: a number for each run} to the file, under `name`, and print it."""
    everything = json.loads(RECORDED.read_text("utf-8")) if RECORDED.exists() else {}
    everything[name] = {
        row: [float(f"{number:.4g}") for number in numbers]
        for row, numbers in rows.items()
    }
    text = json.dumps(everything, ensure_ascii=False, indent=1)
    RECORDED.write_text(text + "\n", "utf-8")
    print_recorded(name)


def recorded(name):
    """{row: a number for each run}, as the notebook's appendix wrote them."""
    return json.loads(RECORDED.read_text("utf-8"))[name]


def in_bounds(errors):
    """The errors, or FloatingPointError: whoever stops here has too large a step."""
    if not np.max(errors) < 1000:  # also if one is not a number
        raise FloatingPointError(
            f"The error is {np.max(errors):.3g}: lower the step size that you raised."
        )
    return errors


def print_gist(iteration, error, published):
    """Print the error of the plotted sine beside the one that OpenAI's gist prints."""
    in_bounds(error)
    print(f"iteration {iteration:6,}: {error:.3f}; PyTorch printed {published:.3f}")


def print_errors(name, steps, errors):
    """Print the mean errors, (len(steps), T), after some steps, with 95 % intervals."""
    in_bounds(errors.mean(axis=1))
    half = 1.96 * errors.std(axis=1, ddof=1) / errors.shape[1] ** 0.5
    cells = zip(steps, errors.mean(axis=1), half)
    print(f"{name:15}", *(f"{n} steps: {mean:.2f} ± {h:.2f} " for n, mean, h in cells))


def print_change(name, change, first, second):
    """Print the mean change of a loss, (T,), and two terms that should explain it."""
    print(
        f"{name:11} L_2 changes by {change.mean():.3f} and falls in "
        f"{np.mean(change < 0):.0%}; first term {first.mean():.3f}, negative in "
        f"{np.mean(first < 0):.0%}; second {second.mean():.3f}"
    )


def print_runs(name, errors):
    """Print the mean of some runs' errors, the least and the largest."""
    in_bounds(errors)
    mean, least, largest = np.mean(errors), np.min(errors), np.max(errors)
    print(f"{name} {mean:.2f} ({least:.2f} to {largest:.2f})")


def print_recorded(name, digits=2, only=""):
    """Print each row's mean, smallest and largest run; `only` rows with these words."""
    print(f"recorded, {TITLES.get(name, name)}: mean (least to largest run)")
    rows = {row: runs for row, runs in recorded(name).items() if only in row}
    width = max(map(len, rows))
    for row, runs in rows.items():
        mean = sum(runs) / len(runs)
        values = [f"{value:.{digits}f}" for value in (mean, min(runs), max(runs))]
        print(f"{row:{width}}  {values[0]:>6}  ({values[1]} to {values[2]})")


# The plane of functions


def _plane(axes, title):
    """Axes for the plane: rings for the amplitudes 1 to 5."""
    angle = np.linspace(0, 2 * np.pi, 200)
    for amplitude in range(1, 6):
        ring = amplitude * np.cos(angle), amplitude * np.sin(angle)
        axes.plot(*ring, color="0.85", linewidth=1)
    axes.set(
        aspect="equal", title=title, xlabel="p, of sin x", xticks=(-4, 0, 4),
        xlim=(-5.4, 5.4), yticks=(-4, 0, 4), ylim=(-5.4, 5.4),
    )


def new_sines(T=24, seed=3):
    """T sines on all of X, (T, 50, 1), and ten points of each: x, y (T, 10, 1)."""
    rng = np.random.default_rng(seed)
    curves = np.array([sine(draw_sine(rng), X) for _ in range(T)])
    chosen = np.array([rng.permutation(len(X))[:B] for _ in range(T)])
    return curves, X[chosen], np.take_along_axis(curves, chosen[..., None], axis=1)


def fan(net, phi, alpha, steps, sines):
    """Inner steps from φ towards T sines, (steps + 1, T, 2), and the error after them.

    sines  the curves and the ten points of each, as from `new_sines`
    """
    curves, x, y = sines
    everywhere = np.broadcast_to(X, curves.shape)
    path, _ = adapt(net, phi, x, y, alpha, steps, trajectory=True)
    outputs = np.array([net.predict(weights, everywhere) for weights in path])
    error = np.square(outputs[-1] - curves).mean()
    return plane(outputs), in_bounds(error)


def star(net, phis, alpha, names=None, steps=8):
    """The plane for each {title: φ}: a ray of inner steps towards each of 24 new sines.

    The title goes on with their error after the last step. `names`, keys of COLOURS,
    give the rays their colours.
    """
    if not phis:
        print("There is no φ to draw: training has not come that far.")
        return

    figure, axes = panels(len(phis), share=True)
    sines = new_sines()
    names = names or ["Reptile"] * len(phis)

    for panel, name, (title, phi) in zip(axes, names, phis.items()):
        rays, error = fan(net, phi, alpha, steps, sines)
        _plane(panel, f"{title}\nerror {error:.2f}")
        panel.plot(*plane(sines[0]).T, "kx", markersize=11, markeredgewidth=2)
        for ray in rays.swapaxes(0, 1):
            panel.plot(*ray.T, color=COLOURS[name], linewidth=2)
        panel.plot(*rays[-1].T, "o", color=COLOURS[name], markersize=7)
        panel.plot(*rays[0, 0], "ko", markersize=13)  # φ

    axes[0].set_ylabel("q, of cos x")
    show(figure)


def two_loops(net, phi, alpha, epsilon):
    """An outer iteration on one sine, five inner steps: in the plane, and as curves."""
    figure, (left, right) = panels(2)
    rng = np.random.default_rng(13)
    task = draw_sine(rng)
    x = X[rng.permutation(len(X))].reshape(5, 1, B, 1)  # five disjoint mini-batches
    y = sine(task, x)
    path, _ = inner_loop(net, phi, x, y, alpha, trajectory=True)  # (k + 1, 1, P)
    new = phi + epsilon * (path[-1, 0] - phi)
    places = plane(np.array([net.predict(W[0], X) for W in path]))
    moved = plane(net.predict(new, X))

    _plane(left, "Inner loop, thin; outer step, thick")
    left.plot(*plane(sine(task, X)), "kx", markersize=16, markeredgewidth=3)
    left.plot(*places.T, "ko-", linewidth=2, markerfacecolor="white")
    left.plot(*np.transpose([places[0], moved]), color=COLOURS["Reptile"], linewidth=8)
    for text, place, offset in (
        ("φ", places[0], (-14, -26)), ("W", places[-1], (12, 6)),
        ("task", plane(sine(task, X)), (14, -8)),
    ):
        left.annotate(text, place, offset, textcoords="offset points", fontsize=20)
    left.set_ylabel("q, of cos x")

    right.plot(X, sine(task, X), "k--", linewidth=2, label="task")
    right.plot(np.ravel(x), np.ravel(y), "k.", markersize=7)
    right.plot(X, net.predict(phi, X), color="0.5", linestyle=":", label="φ")
    right.plot(X, net.predict(path[-1, 0], X), color="black", label="W")
    right.plot(
        X, net.predict(new, X), color=COLOURS["Reptile"], linewidth=5,
        label="φ + ε (W − φ)",
    )
    right.set(xlabel="x", ylabel="f(x)", title="The same, as functions")
    figure.legend(loc="outside lower center", ncols=4, frameon=False)
    show(figure)


# Lesson 1


def before_after(net, phis, alpha, steps=(0, 1, 2, 8)):
    """One sine, ten of its points, the same steps: a panel for each {name: φ}."""
    figure, axes = panels(len(phis), share=True)
    rng = np.random.RandomState(0)  # the sine and the points of OpenAI's gist
    task = draw_sine(rng)
    x = X[rng.choice(len(X), size=B)]  # with replacement, as there

    for panel, (name, phi) in zip(axes, phis.items()):
        path, _ = adapt(net, phi, x, sine(task, x), alpha, steps[-1], trajectory=True)
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
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5,
        frameon=False,
    )
    show(figure)


def one_function(net, phi):
    """Sixty sines, and the one curve that a network has learnt for all of them."""
    tasks, prediction = new_sines(60)[0], net.predict(phi, X)
    figure, (axes,) = panels()
    axes.plot(X, tasks[..., 0].T, color="0.75", linewidth=0.6)
    axes.plot(X, prediction, color="black", linewidth=9)
    axes.plot(X, prediction, color=COLOURS["joint training"], linewidth=6)
    largest = np.abs(prediction).max()
    result = "close to zero" if largest < 1 else "not zero"
    axes.set(
        xlabel="x", ylabel="f(x)",
        title=f"Joint training learns a function {result}: |f(x)| ≤ {largest:.2f}",
    )
    show(figure)


# What Reptile has found


def draw_step(axes, net, phi, point, alpha, colour):
    """The function before and after one gradient step on one point, (x₀, y₀)."""
    x_0, y_0 = (np.array([[number]]) for number in point)  # a mini-batch of one
    W = adapt(net, phi, x_0, y_0, alpha, steps=1)
    before, after = net.predict(phi, X), net.predict(W, X)
    axes.plot(X, before, color="0.4", linestyle=":", label="before the step")
    axes.plot(X, after, color=colour, label="after it")
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


# Lesson 2


def two_weights(loss, phi, steps):
    """Levels of loss(φ) over two weights; from one φ a step of each {name: (2,)}."""
    figure, (axes,) = panels()
    a, b = np.meshgrid(np.linspace(0.2, 2.2, 120), np.linspace(0.4, 1.5, 120))
    axes.contour(a, b, loss(np.stack([a, b], axis=-1)), 16, colors="0.75")

    changes = {name: loss(phi + step) - loss(phi) for name, step in steps.items()}
    for name, step in steps.items():
        arrow = {"color": COLOURS[name], "width": 6, "headwidth": 20}
        axes.annotate("", phi + step, phi, arrowprops=arrow)
        offset, side = ((14, 0), "left") if name == "MAML" else ((-14, 0), "right")
        axes.annotate(
            f"{name} {changes[name]:+.2f}".replace("-", "−"), phi + step, offset,
            textcoords="offset points", ha=side, va="center", fontsize=19,
        )
    axes.plot(*phi, "ko", markersize=12)
    best = min(changes, key=changes.get)
    axes.set(
        xlabel="first weight", ylabel="second weight", aspect="equal",
        title=f"{best}'s step lowers the query loss most",
    )
    show(figure)


# Lesson 2, the race


def race_curves():
    """{method: (tasks, seconds, mean, least, largest)}, arrays, of race.txt."""
    text = RACE.read_text("utf-8").split("Error after 8 steps, ")[1].split("\n\n")[0]
    rows = {}
    for line in text.splitlines()[2:]:
        rows.setdefault(line[:24].strip(), []).append(line[24:].split())
    return {name: np.array(row, float).T for name, row in rows.items()}


def print_race():
    """The tables of race.txt, without the search for outer step sizes."""
    print(RACE.read_text("utf-8").split("\n\n", 1)[1].rstrip())


def race(live, tasks, names=("Reptile", "FOMAML", "MAML")):
    """Recorded curves in grey against tasks and seconds, and live points in colour.

    live   {method: errors, (len(tasks), runs)}, drawn over the recorded curves
    tasks  how many tasks each run had seen at each live point
    """
    figure, axes = panels(2, share=True)
    curves = race_curves()
    for column, panel in enumerate(axes):
        for name in names:
            where = curves[name][column]
            mean, least, largest = curves[name][2:]
            panel.fill_between(where, least, largest, color="0.85", linewidth=0)
            panel.plot(where, mean, LINES[name], color="0.35")
            panel.plot(
                where[-1], mean[-1], MARKERS[name], color=COLOURS[name],
                markersize=13, markeredgecolor="black", label=f"{name} {mean[-1]:.3f}",
            )
        panel.set(xscale="log", yscale="log")

    for name, errors in live.items():
        axes[0].plot(tasks, errors, MARKERS[name], color=COLOURS[name])

    lowest = min(names, key=lambda name: curves[name][2, -1])
    axes[0].set(
        xlabel="tasks seen", ylabel="error after 8 steps",
        title=f"{lowest} ends lowest ...",
    )
    tenth = {}  # seconds until the error is 0.1
    for name in names:
        _, seconds, mean, *_ = curves[name]
        tenth[name] = np.interp(-0.1, -mean, seconds)
    quickest = min(tenth, key=tenth.get)
    axes[1].set(xlabel="CPU seconds", title=f"... {quickest} is first below 0.1")
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3,
        frameon=False, title="grey: recorded; points up to 1,000 tasks: live",
    )
    show(figure)


# Lesson 3


def second_gradient():
    """Steps −α g on two quadratic losses of two weights, over the levels of L_2."""
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
    for name, runs in left.items():
        middle = np.median(runs, axis=0)
        shares = [(a, share) for a, share in zip(alphas, middle) if a > 5e-4]
        print(f"{name:8}", *(f" {alpha:g}: {share:.0%}" for alpha, share in shares))
        axes.semilogx(alphas, middle, LINES[name], color=COLOURS[name], label=name)
        axes.fill_between(
            alphas, np.min(runs, axis=0), np.max(runs, axis=0), color=COLOURS[name],
            alpha=0.2, linewidth=0,
        )
    axes.axvline(in_use, color="black", linestyle=":", linewidth=2)
    here = np.argmin(np.abs(np.log(alphas / in_use)))
    rest = {name: np.median(runs, axis=0)[here] for name, runs in left.items()}
    axes.set(
        xlabel="α (dotted: the α in use)", ylabel="measured / table", ylim=(-0.2, 1.4),
        title=f"At α = {alphas[here]:g}, Reptile keeps {rest['Reptile']:.0%} "
        f"of its second term, MAML {rest['MAML']:.0%}",
    )
    axes.legend(loc="lower left", frameon=False)
    show(figure)


# Lesson 4


def during_training(iterations, left, errors):
    """What is left of the second coefficient, and the error, while φ is trained.

    left  {method: runs (len(iterations), n)};  errors  (len(iterations),)
    """
    figure, axes = panels(2)
    for name, runs in left.items():
        axes[0].plot(
            iterations, np.median(runs, axis=1), LINES[name], color=COLOURS[name],
            marker=MARKERS[name], label=name,
        )
        axes[0].fill_between(
            iterations, np.min(runs, axis=1), np.max(runs, axis=1),
            color=COLOURS[name], alpha=0.2, linewidth=0,
        )
    axes[0].axhline(1, color="0.8", linewidth=2)
    axes[0].legend(loc="lower left", frameon=False)
    axes[1].plot(iterations, errors, "o-", color=COLOURS["Reptile"])
    for panel in axes:
        panel.set_xscale("symlog", linthresh=30)
        panel.set_xticks([0, 100, 1000], ["0", "100", "1,000"])
        panel.set_xlabel("iterations")

    holds = np.flatnonzero(np.median(left["Reptile"], axis=1) > 0.5)
    last = holds[-1] if len(holds) else 0
    done = (errors[0] - errors[last]) / (errors[0] - errors[-1])
    axes[0].set(
        ylabel="second term, measured / table", ylim=(-0.3, 1.6), xlim=(-5, 6000),
        title=f"More than half is left to {iterations[last]:,} ...",
    )
    axes[1].set(
        ylabel="error after 8 steps", ylim=(0, None),
        title=f"... and by then {done:.0%} is learnt",
    )
    show(figure)


def explained(x, y):
    """The share of the variance of y that is between groups of equal x."""
    within = sum(y[x == value].var() * (x == value).sum() for value in set(x))
    return 1 - within / (y.var() * len(y))


def ratio():
    """Recorded errors against the ratio of the two terms, MAML's filled.

    On the left MAML's steps count once, on the right twice. The titles say which share
    of the variance of the log error the ratio explains.
    """
    figure, axes = panels(2, share=True)
    shapes = {"0.0025": "v", "0.005": "s", "0.01": "^", "0.02": "o", "0.04": "P"}
    for panel, count in zip(axes, ("once", "twice")):
        x, errors = [], []
        for row, runs in recorded("ratio").items():
            value, alpha, method = row.split(", ", 2)
            maml = method.startswith("MAML")
            place = float(value) / (2 if maml and count == "once" else 1)
            panel.plot(
                [place + 0.0012 * maml] * len(runs), runs,
                shapes[alpha.removeprefix("α = ")], color="black", markersize=13,
                markerfacecolor=COLOURS["MAML"] if maml else "none",
            )
            x += [round(place, 6)] * len(runs)
            errors += list(np.log(runs))
        share = explained(np.array(x), np.array(errors))
        panel.set(
            xlabel="ratio of second to first term", xticks=(0, 0.02, 0.04, 0.06, 0.08),
            title=f"MAML {count}: explains {share:.0%}",
        )
        print(f"MAML's steps counted {count}: the ratio explains {share:.0%}")
    for alpha, shape in shapes.items():
        axes[1].plot([], [], "k" + shape, markerfacecolor="none", label=f"α = {alpha}")
    axes[1].plot([], [], "ks", markerfacecolor=COLOURS["MAML"], label="MAML")
    axes[0].set_ylabel("error after 8 steps")
    figure.legend(
        *axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=6,
        frameon=False, handletextpad=0, columnspacing=0.8,
    )
    show(figure)


def print_file(path):
    """Print a table of this project that another command has printed."""
    if (ROOT / path).exists():
        print((ROOT / path).read_text("utf-8").rstrip())
    else:
        print(f"{path} is not here; `python -m omniglot.demo` prints it.")


def picture(path):
    """Show a figure of this project that another command has drawn and saved."""
    if not (ROOT / path).exists():
        print(f"{path} is not here; `python -m omniglot.demo` draws it.")
        return
    image = plt.imread(ROOT / path)
    height, width = image.shape[:2]
    figure = plt.figure(figsize=(11, 11 * height / width), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(image, interpolation="antialiased")
    axes.axis("off")
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
        axes.annotate(f"$W_{number}$", W, (6, 6), textcoords="offset points")
    axes.plot(*rest, "k*", markersize=22)
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
        panel.set(title=f"{name}: {right.mean():.0%} right", aspect="equal", xlabel="x")
    axes[0].set_ylabel("second coordinate")
    show(figure)


report_divergence()  # so that every notebook that imports this says it in words
