"""The law: how far one gradient step trusts each pattern of the tasks.

    python -m experiments.law                    some minutes, writes results/law.json

Tasks are random functions y = sum of c_i e_i: patterns e_i (principal components of the
tasks on the 50 points, mean square 1) with independent Gaussian c_i of variance
lambda_i, the signal. B points of a task give an estimate of c_i, the mean of e_i y over
the points, with the variance n_i = (mean of e_i^2 C(x, x) - lambda_i) / B, the noise.
The best line from the estimate to c_i has the slope

    m_i = lambda_i / (lambda_i + n_i)        signal / (signal + noise)

One gradient step from phi multiplies the estimate by 2 alpha kappa_i, where kappa_i is
the tangent kernel's strength in the pattern, the mean of e_i K e_i. Trained by Reptile
(k = 5) and by MAML (one step, then a query set), is 2 alpha kappa_i = m_i?

Of each family: B = 3 and 10, three seeds, the sine demo's network and alpha, Adam
outside, five tasks an iteration. Smooth curves have more patterns than this network
has room for at alpha = 0.02; as a control, the same with twice the units.
"""

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from reptile import MLP, Adam0, inner_loop, maml, train
from sine_demo import ALPHA, X, tangent_kernel

RESULTS = Path(__file__).parent / "results" / "law.json"
ITERATIONS, TASKS = 3000, 5
SEEDS = 11, 12, 13
SHOWN = 0.02  # of the tasks' variance: patterns with less are left out

FAMILIES = {  # covariances C(x, x') of the tasks, (50, 50)
    "sines": 4.25 * np.cos(X - X.T),
    "one phase stronger": 2.5 * np.cos(X - X.T) + 3 * np.sin(X) @ np.sin(X).T,
    "a sin x": 4.25 * np.sin(X) @ np.sin(X).T,
    "smooth curves": 4.25 * np.exp(-((X - X.T) / 1.5) ** 2 / 2),
}
METHODS = {"Reptile": (inner_loop, 5), "MAML": (maml, 2)}  # update, mini-batches


def patterns(C):
    """The patterns e_i, (50, n), and their signals, (n,), the largest first."""
    values, vectors = np.linalg.eigh(C)
    signal = values[::-1] / len(C)
    keep = signal > SHOWN * signal.sum()
    return vectors[:, ::-1][:, keep] * len(C) ** 0.5, signal[keep]


def predicted(C, B):
    """The law's slope of each pattern, (n,)."""
    e, signal = patterns(C)
    noise = (np.mean(e**2 * np.diag(C)[:, None], axis=0) - signal) / B
    return signal / (signal + noise)


def measured(net, phi, C):
    """2 alpha kappa of each pattern, (n,)."""
    e, _ = patterns(C)
    K = tangent_kernel(net, phi)
    return 2 * ALPHA * np.sum(e * (K @ e), axis=0) / len(C) ** 2


def tasks(C, k, B):
    """`sample` for `train`: k mini-batches of B points, drawn with replacement."""
    values, vectors = np.linalg.eigh(C)
    root = vectors * np.sqrt(np.maximum(values, 0))  # C = root root^T

    def sample(rng, T):
        y = rng.normal(size=(T, len(C))) @ root.T  # (T, 50)
        i = rng.integers(len(C), size=(k, T, B))
        return X[i], y[np.arange(T)[:, None], i][..., None]

    return sample


def meta_train(C, B, name, seed, units=64, iterations=ITERATIONS):
    """The network, and the phi that a method finds for tasks of covariance C."""
    update, k = METHODS[name]
    net = MLP([1, units, units, 1])
    rng = np.random.default_rng(seed)
    for _, phi in train(net, net.init(rng), tasks(C, k, B), rng, update, alpha=ALPHA,
                        epsilon=0.008, iterations=iterations, meta_batch=TASKS,
                        outer=Adam0()):
        pass
    return net, phi


def run(job):
    """A row of the results: slopes by the law, and measured; None if it diverges."""
    family, B, name, seed, units = job
    C = FAMILIES[family]
    try:
        slopes = measured(*meta_train(C, B, name, seed, units), C)
    except FloatingPointError as error:
        print(f"{family}, B = {B}, {name}, seed {seed}: {error}", flush=True)
        return None
    return {"family": family, "B": B, "method": name, "seed": seed, "units": units,
            "law": predicted(C, B).round(3).tolist(),
            "measured": slopes.round(3).tolist()}


def main(argv=None):
    """Run all, print a table, and write the results."""
    p = argparse.ArgumentParser(prog="python -m experiments.law", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.parse_args(argv)
    settings = [(family, B, name, 64) for family in FAMILIES for B in (3, 10)
                for name in METHODS]
    settings += [("smooth curves", 10, name, 128) for name in METHODS]
    jobs = [(*setting[:3], seed, setting[3]) for setting in settings for seed in SEEDS]
    with ProcessPoolExecutor() as cores:
        rows = [row for row in cores.map(run, jobs) if row]

    for family, B, name, units in settings:
        found = [row["measured"] for row in rows
                 if (row["family"], row["B"], row["method"], row["units"])
                 == (family, B, name, units)]
        law = "".join(f"{m:6.2f}" for m in predicted(FAMILIES[family], B))
        mean = "".join(f"{m:6.2f}" for m in np.mean(found, axis=0))
        print(f"{family:19} B = {B:2}  {name:8}{units:4} units   law{law}   "
              f"found{mean}")
    RESULTS.write_text(json.dumps(rows, indent=0) + "\n", "utf-8")


if __name__ == "__main__":
    main()
