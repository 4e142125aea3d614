"""Reptile on Omniglot: tell new characters apart after one or five drawings of each.

φ is trained on N-way tasks of some alphabets and judged on others, beside baselines on
the same tasks. With --gradient-combinations it shows which sums of g_i learn.

Follows: sections 6.1 and 6.2 of arXiv:1803.02999v3. But: an MLP, no convolutions; 136
characters, not 1200; not transductive, as each query is judged by itself.
"""

import os
import sys

if __name__ == "__main__":  # a mistake, or Ctrl-C, is one line and not a traceback
    sys.excepthook = lambda *e: print(str(e[1]) or "stopped", file=sys.stderr)
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # more only gets in the way

import argparse  # noqa: I001
import json
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from omniglot.data import (QUERIES, SIDE, SPREAD, ZIPS, accuracy, augment, draw_tasks,
                           load_split, task_distribution, views, whole)
from reptile import MLP, Adam, adapt, joint, reptile, train, weighted_sum

INNER = {"sgd": (None, 0.02), "adam": (Adam, 0.0002)}  # optimiser, α / N
EPSILON, VARIANTS, STEPS = 1.0, 8, 5  # STEPS of adaptation for the learning curves
# Meta-gradient, k, drawings of each class, tasks in a meta-batch. The drawings are
# dealt out to k mini-batches: of B = 2N, however many ways, or B = 25 in section 6.2.
REPTILE, JOINT = (reptile, 5, 10, 5), (joint, 1, 10, 5)
BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"  # Reptile, joint training, FOMAML
COMBINATIONS = {"g1": ([1], ORANGE, "-"), "g2": ([0, 1], GREEN, ":"),
                "g3": ([0, 0, 1], GREEN, "-."), "g4": ([0, 0, 0, 1], GREEN, "-"),
                "g1 + g2": ([1, 1], BLUE, ":"), "g1 + g2 + g3": ([1] * 3, BLUE, "-."),
                "g1 + g2 + g3 + g4": ([1] * 4, BLUE, "-")}


def adapted(net, phi, steps, inner, support, query):
    """Labels (T, M) of query (T, M, n_in) after steps on support (T, N, K, n_in)."""
    (T, N, K, n_in), (optimiser, alpha) = support.shape, inner
    x, y = support.reshape(T, N * K, n_in), np.tile(np.arange(N).repeat(K), (T, 1))
    weights = adapt(net, phi, x, y, alpha, steps, optimiser)
    return net.predict(weights, query).argmax(axis=-1)


def nearest_neighbour(support, query):
    """Labels (T, M) of query (T, M, n_in): those of the nearest in the support set."""
    T, _, K, n_in = support.shape  # |q − s|² = 2 n_in − 2 q·s, as all are standardised
    return (query @ support.reshape(T, -1, n_in).swapaxes(1, 2)).argmax(axis=-1) // K


def read_run(path, settings):
    """What `meta_train` saved in `path`; ValueError if its settings were others."""
    try:
        with np.load(path) as file:
            run = {name: file[name] for name in ("phi", "iteration", "curve")}
            run["rng"], there = (json.loads(str(file[n])) for n in ("rng", "settings"))
    except Exception as error:  # a foreign file can fail in any way a parser knows
        raise ValueError(f"--run: {path} is not a whole run ({error})") from None
    for name, here in settings.items():
        if there.get(name) != here:
            raise ValueError(f"{path} is a run of {name} {there.get(name)}, not {here}")
    return run


