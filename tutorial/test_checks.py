"""The checks of the exercises: the right answer, and each mistake by its name.

Answers are written as a student would write them, with the module's own functions.
"""

import numpy as np
import pytest

from reptile import fomaml, inner_loop, joint
from sine_demo import ALPHA, NETWORK
from tutorial.checks import (
    check_expansion,
    check_slopes,
    check_step,
    check_updates,
)


def g(weights, x, y, net=NETWORK):
    return net.loss_and_gradient(weights, x, y)[1]


def step(phi, x, y, alpha, epsilon, update=inner_loop):
    return phi + epsilon * (update(NETWORK, phi, x, y, alpha) - phi).mean(axis=0)


def step_of_a_student(phi, x, y, alpha, epsilon, carried=False, one_by_one=False):
    moves = []
    W = phi
    for t in range(x.shape[1]):
        if not carried:
            W = phi
        for i in range(len(x)):
            W = W - alpha * g(W, x[i, t], y[i, t])
        moves.append(W - phi)
        if one_by_one:
            phi = phi + epsilon * (W - phi)
    if one_by_one:
        return phi
    return (phi + epsilon * np.mean(moves, axis=0)).astype(np.float32)


def step_with_one_W(phi, x, y, alpha, epsilon):
    W = phi
    for x_i, y_i in zip(x, y):
        W = W - alpha * g(W, x_i, y_i).mean(axis=0)
    return phi + epsilon * (W - phi)


def step_inside_the_loop(phi, x, y, alpha, epsilon):
    for x_i, y_i in zip(x, y):
        phi = phi - epsilon * alpha * g(phi, x_i, y_i).mean(axis=0)
    return phi


def step_with_gradients_at_phi(phi, x, y, alpha, epsilon):
    total = sum(g(phi, x_i, y_i) for x_i, y_i in zip(x, y))
    return phi - epsilon * alpha * total.mean(axis=0)


def step_in_place(phi, x, y, alpha, epsilon):
    phi += 1
    return phi


def step_without_return(phi, x, y, alpha, epsilon):
    phi = step(phi, x, y, alpha, epsilon)


def step_with_a_global(phi, x, y, alpha, epsilon):
    return step(phi, x, y, ALPHA, epsilon)


def not_written(phi, x, y, alpha, epsilon):
    ...


@pytest.mark.parametrize("answer, line", [
    (step, "right"),
    (step_of_a_student, "right"),
    (not_written, "not written yet"),
    (step_without_return, "returns nothing"),
    (step_with_a_global, "the lesson's ALPHA; write alpha"),
    (step_in_place, "in place"),
    (lambda p, x, y, a, e: list(step(p, x, y, a, e)), "of type list"),
    (lambda p, x, y, a, e: 1 / 0, "stops with ZeroDivisionError"),
    (lambda p, x, y, a, e: p[:3], "shape is (3,)"),
    (lambda p, x, y, a, e: p * np.nan, "begins nan"),
    (lambda p, x, y, a, e: p + e, "not a mistake known here: it begins"),
    (lambda p, x, y, a, e: p + e * (inner_loop(NETWORK, p, x, y, a) - p), "a row for"),
    (lambda p, x, y, a, e: p + e * (inner_loop(NETWORK, p, x, y, a) - p).mean(),
     "one number"),
    (lambda p, x, y, a, e: p + e * (inner_loop(NETWORK, p, x, y, a) - p).sum(axis=0),
     "are added"),
    (lambda p, x, y, a, e: step(p, x, y, a, 1), "W, as if epsilon were 1"),
    (lambda p, x, y, a, e: step(p, x, y, a, a), "alpha long"),
    (lambda p, x, y, a, e: step(p, x, y, a, -e), "away from W"),
    (lambda p, x, y, a, e: step(p, x, y, a, e) - p, "add it to phi"),
    (lambda p, x, y, a, e: step(p, x, y, -a, e), "climbs"),
    (lambda p, x, y, a, e: step(p, x, y, a, e, joint), "one inner step"),
    (lambda p, x, y, a, e: step(p, x[[0] * 4], y[[0] * 4], a, e), "uses mini-batch 1"),
    (lambda p, x, y, a, e: step(p, x, y, a, e, fomaml), "FOMAML"),
    (step_with_gradients_at_phi, "taken at phi"),
    (lambda *a: step_of_a_student(*a, carried=True), "the W of the one before"),
    (lambda *a: step_of_a_student(*a, one_by_one=True),
     "the one before it has moved"),
    (step_with_one_W, "share one W"),
    (step_inside_the_loop, "once, after the inner loop"),
])
def test_an_outer_step(answer, line):
    assert line in check_step(answer)


