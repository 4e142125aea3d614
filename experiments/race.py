"""A race on sines: Reptile, FOMAML and MAML, each at its best outer step size.

    python -m experiments.race

writes experiments/results/race.json, which lesson 2 of the tutorial draws.

The sine demo's network and α, five tasks an iteration, k = 5 inner steps for Reptile.
FOMAML and MAML are trained *as they are tested*: k − 1 = 4 steps on one support set of
10 points, the last gradient on a query set of 10 other points. Two controls: MAML and
FOMAML on Reptile's five different mini-batches, and Reptile on MAML's points.

The outer optimiser is Adam. One rule chooses the outer step size of each: constant or
falling linearly to zero, and ε doubled or halved until the error stops getting smaller.
It is the mean error after 8 steps of three runs whose tasks and test sines the race
does not use. (Plain outer steps are left out: at the ε that this rule finds for FOMAML,
at least one of the ten runs diverges.)

Then each makes ten runs, with the same random φ, tasks and test sines as the others.
All runs of a method advance together: row r of `phi` is run r.
"""

import argparse
import json
import signal
from pathlib import Path
from time import process_time

import numpy as np

from reptile import Adam0, fomaml, inner_loop, maml
from sine_demo import ALPHA, NETWORK, evaluate, sample_sines, support_and_query

RESULTS = Path(__file__).parent / "results" / "race.json"

TASKS = 5  # an iteration, for each run
ITERATIONS = 6000
MARKS = (60, 200, 600, 2000, 6000)  # iterations at which the error is measured
STEPS = (1, 4, 8, 32)  # inner steps on a new sine
RUNS, TUNING_RUNS = 10, 3
STUDENT = 2.262  # 97.5 % quantile of Student's t for RUNS − 1 degrees of freedom


METHODS = {
    "Reptile": (inner_loop, sample_sines),
    "FOMAML": (fomaml, support_and_query),
    "MAML": (maml, support_and_query),
    "FOMAML, 5 mini-batches": (fomaml, sample_sines),
    "MAML, 5 mini-batches": (maml, sample_sines),
    "Reptile, MAML's points": (inner_loop, support_and_query),
}

OUTER_STEPS = {  # does ε fall?, and where the search for ε begins
    "Adam, falling": (True, 0.004),
    "Adam, constant": (False, 0.002),
}


def meta_train(method, outer_step, epsilon, runs, seed):
    """Yield φ, (runs, P), after each iteration."""
    update, sample = METHODS[method]
    falling, _ = OUTER_STEPS[outer_step]
    outer = Adam0()

    rng = np.random.default_rng(seed)
    phi = np.array([NETWORK.init(rng) for _ in range(runs)])

    for i in range(ITERATIONS):
        x, y = sample(rng, runs * TASKS)
        starts = np.repeat(phi, TASKS, axis=0)  # (runs * TASKS, P)
        W = update(NETWORK, starts, x, y, ALPHA)
        W = W.reshape(runs, TASKS, -1).mean(axis=1)  # (runs, P)

        eps = epsilon * (1 - i / ITERATIONS) if falling else epsilon
        phi = outer.step(phi, (phi - W) / ALPHA, eps)
        yield phi


def errors_at(marks, phis, seed, steps=STEPS):
    """Errors, (len(marks), runs, len(steps)): the mean over 1,000 new sines a run."""
    errors = []
    for i, phi in enumerate(phis, start=1):
        if i in marks:
            errors.append([
                evaluate(NETWORK, phi_r, ALPHA, seed + r, 1000, steps).mean(axis=1)
                for r, phi_r in enumerate(phi)
            ])
    return np.array(errors)


def tuning_error(method, outer_step, epsilon):
    """Error after 8 steps at the end, the mean of the tuning runs."""
    phis = meta_train(method, outer_step, epsilon, TUNING_RUNS, seed=100)
    try:
        errors = errors_at([ITERATIONS], phis, seed=2000, steps=[8])
    except FloatingPointError:
        return np.inf  # diverged
    return errors.mean()


