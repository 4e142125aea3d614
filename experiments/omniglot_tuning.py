"""Choose the settings of each method of omniglot/demo.py, on held-out alphabets.

    python -m experiments.omniglot_tuning          about an hour
    python -m experiments.omniglot_tuning maml        one method

One rule for all. Train in 5-way tasks for 2,000 iterations on three alphabets of
small1, and judge on the first two, Balinese and Early Aramaic, by the mean of the
table's six numbers (1-shot and 5-shot accuracy after 1, 5 and 50 steps), 200 tasks.

Of the settings in STARTS, take the best. Then change one step size at a time: first
alpha in training, then alpha at test, then epsilon. Halve it again and again; then,
from its first value, double it again and again. Turn back when a score lies more than
MARGIN below the best so far, or when two in a row do not beat it. The best is taken if
it gains more than MARGIN, the range of three seeds of Reptile at equal settings (with
--spread).

The random phi has only an alpha at test, and where k = 1, alpha in training is but a
factor of epsilon. Reptile's epsilon is at most 1, where phi leaps to W. Not tuned are
the tasks and the network; the file that the demo is tested on, small2, is never opened.
"""

import argparse
from functools import cache

import numpy as np

from omniglot import data, demo
from omniglot.data import Drawings, mini_batches, support_and_query
from omniglot.demo import Method
from reptile import MLP, Adam0, fomaml, inner_loop, joint, maml

ITERATIONS, TASKS, N = 2000, 200, 5
MARGIN = 0.3  # points
NET = MLP([data.SIDE**2, 256, 128, N], loss="cross-entropy")

DEALS = {"k": 5, "tasks": mini_batches}, {"k": 4, "tasks": support_and_query}
STARTS = {
    "random": [Method("", None, 0.2)],
    "joint": [Method("", joint, 0.2, 0.1, k=1)],
    "fomaml": [Method("", fomaml, alpha, epsilon, alpha_at_test=0.2, outer=outer,
                      **deal)
               for outer, epsilon in ((None, 0.5), (Adam0, 0.001))
               for alpha in (0.01, 0.1)
               for deal in DEALS],
    "maml": [Method("", maml, 0.4, epsilon, outer=outer, **deal)
             for outer, epsilon in ((None, 0.5), (Adam0, 0.001))
             for deal in DEALS],
    "reptile": [Method("", inner_loop, 0.1, 1.0, **deal) for deal in DEALS],
    "reptile-adam": [Method("", inner_loop, 0.002, 0.33, k=k, inner=Adam0)
                     for k in (5, 10)],
}
STARTS = {  # each with its α at test
    name: [start._replace(alpha_at_test=start.alpha_at_test or start.alpha)
           for start in starts]
    for name, starts in STARTS.items()}


def main(argv=None):
    """Tune the named methods, or all."""
    p = argparse.ArgumentParser(prog="python -m experiments.omniglot_tuning",
                                description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("methods", nargs="*", metavar="METHOD",
                   help=f"of {', '.join(STARTS)} (default: all)")
    p.add_argument("--spread", action="store_true",
                   help="tune nothing: the range of three seeds of Reptile")
    args = p.parse_args(argv)
    unknown = [name for name in args.methods if name not in STARTS]
    if unknown:
        p.error(f"no method is called {unknown[0]}")

    if args.spread:
        first = STARTS["reptile"][0]
        scores = [score(first, seed) for seed in range(3)]
        print(f"  range {max(scores) - min(scores):.2f}")
        return

    print("Accuracy (%): 1-shot after 1, 5, 50 steps, 5-shot after 1, 5, 50 steps")
    for name in args.methods or STARTS:
        print(f"\n{demo.METHODS[name].title}")
        best = max(STARTS[name], key=score)
        for step_size in step_sizes(best):
            best = walk(best, step_size)
        print(f"  best: {settings(best)}, {score(best):.2f} %")


def step_sizes(method):
    """What is tuned of a method."""
    if method.update is None:
        return ["alpha_at_test"]  # it is not trained
    if method.k == 1:
        return ["alpha_at_test", "epsilon"]  # α is but a factor of ε
    return ["alpha", "alpha_at_test", "epsilon"]


def walk(start, step_size):
    """A better one on the way down and up in one step size, if the gain counts."""
    best = start
    for factor in 1 / 2, 2:
        changed, worse = start, 0
        while worse < 2 and score(changed) >= score(best) - MARGIN:
            value = factor * getattr(changed, step_size)
            changed = changed._replace(**{step_size: value})
            if changed.epsilon > 1 and changed.update is inner_loop:
                break
            if score(changed) > score(best):
                best, worse = changed, 0
            else:
                worse += 1
    return best if score(best) > score(start) + MARGIN else start


@cache
def held_out_alphabets():
    """Drawings to train on, and to judge by."""
    alphabets, pictures = data.load_set("small1")
    held_out = np.isin(alphabets, sorted(set(alphabets))[:2])
    return Drawings(pictures[~held_out]), Drawings(pictures[held_out][:, :, :1])


@cache
def score(method, seed=0):
    """The mean of the six numbers (%), which are printed; 0 if training diverges."""
    _, judges = held_out_alphabets()
    try:
        # What differs in α at test only is trained once.
        learner = trained(method._replace(alpha_at_test=None), seed)
        learner = learner._replace(alpha=method.alpha_at_test)
        numbers = [
            data.accuracy(demo.classifier(learner, N, steps), judges, N, K, TASKS, 1)
            .mean() for K in (1, 5) for steps in demo.STEPS]
    except FloatingPointError as error:
        print(f"  {settings(method)}: {error}", flush=True)
        return 0

    cells = "".join(f"{number:7.1f}" for number in numbers)
    print(f"  {settings(method)}{cells}   mean {np.mean(numbers):.2f}", flush=True)
    return np.mean(numbers)


@cache
def trained(method, seed):
    """The learner at the end of a training."""
    drawings, _ = held_out_alphabets()
    *_, (_, learner) = demo.meta_train(method, NET, drawings, ITERATIONS, seed)
    return learner


def settings(method):
    """The settings that are tuned, in words."""
    tasks = method.tasks.__name__.replace("_", " ")
    outer = "Adam" if method.outer else "plain"
    return (f"k = {method.k:2}, {tasks:17}, alpha = {method.alpha:<6g} at test "
            f"{method.alpha_at_test:<5g} {outer} epsilon = {method.epsilon:<7.2g}")


if __name__ == "__main__":
    main()
