"""The law: how far one gradient step trusts each pattern of the tasks.

    python -m experiments.law       some minutes; writes results/law.json

Tasks are random functions y = sum of c_i e_i: patterns e_i (principal components of the
tasks on the 50 points, mean square 1) with c_i of mean 0 and of variance lambda_i, the
signal. B points of a task give an estimate of c_i, the mean of e_i y over the points,
with the variance n_i = (mean of e_i^2 C(x, x) - lambda_i) / B, the noise. The best line
from the estimate to c_i has the slope

    m_i = lambda_i / (lambda_i + n_i)        signal / (signal + noise)

One gradient step from phi multiplies the estimate by 2 alpha kappa_i, where kappa_i is
the tangent kernel's strength in the pattern, the mean of e_i K e_i. Trained by Reptile
(k = 5) and by MAML (one step, then a query set), is 2 alpha kappa_i = m_i?

Of each family: B = 3 and 10, three seeds, the sine demo's network and alpha, Adam
outside, five tasks an iteration, 3,000 iterations. Then where the law ends, each with
a control. "No room": the law wants gains with a sum beyond 2 alpha (units + 1), which
is the most that the last layer can give.
"""

import argparse
import itertools
import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from reptile import MLP, Adam0, fomaml, inner_loop, maml, train
from sine_demo import ALPHA, X, tangent_kernel

RESULTS = Path(__file__).parent / "results" / "law.json"
SEEDS = 21, 22, 23
SHOWN = 0.02  # of the tasks' variance: patterns with less are left out
SETTINGS = {"units": 64, "alpha": ALPHA, "iterations": 3000, "outer": "Adam"}
METHODS = {  # update, mini-batches
    "Reptile": (inner_loop, 5),
    "Reptile, k = 2": (inner_loop, 2),
    "MAML": (maml, 2),
    "FOMAML": (fomaml, 2),
}

MEAN_A2 = (5**3 - 0.1**3) / (3 * 4.9)  # of the demo's amplitudes, squared
PHASE = np.sin(X) * np.sin(X.T)
FAMILIES = {  # covariances C(x, x') of the tasks, (50, 50)
    "sines": MEAN_A2 / 2 * np.cos(X - X.T),
    "one phase stronger": 2.5 * np.cos(X - X.T) + 3 * PHASE,
    "a sin x": 8.5 * PHASE,
    "lines a x + c": 0.05 * X * X.T + 0.2,
    "smooth curves": 4 * np.exp(-(((X - X.T) / 1.5) ** 2) / 2),
    "lines a x": 0.05 * X * X.T + 1e-6,  # whose second pattern is the constant
    "lines, 10 times the variance": 0.5 * X * X.T + 2,
}


def patterns(C):
    """All patterns e_i, (50, 50), and their signals, (50,), the largest first."""
    signal, vectors = np.linalg.eigh(C / len(C))
    return vectors[:, ::-1] * len(C) ** 0.5, signal[::-1]


def noises(C, B):
    """The noise of each pattern's estimate, (50,)."""
    e, signal = patterns(C)
    return (np.mean(e**2 * np.diag(C)[:, None], axis=0) - signal) / B


def predicted(C, B):
    """The law's gain for each pattern, (50,)."""
    _, signal = patterns(C)
    return signal / (signal + noises(C, B))


def measured(net, phi, C, alpha=ALPHA):
    """2 alpha kappa of each pattern, (50,)."""
    e, _ = patterns(C)
    K = tangent_kernel(net, phi)
    return 2 * alpha * np.sum(e * (K @ e), axis=0) / len(C) ** 2


def draw_tasks(family, rng, T):
    """T tasks of a family, (T, 50): the demo's sines, or Gaussian with covariance C."""
    if family == "sines":
        a, b = rng.uniform(0.1, 5, (T, 1)), rng.uniform(0, 2 * np.pi, (T, 1))
        return a * np.sin(X.T + b)
    e, signal = patterns(FAMILIES[family])
    c = rng.normal(size=(T, len(X))) * np.sqrt(np.maximum(signal, 0))
    return c @ e.T


def sampler(family, k, B):
    """`sample` for `train`: k mini-batches of B points, drawn with replacement."""
    def sample(rng, T):
        y = draw_tasks(family, rng, T)
        i = rng.integers(len(X), size=(k, T, B))
        return X[i], y[np.arange(T)[:, None], i][..., None]

    return sample


