"""Reptile on Omniglot: tell new characters apart after one or five drawings of each.

Reptile beside what is not trained, a few minutes; all methods; and Reptile on the
papers' split, where it sees edges instead of pixels:

    python -m omniglot.demo
    python -m omniglot.demo --update all --ways 5 --iterations 2000
    python -m omniglot.demo --split papers --inputs edges

phi is meta-trained on 20-way tasks. One training serves tasks of fewer classes, too: a
5-way task takes the first five columns of the last layer.

Follows: section 6.1 of Nichol, Achiam, Schulman 2018, arXiv:1803.02999v3.
But: an MLP, no convolutions. Drawings are centred and scaled; for training they are
also turned, mirrored and deformed. Each query is classified by itself.
"""

import argparse
import signal
from concurrent.futures import ProcessPoolExecutor
from copy import deepcopy
from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np

from omniglot import data
from omniglot.data import accuracy, mini_batches, support_and_query
from omniglot.kernel import Found, correlation, judge, tangent_kernel
from reptile import MLP, Adam0, adapt, fomaml, inner_loop, joint, maml, train

# How φ is trained

class Method(NamedTuple):
    """An update, and its settings. Step sizes α are for five classes."""

    title: str
    update: object                # as in `train`; None: φ stays random
    alpha: float                  # inner step size
    epsilon: float = 0.0          # outer step size, which falls linearly to zero
    k: int = 5                    # inner gradients
    alpha_at_test: float = None   # inner step size on new tasks, if it is not alpha
    inner: type = None            # optimiser of the inner loop: None, or Adam0
    outer: type = None            # and of φ
    tasks: object = mini_batches  # how tasks are dealt out: or `support_and_query`
    drawings: int = 10            # of each class in a task of training
    meta_batch: int = 5           # tasks per iteration


# Step sizes as experiments/omniglot_tuning.py chose them, on two alphabets of small1
# that were held out. With Adam outside, ε is its step size.
METHODS = {
    "random": Method("random initialisation", None, 0.2),
    "joint": Method("joint training (k = 1)", joint, 0.2, 0.1, k=1),
    "fomaml": Method("FOMAML", fomaml, 0.01, 0.5, k=4, alpha_at_test=0.2,
                     tasks=support_and_query),
    "maml": Method("MAML", maml, 0.4, 0.000125, outer=Adam0),
    "reptile": Method("Reptile", inner_loop, 0.1, 1.0),
    "reptile-adam": Method("Reptile, Adam inside", inner_loop, 0.002, 0.165,
                           inner=Adam0),
}


class Learner(NamedTuple):
    """A φ, and how it learns a new task."""

    net: MLP
    phi: np.ndarray
    alpha: float        # for five classes
    adam: Adam0 = None  # None for plain steps; else with the state it has from training


def step_size(learner, N):
    """α for N classes: each has 1/N of the gradient, which Adam would rescale."""
    return learner.alpha if learner.adam else N / 5 * learner.alpha


