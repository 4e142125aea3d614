"""Choose the settings of each method of omniglot/demo.py, on held-out alphabets.

    python -m experiments.omniglot_tuning          about an hour of one core
    python -m experiments.omniglot_tuning maml        one method

One rule for all. Train in 5-way tasks for 2,000 iterations on three alphabets of
small1, and judge on the first two, Balinese and Early Aramaic, by the mean of the
table's six numbers (1-shot and 5-shot accuracy after 1, 5 and 50 steps), 200 tasks.

Of the settings in STARTS, take the best. Then change one step size at a time: first α
in training, then α at test, then ε. Halve it again and again; then, from its first
value, double it again and again. Turn back when a score lies more than MARGIN below the
best so far, or when two in a row do not beat it. The best is taken if it gains more
than MARGIN, the range of three seeds of Reptile at equal settings (with --spread).

The random φ has only an α at test, and where k = 1, α in training is but a factor of ε.
Reptile's ε is at most 1, where φ leaps to W. Not tuned are the tasks and the network;
the file that the demo is tested on, small2, is never opened.
"""

import sys
from functools import cache

import numpy as np

from omniglot import data, demo
from omniglot.demo import Method
from reptile import MLP, Adam0, fomaml, inner_loop, joint, maml

ITERATIONS, TASKS, N = 2000, 200, 5
MARGIN = 0.3  # points
NET = MLP([data.SIDE**2, 256, 128, N], loss="cross-entropy")

DEALS = {"k": 5, "support": 0}, {"k": 4, "support": 1}  # mini-batches, or a support set
STARTS = {
    "random": [Method(None, 0.2, 0.0, k=0)],
    "joint": [Method(joint, 0.2, 0.1, k=1)],
    "fomaml": [Method(fomaml, alpha, epsilon, outer=outer, test_alpha=0.2, **deal)
               for outer, epsilon in ((None, 0.5), (Adam0, 0.001))
               for alpha in (0.01, 0.1)
               for deal in DEALS],
    "maml": [Method(maml, 0.4, epsilon, outer=outer, **deal)
             for outer, epsilon in ((None, 0.5), (Adam0, 0.001))
             for deal in DEALS],
    "reptile": [Method(inner_loop, 0.1, 1.0, **deal) for deal in DEALS],
    "reptile-adam": [Method(inner_loop, 0.002, 0.33, k=k, inner=Adam0) for k in (5, 10)],
}
STARTS = {  # each with its α at test
    name: [start._replace(test_alpha=start.test_alpha or start.alpha)
           for start in starts]
    for name, starts in STARTS.items()}


def main(names):
    """Tune the named methods, or all."""
    if names == ["--spread"]:
        reptile_5 = STARTS["reptile"][0]
        scores = [score(reptile_5, seed) for seed in range(3)]
        print(f"  range {max(scores) - min(scores):.2f}")
        return

    print("Accuracy (%): 1-shot after 1, 5, 50 steps, 5-shot after 1, 5, 50 steps")
    for name in names or STARTS:
        print(f"\n{demo.TITLES[name]}")
        best = max(STARTS[name], key=score)
        for step_size in step_sizes(best):
            best = walk(best, step_size)
        print(f"  best: {settings(best)}, {score(best):.2f} %")


def step_sizes(method):
    """What is tuned of a method."""
    if method.k == 0:
        return ["test_alpha"]  # it is not trained
    if method.k == 1:
        return ["test_alpha", "epsilon"]  # α is but a factor of ε
    return ["alpha", "test_alpha", "epsilon"]


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
    """Pictures to train on, and to judge by."""
    alphabets, pictures = data.load_set("small1")
    held_out = np.isin(alphabets, sorted(set(alphabets))[:2])
    return pictures[~held_out], pictures[held_out][:, :, :1]


@cache
def score(method, seed=0):
    """The mean of the six numbers (%), which are printed; 0 if training diverges."""
    _, judges = held_out_alphabets()
    try:
        # What differs in α at test only is trained once.
        learner = trained(method._replace(test_alpha=None), seed)
        learner = learner._replace(alpha=method.test_alpha)
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
    pictures, _ = held_out_alphabets()
    *_, (_, learner) = demo.meta_train(method, NET, pictures, ITERATIONS, seed)
    return learner


def settings(method):
    """The settings that are tuned, in words."""
    deal = f"support {method.support}" if method.support else "mini-batches"
    outer = "Adam" if method.outer else "plain"
    return (f"k = {method.k:2}, {deal:12}, α = {method.alpha:<6g} at test "
            f"{method.test_alpha:<5g} {outer} ε = {method.epsilon:<7.2g}")


if __name__ == "__main__":
    main(sys.argv[1:])
