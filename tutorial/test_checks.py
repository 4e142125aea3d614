"""The checks of the exercises: right answers in any form, and each wrong one by name.

The answers are written as a student would, one task and one step at a time.
"""

import itertools

import numpy as np
import pytest

from reptile import MLP
from tutorial import checks
from tutorial.checks import check_expansion, check_step, check_updates, check_waves

NET = MLP([1, 7, 1])


def g(net, weights, x, y):
    return net.loss_and_gradient(weights, x, y)[1]


def H(net, weights, x, y, v):
    return net.hessian_vector_product(weights, x, y, v)


# ------------------------------------------------------------- lesson 1: the outer step


def adapted(phi, x, y, alpha, t):
    """W of task t, (P,)."""
    W = phi
    for x_i, y_i in zip(x, y):
        W = W - alpha * g(NET, W, x_i[t], y_i[t])
    return W


def mean_W(phi, x, y, alpha):
    T = len(x[0])
    return sum(adapted(phi, x, y, alpha, t) for t in range(T)) / T


def sum_W(phi, x, y, alpha):
    return len(x[0]) * mean_W(phi, x, y, alpha)


def step_in_place(phi, x, y, alpha, epsilon):
    phi += epsilon * (mean_W(phi.copy(), x, y, alpha) - phi)
    return phi


def step_with_shuffled_x(phi, x, y, alpha, epsilon):
    x[[0, 1]] = x[[1, 0]]
    return phi


def step_with_centred_y(phi, x, y, alpha, epsilon):
    y -= y.mean()
    return phi


def step_one_after_another(phi, x, y, alpha, epsilon):
    for t in range(len(x[0])):
        phi = phi + epsilon * (adapted(phi, x, y, alpha, t) - phi)
    return phi


def all_W_carried_on(phi, x, y, alpha):
    W = phi
    for t in range(len(x[0])):
        W = adapted(W, x, y, alpha, t)
        yield W


def step_with_gradients_at_phi(phi, x, y, alpha, epsilon):
    g_at_phi = sum(g(NET, phi, x_i, y_i) for x_i, y_i in zip(x, y))  # (T, P)
    return phi - epsilon * alpha * g_at_phi.mean(axis=0)


def step_with_last_gradient(phi, x, y, alpha, epsilon):
    W = [adapted(phi, x[:-1], y[:-1], alpha, t) for t in range(len(x[0]))]
    return phi - epsilon * alpha * g(NET, np.array(W), x[-1], y[-1]).mean(axis=0)


def step_with_one_W(phi, x, y, alpha, epsilon):
    W = phi
    for x_i, y_i in zip(x, y):
        W = W - alpha * g(NET, W, x_i, y_i).mean(axis=0)
    return phi + epsilon * (W - phi)


def step_of_a_generator(phi, x, y, alpha, epsilon):
    yield phi


@pytest.mark.parametrize("answer", [
    lambda p, x, y, a, e: p + e * (mean_W(p, x, y, a) - p),
    lambda p, x, y, a, e: list(p - e * (p - mean_W(p, x, y, a))),
    lambda p, x, y, a, e: tuple((1 - e) * p + e * mean_W(p, x, y, a)),
    lambda p, x, y, a, e: (p + e * (mean_W(p, x, y, a) - p)).astype(np.float32),
    lambda p, x, y, a, e: p - e * a * ((p - mean_W(p, x, y, a)) / a),
    lambda p, x, y, a, e: (p + e * (mean_W(p, x, y, a) - p))[None],
])
def test_an_outer_step_is_right_in_any_form(answer):
    assert check_step(answer, NET) == "right"


