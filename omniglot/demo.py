"""Reptile on Omniglot: tell new characters apart after one or five drawings of each.

Reptile beside what is not trained, a few minutes; all methods; and Reptile on the
papers' split, where it sees edges instead of pixels:

    python -m omniglot.demo
    python -m omniglot.demo --update all --ways 5 --iterations 2000
    python -m omniglot.demo --split papers --inputs edges

φ is meta-trained on 20-way tasks. One training serves tasks of fewer classes, too: a
5-way task takes the first five columns of the last layer.

Follows: section 6.1 of Nichol, Achiam, Schulman 2018, arXiv:1803.02999v3.
But: an MLP, no convolutions. Drawings are centred and scaled; for training they are
also turned, mirrored and deformed. Each query is classified by itself.
"""

import argparse
import signal
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from omniglot import data, figures
from omniglot.data import accuracy, draw_tasks
from omniglot.kernel import correlation, judge, tangent_kernel
from reptile import MLP, Adam0, adapt, fomaml, inner_loop, joint, maml, train

STEPS = 1, 5, 50    # inner steps on a new task, in the table
PROGRESS_STEPS = 5  # and while φ is trained
PROGRESS_TASKS = 100
STUDENT = 4.303     # 97.5 % quantile of Student's t for three seeds


# How a φ is trained

class Method(NamedTuple):
    """An update, and its settings."""

    update: object           # as in `train`
    alpha: float             # inner step size for five classes
    epsilon: float           # outer step size, falling linearly to zero
    k: int                   # inner gradients
    support: int = 0         # 0: k disjoint mini-batches; K: see `support_and_query`
    test_alpha: float = None  # inner step size at test, if it is not alpha
    inner: type = None       # optimiser of the inner loop, None or Adam0
    outer: type = None       # and of φ
    shots: int = 10          # drawings of each class in a task
    meta_batch: int = 5      # tasks an iteration
    turns: int = 8           # see `draw_tasks`

    def tasks(self, pictures, N):
        """`sample` for `train`: this method's N-way tasks."""
        if self.support:
            return data.support_and_query(pictures, N, self.k, self.shots, self.support)
        return data.task_distribution(pictures, N, self.k, self.shots, self.turns)


# Step sizes as experiments/omniglot_tuning.py chose them, on two alphabets of small1 that
# were held out (experiments/results/omniglot_tuning.txt). With Adam outside, ε is its step size.
METHODS = {
    "random": Method(None, 0.2, 0.0, k=0),  # only adapted, never trained
    "joint": Method(joint, 0.2, 0.1, k=1),
    "fomaml": Method(fomaml, 0.01, 0.5, k=4, support=1, test_alpha=0.2),
    "maml": Method(maml, 0.4, 0.000125, k=5, outer=Adam0),
    "reptile": Method(inner_loop, 0.1, 1.0, k=5),
    "reptile-adam": Method(inner_loop, 0.002, 0.165, k=5, inner=Adam0),
}
INPUTS = {"pixels": data.pixels, "edges": data.edges}
TITLES = {
    "random": "random initialisation",
    "joint": "joint training (k = 1)",
    "fomaml": "FOMAML",
    "maml": "MAML",
    "reptile": "Reptile",
    "reptile-adam": "Reptile, Adam inside",
}


class Learner(NamedTuple):
    """A φ, and how it learns a new task."""

    net: MLP
    phi: np.ndarray
    alpha: float        # for five classes
    adam: Adam0 = None  # None for plain steps; else with the state it has from training
    inputs: object = data.pixels  # what it sees of a picture

    def step_size(self, N):
        """α for N classes: each has 1/N of the gradient, which Adam would rescale."""
        return self.alpha if self.adam else N / 5 * self.alpha


