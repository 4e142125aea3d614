"""Reptile on Omniglot: tell new characters apart after one or five drawings of each.

φ is trained on tasks of N characters of some alphabets, and judged on alphabets that it
has never seen, beside baselines on the very same tasks.

    python omniglot_demo.py                                three to four minutes
    python omniglot_demo.py --train small2 --test small1   the opposite split
    python omniglot_demo.py --gradient-combinations        which sums of g_i learn?

Follows: section 6.1 of arXiv:1803.02999v3. But: an MLP, not a convolutional network, and
136 characters, not 1200; not transductive, as each query is judged by itself.
"""

import argparse
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

if __name__ == "__main__":  # a mistake, or Ctrl-C, is one line and not a traceback
    sys.excepthook = lambda kind, error, _: print(f"{sys.argv[0]}: {error or 'stopped'}",
                                                  file=sys.stderr)
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the evaluation has its own threads

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from omniglot import (SIDE, SPREAD, TURNS, ZIPS, augment, draw_tasks, load_split,
                      small_affine, task_distribution, views, whole)
from reptile import MLP, Adam, adapt, joint, reptile, train, weighted_sum

# As in the paper, but for SGD inside, and mini-batches of B = 2N: k of them deal out the
# SHOTS drawings of each class once, and have room for every class however many there are.
K_STEPS, SHOTS, META_BATCH, EPSILON, VARIANTS = 5, 10, 5, 1.0, 8
INNER = {"sgd": (None, 0.1), "adam": (Adam, 0.001)}  # inner optimiser and its α
QUERIES = 5  # of each class
METHODS = {"Reptile": (reptile, K_STEPS), "joint training": (joint, 1)}  # and its k
BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"  # Reptile, joint training, FOMAML
# Section 6.2: the first gradient alone, the last of k (FOMAML), all of k (Reptile).
COMBINATIONS = {"g1": [1], "g2": [0, 1], "g1 + g2": [1, 1], "g3": [0, 0, 1],
                "g1 + g2 + g3": [1] * 3, "g4": [0, 0, 0, 1], "g1 + g2 + g3 + g4": [1] * 4}


def learner(net, phi, steps, inner="sgd"):
    """A classifier: the network, adapted from φ in `steps` steps on the support set."""
    optimiser, alpha = INNER[inner]

    def classify(support, query):  # (T, N, K, n_in), (T, M, n_in) -> labels (T, M)
        T, N, K, n_in = support.shape
        x, y = support.reshape(T, N * K, n_in), np.tile(np.arange(N).repeat(K), (T, 1))
        weights = adapt(net, phi, x, y, alpha, steps, optimiser)
        return net.predict(weights, query).argmax(axis=-1)
    return classify


def nearest_neighbour(support, query):
    """A classifier: the label of the closest of the support set, by squared distance."""
    T, N, K, n_in = support.shape
    likeness = query @ support.reshape(T, N * K, n_in).swapaxes(1, 2)
    return likeness.argmax(axis=2) // K  # |q − s|² = 2 n_in − 2 q·s when standardised


def accuracy(classify, images, N, K, T, seed):
    """The share of right answers in each of T N-way K-shot tasks, which the seed fixes."""
    def ten(start):  # ten tasks at a time, so that their weights fit into the cache
        rng = np.random.default_rng([seed, N, K, start])
        x = draw_tasks(rng, images, min(10, T - start), N, K + QUERIES)
        query = x[:, :, K:].reshape(len(x), N * QUERIES, -1)
        right = classify(x[:, :, :K], query) == np.arange(N).repeat(QUERIES)
        return right.mean(axis=1)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return np.concatenate(list(pool.map(ten, range(0, T, 10))))


def print_table(entrants, N, shots, T, seed):
    """Accuracies of {name: (classifier, images)}, all on the very same tasks."""
    say(f"\n{N}-way accuracy (%) on {T:,} tasks of new characters; mean, 95 % interval\n"
        + " " * 30 + "".join(f"{K:>8}-shot" for K in shots))
    for name, (classify, images) in entrants.items():
        results = [100 * accuracy(classify, images, N, K, T, seed) for K in shots]
        cells = (f"{a.mean():.1f} ± {1.96 * a.std(ddof=1) / T**0.5:.1f}" for a in results)
        say(f"{name:30}" + "".join(f"{cell:>13}" for cell in cells))