def updates(net, phi, x, y, alpha, at=None, batch=(0, 1, 2), order=(1, 0), sign=1):
    """Reptile, FOMAML and MAML; the mistakes of MAML are in the options."""
    W, path, grads = phi, [], []
    for x_i, y_i in zip(x, y):
        path.append(W)
        grads.append(g(W, x_i, y_i, net))
        W = W - alpha * grads[-1]
    v = grads[-1]
    for j in order:
        i = batch[j]
        where = path[j] if at is None else at
        v = v - sign * alpha * net.hessian_vector_product(where, x[i], y[i], v)
    return sum(grads), grads[-1], v


def reptile_as(change):
    return lambda *a: (change(a, updates(*a)), *updates(*a)[1:])


def fomaml_as(change):
    return lambda *a: (updates(*a)[0], change(a, updates(*a)), updates(*a)[2])


def maml_with(**mistake):
    return lambda *a: updates(*a, **mistake)


def sum_of_hessians(net, phi, x, y, alpha):
    reptile, g3, _ = updates(net, phi, x, y, alpha)
    W = phi
    v = g3
    for i in range(2):
        v = v - alpha * net.hessian_vector_product(W, x[i], y[i], g3)
        W = W - alpha * g(W, x[i], y[i], net)
    return reptile, g3, v


@pytest.mark.parametrize("answer, line", [
    (updates, "Reptile: right\nFOMAML: right\nMAML: right"),
    (lambda *a: updates(*a)[0], "three arrays"),
    (lambda *a: updates(*a)[::-1], "MAML: not yet: this is Reptile"),
    (lambda *a: updates(*a)[::-1], "Reptile: not yet: this is MAML"),
    (reptile_as(lambda a, all: all[1]), "Reptile: not yet: this is FOMAML"),
    (reptile_as(lambda a, all: all[0] / 3), "Reptile: not yet: this is the mean"),
    (reptile_as(lambda a, all: a[4] * all[0]), "this is phi - W"),
    (reptile_as(lambda a, all: -a[4] * all[0]), "this is W - phi"),
    (reptile_as(lambda a, all: -all[0]), "the sign is wrong"),
    (reptile_as(lambda a, all: sum(g(a[1], *b, a[0]) for b in zip(a[2], a[3]))),
     "Reptile: not yet: all gradients are taken at phi"),
    (fomaml_as(lambda a, all: g(a[1], a[2][0], a[3][0], a[0])), "this is g1"),
    (fomaml_as(lambda a, all: g(a[1], a[2][2], a[3][2], a[0])),
     "FOMAML: not yet: this gradient is taken at phi"),
    (fomaml_as(lambda a, all: g(a[1] - a[4] * all[0], a[2][2], a[3][2], a[0])),
     "taken at W"),
    (fomaml_as(lambda a, all: all[2]), "FOMAML: not yet: this is MAML"),
    (fomaml_as(lambda a, all: all[0]), "FOMAML: not yet: this is Reptile"),
    (maml_with(order=()), "MAML: not yet: this is FOMAML"),
    (sum_of_hessians, "(I - alpha H1 - alpha H2) g3"),
    (maml_with(order=(0, 1)), "wrong order"),
    (maml_with(order=(1,)), "the first step is missing"),
    (maml_with(order=(2, 1, 0)), "a factor for the third step"),
    (maml_with(sign=-1), "I + alpha H"),
    (maml_with(batch=(2, 2, 2)), "those of the query batch"),
    (lambda *a: updates(*a, at=a[1]), "all Hessians are taken at phi"),
    (lambda *a: updates(*a, sign=1 / a[4]), "MAML: not yet: alpha is missing"),
])
def test_three_updates(answer, line):
    assert line in check_updates(answer)


