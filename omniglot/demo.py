"""Reptile on Omniglot: tell new characters apart after one or five drawings of each.

    python -m omniglot.demo                          Reptile beside what is not trained
    python -m omniglot.demo --update maml            another method in Reptile's place
    python -m omniglot.demo --update all             the table of all methods
    python -m omniglot.demo --gradient-combinations  which sums of g_1 ... g_4 learn

φ is meta-trained on N-way tasks of some alphabets and judged on tasks of others.

Follows: sections 6.1 and 6.2 of Nichol, Achiam, Schulman 2018, arXiv:1803.02999v3.
But: an MLP, no convolutions; 136 characters, not 1200; and not transductive, as each
query is classified by itself.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # more only gets in the way

import argparse  # noqa: I001
import json
import multiprocessing
import signal
import sys
import time
import tracemalloc
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from omniglot import figures
from omniglot.data import QUERIES, SIDE, SPREAD, ZIPS, accuracy, augment, centred
from omniglot.data import draw_tasks, load_split, support_and_query, task_distribution
from omniglot.data import whole
from reptile import MLP, Adam, adapt, fomaml, joint, maml, reptile, train, weighted_sum

VARIANTS = 8      # deformed copies of each drawing to train on
CURVE_STEPS = 5   # inner steps on a new task at each point of a learning curve
CURVE_TASKS = 100
STEPS = 1, 5, 50  # inner steps on a new task in the table


class Method(NamedTuple):
    """How a φ is meta-trained, and adapted to new tasks.

    Every method of the table sees as many drawings: 5 tasks an iteration, with 10
    drawings of each class. They differ in what they do with them.
    """

    meta_gradient: object
    alpha: float             # inner step size in 5-way tasks, in training and at test
    epsilon: float           # outer step size, falling linearly to zero
    k: int                   # inner gradients
    support: int = 0         # 0: k disjoint mini-batches; K: see `support_and_query`
    inner: type = None       # optimisers, None or Adam
    outer: type = None
    shots: int = 10          # drawings of each class in a task
    meta_batch: int = 5      # tasks an iteration

    def tasks(self, images, N):
        """`sample` for `train`: this method's N-way tasks."""
        if self.support:
            return support_and_query(images, N, self.k, self.shots, self.support)
        return task_distribution(images, N, self.k, self.shots)

    def step_size(self, N):
        """α for N classes: each has 1/N of the gradient, which Adam would rescale."""
        return self.alpha if self.inner else N / 5 * self.alpha


# Chosen by benchmarks/tune_omniglot.py, by one rule, on two alphabets of small1 that it
# holds out. ε is a step size of Adam where Adam is outside.
METHODS = {
    "joint": Method(joint, 0.2, 0.1, k=1),
    "fomaml": Method(fomaml, 0.2, 0.003, k=4, support=1, outer=Adam),
    "maml": Method(maml, 0.4, 0.00033, k=5, outer=Adam),
    "reptile": Method(reptile, 0.1, 1.0, k=5),
    "reptile-adam": Method(reptile, 0.002, 0.33, k=5, inner=Adam),
}
RANDOM = Method(None, 0.2, 0.0, k=0)  # only adapted, never trained
# A control for the learning curve: Reptile's own step sizes, on the same tasks.
CONTROL = METHODS["reptile"]._replace(meta_gradient=joint, k=1)

TITLES = {
    "random": "random initialisation",
    "joint": "joint training (k = 1)",
    "control": "Reptile with k = 1, which is joint training, as a control",
    "fomaml": "FOMAML",
    "maml": "MAML",
    "reptile": "Reptile",
    "reptile-adam": "Reptile, Adam inside",
}

# c of Σ c_i g_i, as in section 6.2; there with α = 0.003 and 40,000 iterations.
COMBINATIONS = {
    "g1": [1],
    "g2": [0, 1],
    "g1 + g2": [1, 1],
    "g3": [0, 0, 1],
    "g1 + g2 + g3": [1, 1, 1],
    "g4": [0, 0, 0, 1],
    "g1 + g2 + g3 + g4": [1, 1, 1, 1],
}


def main(argv=None):
    """Run the command line."""
    args = parse(argv)
    net, images, test = load(args)

    if args.gradient_combinations:
        compare_combinations(args)
        return

    phis, curves = {}, {}
    for name in args.methods:
        phis[name], curves[name] = meta_train(name, METHODS[name], args)
    print_table(args, phis, net, test)
    print_costs(args, net, images)

    if "reptile" in phis:
        _, curves["control"] = meta_train("control", CONTROL, args)
    draw_figures(args, phis, curves, net, test)