def settings(args):
    """What two commands must share for one to go on with the other's run, by name."""
    names = "train", "test", "ways", "hidden", "iterations", "inner", "seed"
    fixed = {"k": K_STEPS, "training shots": SHOTS, "meta-batch": META_BATCH,
             "epsilon": EPSILON, "alpha": INNER[args.inner][1], "variants": VARIANTS,
             "image": [SIDE, SPREAD]}
    return {f"--{name}": getattr(args, name) for name in names} | fixed


def read_run(args):
    """What `meta_train` saved in args.run: {name: array}, or {} if there is no file."""
    if not args.run or not args.run.exists():
        return {}
    try:
        with np.load(args.run, allow_pickle=False) as file:
            run = {name: file[name] for name in ("phi", "iteration", "curve")}
            run["rng"], there = (json.loads(str(file[name])) for name in ("rng", "settings"))
    except OSError as error:
        raise ValueError(f"--run: cannot read {args.run}: {error}") from None
    except Exception:  # a foreign file can fail in any way that a parser knows
        raise ValueError(f"--run: {args.run} is no run, or not a whole one") from None
    for name, here in settings(args).items():
        if there.get(name) != here:
            raise ValueError(f"{args.run} was made with {name} {there.get(name)}, this "
                             f"command says {name} {here}: change that, or the --run")
    return run