def meta_train(family, B, method, seed, units=64, alpha=ALPHA, iterations=3000,
               outer="Adam"):
    """The network, the phi that a method finds, and the random phi before it."""
    update, k = METHODS[method]
    net = MLP([1, units, units, 1])
    rng = np.random.default_rng(seed)
    start = net.init(rng)
    options = {"epsilon": 0.008, "meta_batch": 5, "outer": Adam0()}
    if outer == "plain":
        options = {"epsilon": 0.1}  # as the demo: one task an iteration
    for _, phi in train(net, start, sampler(family, k, B), rng, update, alpha=alpha,
                        iterations=iterations, **options):
        pass
    return net, phi, start


def run(job):
    """Train, and measure: a row of the results, or None if it diverges."""
    group, family, B, method, settings, seed = job
    settings = SETTINGS | settings
    try:
        net, phi, start = meta_train(family, B, method, seed, **settings)
    except FloatingPointError as error:
        print(f"{family}, B = {B}, {method}, seed {seed}: {error}", flush=True)
        return None

    C, alpha = FAMILIES[family], settings["alpha"]
    _, signal = patterns(C)
    shown = signal > SHOWN * signal.sum()
    if family == "lines a x":
        shown[1] = True
    law = predicted(C, B)

    row = {"group": group, "family": family, "B": B, "method": method, "seed": seed}
    row |= settings
    row["room"] = bool(law.sum() < 2 * alpha * (settings["units"] + 1))
    row["law"] = law[shown].round(3).tolist()
    row["random"] = measured(net, start, C, alpha)[shown].round(3).tolist()
    row["measured"] = measured(net, phi, C, alpha)[shown].round(3).tolist()
    return row


def jobs():
    """What is run with each seed: group, family, B, method, other settings."""
    both = "Reptile", "MAML"
    for family, B, method in itertools.product(list(FAMILIES)[:5], (3, 10), both):
        no_room = family == "smooth curves" and B == 10
        yield "no room" if no_room else "families", family, B, method, {}

    smooth = "smooth curves", 10
    for method in both:
        yield "control: 128 units", *smooth, method, {"units": 128}
    for method in both:
        yield "control: alpha 0.04", *smooth, method, {"alpha": 0.04}
    longer = {"units": 128, "iterations": 15_000}
    yield "control: 128 units, longer", *smooth, "MAML", longer

    plain = {"iterations": 30_000, "outer": "plain"}
    yield "too little training", "sines", 10, "Reptile", {"iterations": 300}
    yield "too little training", "sines", 10, "Reptile", plain
    for B, method in itertools.product((3, 10), both):
        yield "a pattern that no task has", "lines a x", B, method, {}
    for B in 3, 10:
        yield "the same, with k = 2", "lines a x", B, "Reptile, k = 2", {}
    for method in both:
        yield "tasks too large", "lines, 10 times the variance", 10, method, {}
    for family, B in itertools.product(("sines", "lines a x + c"), (3, 10)):
        yield "FOMAML", family, B, "FOMAML", {}


def print_job(rows):
    """A job's gains: the law's, the mean of its seeds, and their range."""
    first = rows[0]
    other = [f"{key} {first[key]}" for key in SETTINGS if first[key] != SETTINGS[key]]
    print(f"{first['family']}, B = {first['B']}, {first['method']}", *other, sep=", ")
    gains = np.array([row["measured"] for row in rows])
    for name, row in (("law", first["law"]), ("measured", gains.mean(axis=0)),
                      ("least", gains.min(axis=0)), ("largest", gains.max(axis=0))):
        print(f"    {name:9}" + "".join(f"{gain:6.2f}" for gain in row), flush=True)


def main(argv=None):
    """Run all, print a table, and write the results."""
    p = argparse.ArgumentParser(prog="python -m experiments.law", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--output", type=Path, default=RESULTS, metavar="FILE",
                   help="the results (default: experiments/results/law.json)")
    args = p.parse_args(argv)

    todo = [(*job, seed) for job in jobs() for seed in SEEDS]
    results, group = [], None
    with ProcessPoolExecutor() as workers:
        rows = workers.map(run, todo)
        for job in jobs():
            of_this_job = [row for row in itertools.islice(rows, len(SEEDS)) if row]
            if job[0] != group:
                group = job[0]
                print(f"\n{group}")
            if of_this_job:
                print_job(of_this_job)
            results += of_this_job

    lines = ",\n".join(json.dumps(row) for row in results)
    args.output.write_text(f"[\n{lines}\n]\n", "utf-8")
    print(f"\nthe results: {args.output}")


if __name__ == "__main__":
    main()