def expansion(net, phi, x, y, alpha, terms=(1, 1), H=((1, 0),), sign=-1, at=0):
    """H lists (i, j) of the terms H_i g_j; `at` 1 takes H after the first step."""
    gs = [g(phi, x[i], y[i], net) for i in range(2)]
    total = terms[0] * gs[0] + terms[1] * gs[1]
    for i, j in H:
        where = phi - at * alpha * gs[0]
        Hg = net.hessian_vector_product(where, x[i], y[i], gs[j])
        total = total + sign * alpha * Hg
    return total


@pytest.mark.parametrize("mistake, line", [
    ({}, "right"),
    ({"H": ()}, "missing"),
    ({"sign": 1}, "sign"),
    ({"sign": -1 / 0.03}, "alpha is missing"),
    ({"terms": (2, 0)}, "2 g1"),
    ({"H": ((0, 1),)}, "this is H1 g2"),
    ({"H": ((1, 1),)}, "this is H2 g2"),
    ({"H": ((1, 0), (0, 1))}, "as in MAML"),
    ({"terms": (0, 1)}, "FOMAML's expansion"),
    ({"at": 1}, "after the first step"),
])
def test_the_expansion(mistake, line):
    assert line in check_expansion(lambda *a: expansion(*a, **mistake))


def test_the_expansion_is_not_the_exact_meta_gradient():
    assert "exact" in check_expansion(
        lambda net, phi, x, y, a: (phi - inner_loop(net, phi, x, y, a)) / a)


def estimates(e, y, places):
    return (np.take_along_axis(y, places, axis=1)[..., None] * e[places]).mean(axis=1)


def slopes(e, y, places):
    c, estimate = y @ e / len(e), estimates(e, y, places)
    return (c * estimate).sum(axis=0) / (estimate**2).sum(axis=0)


def slopes_by_polyfit(e, y, places):
    c, estimate = y @ e / len(e), estimates(e, y, places)
    return np.array([np.polyfit(estimate[:, i], c[:, i], 1)[0] for i in range(3)])


def correlations(e, y, places):
    c, estimate = y @ e / len(e), estimates(e, y, places)
    return (c * estimate).sum(axis=0) / np.sqrt(
        (estimate**2).sum(axis=0) * (c**2).sum(axis=0))


def swapped(e, y, places):
    c, estimate = y @ e / len(e), estimates(e, y, places)
    return (c * estimate).sum(axis=0) / (c**2).sum(axis=0)


def without_e(e, y, places):
    c = y @ e / len(e)
    estimate = np.take_along_axis(y, places, axis=1).mean(axis=1)[:, None]
    return (c * estimate).sum(axis=0) / (estimate**2).sum(axis=0)


def one_slope(e, y, places):
    c, estimate = y @ e / len(e), estimates(e, y, places)
    return (c * estimate).sum() / (estimate**2).sum()


@pytest.mark.parametrize("answer, line", [
    (slopes, "right"),
    (slopes_by_polyfit, "right"),
    (lambda e, y, p: None, "not written yet"),
    (lambda e, y, p: slopes(e, y, p) / 4, "sum over the B points"),
    (lambda e, y, p: slopes(e, y, p) * 50, "all 50 points"),
    (swapped, "axes are swapped"),
    (correlations, "correlation"),
    (without_e, "multiply by e"),
    (lambda e, y, p: slopes(e, y, np.tile(p[0], (len(p), 1))), "row t of places"),
    (one_slope, "sum over the tasks alone"),
    (lambda e, y, p: (y @ e / 50 / estimates(e, y, p)).mean(axis=0), "one line"),
])
def test_how_far_to_trust_a_few_points(answer, line):
    assert line in check_slopes(answer)
