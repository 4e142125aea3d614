"""The checks of the exercises: the right answer, and each mistake by its name.

Answers are written as a student would write them, with the module's own functions.
"""

import re

import numpy as np
import pytest

from reptile import inner_loop, trajectory
from sine_demo import NETWORK
from tutorial.checks import (
    check_expansion,
    check_kernel_step,
    check_step,
    check_updates,
)


def W(phi, x, y, alpha):
    return inner_loop(NETWORK, phi, x, y, alpha)


def g(weights, x, y):
    return NETWORK.loss_and_gradient(weights, x, y)[1]


def step(phi, x, y, alpha, epsilon):
    return phi + epsilon * (W(phi, x, y, alpha) - phi).mean(axis=0)


def step_of_a_student(phi, x, y, alpha, epsilon):
    moves = []
    for t in range(x.shape[1]):
        weights = phi
        for i in range(len(x)):
            weights = weights - alpha * g(weights, x[i, t], y[i, t])
        moves.append(weights - phi)
    return (phi + epsilon * np.mean(moves, axis=0)).astype(np.float32)


def step_one_by_one(phi, x, y, alpha, epsilon):
    for t in range(x.shape[1]):
        phi = phi + epsilon * (W(phi, x[:, t], y[:, t], alpha) - phi)
    return phi


def step_inside_the_loop(phi, x, y, alpha, epsilon):
    for x_i, y_i in zip(x, y):
        phi = phi - epsilon * alpha * g(phi, x_i, y_i).mean(axis=0)
    return phi


def step_in_place(phi, x, y, alpha, epsilon):
    phi += 1
    return phi


def joined(a):
    return np.concatenate(list(a), axis=1)[None]


@pytest.mark.parametrize("answer, line", [
    (step, "right"),
    (step_of_a_student, "right"),
    (lambda *_: None, "not written yet"),
    (lambda p, x, y, a, e: list(step(p, x, y, a, e)), "of type list"),
    (lambda p, x, y, a, e: (step(p, x, y, a, e),), "of type tuple"),
    (lambda p, x, y, a, e: 1 / 0, "stops with ZeroDivisionError"),
    (lambda p, x, y, a, e: p[:3], r"shape is \(3,\)"),
    (lambda p, x, y, a, e: p * np.nan, "begins nan"),
    (step_in_place, "in place"),
    (step_one_by_one, "the one before it has moved"),
    (step_inside_the_loop, "once, after the inner loop"),
    (lambda p, x, y, a, e: p, "has not moved"),
    (lambda p, x, y, a, e: p + e * (W(p, x, y, a) - p), "axis=0"),
    (lambda p, x, y, a, e: p + e * (W(p, x, y, a) - p).mean(), "axis=0"),
    (lambda p, x, y, a, e: step(p, x, y, a, -e), "away from W"),
    (lambda p, x, y, a, e: step(p, x, y, -a, e), "climbs"),
    (lambda p, x, y, a, e: step(p, x, y, e, a), "swapped"),
    (lambda p, x, y, a, e: step(p, x, y, a, 1), "W, as if epsilon were 1"),
    (lambda p, x, y, a, e: step(p, x, y, a, e) - p, "add it to phi"),
    (lambda p, x, y, a, e: step(p, joined(x), joined(y), a, e), "joined"),
    (lambda p, x, y, a, e: step(p, x[[0, 1, 2, 3, 3]], y[[0, 1, 2, 3, 3]], a, e),
     "one step too many"),
    (lambda p, x, y, a, e: step(p, x[:1], y[:1], a, e), "one inner step"),
    (lambda p, x, y, a, e: p + e, "not a mistake known here: it begins"),
])
def test_an_outer_step(answer, line):
    assert re.search(line, check_step(answer))


def updates(net, phi, x, y, alpha):
    path, g = trajectory(net, phi, x, y, alpha)
    v = g[-1]
    for j in (1, 0):
        v = v - alpha * net.hessian_vector_product(path[j], x[j], y[j], v)
    return g.sum(axis=0), g[-1], v


def test_three_updates():
    def order(*places):
        return lambda *a: [updates(*a)[i] for i in places]

    assert check_updates(updates) == "Reptile: right\nFOMAML: right\nMAML: right"
    assert "MAML: not yet: this is FOMAML: the factors" in check_updates(order(0, 1, 1))
    assert check_updates(order(2, 1, 0)).count("in this order") == 2
    assert "three arrays" in check_updates(lambda *a: updates(*a)[0])

    line = check_updates(lambda n, p, x, y, a: [-v for v in updates(n, p, x, y, a)])
    assert "Reptile: not yet: the sign" in line and "not a mistake known here" in line

    def hessians_at_phi(net, phi, x, y, alpha):
        sum_g, v, _ = updates(net, phi, x, y, alpha)
        g3 = v
        for j in (1, 0):
            v = v - alpha * net.hessian_vector_product(phi, x[j], y[j], v)
        return sum_g, g3, v

    assert "MAML: not yet: all Hessians are taken at phi" in check_updates(
        hessians_at_phi)


def test_the_expansion():
    def answer(net, phi, x, y, alpha, sign=-1, first=0):
        g1, g2 = (net.loss_and_gradient(phi, x[i], y[i])[1] for i in range(2))
        Hg = net.hessian_vector_product(phi, x[1], y[1], (g1, g2)[first])
        return g1 + g2 + sign * alpha * Hg

    def exact(net, phi, x, y, alpha):
        return (phi - inner_loop(net, phi, x, y, alpha)) / alpha

    assert check_expansion(answer) == "right"
    assert "sign" in check_expansion(lambda *a: answer(*a, sign=1))
    assert "missing" in check_expansion(lambda *a: answer(*a, sign=0))
    assert "H2 g2" in check_expansion(lambda *a: answer(*a, first=1))
    assert "exact" in check_expansion(exact)


def test_a_step_from_the_kernel():
    def answer(K, f, given, y, alpha, factor=2.0):
        return f - factor * alpha * K[:, given] @ (f[given] - y) / 10

    assert check_kernel_step(answer) == "right"
    assert "factor 2" in check_kernel_step(lambda *a: answer(*a, factor=1))
    assert "divide by 10" in check_kernel_step(lambda *a: answer(*a, factor=20))
    assert "subtract" in check_kernel_step(lambda *a: answer(*a, factor=-2))
    assert "all 50" in check_kernel_step(lambda *a: answer(*a)[a[2]])


def test_the_kernel_step_is_a_real_steps_limit():
    """Against a real step of a real network, with a tiny α."""
    from sine_demo import X, tangent_kernel

    phi = NETWORK.init(np.random.default_rng(0), float)
    given = np.arange(3, 50, 5)
    y = np.sin(X[given, 0])
    K, f = tangent_kernel(NETWORK, phi), NETWORK.predict(phi, X)[:, 0]
    stepped = phi - 1e-6 * g(phi, X[given], y[:, None])
    change = (NETWORK.predict(stepped, X)[:, 0] - f) / 1e-6
    expected = -2 * K[:, given] @ (f[given] - y) / 10
    assert np.allclose(change, expected, rtol=1e-3, atol=1e-4)