@pytest.mark.parametrize("answer, line", [
    (lambda *_: None, "not written yet"),
    (lambda p, *_: p, "phi has not moved"),
    (lambda p, x, y, a, e: p + e * (sum_W(p, x, y, a) - 3 * p), "take the mean"),
    (lambda p, x, y, a, e: mean_W(p, x, y, a), "epsilon is missing"),
    (lambda p, x, y, a, e: p - e * (mean_W(p, x, y, a) - p), "away from W"),
    (lambda p, x, y, a, e: e * (mean_W(p, x, y, a) - p), "add it to phi"),
    (lambda p, x, y, a, e: mean_W(p, x, y, a) - p, "this is W - phi alone"),
    (lambda p, x, y, a, e: p + e * (mean_W(p, x, y, a) - p) / a, "divided by alpha"),
    (step_with_gradients_at_phi, "joint training"),
    (step_with_last_gradient, "FOMAML"),
    (step_with_one_W, "all tasks share one W"),
    (lambda p, x, y, a, e: p + e * (mean_W(p, x[[0] * 4], y[[0] * 4], a) - p),
     "mini-batch 1"),
    (lambda p, x, y, a, e: p + e * (mean_W(p, x[:-1], y[:-1], a) - p),
     "k - 1 inner steps; the last"),
    (lambda p, x, y, a, e: p + e * (mean_W(p, x[1:], y[1:], a) - p),
     "k - 1 inner steps; the first"),
    (lambda p, x, y, a, e: p + e * (mean_W(p, x[:1], y[:1], a) - p), "one inner step"),
    (lambda p, x, y, a, e: p + e * (adapted(p, x, y, a, 0) - p), "only the first task"),
    (lambda p, x, y, a, e: p + e * (adapted(p, x, y, a, 2) - p), "only the last task"),
    (step_one_after_another, "that the one before it has updated"),
    (lambda p, x, y, a, e: p + e * (np.mean([*all_W_carried_on(p, x, y, a)], 0) - p),
     "starts from the last W; start all from phi"),
    (lambda p, x, y, a, e: p + e * ([*all_W_carried_on(p, x, y, a)][-1] - p),
     "only the last W counts"),
    (lambda p, x, y, a, e: p + e * (mean_W(p, x, y, 0.02) - p), "alpha changes"),
    (lambda p, x, y, a, e: p + 0.1 * (mean_W(p, x, y, a) - p), "epsilon changes"),
    (lambda p, x, y, a, e: p + 0.5 * e * (mean_W(p, x, y, a) - p), "0.5 times what"),
    (lambda p, x, y, a, e: p + e * (mean_W(p, x, y, a / 2) - p), "not known here"),
    (step_in_place, "changes phi in place"),
    (step_with_shuffled_x, "changes x in place"),
    (step_with_centred_y, "changes y in place"),
    (lambda p, x, y, a, e: p + e * (np.tile(p, (3, 1)) - p), "mean over them"),
    (lambda p, x, y, a, e: p / 0 * np.inf, "nan or inf"),
    (lambda *_: 5, "of type int"),
    (lambda p, *_: (p, p), "has the shape (2, 22)"),
    (lambda p, *_: (p, 3), "a tuple, not an array of numbers"),
    (lambda *_: "phi", "a str, not an array of numbers"),
    (step_of_a_generator, "a generator, not an array of numbers"),
    (lambda p, x, *_: x[4], "stops with IndexError"),
    (lambda p, x, y: p, "stops with TypeError"),
    (np.zeros(3), "hand in the function itself"),
])
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_wrong_outer_steps(answer, line):
    verdict = check_step(answer, NET)
    assert line in verdict
    assert verdict.startswith("not ") and "\n" not in verdict


def test_an_error_is_reported_with_its_line():
    def answer(phi, x, y, alpha, epsilon):
        W = phi
        return W + no_such_name  # noqa: F821

    verdict = check_step(answer, NET)
    assert "NameError: name 'no_such_name' is not defined" in verdict
    assert "at the line 'return W + no_such_name" in verdict


# ------------------------------------------------------------- lesson 1: square waves


def wave(a, b, frequency=1):
    return lambda x: a * np.sign(np.sin(frequency * x + b))


def wave_in_place(rng):
    a, b = rng.uniform(1, 2), rng.uniform(0, 2 * np.pi)

    def f(x):
        x += b
        return a * np.sign(np.sin(x))

    return f


def late_wave(rng):
    return lambda x: wave(rng.uniform(1, 2), 0)(x)


@pytest.mark.parametrize("draw", [
    lambda rng: wave(rng.uniform(1, 2), rng.uniform(0, 2 * np.pi)),
    lambda rng: wave(1 + rng.random(), -2 * np.pi * rng.random()),
    lambda rng: lambda x, f=wave(rng.uniform(1, 2), 6.3 * rng.random()): f(x).tolist(),
])
def test_square_waves_are_right_in_any_form(draw):
    assert check_waves(draw) == "right"


