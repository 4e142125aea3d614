"""The rival that joint training is not: a shared body, and a head for each sine.

    python -m experiments.many_heads

takes about two minutes on one core; its table is in results/many_heads.txt.

A network with as many outputs as there are sines (64-64 tanh units, as everywhere) is
trained on all 50 points of all of them: 4,000 steps of Adam, falling from 0.004. Then
its body stays, and a new head learns each of 1,000 new sines from ten points, by ridge
regression, or by one and by eight gradient steps from the mean of the heads. The body's
features are taken as they are; or whitened, the d strongest scaled to the same
strength; or weighted by the covariance of the trained heads. Reptile's network (the
lesson's, all layers) takes its steps on the same sines.

One rule chooses everything that can be chosen (weight decay, d, ridge, and alpha for
each number of steps): the least error on 1,000 other sines.
"""

import argparse
import itertools

import numpy as np

from reptile import MLP, Adam0, train
from sine_demo import NETWORK, X, evaluate, new_sines, sample_sines, sine

SEEDS = 41, 42, 43
HEADS = 200, 1000
DECAYS = 0, 0.01, 0.1  # a step shrinks the weights by its size times this
ALPHAS = np.geomspace(0.001, 2, 34)  # neighbours differ by a quarter
RIDGES = np.geomspace(1e-7, 1, 15)


def train_heads(heads, decay, seed, steps=4000):
    """The body's features and a constant, (50, 65); the heads, (65, heads); error."""
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(0.1, 5, heads), rng.uniform(0, 2 * np.pi, heads)
    y = a * np.sin(X + b)  # (50, heads)

    net = MLP([1, 64, 64, heads])
    weights, adam = net.init(rng), Adam0()
    for i in range(steps):
        _, g = net.loss_and_gradient(weights, X, y)
        step = 0.004 * (1 - i / steps)
        weights = adam.step(weights, g * heads, step) - step * decay * weights

    h = X
    for M in net.unpack(weights)[:-1]:
        h = np.tanh(np.hstack([h, np.ones((50, 1))]) @ M)
    features = np.hstack([h, np.ones((50, 1))]).astype(float)
    return features, net.unpack(weights)[-1].astype(float), net.loss(weights, X, y)


def kinds(features, heads):
    """{how the features are weighted: (50, n)}."""
    u, s, _ = np.linalg.svd(features, full_matrices=False)
    variance, axes = np.linalg.eigh(heads @ heads.T / heads.shape[1])
    weighted = features @ axes * np.sqrt(np.maximum(variance, 0))
    return {
        "as they are": [features],
        "whitened": [u[:, :d] * 50**0.5 for d in (2, 3, 4, 6, 10)],
        "weighted by the heads": [weighted],
    }


def problem(seed):
    """1,000 new sines: y (T, 50), ten places of each, (T, 10)."""
    task, x = new_sines(seed, 1000)
    places = np.rint((x[..., 0] + 5) * 49 / 10).astype(int)
    return sine(task, X)[..., 0], places


def by_steps(features, f, problem, alpha, steps):
    """Error after gradient steps of a new head whose outputs begin as f, (50,)."""
    y, places = problem
    rows = np.arange(len(y))[:, None]
    inputs = features[places]  # (T, 10, n)
    outputs = np.tile(f, (len(y), 1))
    for _ in range(steps):
        r = (outputs - y)[rows, places]  # (T, 10)
        g = 2 / 10 * np.einsum("tb,tbn->tn", r, inputs)
        outputs = outputs - alpha * g @ features.T
    return np.square(outputs - y).mean()


def by_ridge(features, f, problem, ridge):
    """Error of a new head by ridge regression on the ten points."""
    y, places = problem
    inputs = features[places]
    r = (y - f)[np.arange(len(y))[:, None], places]
    G = inputs @ inputs.swapaxes(1, 2) + 10 * ridge * np.eye(10)
    dual = np.linalg.solve(G, r[..., None])
    moves = inputs.swapaxes(1, 2) @ dual  # (T, n, 1)
    return np.square(f + moves[..., 0] @ features.T - y).mean()


def chosen(error, choices, seed):
    """error(problem, *choice) of the choice that is best on other sines."""
    tuning, test = problem(seed + 1000), problem(seed)
    with np.errstate(all="ignore"):  # a step that is too large diverges
        tried = [np.nan_to_num(error(tuning, *c), nan=np.inf) for c in choices]
        return error(test, *choices[np.argmin(tried)])


def many_heads(heads, seed):
    """{(how the features are weighted, how a new head learns): error}."""
    bodies = [train_heads(heads, decay, seed) for decay in DECAYS]
    print(f"{heads} heads, seed {seed}: error on their own sines "
          + ", ".join(f"{error:.4f} (decay {decay})"
                      for decay, (*_, error) in zip(DECAYS, bodies)), flush=True)
    results = {}
    for kind in kinds(*bodies[0][:2]):
        starts = [(features, (h @ W).mean(axis=1)) for h, W, _ in bodies
                  for features in kinds(h, W)[kind]]
        steps = list(itertools.product(starts, ALPHAS))
        ridges = list(itertools.product(starts, RIDGES))
        results[kind, "ridge"] = chosen(
            lambda p, start, ridge: by_ridge(*start, p, ridge), ridges, seed)
        for n in (1, 8):
            results[kind, f"{n} steps"] = chosen(
                lambda p, start, alpha: by_steps(*start, p, alpha, n), steps, seed)
    return results


def reptile(seed):
    """{how the network learns: error}, Reptile's at its best α."""
    rng = np.random.default_rng(seed)
    for _, phi in train(NETWORK, NETWORK.init(rng), sample_sines, rng, alpha=0.02,
                        epsilon=0.008, iterations=6000, meta_batch=5, outer=Adam0()):
        pass

    def error(problem_seed, alpha, n):
        try:
            with np.errstate(all="ignore"):  # a step that is too large diverges
                return evaluate(NETWORK, phi, alpha, problem_seed, steps=(n,)).mean()
        except FloatingPointError:
            return np.inf

    results = {}
    for n in (1, 8):
        tried = [error(seed + 1000, alpha, n) for alpha in ALPHAS]
        results["Reptile, all layers", f"{n} steps"] = error(
            seed, ALPHAS[np.argmin(tried)], n)
    return results


def main(argv=None):
    """Train, choose, and print the table."""
    p = argparse.ArgumentParser(prog="python -m experiments.many_heads",
                                description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.parse_args(argv)

    tables = {heads: [many_heads(heads, seed) for seed in SEEDS] for heads in HEADS}
    tables["-"] = [reptile(seed) for seed in SEEDS]
    columns = "1 steps", "8 steps", "ridge"
    print(f"\nsquared error on 1,000 new sines of ten points, mean and range of seeds "
          f"{SEEDS}\n")
    print(f"{'heads':7}{'features':24}"
          + "".join(f"{c.replace('1 steps', '1 step'):18}" for c in columns).rstrip())
    for heads, results in tables.items():
        for kind in dict.fromkeys(kind for kind, _ in results[0]):
            line = f"{heads!s:7}{kind:24}"
            for column in columns:
                if (kind, column) in results[0]:
                    e = [r[kind, column] for r in results]
                    cell = f"{np.mean(e):.2f} ({min(e):.2f}-{max(e):.2f})"
                    line += f"{cell:18}"
            print(line.rstrip())


if __name__ == "__main__":
    main()