def meta_train(method, net, drawings, iterations, seed):
    """Meta-train φ: a generator of (iteration, learner), at each tenth of the way.

    The first is iteration 0, the random φ. FloatingPointError if training diverges.
    """
    N = net.layer_sizes[-1]
    rng = np.random.default_rng(seed)
    phi = net.init(rng)
    inner = method.inner() if method.inner else None
    outer = method.outer() if method.outer else None
    in_training = Learner(net, phi, method.alpha, inner)
    at_test = in_training._replace(alpha=method.alpha_at_test or method.alpha)

    yield 0, at_test
    if method.update is None:
        return

    training = train(
        net, phi, method.tasks(drawings, N, method.k, method.drawings), rng,
        method.update, alpha=step_size(in_training, N), epsilon=method.epsilon,
        iterations=iterations, meta_batch=method.meta_batch, inner=inner, outer=outer)
    tenths = {iterations * i // 10 for i in range(1, 11)}
    for iteration, phi in training:
        if iteration in tenths:
            yield iteration, at_test._replace(phi=phi)


# How it learns new tasks

def first_classes(learner, N):
    """The learner for N-way tasks: with the first N columns of the last layer."""
    net = learner.net
    positions = net.unpack(np.arange(net.num_params))
    positions[-1] = positions[-1][:, :N]
    kept = np.concatenate([layer.ravel() for layer in positions])

    adam = deepcopy(learner.adam)
    if adam:
        adam.v = np.broadcast_to(adam.v, net.num_params)[kept]
    smaller = MLP([*net.layer_sizes[:-1], N], loss="cross-entropy")
    return learner._replace(net=smaller, phi=learner.phi[kept], adam=adam)


def classifier(learner, N, steps):
    """`classify` for `accuracy`: learn an N-way task in so many steps."""
    learner = first_classes(learner, N)
    net, phi, _, adam = learner
    alpha = step_size(learner, N)

    def classify(support, query):
        T, _, K, n_in = support.shape
        x = support.reshape(T, N * K, n_in)
        y = np.tile(np.arange(N).repeat(K), (T, 1))
        W = adapt(net, phi, x, y, alpha, steps, adam)
        return net.predict(W, query).argmax(axis=-1)

    return classify


def nearest_neighbour(support, query):
    """Labels (T, M) of query (T, M, n_in): those of the nearest in the support set."""
    T, _, K, n_in = support.shape
    s = support.reshape(T, -1, n_in)
    # |q − s|² = 2 n_in − 2 q·s, as all are standardised: the nearest has the most q·s.
    products = query @ s.swapaxes(1, 2)  # (T, M, N K)
    return products.argmax(axis=-1) // K


# Train and judge

STEPS = 1, 5, 50  # inner steps on a new task
PROGRESS_TASKS = 100


class Column(NamedTuple):
    """A kind of new tasks, a column of the table."""

    N: int  # classes
    K: int  # drawings of each to learn from: its shots
    tasks: int


def columns_of(ways, tasks):
    """5-way and 20-way tasks, as far as φ has the classes: all of as many queries."""
    kinds = [N for N in (5, 20) if N <= ways] or [ways]
    return [Column(N, K, tasks * 5 // N) for N in kinds for K in (1, 5)]


class Outcome(NamedTuple):
    """How good a method is that was trained from one seed."""

    accuracy: dict  # {steps: [% of each task, for each column]}
    kernel: Found


def train_and_judge(job, net, iterations, drawings, test, columns):
    """An Outcome, or None if training diverges. A job is a method's name and a seed."""
    name, seed = job
    title = METHODS[name].title
    try:
        for i, learner in meta_train(METHODS[name], net, drawings, iterations, seed):
            if i > 0:
                print_progress(f"{title}, seed {seed}, iteration {i:,}", learner, test,
                               columns[0].N)
        return judged(learner, test, columns, seed)
    except FloatingPointError as error:
        print(f"{title}, seed {seed}: {error}", flush=True)
        return None


def print_progress(heading, learner, test, N):
    """Accuracy after five steps on a few tasks."""
    classify = classifier(learner, N, steps=5)
    one, five = (accuracy(classify, test, N, K, PROGRESS_TASKS, seed=1).mean()
                 for K in (1, 5))
    print(f"{heading}: {one:.1f} % 1-shot, {five:.1f} % 5-shot", flush=True)


def judged(learner, test, columns, seed):
    """The Outcome of a learner on new tasks, which the seed fixes."""
    found = {}
    for steps in STEPS:
        found[steps] = [
            accuracy(classifier(learner, N, steps), test, N, K, tasks, seed)
            for N, K, tasks in columns]

    N = columns[0].N
    one_step = classifier(learner, N, steps=1)
    few = first_classes(learner, N)
    kernel = partial(tangent_kernel, few.net, few.phi)
    return Outcome(found, judge(kernel, test, N, seed, one_step))


def run_all(names, seeds, **setting):
    """{name: [Outcome of each seed]}. Several seeds share all cores."""
    jobs = list(product(names, seeds))
    run = partial(train_and_judge, **setting)
    outcomes = map(run, jobs) if len(seeds) == 1 else all_cores().map(run, jobs)

    found = {name: [] for name in names}
    for (name, _), outcome in zip(jobs, outcomes):
        found[name].append(outcome)
    return found


def all_cores():
    """Processes to share the work; Ctrl-C ends them, too, without a traceback."""
    return ProcessPoolExecutor(initializer=signal.signal,
                               initargs=(signal.SIGINT, signal.SIG_DFL))


# Print

STUDENT = 4.303  # 97.5 % quantile of Student's t for three seeds


def interval(values, sign=""):
    """Mean and 95 % interval of % of each task, (seeds, tasks), as a cell.

    One seed: over its tasks. Three seeds, each with tasks of its own: over the seeds.
    """
    if len(values) == 1:
        quantile, sample = 1.96, values[0]
    else:
        quantile, sample = STUDENT, np.mean(values, axis=1)
    half = quantile * np.std(sample, ddof=1) / len(sample) ** 0.5
    return f"{np.mean(values):{sign}.1f} +- {half:.1f}"


def print_row(title, cells):
    """A row of a table."""
    print(f"{title:28}" + "".join(f"{cell:>15}" for cell in cells))


def print_accuracy(columns, seeds, nearest, found):
    """Accuracy on new characters: a column for each kind of task."""
    over = "the tasks" if len(seeds) == 1 else "three training seeds"
    print(f"\nAccuracy (%) on new characters, 95 % interval over {over}\n")
    print_row("", [f"{N}-way {K}-shot" for N, K, _ in columns])
    print_row("", [f"{tasks:,} tasks" for *_, tasks in columns])
    print_row("nearest neighbour, no step", map(interval, zip(*nearest)))

    for steps in STEPS:
        print("after 1 step" if steps == 1 else f"after {steps} steps")
        for name, outcomes in found.items():
            cells = ["diverged"]
            if None not in outcomes:
                of_seeds = [outcome.accuracy[steps] for outcome in outcomes]
                cells = map(interval, zip(*of_seeds))
            print_row(f"  {METHODS[name].title}", cells)


def print_differences(name, nearest, found):
    """By how much one method is ahead of the others, on the very same tasks."""
    if None in found[name]:
        return
    last = STEPS[-1]
    others = {"nearest neighbour": nearest}
    for other, outcomes in found.items():
        if other != name and None not in outcomes:
            title = METHODS[other].title
            others[title] = [outcome.accuracy[last] for outcome in outcomes]

    print(f"\n{METHODS[name].title} after {last} steps, less (differences on the same "
          "tasks; one within its interval\nmay be chance)\n")
    ours = [outcome.accuracy[last] for outcome in found[name]]
    for title, theirs in others.items():
        cells = []
        for a, b in zip(zip(*ours), zip(*theirs)):  # of a column, (seeds, tasks) each
            cells.append(interval(np.subtract(a, b), sign="+"))
        print_row(f"  {title}", cells)


def print_kernels(inputs, pixel_kernels, found):
    """What has been found: which drawings belong together."""
    print("\nWhich drawings belong together: the mean kernel of drawings of the same "
          "character over\nthat of others; accuracy (%) of the nearest neighbour in "
          "the kernel; and how often (%)\nthat is the answer after one step\n")
    print_row("", ["same : others", "nearest in it", "as one step"])

    kernels = {inputs: pixel_kernels}
    for name, outcomes in found.items():
        if None not in outcomes:
            kernels[METHODS[name].title] = [outcome.kernel for outcome in outcomes]
    for title, of_seeds in kernels.items():
        same, others, right, agree = np.mean(of_seeds, axis=0)
        cells = [f"{same / others:.1f}", f"{right:.1f}", f"{agree:.1f}"]
        print_row(title, cells[:2] if title == inputs else cells)


# The command line

def main(argv=None):
    """Load, train, judge, print."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it at once
    p = parser()
    args = p.parse_args(argv)
    try:
        drawings, test = load(args.split, args.inputs, args.seed, args.data)
    except (OSError, ValueError) as error:
        p.error(error)

    if args.update == "all":
        names, first = METHODS, "reptile"
    else:
        names, first = dict.fromkeys(["random", args.update]), args.update  # each once
    seeds = range(args.seed, args.seed + args.seeds)
    net = MLP([data.SIDE**2, *args.hidden, args.ways], loss="cross-entropy")
    columns = columns_of(args.ways, args.tasks)

    found = run_all(names, seeds, net=net, iterations=args.iterations,
                    drawings=drawings, test=test, columns=columns)
    nearest = [[accuracy(nearest_neighbour, test, N, K, tasks, seed)
                for N, K, tasks in columns] for seed in seeds]
    pixel_kernels = [judge(correlation, test, columns[0].N, seed) for seed in seeds]

    print_accuracy(columns, seeds, nearest, found)
    print_differences(first, nearest, found)
    print_kernels(args.inputs, pixel_kernels, found)


def load(split, inputs, seed, folder=None):
    """Drawings to train on, and to test on, as the options say."""
    see = data.INPUTS[inputs]
    if split == "papers":
        drawings, test = data.load_papers_split(seed, see, folder)
    else:
        drawings, test = data.load_split(*SPLITS[split], see, folder)
    print(f"{len(drawings.pictures):,} characters to train on, {len(test.pictures)} to "
          "test on\n")
    return drawings, test


SPLITS = {  # sets to train on and to test on
    "alphabets": ("small1", "small2"),
    "lake": ("background", "evaluation"),
    "papers": None,
}


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
    p.add_argument("--inputs", choices=data.INPUTS, default="pixels",
                   help="what the network sees of a drawing: its pixels, or the edges "
                   "of its strokes in four directions (default: pixels)")
    p.add_argument("--iterations", type=number(1, 10**7), default=8000, metavar="I",
                   help="outer steps (default: 8000)")
    p.add_argument(
        "--split", choices=SPLITS, default="alphabets",
        help="alphabets: test on new ones, with the two small files; lake: the same "
        "with the two large files; papers: pool these, and train on 1,200 characters "
        "drawn at random (default: alphabets)")
    p.add_argument(
        "--data", metavar="FOLDER",
        help="where Omniglot is, zipped or unpacked; else OMNIGLOT_DIR, or a download")
    p.add_argument("--tasks", type=number(20, 10**5), default=1000, metavar="T",
                   help="5-way tasks to test on, and T/4 20-way ones (default: 1000)")
    p.add_argument("--seed", type=number(0, 2**32 - 1), default=0,
                   help="of phi, of the tasks, of the papers' split (default: 0)")
    p.add_argument("--seeds", type=int, choices=[1, 3], default=1,
                   help="trainings of each method, each with test tasks of its own, "
                   "from --seed on and on all cores (default: 1)")
    return p


if __name__ == "__main__":
    main()