@pytest.mark.parametrize("draw, line", [
    (lambda rng: None, "not written yet"),
    (lambda rng: 1.0, "return a function of x"),
    (lambda rng: lambda x: None, "not written yet"),
    (lambda rng: lambda x: x[:5], "has the shape (5, 1)"),
    (lambda rng: lambda x: a * x, "stops with NameError"),  # noqa: F821
    (lambda: None, "stops with TypeError"),
    (lambda rng: np.sin, "a or -a everywhere"),
    (lambda rng: wave(rng.uniform(1, 2), rng.uniform(0, np.pi)), "b is not uniform"),
    (lambda rng: wave(rng.uniform(1, 2), np.pi * rng.integers(2)), "b is not uniform"),
    (lambda rng: wave(rng.uniform(1, 2), 7 * rng.random()), "b is not uniform"),
    (lambda rng: wave(1.5, 6.28 * rng.random()), "between 1.50 and 1.50"),
    (lambda rng: wave(rng.uniform(0.1, 5), 6.28 * rng.random()), "a is not uniform"),
    (lambda rng: wave(rng.uniform(0.98, 2.02), 6.28 * rng.random()), "a is not uni"),
    (lambda rng: wave(rng.integers(1, 3), 6.28 * rng.random()), "a is not uniform"),
    (lambda rng: wave(1 + rng.random(), 6.28 * rng.random(), 2), "another frequency"),
    (lambda rng: wave(1 + rng.random(), 6.28 * rng.random(), 0.5), "another frequency"),
    (lambda rng: wave(1 + rng.random(), 6.28 * rng.random(), 1.1), "another frequency"),
    (lambda rng: wave(1 + rng.random(), 1.5, 0), "another frequency"),
    (lambda rng: wave(*np.random.uniform(1, 2, 2)), "from rng, when the task is drawn"),
    (late_wave, "changes from call to call"),
    (wave_in_place, "changes x in place"),
])
def test_wrong_square_waves(draw, line):
    assert line in check_waves(draw)


# ---------------------------------------------------------- lesson 2: the three updates


def three_updates(net, phi, x, y, alpha):
    """The right answer, with W_0 = φ, W_1, ... and g[i] at W_i."""
    W, gradients = [phi], []
    for i in range(3):
        gradients.append(g(net, W[i], x[i], y[i]))
        W.append(W[i] - alpha * gradients[i])

    v = gradients[2]
    v = v - alpha * H(net, W[1], x[1], y[1], v)
    v = v - alpha * H(net, W[0], x[0], y[0], v)
    return (phi - W[3]) / alpha, gradients[2], v


def changed(**changes):
    """The right answer, but for {name: function of (net, W, g, x, y, alpha)}."""
    def answer(net, phi, x, y, alpha):
        W, gradients = [phi], []
        for i in range(3):
            gradients.append(g(net, W[i], x[i], y[i]))
            W.append(W[i] - alpha * gradients[i])

        results = dict(zip(["Reptile", "FOMAML", "MAML"],
                           three_updates(net, phi, x, y, alpha)))
        for name, change in changes.items():
            results[name] = change(net, W, gradients, x, y, alpha)
        return list(results.values())

    return answer


def maml_with(*steps, at=(0, 1, 2), batch=(0, 1, 2), times=lambda alpha: alpha):
    """MAML with a factor for each of `steps`, the Hessian of step j at W[at[j]]."""
    def maml(net, W, gradients, x, y, alpha):
        v = gradients[2]
        for j in steps:
            i = batch[j]
            v = v - times(alpha) * H(net, W[at[j]], x[i], y[i], v)
        return v

    return maml


def maml_all_at_phi(net, W, gradients, x, y, alpha):
    v = g(net, W[0], x[2], y[2])
    v = v - alpha * H(net, W[0], x[1], y[1], v)
    return v - alpha * H(net, W[0], x[0], y[0], v)


def maml_without_product(net, W, gradients, x, y, alpha):
    first = H(net, W[0], x[0], y[0], gradients[2])
    second = H(net, W[1], x[1], y[1], gradients[2])
    return gradients[2] - alpha * (first + second)


def maml_to_first_order(net, W, gradients, x, y, alpha):
    phi = W[0]
    g1, g2, g3 = (g(net, phi, x[i], y[i]) for i in range(3))
    later = H(net, phi, x[2], y[2], g1 + g2)
    earlier = H(net, phi, x[0], y[0], g3) + H(net, phi, x[1], y[1], g3)
    return g3 - alpha * later - alpha * earlier


RIGHT = "Reptile: right\nFOMAML: right\nMAML: right"


@pytest.mark.parametrize("form", [
    tuple, list, np.array, lambda three: [a.tolist() for a in three],
    lambda three: [a.astype(np.float32) for a in three],
])
def test_three_updates_are_right_in_any_form(form):
    assert check_updates(lambda *a: form(three_updates(*a))) == RIGHT