def meta_train(method, net, pictures, iterations, seed, inputs=data.pixels):
    """Meta-train φ: a generator of (iteration, learner), at each tenth of the way."""
    N = net.layer_sizes[-1]
    rng = np.random.default_rng(seed)
    phi = net.init(rng)
    inner = method.inner and method.inner()
    outer = method.outer and method.outer()
    in_training = Learner(net, phi, method.alpha, inner, inputs)
    at_test = in_training._replace(alpha=method.test_alpha or method.alpha)

    yield 0, at_test
    if method.update is None:
        return

    tasks = method.tasks(pictures, N)

    def sample(rng, T):
        x, y = tasks(rng, T)
        return inputs(x), y

    training = train(
        net, phi, sample, rng, method.update,
        alpha=in_training.step_size(N), epsilon=method.epsilon, iterations=iterations,
        meta_batch=method.meta_batch, inner=inner, outer=outer)
    tenths = {iterations * i // 10 for i in range(1, 11)}
    for iteration, phi in training:
        if iteration in tenths:
            yield iteration, at_test._replace(phi=phi)


# How it learns new tasks

def first_classes(learner, N):
    """The learner for N-way tasks: with the first N columns of the last layer."""
    net, phi, adam = learner.net, learner.phi, learner.adam
    positions = net.unpack(np.arange(net.num_params))
    positions[-1] = positions[-1][:, :N]
    kept = np.concatenate([layer.ravel() for layer in positions])

    smaller = MLP([*net.layer_sizes[:-1], N], loss="cross-entropy")
    if adam and adam.t > 0:
        part = Adam0()
        part.t, part.v = adam.t, adam.v[kept]
        adam = part
    return learner._replace(net=smaller, phi=phi[kept], adam=adam)


def classifier(learner, N, steps):
    """`classify` for `accuracy`: learn an N-way task in so many steps."""
    learner = first_classes(learner, N)
    net, phi, _, adam, inputs = learner

    def classify(support, query):
        T, _, K, n_in = support.shape
        x = inputs(support.reshape(T, N * K, n_in))
        y = np.tile(np.arange(N).repeat(K), (T, 1))
        W = adapt(net, phi, x, y, learner.step_size(N), steps, adam)
        return net.predict(W, inputs(query)).argmax(axis=-1)

    return classify


def nearest_neighbour(support, query, inputs=data.pixels):
    """Labels (T, M) of query (T, M, n_in): those of the nearest in the support set."""
    T, _, K, n_in = support.shape
    s, q = inputs(support.reshape(T, -1, n_in)), inputs(query)
    # |q − s|² = 2 n_in − 2 q·s, as all are standardised: the nearest has the most q·s.
    products = q @ s.swapaxes(1, 2)  # (T, M, N K)
    return products.argmax(axis=-1) // K


# One training from one seed, and all

class Outcome(NamedTuple):
    """A method, trained from one seed."""

    learner: Learner
    accuracy: dict      # {(steps, N, K): % of each task, (tasks,)}
    kernel: np.ndarray  # as `judge` returns it


def run(job):
    """Train a method from a seed, and judge it. A job is all that a process needs."""
    name, seed, args, pictures, test = job
    net = MLP([data.SIDE**2, *args.hidden, args.ways], loss="cross-entropy")
    few = test_ways(args)[0]

    for i, learner in meta_train(METHODS[name], net, pictures, args.iterations, seed,
                                 INPUTS[args.inputs]):
        one, five = progress(learner, test, few)
        print(f"{TITLES[name]}, seed {seed}, iteration {i:,}: "
              f"{one:.1f} % 1-shot, {five:.1f} % 5-shot", flush=True)
        if args.save and name == args.update and seed == args.seed:
            save(args.save, learner)

    found = {}
    for steps in STEPS:
        for N, K, tasks in columns(args):
            classify = classifier(learner, N, steps)
            found[steps, N, K] = accuracy(classify, test, N, K, tasks, seed)

    one_step = classifier(learner, few, steps=1)
    similar = judge(kernel_of(learner, few), test, few, seed, one_step)
    return Outcome(learner, found, similar)


def progress(learner, test, N):
    """N-way accuracy (%), 1-shot and 5-shot, of a few tasks."""
    classify = classifier(learner, N, PROGRESS_STEPS)
    return [accuracy(classify, test, N, K, PROGRESS_TASKS, seed=1).mean()
            for K in (1, 5)]


def kernel_of(learner, N):
    """The tangent kernel of the learner in N-way tasks."""
    learner = first_classes(learner, N)
    return lambda x: tangent_kernel(learner.net, learner.phi, learner.inputs(x))


def input_kernel(args):
    """The correlation of what the network sees."""
    return lambda x: correlation(INPUTS[args.inputs](x))


def test_ways(args):
    """The kinds of task to test on: 5-way and 20-way, as far as φ has the classes."""
    return [N for N in (5, 20) if N <= args.ways] or [args.ways]


def columns(args):
    """The table's columns, (N, K, tasks): all of as many queries."""
    return [(N, K, args.tasks * 5 // N) for N in test_ways(args) for K in (1, 5)]


def save(path, learner):
    """Write φ, layer sizes, α and inputs: whole, or not at all."""
    sizes = learner.net.layer_sizes
    with open(part_of(path), "wb") as file:
        np.savez(file, phi=learner.phi, layer_sizes=sizes,
                 alpha=learner.step_size(sizes[-1]), inputs=learner.inputs.__name__)
    part_of(path).replace(path)


def part_of(path):
    """Where a file is written to before it takes its place."""
    return path.with_name(f"{path.name}.part")


def main(argv=None):
    """Run the command line."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it at once
    p = parser()
    args = p.parse_args(argv)
    check_files(p, args)
    pictures, test = load(p, args)
    classes = len(data.TURNS) * len(pictures)
    if args.ways > classes:
        p.error(f"--ways {args.ways}: there are {classes} classes to train on")

    shown = METHODS if args.update == "all" else ["random", args.update]
    if args.figures:
        shown = [*shown, "joint"]
    names = [name for name in METHODS if name in shown]
    seeds = range(args.seed, args.seed + args.seeds)
    jobs = [(name, seed, args, pictures, test) for name in names for seed in seeds]
    if len(seeds) == 1:
        done = map(run, jobs)
    else:
        done = all_cores().map(run, jobs)

    outcomes = {name: [] for name in names}  # one for each seed
    for (name, *_), outcome in zip(jobs, done):
        outcomes[name].append(outcome)
    print_table(args, seeds, outcomes, test)
    print_kernels(args, seeds, outcomes, test)
    if args.figures:
        draw_figures(args, outcomes, test)


def all_cores():
    """Processes to share the work; Ctrl-C ends them, too, without a traceback."""
    return ProcessPoolExecutor(initializer=signal.signal,
                               initargs=(signal.SIGINT, signal.SIG_DFL))


# The tables

def print_table(args, seeds, outcomes, test):
    """Accuracy on new characters: a column for each kind of task."""
    over = "the tasks" if len(seeds) == 1 else "three training seeds"
    print(f"\nAccuracy (%) on new characters, 95 % interval over {over}\n")
    print_row("", [f"{N}-way {K}-shot" for N, K, _ in columns(args)])
    print_row("", [f"{tasks:,} tasks" for _, _, tasks in columns(args)])
    nearest = partial(nearest_neighbour, inputs=INPUTS[args.inputs])
    print_row("nearest neighbour, no step", [
        interval([accuracy(nearest, test, N, K, tasks, seed) for seed in seeds])
        for N, K, tasks in columns(args)])

    for steps in STEPS:
        print(f"after {steps} step{'s' * (steps > 1)}")
        for name, of_seeds in outcomes.items():
            print_row(f"  {TITLES[name]}", [
                interval([outcome.accuracy[steps, N, K] for outcome in of_seeds])
                for N, K, _ in columns(args)])


def print_row(title, cells):
    """A row of a table."""
    print(f"{title:28}" + "".join(f"{cell:>15}" for cell in cells))


def interval(values):
    """Mean and 95 % interval of % of each task, (seeds, tasks), as a cell.

    One seed: over its tasks. Three seeds, each with tasks of its own: over the seeds.
    """
    if len(values) == 1:
        quantile, sample = 1.96, values[0]
    else:
        quantile, sample = STUDENT, np.mean(values, axis=1)
    half = quantile * np.std(sample, ddof=1) / len(sample) ** 0.5
    return f"{np.mean(values):.1f} ± {half:.1f}"


def print_kernels(args, seeds, outcomes, test):
    """What has been found: which drawings belong together."""
    N = test_ways(args)[0]
    inputs = input_kernel(args)
    kernels = {args.inputs: [judge(inputs, test, N, seed) for seed in seeds]}
    for name, of_seeds in outcomes.items():
        kernels[TITLES[name]] = [outcome.kernel for outcome in of_seeds]

    print("\nWhich drawings belong together, by the kernel K: its mean for drawings of "
          "the same\ncharacter over that for others; accuracy (%) of the nearest in K; "
          "and how often (%)\nthat is the answer after one step\n")
    print_row("", ["same : others", "nearest in K", "as one step"])
    for title, of_seeds in kernels.items():
        same, others, right, agree = np.mean(of_seeds, axis=0)
        cells = [f"{same / others:.1f}", f"{right:.1f}", f"{agree:.1f}"]
        print_row(title, cells[:2] if title == args.inputs else cells)


# The figures

def draw_figures(args, outcomes, test):
    """One episode, and the kernels, in the folder --figures."""
    N = test_ways(args)[0]
    name = "reptile" if args.update == "all" else args.update
    x = draw_tasks(np.random.default_rng(args.seed), test, 1, N, 8)[0]  # (N, 8, n_in)
    draw_episode(args, outcomes[name][0].learner, name, x[:, 0], x[:, 1])

    kernels = {args.inputs: input_kernel(args)}
    for kind in "random", "joint", name:
        kernels[TITLES[kind]] = kernel_of(outcomes[kind][0].learner, N)
    values = {title: kernel(x.reshape(8 * N, -1)) for title, kernel in kernels.items()}
    figures.found_characters(args.figures / "found_characters.png", x[:, 0], values)


def draw_episode(args, learner, name, support, query):
    """One task, of a drawing of each class to learn, (N, n_in), and one to tell."""
    N = len(support)
    learner = first_classes(learner, N)
    net, phi, _, adam, inputs = learner
    x, y = inputs(support), np.arange(N)
    W = adapt(net, phi, x, y, learner.step_size(N), 50, adam)
    before, after = (net.predict(w, inputs(query)) for w in (phi, W))
    figures.episode(args.figures / "episode.png", support, query, before, after,
                    TITLES[name])


# The command line

def add_data_options(p):
    """The options that say what to train on and what to test on."""
    p.add_argument(
        "--split", choices=["alphabets", "papers"], default="alphabets",
        help="test on new alphabets; or, as in the papers, pool all, and train on "
        "1,200 characters drawn at random (default: alphabets)")
    p.add_argument("--train", choices=data.SETS,
                   help="set to train on (default: small1)")
    p.add_argument("--test", choices=data.SETS,
                   help="set to test on (default: small2)")
    p.add_argument(
        "--data", metavar="FOLDER",
        help="where Omniglot is, zipped or unpacked; else OMNIGLOT_DIR, or a download")
    p.add_argument("--seed", type=number(0, 2**32 - 1), default=0,
                   help="of φ, of the tasks, of the papers' split (default: 0)")


def load(p, args):
    """Pictures to train on, and to test on, as the data options say."""
    if args.split == "papers" and (args.train or args.test):
        p.error("--split papers pools background and evaluation: no --train or --test")
    try:
        if args.split == "papers":
            pictures, test = data.load_papers_split(args.seed, args.data)
        else:
            train_set, test_set = args.train or "small1", args.test or "small2"
            pictures, test = data.load_split(train_set, test_set, args.data)
    except (OSError, ValueError) as error:
        p.error(error)
    print(f"{len(pictures):,} characters to train on, {len(test)} to test on\n")
    return pictures, test


def number(least, most):
    """A reader of whole numbers from `least` to `most`, for `add_argument`."""
    def whole_number(text):
        if not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text} is not in {least} ... {most}")
        return int(text)

    return whole_number


def parser():
    """The options, in the order of --help."""
    p = argparse.ArgumentParser(prog="python -m omniglot.demo", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--update", choices=[*METHODS, "all"], default="reptile",
                   help="method to train by (default: reptile)")
    p.add_argument("--ways", type=number(2, 1000), default=20, metavar="N",
                   help="classes of a task in training (default: 20)")
    p.add_argument("--hidden", type=number(1, 4096), nargs="+", default=[256, 128],
                   metavar="n", help="units of each hidden layer (default: 256 128)")
    p.add_argument("--inputs", choices=INPUTS, default="pixels",
                   help="what the network sees of a drawing: its pixels, or the edges "
                   "of its strokes in four directions (default: pixels)")
    p.add_argument("--iterations", type=number(1, 10**7), default=8000, metavar="I",
                   help="outer steps (default: 8000)")
    add_data_options(p)
    p.add_argument("--tasks", type=number(20, 10**5), default=1000, metavar="T",
                   help="5-way tasks to test on, and T/4 20-way ones (default: 1000)")
    p.add_argument("--seeds", type=int, choices=[1, 3], default=1,
                   help="trainings of each method, on all cores (default: 1)")
    p.add_argument("--save", type=Path, metavar="FILE",
                   help="write φ, layer sizes, α and inputs of --update, as .npz")
    p.add_argument("--figures", type=Path, metavar="FOLDER",
                   help="draw figures there, for which joint training is trained, too")
    return p


def check_files(p, args):
    """Refuse now what could not be written after the training."""
    if args.save and (args.update == "all" or args.save.is_dir()):
        p.error("--save holds one method in one file: name its --update, and the file")
    try:
        if args.save:
            part_of(args.save).touch()
            part_of(args.save).unlink()
        if args.figures:
            args.figures.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        p.error(error)


if __name__ == "__main__":
    main()