# The network on a new task

def adapted(net, phi, alpha, inner, steps, support, query):
    """Labels (T, M) of query (T, M, n_in) after steps on support (T, N, K, n_in)."""
    T, N, K, n_in = support.shape
    x = support.reshape(T, N * K, n_in)
    y = np.tile(np.arange(N).repeat(K), (T, 1))
    weights = adapt(net, phi, x, y, alpha, steps, inner and inner())
    return net.predict(weights, query).argmax(axis=-1)


def nearest_neighbour(support, query):
    """Labels (T, M) of query (T, M, n_in): those of the nearest in the support set."""
    T, _, K, n_in = support.shape
    known = support.reshape(T, -1, n_in)
    # |q − s|² = 2 n_in − 2 q·s, as all are standardised: the nearest has the most q·s.
    products = query @ known.swapaxes(1, 2)  # (T, M, N K)
    return products.argmax(axis=-1) // K


def classifier(net, phi, method, steps):
    """`classify` for `accuracy`: φ after so many of the method's inner steps."""
    N = net.layer_sizes[-1]
    return partial(adapted, net, phi, method.step_size(N), method.inner, steps)


def curve_point(iteration, net, phi, method, test):
    """A point of a learning curve: (iteration, 1-shot %, 5-shot %)."""
    classify = classifier(net, phi, method, CURVE_STEPS)
    N = net.layer_sizes[-1]
    one = accuracy(classify, test, N, 1, CURVE_TASKS, seed=1).mean()
    five = accuracy(classify, test, N, 5, CURVE_TASKS, seed=1).mean()
    return iteration, one, five


# Meta-training

@dataclass
class Run:
    """A training, with all that it takes to go on to the very same end."""

    phi: np.ndarray
    rng: np.random.Generator
    outer: Adam = None
    iteration: int = 0
    curve: list = field(default_factory=list)

    def save(self, path, **facts):
        """Write the run to `path`: whole, or not at all."""
        outer = {}
        if self.outer and self.outer.t > 0:
            outer = {"m": self.outer.m, "v": self.outer.v, "t": self.outer.t}
        with whole(path) as part, open(part, "wb") as file:
            np.savez(
                file, phi=self.phi, iteration=self.iteration, curve=self.curve,
                rng=json.dumps(self.rng.bit_generator.state), **outer, **facts)

    def restore(self, saved):
        """Be where `saved`, what `read_run` returns, was."""
        self.phi = saved["phi"]
        self.iteration = int(saved["iteration"])
        self.curve = saved["curve"].tolist()
        self.rng.bit_generator.state = json.loads(str(saved["rng"]))
        if self.outer and "t" in saved:
            self.outer.m = saved["m"]
            self.outer.v = saved["v"]
            self.outer.t = int(saved["t"])


def random_phi(net, seed):
    """The φ that every run of this seed begins with."""
    return net.init(np.random.default_rng(seed))


def new_run(net, method, seed):
    """A run of which nothing is done."""
    rng = np.random.default_rng(seed)
    return Run(net.init(rng), rng, method.outer() if method.outer else None)