@pytest.mark.parametrize("name, change, line", [
    ("Reptile", lambda net, W, g, *_: sum(g) / 3, "mean of the gradients"),
    ("Reptile", lambda net, W, *_: W[0] - W[3], "divide by alpha"),
    ("Reptile", lambda net, W, *_: W[3] - W[0], "this is W - phi"),
    ("Reptile", lambda net, W, g, *_: -sum(g), "the sign is wrong"),
    ("Reptile", lambda net, W, g, *_: g[1] + g[2], "g1 is missing"),
    ("Reptile", lambda net, W, g, *_: g[0] + g[1], "g3 is missing"),
    ("Reptile", lambda net, W, _, x, y, alpha: sum(
        g(net, W[0], x[i], y[i]) for i in range(3)), "joint training"),
    ("Reptile", lambda net, W, g, *_: sum(g).mean(axis=0), "a row for each task"),
    ("Reptile", lambda net, W, g, *_: 3, "of type int"),
    ("Reptile", lambda *_: None, "not written yet"),
    ("FOMAML", lambda net, W, g, *_: g[0], "this is g1"),
    ("FOMAML", lambda net, W, g, *_: g[1], "this is g2"),
    ("FOMAML", lambda net, W, g, *_: -g[2], "the sign is wrong"),
    ("FOMAML", lambda net, W, g, x, y, alpha: alpha * g[2], "alpha times g3"),
    ("FOMAML", lambda net, W, _, x, y, a: g(net, W[0], x[2], y[2]), "gradient at phi"),
    ("FOMAML", lambda net, W, _, x, y, a: g(net, W[3], x[2], y[2]), "gradient at W"),
    ("FOMAML", lambda net, W, g, *_: sum(g), "this is Reptile"),
    ("MAML", maml_with(), "this is FOMAML"),
    ("MAML", maml_with(0, 1), "wrong order"),
    ("MAML", maml_with(1), "the first step is missing"),
    ("MAML", maml_with(0), "the second step is missing"),
    ("MAML", maml_with(2, 1, 0), "a factor for the third step"),
    ("MAML", maml_with(1, 0, times=lambda alpha: -alpha), "I + alpha H"),
    ("MAML", maml_with(1, 0, times=lambda alpha: 1), "alpha is missing"),
    ("MAML", maml_with(1, 0, times=lambda alpha: 0.02), "not known"),
    ("MAML", maml_with(1, 0, at=(0, 0)), "all Hessians are taken at phi"),
    ("MAML", maml_with(1, 0, at=(1, 2)), "one step too late"),
    ("MAML", maml_with(1, 0, batch=(2, 2)), "those of the query batch"),
    ("MAML", maml_all_at_phi, "all gradients and Hessians are taken at phi"),
    ("MAML", maml_without_product, "both Hessians multiply g3 itself"),
    ("MAML", maml_to_first_order, "expansion to first order"),
    ("MAML", lambda *a: a[-1] * maml_with(1, 0)(*a), "alpha times MAML"),
])
def test_wrong_updates(name, change, line):
    verdict = check_updates(changed(**{name: change}))
    verdicts = dict(row.split(": ", maxsplit=1) for row in verdict.split("\n"))
    assert line in verdicts.pop(name)
    assert [*verdicts.values()] == ["right", "right"]


def test_three_updates_in_another_order():
    def answer(*arguments):
        reptile, fomaml, maml = three_updates(*arguments)
        return fomaml, reptile, maml

    verdict = check_updates(answer)
    assert "Reptile: not yet: this is FOMAML; return Reptile, FOMAML," in verdict
    assert "FOMAML: not yet: this is Reptile" in verdict
    assert verdict.endswith("MAML: right")


def updates_with_y_in_place(net, phi, x, y, alpha):
    y *= 2
    return three_updates(net, phi, x, y, alpha)


@pytest.mark.parametrize("answer, line", [
    (lambda *_: None, "not written yet"),
    (lambda net, phi, *_: phi, "return three arrays"),
    (lambda *_: 7, "of type int"),
    (lambda *a: (update for update in three_updates(*a)), "of type generator"),
    (lambda *a: three_updates(*a)[:2], "of type tuple"),
    (lambda net, phi, x, y, alpha: 1 / 0, "stops with ZeroDivisionError"),
    (updates_with_y_in_place, "changes y in place"),
])
def test_answers_that_are_not_three_updates(answer, line):
    verdict = check_updates(answer)
    assert line in verdict and verdict.startswith("not ")


# ------------------------------------------------------------- lesson 3: the expansion


def gradients(net, phi, x, y):
    return g(net, phi, x[0], y[0]), g(net, phi, x[1], y[1])