def tune(method, outer_step):
    """The best ε, and its tuning error: doubled or halved until neither is better."""
    _, start = OUTER_STEPS[outer_step]
    tried = {}
    candidates = [start / 2, start, start * 2]
    while candidates:
        for epsilon in candidates:
            tried[epsilon] = tuning_error(method, outer_step, epsilon)
        best = min(tried, key=tried.get)
        candidates = [eps for eps in (best / 2, best * 2) if eps not in tried]

    return best, tried[best]


def milliseconds(rounds=40, iterations=10):
    """{method: CPU time of an iteration of one run by itself}, the median of rounds.

    The methods take turns, so that whatever else the machine does slows down all.
    """
    runs = {method: meta_train(method, "Adam, constant", 0.001, runs=1, seed=0)
            for method in METHODS}
    times = {method: [] for method in METHODS}
    for _ in range(rounds):
        for method, phis in runs.items():
            start = process_time()
            for _ in range(iterations):
                next(phis)
            times[method].append((process_time() - start) / iterations * 1000)
    return {method: np.median(times[method]) for method in METHODS}


def tune_all():
    """{method: (outer step, ε, tuning error)}, the best of all."""
    chosen = {}
    for method in METHODS:
        results = {outer_step: tune(method, outer_step) for outer_step in OUTER_STEPS}
        best = min(results, key=lambda outer_step: results[outer_step][1])
        chosen[method] = best, *results[best]
        print(method, *chosen[method], flush=True)
    return chosen


def run_all(chosen):
    """{method: errors, (len(MARKS), RUNS, len(STEPS))}, without those that diverge."""
    curves = {}
    for method, (outer_step, epsilon, _) in chosen.items():
        phis = meta_train(method, outer_step, epsilon, RUNS, seed=0)
        try:
            curves[method] = errors_at(MARKS, phis, seed=1000)
        except FloatingPointError as error:
            print(f"{method}: a run {error}", flush=True)
    return curves


def at_the_end(errors, reptiles):
    """{inner steps: mean, least, largest error, and how far from Reptile's}.

    errors, reptiles  (runs, len(STEPS)), run by run with the same φ, tasks and sines
    """
    rows = {}
    for n, e, reptile_e in zip(STEPS, errors.T, reptiles.T):
        less = e - reptile_e
        half = STUDENT * less.std(ddof=1) / RUNS**0.5  # of a 95 % interval
        rows[n] = summary(e) | {"less Reptile's": digits([less.mean(), half])}
    return rows


def summary(errors):
    """Mean, least and largest over the runs, the last axis."""
    return {"mean": digits(errors.mean(axis=-1)), "least": digits(errors.min(axis=-1)),
            "largest": digits(errors.max(axis=-1))}


def digits(numbers, n=4):
    """Rounded, as lists and numbers that JSON knows."""
    return np.round(np.asarray(numbers, float), n).tolist()


def main(argv=None):
    """Tune, race, and write the results."""
    argparse.ArgumentParser(
        prog="python -m experiments.race",
        description="A race on sines: Reptile, FOMAML and MAML, each at its best outer "
        "step size. Takes about half an hour on one core, prints each method's outer "
        "step size and its error in tuning, and writes experiments/results/race.json.",
    ).parse_args(argv)
    chosen = tune_all()
    cost = milliseconds()
    curves = run_all(chosen)

    results = {}
    for method, errors in curves.items():  # (len(MARKS), RUNS, len(STEPS))
        outer_step, epsilon, tuning_error = chosen[method]
        results[method] = {
            "outer step": outer_step,
            "epsilon": epsilon,
            "tuning error": digits(tuning_error),
            "milliseconds": digits(cost[method], 2),  # CPU time of an iteration
            "tasks": [mark * TASKS for mark in MARKS],
            "seconds": digits([mark * cost[method] / 1000 for mark in MARKS], 2),
            **summary(errors[:, :, STEPS.index(8)]),  # after 8 inner steps
            "steps": at_the_end(errors[-1], curves["Reptile"][-1]),
        }
    text = json.dumps(results, ensure_ascii=False, indent=1)
    RESULTS.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C: at once
    main()