def go_on(run, net, method, images, iterations):
    """Train on from where the run is: a generator that stops at tenths of the way."""
    N, done = net.layer_sizes[-1], run.iteration
    training = train(
        net, run.phi, method.tasks(images, N), run.rng, method.meta_gradient,
        alpha=method.step_size(N),
        epsilon=lambda i: method.epsilon * (1 - (done + i) / iterations),
        iterations=iterations - done,
        meta_batch=method.meta_batch,
        inner=method.inner and method.inner(),
        outer=run.outer)

    for i, run.phi in training:
        run.iteration = done + i
        tenth = run.iteration % max(1, iterations // 10) == 0
        if tenth or run.iteration == iterations:
            yield run


def meta_train(name, method, args):
    """φ and the learning curve, (points, 3). --run is saved at each of its points."""
    net, images, test = load(args)
    run = new_run(net, method, args.seed)
    keep = args.run if name == args.update else None
    if keep and args.saved:
        run.restore(args.saved)

    def record():
        point = curve_point(run.iteration, net, run.phi, method, test)
        run.curve.append(point)
        print("  iteration {:,}: {:.1f} % 1-shot, {:.1f} % 5-shot".format(*point),
              flush=True)
        if keep:
            run.save(keep, alpha=method.step_size(args.ways), activation=net.activation,
                     layer_sizes=net.layer_sizes, settings=json.dumps(args.settings))

    print(f"\n{TITLES[name]}: accuracy on new characters after {CURVE_STEPS} steps")
    if not run.curve:
        record()
    for _ in go_on(run, net, method, images, args.iterations):
        record()
    return run.phi, np.array(run.curve)


def read_run(path, settings):
    """The fields of a run file; ValueError if it is damaged or has other settings."""
    try:
        with np.load(path) as file:
            saved = dict(file)
        there = json.loads(str(saved["settings"]))
        saved["phi"], saved["iteration"], saved["curve"], saved["rng"]
    except Exception as error:  # a foreign file can fail in any way a parser knows
        raise ValueError(f"{path} is not a whole run ({error})") from None

    for name, here in settings.items():
        if there.get(name) != here:
            raise ValueError(f"{path} is a run of {name} {there.get(name)}, not {here}")
    return saved


# The table

def print_table(args, phis, net, test):
    """Accuracy after 1, 5 and 50 steps, with 95 % intervals over the same tasks."""
    rows = [("random", random_phi(net, args.seed), RANDOM)]
    rows += [(name, phi, METHODS[name]) for name, phi in phis.items()]

    print(f"\n{args.ways}-way accuracy (%) on {args.tasks:,} tasks of new characters, "
          "95 % interval")
    for K in args.shots:
        judge = partial(accuracy, images=test, N=args.ways, K=K, T=args.tasks,
                        seed=args.seed)
        head = "".join(f"{steps:>8} step{'s' * (steps > 1)}" for steps in STEPS)
        print(f"\n{f'{K}-shot, after':28}{head}")
        print(f"{'nearest neighbour, no step':28}{interval(judge(nearest_neighbour))}")
        for name, phi, method in rows:
            cells = [interval(judge(classifier(net, phi, method, steps)))
                     for steps in STEPS]
            print(f"{TITLES[name]:28}{''.join(cells)}", flush=True)


def interval(values):
    """The mean of the values and its 95 % interval, as a cell of the table."""
    half = 1.96 * values.std() / len(values) ** 0.5
    return f"{f'{values.mean():.1f} ± {half:.1f}':>14}"


def print_costs(args, net, images):
    """What a method's training costs: seconds of one core, and working memory."""
    head = f"{args.iterations:,} iterations cost"
    print(f"\n{head:28}{'seconds, 1 core':>18}{'MB besides images':>20}")
    for name in args.methods:
        seconds, megabytes = cost(net, METHODS[name], images)
        print(f"{TITLES[name]:28}{seconds * args.iterations:>18.0f}{megabytes:>20.0f}")


def cost(net, method, images):
    """Seconds of a core, and peak memory in MB, of an iteration of meta-training."""
    def run(iterations):
        for _ in go_on(new_run(net, method, 0), net, method, images, iterations):
            pass

    run(5)  # warm the caches
    start = time.process_time()
    run(30)
    seconds = (time.process_time() - start) / 30

    tracemalloc.start()
    run(2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return seconds, peak / 1e6


# The figures

def draw_figures(args, phis, curves, net, test):
    """The learning curve, and one episode: before and after 50 steps of adaptation."""
    phi = random_phi(net, args.seed)
    nearest = [accuracy(nearest_neighbour, test, args.ways, K, CURVE_TASKS, seed=1)
               for K in (1, 5)]
    flat = {"random": curve_point(0, net, phi, RANDOM, test)[1:],
            "nearest": np.mean(nearest, axis=1)}
    name = "reptile" if args.update == "all" else args.update
    figures.learning_curve(args.figures / "learning_curve.png", name, curves, flat,
                           args.ways, CURVE_STEPS)

    method = METHODS[name]
    x = draw_tasks(np.random.default_rng(args.seed), test, 1, args.ways, 2)[0]
    support, query = x[:, 0], x[:, 1]  # (N, n_in) each: a drawing of each class
    W = adapt(net, phis[name], support, np.arange(args.ways),
              method.step_size(args.ways), 50, method.inner and method.inner())
    before = net.predict(phis[name], query)  # (queries, classes)
    after = net.predict(W, query)
    figures.episode(args.figures / "episode.png", support, query, before, after,
                    TITLES[name])
    print(f"\nlearning_curve.png and episode.png are in {args.figures}")


# The announcement's figure

def combination(name):
    """The method that moves φ along one sum of inner gradients; B = 5N, as there."""
    c = COMBINATIONS[name]
    return Method(weighted_sum(c), 0.01, 0.25, k=len(c), shots=5 * len(c), meta_batch=1)


def train_combination(job):
    """Train by one sum from one seed: its curve, (points, 3), and its body's %."""
    name, seed, args = job
    net, images, test = load(args)
    method = combination(name)
    run = new_run(net, method, seed)
    run.curve.append(curve_point(0, net, run.phi, method, test))
    for _ in go_on(run, net, method, images, args.iterations):
        run.curve.append(curve_point(run.iteration, net, run.phi, method, test))
    body = curve_point(0, net, without_last_layer(net, run.phi), method, test)
    return name, seed, np.array(run.curve), body[2]


def without_last_layer(net, phi):
    """φ with zeros in its last layer: all classes are equally likely to it."""
    phi = phi.copy()
    net.unpack(phi)[-1][...] = 0
    return phi


def compare_combinations(args):
    """Train by each sum from three seeds; print and draw the result.

    As announced, longer sums learn more, and later gradients more than earlier ones.
    Unlike in the paper, g1 alone makes some progress. The second column tells of what
    kind: with the last layer set to zero, φ is as good as an untrained one. What g1 has
    learnt is to forget the random outputs with which a network begins.
    """
    net, _, test = load(args)
    seeds = range(args.seed, args.seed + 3)
    curves, bodies = train_combinations(seeds, args)
    ends = {name: [curve[-1, 2] for curve in curves[name]] for name in curves}

    # Two baselines that nobody has trained.
    phis = [random_phi(net, seed) for seed in seeds]
    zeroed = [without_last_layer(net, phi) for phi in phis]
    method = combination("g1")
    random = "random initialisation"
    ends[random] = [curve_point(0, net, phi, method, test)[2] for phi in phis]
    bodies[random] = [curve_point(0, net, phi, method, test)[2] for phi in zeroed]

    print(f"\n{args.ways}-way 5-shot accuracy (%) after {CURVE_STEPS} steps of α = "
          f"{method.step_size(args.ways):g}, mean and range of three\nseeds; on the "
          "right with the last layer of φ set to zero: what is learnt below it\n")
    for name in ends:
        print(f"{name:24}{mean_and_range(ends[name])}{mean_and_range(bodies[name])}")

    path = args.figures / "gradient_combinations.png"
    level = np.mean(bodies[random])
    figures.gradient_combinations(path, curves, level, args.ways, CURVE_STEPS)
    print(f"\nthe figure is {path}")


def train_combinations(seeds, args):
    """Train by each sum from each seed, on all cores: {name: [curve of a seed]}, and
    {name: [% of a seed's body]}."""
    # The longest first, so that no core is left with a long one at the end.
    names = sorted(COMBINATIONS, key=lambda name: -len(COMBINATIONS[name]))
    jobs = [(name, seed, args) for name in names for seed in seeds]
    curves = {name: [] for name in COMBINATIONS}
    bodies = {name: [] for name in COMBINATIONS}

    print(f"\n{len(jobs)} trainings of {args.iterations:,} iterations on "
          f"{os.cpu_count()} cores", flush=True)
    ignore_ctrl_c = signal.signal, (signal.SIGINT, signal.SIG_IGN)  # `main` heeds it
    with multiprocessing.Pool(os.cpu_count(), *ignore_ctrl_c) as pool:
        done = pool.imap_unordered(train_combination, jobs)
        for i, (name, seed, curve, body) in enumerate(done):
            curves[name].append(curve)
            bodies[name].append(body)
            print(f"  {i + 1:2} of {len(jobs)}: {name}, seed {seed}: "
                  f"{curve[0, 2]:.1f} -> {curve[-1, 2]:.1f} %", flush=True)
    return curves, bodies


def mean_and_range(values):
    """As a cell of a table: mean (least ... most)."""
    return f"{np.mean(values):>8.1f} ({min(values):.1f}-{max(values):.1f})"


# The command line, and the images it names

def load(args):
    """The network, (classes, drawings, 400) images to train on, and to test on."""
    return _load(args.train, args.test, args.data, args.seed, args.ways, *args.hidden)


@lru_cache(maxsize=1)  # each process of a pool loads once
def _load(train, test, folder, seed, ways, *hidden):
    try:
        (seen, drawings), (new, unseen) = load_split(train, test, folder)
    except (OSError, ValueError) as error:
        sys.exit(f"omniglot: {error}")
    if ways > len(new):
        sys.exit(f"omniglot: --ways {ways}, but {test} has {len(new)} new characters")

    if multiprocessing.parent_process() is None:
        print(f"training on {len(seen)} characters of {', '.join(sorted(set(seen)))}\n"
              f"evaluation on {len(new)} of {', '.join(sorted(set(new)))}", flush=True)
    net = MLP([SIDE**2, *hidden, ways], loss="cross-entropy")
    images = augment(drawings, np.random.default_rng(seed), VARIANTS)
    return net, images, centred(unseen)


def whole_number(least, most):
    """A reader of whole numbers from `least` to `most`, for `add_argument`."""
    def read(text):
        if not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text} is not in {least} ... {most}")
        return int(text)
    read.__name__ = "whole number"  # in argparse's messages
    return read


def parser():
    """The options, in the order of --help."""
    p = argparse.ArgumentParser(
        prog="omniglot", description=__doc__, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--update", choices=[*METHODS, "all"], default="reptile",
                   help="meta-gradient to train by (default: reptile)")
    p.add_argument("--gradient-combinations", action="store_true",
                   help="train by sums of inner gradients instead")
    p.add_argument("--ways", type=whole_number(2, 1000), default=5, metavar="N",
                   help="classes in a task (default: 5)")
    p.add_argument("--shots", type=whole_number(1, 20 - QUERIES), nargs="+",
                   default=[1, 5], metavar="K",
                   help="drawings of a class to adapt to (default: 1 5)")
    p.add_argument("--tasks", type=whole_number(2, 10**5), default=1000, metavar="T",
                   help="tasks of the evaluation (default: 1000)")
    p.add_argument("--iterations", type=whole_number(1, 10**7), metavar="I",
                   help="outer steps (default: 8000; of gradient combinations, 6000)")
    p.add_argument("--hidden", type=whole_number(1, 4096), nargs="+",
                   default=[256, 128], metavar="n",
                   help="units of each hidden layer (default: 256 128)")
    p.add_argument("--seed", type=whole_number(0, 2**32 - 1), default=0,
                   help="of φ, of the tasks and of the deformations (default: 0)")
    add_files(p)
    return p


def add_files(p):
    """The options that name files and folders."""
    p.add_argument("--train", choices=ZIPS, default="small1",
                   help="file to train on (default: small1)")
    p.add_argument("--test", choices=ZIPS, default="small2",
                   help="file to test on (default: small2)")
    p.add_argument("--data",
                   help="folder with the files; else OMNIGLOT_DIR, or a download")
    p.add_argument("--run", type=Path, metavar="FILE",
                   help="save the training of --update here, or go on from here")
    p.add_argument("--figures", type=Path, default=Path("omniglot_figures"),
                   metavar="FOLDER", help="of the figures (default: omniglot_figures)")


def parse(argv):
    """The options, checked before any work is done."""
    p = parser()
    p.error = lambda message: p.exit(2, f"{p.prog}: {message}\n")
    args = p.parse_args(argv)

    if args.gradient_combinations:
        for name in ("update", "run", "shots", "tasks"):
            if getattr(args, name) != p.get_default(name):
                p.error(f"--{name} has no effect with --gradient-combinations")
    if args.run and args.update == "all":
        p.error("--run holds one training: name its --update, and not `all`")

    args.saved = None
    if args.iterations is None:
        args.iterations = 6000 if args.gradient_combinations else 8000
    args.methods = list(METHODS) if args.update == "all" else [args.update]

    prepare_files(p, args)
    return args


def prepare_files(p, args):
    """See to it that all files can be written, and read the run that is there."""
    try:
        args.figures.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        p.error(f"cannot make the folder --figures {args.figures} ({error.strerror})")
    check_writable(p, "--figures", args.figures)
    if not args.run:
        return

    if args.run.is_dir():
        p.error(f"--run {args.run} is a folder: name a file in it")
    check_writable(p, "--run", args.run.resolve().parent)
    args.settings = settings(args)
    if args.run.exists():
        try:
            args.saved = read_run(args.run, args.settings)
        except ValueError as error:
            p.error(f"--run: {error}")


def check_writable(p, option, folder):
    """End with one line unless the folder is there and can be written to."""
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        p.error(f"{option}: {folder} is not a folder that can be written to")


def settings(args):
    """All that the run of --update depends on, for its file."""
    named = "update", "train", "test", "ways", "hidden", "iterations", "seed"
    found = {f"--{name}": getattr(args, name) for name in named}
    method = METHODS[args.update]
    numbers = method.alpha, method.epsilon, method.k, method.support, VARIANTS
    found["α, ε, k, ..."] = [*numbers, SIDE, SPREAD]
    return found


if __name__ == "__main__":
    for stream in sys.stdout, sys.stderr:
        stream.reconfigure(errors="replace")  # a terminal without ± gets its table
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("stopped")
