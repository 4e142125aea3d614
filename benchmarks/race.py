"""Race Reptile, FOMAML and MAML on sines: the numbers of the tutorial's lesson 2.

    python benchmarks/race.py    more than an hour on one core; a line for each race

Error after 8 steps on 10 points, mean over 500 new sines, after some iterations of
meta-training with five tasks each; three runs, each with its own φ and its own tasks.
Each race is preceded by the tuning of its outer step size, on other runs and other
sines: double or halve it until the worst of three runs gets no better.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when NumPy is imported

import numpy as np

from reptile import Adam, adapt, fomaml, maml, reptile
from sine_demo import ALPHA, NETWORK, B, X, draw_sine, sample_sines, sine

MARKS, RUNS = (60, 200, 600, 2000, 6000), 3
METHODS = {"Reptile": reptile, "FOMAML": fomaml, "MAML": maml}
CASES = {"SGD, ε falling": (None, True, (0.8, 1, 1)),
         "Adam, ε falling": (Adam, True, (0.002, 0.002, 0.002)),
         "SGD, ε constant": (None, False, (0.8, 1, 1))}  # and where tuning begins


def error_after(phi, seed, steps, T=500):
    """Mean squared error on T new sines after `steps` steps on B points of each."""
    rng = np.random.default_rng(seed)
    tasks, x = zip(*((draw_sine(rng), X[rng.permutation(len(X))[:B]])
                     for _ in range(T)))
    y = np.array([sine(task, x_t) for task, x_t in zip(tasks, x)])
    W = adapt(NETWORK, phi, np.array(x), y, ALPHA, steps)
    y_all = np.array([sine(task, X) for task in tasks])  # (T, 50, 1)
    return NETWORK.loss(W, np.broadcast_to(X, y_all.shape), y_all).mean()


def race(meta_gradient, epsilon, marks, falling, outer, seed, test_seed, tasks=5,
         steps=8):
    """Errors, (len(marks), RUNS): row r of phi is run r, and all advance together."""
    rng, errors = np.random.default_rng(seed), []
    phi = np.array([NETWORK.init(rng) for _ in range(RUNS)])  # (RUNS, P)
    outer = outer and outer()
    for i in range(max(marks) + 1):
        if i in marks:
            errors.append([error_after(p, test_seed, steps) for p in phi])
        x, y = sample_sines(rng, tasks * RUNS)
        g = meta_gradient(NETWORK, np.repeat(phi, tasks, axis=0), x, y, ALPHA)
        g = g.reshape(RUNS, tasks, -1).mean(axis=1)
        eps = epsilon * (1 - i / max(marks)) if falling else epsilon
        phi = outer.step(phi, g, eps) if outer else phi - eps * ALPHA * g
    return np.array(errors)


def tune(meta_gradient, epsilon, falling, outer):
    """The outer step size for which the worst of three runs is best."""
    worst = {}

    def try_out(epsilon):
        try:
            errors = race(meta_gradient, epsilon, MARKS[-1:], falling, outer, 100, 2)
        except FloatingPointError:  # diverged
            errors = np.full(1, np.inf)
        worst[epsilon] = errors.max()

    try_out(epsilon)
    while (best := min(worst, key=worst.get)) in (min(worst), max(worst)):
        if best == min(worst):
            try_out(best / 2)
        if best == max(worst):
            try_out(best * 2)
    return best


if __name__ == "__main__":
    print("Error in thousandths: mean, least, largest of", RUNS, "runs after", *MARKS)
    for case, (outer, falling, begin) in CASES.items():
        for (name, method), epsilon in zip(METHODS.items(), begin):
            epsilon = tune(method, epsilon, falling, outer)
            try:
                e = race(method, epsilon, MARKS, falling, outer, seed=0, test_seed=1)
            except FloatingPointError as error:
                print(f"{case}; {name} {epsilon:g}: {error}", flush=True)
                continue
            e = 1000 * np.stack([e.mean(axis=1), e.min(axis=1), e.max(axis=1)], axis=1)
            print(f"{case}; {name} {epsilon:g}:", *e.round().astype(int).ravel(),
                  flush=True)
    for steps in 1, 4, 32:  # other than 8, at the end
        for name, method in METHODS.items():
            epsilon = 0.008 if method is reptile else 0.004
            e = race(method, epsilon, MARKS[-1:], True, Adam, 0, 1, steps=steps)
            print(f"Adam, ε falling; {name} after {steps} steps:", *e[0].round(3))
    for epsilon, falling in (0.1, True), (0.1, False), (0.8, True):  # one task, as in
        e = race(reptile, epsilon, (30_000,), falling, None, 0, 1, tasks=1)  # the gist
        print(f"one task, ε = {epsilon}, falling: {falling}:", *e.ravel().round(3))