def expansion(net, phi, x, y, alpha):
    g1, g2 = gradients(net, phi, x, y)
    return g1 + g2 - alpha * H(net, phi, x[1], y[1], g1)


def expansion_with(formula):
    """An answer made of g1, g2, alpha and H1, H2, which are functions of a vector."""
    def answer(net, phi, x, y, alpha):
        def H1(v):
            return H(net, phi, x[0], y[0], v)

        def H2(v):
            return H(net, phi, x[1], y[1], v)

        return formula(*gradients(net, phi, x, y), alpha, H1, H2)

    return answer


def exact(net, phi, x, y, alpha):
    g1 = g(net, phi, x[0], y[0])
    return g1 + g(net, phi - alpha * g1, x[1], y[1])


def hessian_after_the_step(net, phi, x, y, alpha):
    g1, g2 = gradients(net, phi, x, y)
    return g1 + g2 - alpha * H(net, phi - alpha * g1, x[1], y[1], g1)


def test_the_right_expansion():
    assert check_expansion(expansion) == "right"
    assert check_expansion(lambda *a: expansion(*a).tolist()) == "right"


def test_the_right_expansion_leaves_an_error_of_second_order():
    net, phi, x, y = checks.small_problem(k=2)
    left = [np.linalg.norm(exact(net, phi, x, y, a) - expansion(net, phi, x, y, a))
            for a in (0.01, 0.005)]
    assert left[0] / left[1] == pytest.approx(4, rel=0.05)


@pytest.mark.parametrize("answer, line", [
    (lambda *_: None, "not written yet"),
    (exact, "the exact meta-gradient"),
    (hessian_after_the_step, "taken after the first step"),
    (expansion_with(lambda g1, g2, a, H1, H2: g1 + g2), "Hessian term is missing"),
    (expansion_with(lambda g1, g2, a, H1, H2: g1 + g2 + a * H2(g1)), "sign of the"),
    (expansion_with(lambda g1, g2, a, H1, H2: g1 + g2 - H2(g1)), "alpha is missing"),
    (expansion_with(lambda g1, g2, a, H1, H2: g1 + g2 - a * H1(g2)), "this is H1 g2"),
    (expansion_with(lambda g1, g2, a, H1, H2: g1 + g2 - a * H2(g2)), "this is H2 g2"),
    (expansion_with(lambda g1, g2, a, H1, H2: g1 + g2 - a * H1(g1)), "this is H1 g1"),
    (expansion_with(lambda g1, g2, a, H1, H2: g1 + g2 - a * (H2(g1) + H1(g2))),
     "two Hessian terms"),
    (expansion_with(lambda g1, g2, a, H1, H2: g1 + g2 - a / 2 * H2(g1)), "halved"),
    (expansion_with(lambda g1, g2, a, H1, H2: g2 - a * H2(g1)), "FOMAML's expansion"),
    (expansion_with(lambda g1, g2, a, H1, H2: g2 - a * (H2(g1) + H1(g2))),
     "MAML's expansion"),
    (expansion_with(lambda g1, g2, a, H1, H2: -a * H2(g1)), "Hessian term alone"),
    (expansion_with(lambda g1, g2, a, H1, H2: (g1 + g2 - a * H2(g1)) / 2), "the mean"),
    (expansion_with(lambda g1, g2, a, H1, H2: a * (g1 + g2 - a * H2(g1))),
     "alpha times the meta-gradient"),
    (expansion_with(lambda g1, g2, a, H1, H2: a * H2(g1) - g1 - g2), "of everything"),
    (expansion_with(lambda g1, g2, a, H1, H2: g1 + g2 - 0.02 * H2(g1)), "alpha cha"),
    (expansion_with(lambda g1, g2, a, H1, H2: (g1 + g2).sum(axis=0)), "a row for each"),
    (lambda net, *_: net, "a MLP, not an array of numbers"),
])
def test_wrong_expansions(answer, line):
    verdict = check_expansion(answer)
    assert line in verdict and verdict.startswith("not ")


# ------------------------------------------------------------- all lists of mistakes


def test_no_two_known_answers_are_alike():
    net, phi, x, y = checks.small_problem(k=3)
    lists = [
        checks.outer_steps(net, phi, x, y, alpha=0.03, epsilon=0.4),
        checks.expansions(net, phi, x, y, alpha=0.1),
        *checks.meta_gradients(net, phi, x, y, 0.1).values(),
    ]
    for known in lists:
        size = np.linalg.norm(known["right"])
        for a, b in itertools.combinations(known, 2):
            assert np.linalg.norm(known[a] - known[b]) > 0.01 * size, (a, b)
