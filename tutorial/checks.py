"""Checks for the exercises of tutorial.ipynb: they name a mistake where they know it.

Each returns one line. An answer is compared with the right one and with wrong ones that
people have given; whatever its form, only its numbers count.
"""

import numpy as np

from reptile import MLP, inner_loop


def _verdict(answer, known, size):
    """What `answer` is, of {name: array}, the first being right."""
    right = next(iter(known))
    for name, value in known.items():
        if np.linalg.norm(answer - value) < 1e-4 * size:
            return "right" if name == right else f"not yet: it is {name}"
    return "not yet, and of a kind not known here: check one inner step by hand"


def check_step(answer, net, sample, alpha=0.02, epsilon=0.5):
    """Lesson 1: answer(phi, x, y, alpha, epsilon) is Reptile's outer step."""
    rng = np.random.default_rng(5)
    phi, (x, y) = net.init(rng, float), sample(rng, 3, 4)  # T = 3, k = 4
    given = phi.copy()
    new = answer(given, x, y, alpha, epsilon)
    if new is None:
        return "not written yet"
    if np.size(new) != phi.size:
        return f"not yet: it returns {np.shape(new)}, not {phi.shape}"
    if (given != phi).any():
        return "not yet: it changes the phi that it is given; write phi = phi + ..."
    path, g = inner_loop(net, phi, x, y, alpha, trajectory=True)
    first = inner_loop(net, phi, x[[0] * 4], y[[0] * 4], alpha)
    steps, chain = epsilon * (path[-1] - phi), phi
    for t in range(3):
        W = inner_loop(net, chain, x[:, [t]], y[:, [t]], alpha)[0]
        chain = chain + epsilon * (W - chain)
    right = steps.mean(axis=0)
    return _verdict(np.ravel(new) - phi, {
        "right": right,
        "the sum over tasks; take the mean": steps.sum(axis=0),
        "without epsilon": right / epsilon,
        "away from W: the sign is wrong": -right,
        "with mini-batch 1 in every inner step": epsilon * (first - phi).mean(axis=0),
        "with the last gradient only": -epsilon * alpha * g[-1].mean(axis=0),
        "the step alone: add it to phi": right - phi,
        "one task after another: start each from phi": chain - phi,
        "for the first task only": steps[0],
        "no step at all: phi has not moved": 0 * phi,
    }, np.linalg.norm(right))


def check_waves(draw):
    """Lesson 1: draw(rng) returns a square wave, a in [1, 2] and b in [0, 2π]."""
    x = np.linspace(-5, 5, 50)[:, None]
    first = draw(np.random.default_rng(0))
    if not callable(first):
        return "not written yet" if first is None else "not yet: return a function of x"
    curves = []  # of 500 tasks, drawn twice from the same seed, each called twice
    for rng in np.random.default_rng(0), np.random.default_rng(0):
        tasks = [draw(rng) for _ in range(500)]
        curves += [np.array([f(x) for f in tasks]) for _ in range(2)]
    y = curves[0]
    if y.shape != (500, 50, 1):
        return f"not yet: f(x) is {y.shape[1:]} for x {x.shape}"
    if not all(np.array_equal(y, other) for other in curves):
        return "not yet: all randomness must come from rng, when the task is drawn"
    a = abs(y).max(axis=(1, 2))
    if not np.allclose(abs(y), a[:, None, None]):
        return "not yet: a square wave is a or -a everywhere"
    if a.min() < 1 or a.min() > 1.1 or a.max() < 1.9 or a.max() > 2 or len(set(a)) < 99:
        return "not yet: a is not uniform in [1, 2]"
    if abs(y.mean(axis=0)).max() > 0.4 or len(np.unique(y > 0, axis=0)) < 50:
        return "not yet: b is not uniform in [0, 2π]"
    return "right"


def check_updates(answer, sample, alpha=0.1):
    """Lesson 2: answer(net, phi, x, y, alpha) is Reptile, FOMAML, MAML for k = 3."""
    rng = np.random.default_rng(5)
    net = MLP([1, 6, 5, 1])
    phi, (x, y) = net.init(rng, float), sample(rng, 2, 3)  # T = 2, k = 3
    given = phi.copy()
    three = answer(net, given, x, y, alpha)
    if three is None:
        return "not written yet"
    if len(three) != 3:
        return "not yet: return three arrays"
    if (given != phi).any():
        return "not yet: it changes the phi that it is given"
    path, g = inner_loop(net, phi, x, y, alpha, trajectory=True)

    def back(*steps, scale=-alpha, at=(0, 1, 2)):
        v = g[-1]
        for j in steps:
            v = v + scale * net.hessian_vector_product(path[at[j]], x[j], y[j], v)
        return v

    total = g.sum(axis=0)
    known = {
        "Reptile": {"right": total, "the mean of the gradients": total / 3,
                    "alpha times Reptile": alpha * total, "minus Reptile": -total},
        "FOMAML": {"right": g[2], "the first gradient": g[0], "the second": g[1]},
        "MAML": {"right": back(1, 0), "FOMAML": g[2],
                 "with its factors in the wrong order": back(0, 1),
                 "without the first step's factor": back(1),
                 "without the second step's factor": back(0),
                 "with a factor for the last step": back(2, 1, 0),
                 "with I + alpha H": back(1, 0, scale=alpha),
                 "without alpha": back(1, 0, scale=-1),
                 "with all Hessians at phi": back(1, 0, at=(0, 0, 0))}}
    return "; ".join(
        f"{name}: " + (_verdict(np.asarray(mine), wrong, np.linalg.norm(g[2]))
                       if np.shape(mine) == g[2].shape else
                       f"not yet: {np.shape(mine)} is not {g[2].shape}")
        for (name, wrong), mine in zip(known.items(), three))