def meta_train(name, net, images, args, measure, run):
    """(φ, learning curve) of one of METHODS; the curve holds (iteration, *accuracies).

    Reptile is saved to args.run at each point of the curve, and goes on from `run`: it
    then ends, bit for bit, where it would have ended without the interruption.
    """
    (method, k), (optimiser, alpha), n = METHODS[name], INNER[args.inner], args.iterations
    rng, path = np.random.default_rng(args.seed), args.run if name == "Reptile" else None
    phi, done, curve = net.init(rng), 0, []
    if path and run:
        phi, done, curve = run["phi"], int(run["iteration"]), run["curve"].tolist()
        rng.bit_generator.state = run["rng"]
        say(f"{path}: going on after iteration {done:,}")

    def record(iteration, phi):
        curve.append((iteration, *measure(iteration, phi)))
        if path:
            texts = json.dumps(rng.bit_generator.state), json.dumps(settings(args))
            with whole(path) as part, open(part, "wb") as file:
                np.savez(file, phi=phi, iteration=iteration, curve=curve, rng=texts[0],
                         settings=texts[1])

    if done == 0:
        record(0, phi)
    sample = task_distribution(images, args.ways, k, SHOTS)
    for i, phi in train(net, phi, sample, rng, method, alpha=alpha, iterations=n - done,
                        epsilon=lambda i: EPSILON * (1 - (done + i) / n),
                        meta_batch=META_BATCH, inner=optimiser):
        if (done + i) % max(1, n // 10) == 0 or done + i == n:
            record(done + i, phi)
    return phi, np.array(curve)


def compare_combinations(net, images, test_images, iterations=4000, seeds=3):
    """{name: (iterations, 5-way 5-shot accuracies, (seeds, points))} of COMBINATIONS.

    As in section 6.2: SGD, meta-batch 1, disjoint mini-batches of 25. Measured after 4
    steps, as many as the longest sum has: 50 would make up for a poor φ.
    """
    def curve(c, seed):
        rng = np.random.default_rng(seed)
        phi, sample = net.init(rng), task_distribution(images, 5, len(c), 5 * len(c))
        run = train(net, phi, sample, rng, weighted_sum(c), alpha=INNER["sgd"][1],
                    epsilon=EPSILON, iterations=iterations)
        points = [(0, phi)] + [(i, phi) for i, phi in run if i % (iterations // 8) == 0]
        return [(i, accuracy(learner(net, phi, 4), test_images, 5, 5, 100, 0).mean())
                for i, phi in points]
    results = {}
    for name, c in COMBINATIONS.items():
        at, measured = np.moveaxis([curve(c, seed) for seed in range(seeds)], -1, 0)
        results[name] = at[0], measured
        say(f"{name:18} {100 * measured[:, -1].mean():.1f} %, mean of {seeds} seeds")
    return results


def preparation_figure(drawings, rng):
    """What `views` makes of each of drawings (n, 105, 105), from left to right."""
    titles = ("as drawn\n105 x 105", "means\n21 x 21", "centre and\nsize, 20 x 20",
              "deformed:\nsame class", "deformed:\nsame class", "quarter-turn:\nnew class",
              "mirrored:\nnew class")
    figure = Figure(figsize=(13, 2 * len(drawings) + 0.7), layout="constrained")
    rows = figure.subplots(len(drawings), len(titles))
    for row, ink in zip(rows, drawings):
        A = [np.eye(2), *small_affine(rng, 2), TURNS[1], TURNS[4]]
        means = ink.reshape(21, 5, 21, 5).mean(axis=(1, 3))
        for axes, picture, title in zip(row, [ink, means, *views(ink, A)], titles):
            axes.imshow(picture, cmap="gray_r")
            axes.set(xticks=[], yticks=[], title=title if row is rows[0] else "")
    return figure


def episode_figure(net, phi, images, args):
    """A 1-shot task: the queries' probabilities before and after adaptation."""
    N, (optimiser, alpha) = args.ways, INNER[args.inner]
    x = draw_tasks(np.random.default_rng(args.seed), images, 1, N, 3)[0]  # (N, 3, n_in)
    support, query = x[:, 0], x[:, 1:].reshape(2 * N, -1)
    weights = adapt(net, phi, support, np.arange(N), alpha, 50, optimiser)
    size = min(N, 10)
    figure = Figure(figsize=(3 + 1.4 * size, 2.5 + size), layout="constrained")
    for axes, title, w in zip(figure.subplots(1, 2), ("before adaptation", "after 50 steps"),
                              (phi, weights)):
        p = net.predict(w, query)  # (2 N, N)
        axes.imshow(p, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for i, j in np.ndindex(p.shape if N <= 10 else (0, 0)):
            axes.text(j, i, f"{100 * p[i, j]:.0f}", ha="center", va="center",
                      color="white" if p[i, j] > 0.5 else "black")
        side = SIDE, SIDE
        top = np.hstack(support.reshape(N, *side))
        axes.imshow(top, cmap="gray_r", extent=(-0.5, N - 0.5, -0.7, -2.2), aspect="auto")
        left = np.vstack(query.reshape(2 * N, *side))
        axes.imshow(left, cmap="gray_r", extent=(-1.4, -0.7, 2 * N - 0.5, -0.5), aspect="auto")
        for n in range(N):
            axes.add_patch(Rectangle((n - 0.5, 2 * n - 0.5), 1, 2, fill=False,
                                     edgecolor="#E69F00", linewidth=3))
        axes.set(xlim=(-1.5, N - 0.4), ylim=(2 * N - 0.4, -2.3), xticks=[], yticks=[],
                 title=title)
        axes.set_frame_on(False)
    figure.supxlabel("probability (%) of each class (top) for each query (left); orange: "
                     "the right class")
    return figure


def curve_figure(curves, title, xlabel="iteration of meta-training"):
    """Lines {label: (x, accuracies (seeds, points), style)}: mean, lowest to highest."""
    figure = Figure(figsize=(10, 5.5), layout="constrained")
    axes = figure.subplots()
    for label, (x, y, style) in curves.items():
        axes.plot(x, 100 * np.mean(y, axis=0), label=label, linewidth=2.5, **style)
        axes.fill_between(x, 100 * np.min(y, axis=0), 100 * np.max(y, axis=0), alpha=0.15,
                          color=style["color"], linewidth=0)
    axes.set(xlabel=xlabel, ylabel="accuracy (%)", title=title)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    axes.grid(alpha=0.3)
    return figure


def say(text):
    """Print; where nobody listens, as behind `| head`, go on in silence to the files."""
    try:
        print(text, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write(figure, path):
    """Save a figure, whole or not at all."""
    with whole(path) as part:
        figure.savefig(part, dpi=100, format="png")
    say(f"wrote {path}")


def parse(argv):
    """The command line, or one line about what is wrong with it."""
    parser = argparse.ArgumentParser(description="Reptile on Omniglot", allow_abbrev=False)
    parser.error = lambda message: parser.exit(2, f"{parser.prog}: {message}\n")
    add = parser.add_argument
    add("--ways", type=int, default=5, metavar="N", help="classes in a task (5)")
    add("--shots", type=int, nargs="+", default=[1, 5], metavar="K",
        help="drawings of each class to learn from, in evaluation (1 5)")
    add("--hidden", type=int, nargs="+", default=[256, 128], metavar="H",
        help="units of the hidden layers (256 128)")
    add("--iterations", type=int, default=15_000, metavar="I", help="outer steps (15000)")
    add("--inner", choices=INNER, default="sgd", help="inner optimiser (sgd)")
    add("--tasks", type=int, default=1000, metavar="T", help="tasks of evaluation (1000)")
    add("--seed", type=int, default=0, metavar="S", help="of φ and of all tasks (0)")
    add("--train", choices=ZIPS, default="small1", help="file to train on (small1)")
    add("--test", choices=ZIPS, default="small2",
        help="file to evaluate on, less the alphabets trained on (small2)")
    add("--data", metavar="DIR", help="folder with the zips (default: OMNIGLOT_DIR, or "
                                      "else they are downloaded)")
    add("--run", type=Path, metavar="FILE", help="save the training here again and again; "
                                                 "go on from there if FILE exists")
    add("--phi", type=Path, metavar="FILE.npz", help="write the φ found, in half precision")
    add("--figures", type=Path, default=Path("omniglot_figures"), metavar="DIR",
        help="folder for the figures (omniglot_figures)")
    add("--gradient-combinations", action="store_true",
        help="compare sums of inner gradients instead, 5-way, 5-shot")
    args = parser.parse_args(argv)
    for name, least, most in (("ways", 2, 1000), ("shots", 1, 20 - QUERIES),
                              ("hidden", 1, 4096), ("iterations", 1, 10**7),
                              ("tasks", 2, 10**5), ("seed", 0, 2**32 - 1)):
        for value in np.ravel(getattr(args, name)):
            if not least <= value <= most:
                parser.error(f"--{name} must lie in {least} ... {most}")
    for path in args.run, args.phi:
        if path and (path.is_dir() or not os.access(path.parent, os.W_OK)):
            parser.error(f"cannot write {path}: name a file in a folder that is there")
    return args


def main(argv=None):
    """Run the command line."""
    args, start = parse(argv), time.monotonic()
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal without ± gets its table too
    rcParams.update({"font.size": 14})
    run = read_run(args)
    args.figures.mkdir(parents=True, exist_ok=True)
    (alphabets, drawings), (new, test) = load_split(args.train, args.test, args.data)
    for what, there in ("training", alphabets), ("evaluation", new):
        say(f"{what}: {len(there)} characters of {', '.join(sorted(set(there)))}")
    if args.ways > len(new):
        raise ValueError(f"--ways {args.ways}: only {len(new)} characters to test on")
    rng = np.random.default_rng(args.seed)
    figure = preparation_figure(drawings[:: len(drawings) // 4][:5, 0], rng)
    write(figure, args.figures / "preparation.png")
    images = augment(drawings, rng, VARIANTS)
    test_images = np.array([[views(ink)[0].ravel() for ink in inks] for inks in test])
    raw = test.reshape(*test.shape[:2], 21, 5, 21, 5).mean(axis=(3, 5)).reshape(*test.shape[:2], -1)
    net = MLP([SIDE**2, *args.hidden, args.ways], loss="cross-entropy")
    say(f"images read and prepared in {time.monotonic() - start:.0f} s")

    def measure(iteration, phi):
        found = [accuracy(learner(net, phi, K_STEPS, args.inner), test_images, args.ways, K, 100,
                          args.seed + 1).mean() for K in (1, 5)]
        say(f"iteration {iteration:>6,}: 1-shot {100 * found[0]:.1f} %, 5-shot {100 * found[1]:.1f} %"
            f"   ({time.monotonic() - start:.0f} s)")
        return found
    curves, phis = {}, {"random initialisation": net.init(np.random.default_rng(args.seed))}
    for name, colour in ("Reptile", BLUE), ("joint training", ORANGE):
        say(f"\n{name}; accuracy on 100 tasks of new characters after {K_STEPS} steps")
        phis[name], curve = meta_train(name, net, images, args, measure, run)
        for column, label, style in (1, "1-shot", "o-"), (2, "5-shot", "s--"):
            curves[f"{name}, {label}"] = (curve[:, 0], curve[None, :, column],
                                          {"color": colour, "linestyle": style[1:], "marker": style[0]})
    entrants = {"nearest neighbour, as drawn": (nearest_neighbour, raw),
                "nearest neighbour, prepared": (nearest_neighbour, test_images)}
    for steps in 1, 5, 50:
        for name in "random initialisation", "joint training", "Reptile":
            entrants[f"{name}, k = {steps}"] = learner(net, phis[name], steps, args.inner), test_images
    if args.phi:
        with whole(args.phi) as part, open(part, "wb") as file:
            np.savez(file, phi=phis["Reptile"].astype(np.float16), layer_sizes=net.layer_sizes, activation=net.activation, alpha=INNER[args.inner][1])
        say(f"wrote {args.phi}")
    print_table(entrants, args.ways, args.shots, args.tasks, args.seed)
    write(episode_figure(net, phis["Reptile"], test_images, args), args.figures / "episode.png")
    write(curve_figure(curves, f"{args.ways}-way, after {K_STEPS} steps"), args.figures / "learning_curve.png")
    say(f"{time.monotonic() - start:.0f} s in all")


if __name__ == "__main__":
    main()