def meta_train(method, net, images, test_images, args, seed, path=None, run=None):
    """φ and the learning curve: (iteration, 1-shot, 5-shot accuracy after STEPS steps).

    Saved to `path` at each point; from such a `run` it goes on to the very same end.
    """
    (meta_gradient, k, shots, T), (optimiser, alpha) = method, args.inner
    n, rng = args.iterations, np.random.default_rng(seed)
    phi, done, curve = net.init(rng), 0, []
    if run:
        phi, done, curve = run["phi"], int(run["iteration"]), run["curve"].tolist()
        rng.bit_generator.state = run["rng"]

    def record(i, phi):
        classify = partial(adapted, net, phi, STEPS, args.inner)
        found = [accuracy(classify, test_images, args.ways, K, 100, 1) for K in (1, 5)]
        curve.append((i, found[0].mean(), found[1].mean()))
        say("iteration {:,}: 1-shot {:.1f} %, 5-shot {:.1f} %".format(*curve[-1]))
        if path:
            with whole(path) as part, open(part, "wb") as file:
                np.savez(file, phi=phi, iteration=i, curve=curve, alpha=alpha,
                         layer_sizes=net.layer_sizes, activation=net.activation,
                         rng=json.dumps(rng.bit_generator.state),
                         settings=json.dumps(args.settings))
    if not run:
        record(0, phi)
    for i, phi in train(net, phi, task_distribution(images, args.ways, k, shots), rng,
                        meta_gradient, alpha=alpha, meta_batch=T, inner=optimiser,
                        epsilon=lambda i: EPSILON * (1 - (done + i) / n),
                        iterations=n - done):
        if (done + i) % max(1, n // 10) == 0 or done + i == n:
            record(done + i, phi)
    return phi, np.array(curve)


def plot_curves(path, curves, title):
    """Learning curves {name: ((seeds, points, 2), colour, line)}: mean and range."""
    figure = Figure(figsize=(7, 3.8), dpi=200, layout="constrained")
    axes = figure.subplots()
    for name, (curve, colour, line) in curves.items():
        (i, *_), y = curve[..., 0], curve[..., 1]
        axes.plot(i, y.mean(axis=0), line, color=colour, label=name, linewidth=2)
        axes.fill_between(i, y.min(axis=0), y.max(axis=0), color=colour, alpha=0.1)
    axes.set(xlabel="iteration of meta-training", title=title,
             ylabel=f"accuracy (%) after {STEPS} steps")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    with whole(path) as part:
        figure.savefig(part, format="png")


def plot_episode(path, net, phi, images, args):
    """A 1-shot task with a query a class: what the network says before and after it."""
    N, (optimiser, alpha) = args.ways, args.inner
    x = draw_tasks(np.random.default_rng(args.seed), images, 1, N, 2)[0]
    support, query = x[:, 0], x[:, 1]  # (N, n_in) each
    W = adapt(net, phi, support, np.arange(N), alpha, 50, optimiser)
    figure = Figure(figsize=(8, 4.6), dpi=200, layout="constrained")
    panels = ("before adaptation", phi), ("after 50 steps", W)
    for axes, (title, weights) in zip(figure.subplots(1, 2), panels):
        p = net.predict(weights, query)  # (queries, classes)
        top, left = np.hstack(support.reshape(N, SIDE, SIDE)), query.reshape(-1, SIDE)
        axes.imshow(p, cmap="Blues", vmin=0, vmax=1, extent=(0, N, N, 0))
        axes.imshow(top, cmap="gray_r", extent=(0, N, -0.1, -1.1))
        axes.imshow(left, cmap="gray_r", extent=(-1.1, -0.1, N, 0))
        for i, j in np.ndindex(p.shape if N <= 10 else (0, 0)):
            axes.text(j + 0.5, i + 0.5, f"{100 * p[i, j]:.0f}", ha="center",
                      va="center", color="white" if p[i, j] > 0.5 else "black")
        axes.set(xlim=(-1.1, N), ylim=(N, -1.1), xticks=[], yticks=[], title=title)
    figure.supxlabel("probability (%) of each class (top), for each query (left)")
    with whole(path) as part:
        figure.savefig(part, format="png")


def say(text):
    """Print; where nobody listens, as behind `| head`, go on for the files."""
    try:
        print(text, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def parse(argv):
    """The command line, or one line about what is wrong with it."""
    parser = argparse.ArgumentParser(description=__doc__[:83], allow_abbrev=False)
    parser.error = lambda message: parser.exit(2, f"{parser.prog}: {message}\n")
    add, limits = parser.add_argument, {}
    for name, *limits[name], default, text in (
            ("ways", 2, 1000, 5, "classes in a task"),
            ("shots", 1, 20 - QUERIES, [1, 5], "drawings of a class to adapt to"),
            ("tasks", 2, 10**5, 1000, "tasks of the evaluation"),
            ("iterations", 1, 10**7, 8000, "outer steps"),
            ("hidden", 1, 4096, [256, 128], "sizes of the hidden layers"),
            ("seed", 0, 2**32 - 1, 0, "of φ and of the tasks")):
        add(f"--{name}", type=int, nargs="+" if isinstance(default, list) else None,
            default=default, metavar="N", help=f"{text} (default: {default})")
    add("--inner", choices=INNER, default="sgd", help="inner optimiser (default: sgd)")
    add("--train", choices=ZIPS, default="small1", help="file to train on (small1)")
    add("--test", choices=ZIPS, default="small2", help="file to test on (small2)")
    add("--data", help="folder with the files; else OMNIGLOT_DIR, or a download")
    add("--run", type=Path, help="file to save the training to, or to go on from")
    add("--figures", type=Path, default=Path("omniglot_figures"), help="their folder")
    add("--gradient-combinations", action="store_true", help="train by these instead")
    args = parser.parse_args(argv)
    for name, (least, most) in limits.items():
        if not all(least <= n <= most for n in np.ravel(getattr(args, name))):
            parser.error(f"--{name} must lie in {least} ... {most}")
    if args.run and (args.run.is_dir() or not os.access(args.run.parent, os.W_OK)):
        parser.error(f"cannot write {args.run}: name a file in a folder that is there")
    named = "train", "test", "ways", "hidden", "iterations", "inner", "seed"
    optimiser, alpha = INNER[args.inner]
    args.settings = {f"--{name}": getattr(args, name) for name in named} | {
        "α, ε, k, ...": [alpha, EPSILON, *REPTILE[1:], VARIANTS, SIDE, SPREAD]}
    args.inner = optimiser, alpha * args.ways  # a class has 1/N of the gradient
    return args


def main(argv=None):
    """Run the command line."""
    args = parse(argv)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal without ± gets its table
    N, seed, path = args.ways, args.seed, args.run
    run = read_run(path, args.settings) if path and path.exists() else None
    args.figures.mkdir(parents=True, exist_ok=True)
    (seen, drawings), (new, unseen) = load_split(args.train, args.test, args.data)
    say(f"training on {len(seen)} characters, of {', '.join(sorted({*seen}))};\n"
        f"evaluation on {len(new)}, of {', '.join(sorted({*new}))}")
    if N > len(new):
        raise ValueError(f"--ways {N}, but there are {len(new)} characters to test on")
    images = augment(drawings, np.random.default_rng(seed), VARIANTS)
    test = np.array([[views(ink)[0].ravel() for ink in inks] for inks in unseen])
    net, curves = MLP([SIDE**2, *args.hidden, N], loss="cross-entropy"), {}
    data = net, images, test, args
    if args.gradient_combinations:
        for name, (c, *style) in COMBINATIONS.items():
            say(f"{name}, seeds {seed}, {seed + 1}, {seed + 2}")
            method = weighted_sum(c), len(c), 5 * len(c), 1
            found = [meta_train(method, *data, seed + i)[1] for i in range(3)]
            curves[name] = np.array(found)[..., [0, 2]], *style
        return plot_curves(args.figures / "gradient_combinations.png", curves,
                           f"Sums of inner gradients, {N}-way 5-shot")
    phis = {"random initialisation": net.init(np.random.default_rng(seed))}
    for name, colour, method, *saved in (("Reptile", BLUE, REPTILE, path, run),
                                         ("joint training", ORANGE, JOINT)):
        say(f"{name}: accuracy on 100 tasks of new characters after {STEPS} steps")
        phis[name], curve = meta_train(method, *data, seed, *saved)
        for K, column, line in (1, [0, 1], "-"), (5, [0, 2], "--"):
            curves[f"{name}, {K}-shot"] = curve[None, :, column], colour, line
    entrants = {"nearest neighbour": nearest_neighbour} | {
        f"{name}, {steps} steps": partial(adapted, net, phi, steps, args.inner)
        for steps in (1, 5, 50) for name, phi in phis.items()}
    say(f"\n{N}-way accuracy (%), {args.tasks:,} tasks of new characters, 95 % interval"
        + "\n" + " " * 32 + "".join(f"{K:>8}-shot" for K in args.shots))
    for name, classify in entrants.items():
        found = (accuracy(classify, test, N, K, args.tasks, seed) for K in args.shots)
        cells = (f"{a.mean():.1f} ± {1.96 * a.std() / len(a)**0.5:.1f}" for a in found)
        say(f"{name:32}" + "".join(f"{cell:>13}" for cell in cells))
    plot_curves(args.figures / "learning_curve.png", curves, f"{N}-way, new alphabets")
    plot_episode(args.figures / "episode.png", net, phis["Reptile"], test, args)


if __name__ == "__main__":
    main()
