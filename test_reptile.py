"""Each test holds the code against something independent, named in its first line.

No two sizes in a test are equal (tasks, examples, inputs, hidden units, outputs), so
that nothing can broadcast into passing.
"""

import math
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from statistics import NormalDist, stdev

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import sine_demo
from reptile import (
    MLP,
    Adam0,
    adapt,
    fomaml,
    inner_loop,
    joint,
    maml,
    train,
    trajectory,
)

HERE = Path(__file__).parent
T, B, K = 3, 6, 4  # tasks, examples, inner steps
LOSSES = "mse", "cross-entropy"


def problem(loss="mse", sizes=(2, 5, 7, 4), k=K):
    """A network, φ, weights (T, P), and random mini-batches x (k, T, B, 2), y."""
    rng, net = np.random.default_rng(7), MLP(sizes, loss)
    weights = np.array([net.init(rng, np.float64) for _ in range(T)])
    x, y = rng.normal(size=(k, T, B, sizes[0])), rng.normal(size=(k, T, B, sizes[-1]))
    if loss == "cross-entropy":
        y = rng.integers(0, sizes[-1], (k, T, B))
    return net, weights[0], weights, x, y


# The network

@pytest.mark.parametrize("loss", LOSSES)
def test_loss_against_scalar_arithmetic(loss):
    """Oracle: the network in Python floats, one unit of one example at a time."""
    net, phi, _, x, y = problem(loss)
    total, outputs = 0.0, []
    for example, target in zip(x[0, 0], y[0, 0]):
        h, place = list(example), 0
        for n_in, n_out in zip(net.layer_sizes, net.layer_sizes[1:]):
            M = phi[place : place + (n_in + 1) * n_out].reshape(n_in + 1, n_out)
            place += M.size
            z = [sum(a * w for a, w in zip([*h, 1.0], column)) for column in M.T]
            h = [math.tanh(value) for value in z] if place < net.num_params else z
        if loss == "mse":
            total += sum((a - t) ** 2 for a, t in zip(h, target)) / len(h)
        else:
            h = [math.exp(a) / sum(map(math.exp, h)) for a in h]
            total -= math.log(h[target])
        outputs.append(h)
    assert net.loss(phi, x[0, 0], y[0, 0]) == pytest.approx(total / B, rel=1e-12)
    np.testing.assert_allclose(net.predict(phi, x[0, 0]), outputs, rtol=1e-12)


@pytest.mark.parametrize("outputs", [1, 4])
@pytest.mark.parametrize("loss", LOSSES)
def test_gradient_of_every_parameter(loss, outputs):
    """Oracle: complex-step derivatives."""
    net, phi, weights, x, y = problem(loss, (2, 5, 7, outputs))
    (x, *_), (y, *_) = x, y
    exact = np.empty_like(weights)
    for p, e in enumerate(np.eye(net.num_params)):
        exact[:, p] = net.loss(weights + 1e-20j * e, x, y).imag / 1e-20
    _, gradient = net.loss_and_gradient(weights, x, y)
    np.testing.assert_allclose(gradient, exact, rtol=0, atol=1e-13)
    _, alone = net.loss_and_gradient(phi, x[0], y[0])
    np.testing.assert_allclose(alone, exact[0], rtol=0, atol=1e-13)


def test_cross_entropy_does_not_overflow():
    """Oracle: log n_out for a network of zeros, a number for one of huge outputs."""
    net, phi, _, x, y = problem("cross-entropy")
    assert net.loss(0 * phi, x[0, 0], y[0, 0]) == pytest.approx(math.log(4))
    assert np.isfinite(net.loss(1e4 * phi, x[0, 0], y[0, 0]))


@pytest.mark.parametrize("loss", LOSSES)
def test_hessian_vector_product(loss):
    """Oracles: central differences of the gradient; the symmetry uHv = vHu."""
    net, _, weights, (x, *_), (y, *_) = problem(loss)
    u, v = np.random.default_rng(3).normal(size=(2, T, net.num_params))
    Hu, Hv = (net.hessian_vector_product(weights, x, y, w) for w in (u, v))
    up, down = (net.loss_and_gradient(weights + h * v, x, y)[1] for h in (1e-5, -1e-5))
    np.testing.assert_allclose(Hv, (up - down) / 2e-5, atol=1e-7)
    np.testing.assert_allclose((u * Hv).sum(axis=1), (v * Hu).sum(axis=1), rtol=1e-12)


def test_init_is_uniform_and_unpack_gives_views():
    """Oracle: a uniform distribution on ±1/√n_in has the deviation 1/√(3 n_in)."""
    net = MLP([9, 400, 3])
    phi = net.init(np.random.default_rng(0))
    for M, n_in in zip(net.unpack(phi), (9, 400)):
        bound = 1 / math.sqrt(n_in)
        assert len(M) == n_in + 1
        assert np.shares_memory(M, phi)
        assert 0.98 * bound < abs(M).max() <= bound
        assert M.std() == pytest.approx(bound / math.sqrt(3), rel=0.05)
    assert np.array_equal(phi, net.init(np.random.default_rng(0)))


def test_the_module_needs_numpy_alone():
    """Oracle: an interpreter in which the demo's other imports are missing."""
    code = """if True:
        import sys
        sys.modules.update(dict.fromkeys(["matplotlib", "PIL", "sine_demo"]))
        import reptile
        print(reptile.MLP([1, 2, 1]).num_params)"""
    printed = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=HERE)
    assert printed == "7\n"


# Adam and the inner loop

def test_adam_against_pytorch():
    """Oracle: PyTorch 2.13, recorded: torch.optim.Adam(lr=0.1, betas=(0, 0.999))."""
    weights, adam = np.array([1.0, -1.0, 0.5]), Adam0()
    recorded = {
        (0.5, -2.0, 0.01): [0.900000002, -0.9000000005, 0.4000001],
        (0.25, 1.0, 0.02): [0.8367449567, -0.963255047, 0.2735280525],
        (-1.0, 3.0, -0.5): [0.9878875338, -1.1021032477, 0.4464738798],
    }
    for gradient, expected in recorded.items():
        weights = adam.step(weights, np.array(gradient), 0.1)
        np.testing.assert_allclose(weights, expected, atol=1e-9)


@pytest.mark.parametrize("loss", LOSSES)
def test_tasks_at_once_against_a_loop_over_tasks(loss):
    """Oracle: one task after another, in a plain Python loop over its mini-batches."""
    net, phi, _, x, y = problem(loss)
    before = phi.copy()
    phis, grads = trajectory(net, phi, x, y, 0.05)
    W = inner_loop(net, phi, x, y, 0.05)
    for t in range(T):
        weights = phi.copy()
        for i in range(K):
            _, g = net.loss_and_gradient(weights, x[i, t], y[i, t])
            np.testing.assert_allclose(phis[i, t], weights, atol=1e-12)
            np.testing.assert_allclose(grads[i, t], g, atol=1e-12)
            weights = weights - 0.05 * g
        np.testing.assert_allclose(phis[K, t], weights, atol=1e-12)
        np.testing.assert_allclose(W[t], weights, atol=1e-12)
        alone, _ = trajectory(net, phi, x[:, t], y[:, t], 0.05)
        np.testing.assert_allclose(alone[K], weights, atol=1e-12)
    assert np.array_equal(phi, before), "the inner loop must not change phi"


def one_adam_step(weights, g, v, t, alpha):
    """Adam's step t = 1, 2, ... by the formulas of its paper, β1 = 0: weights, v."""
    v = 0.999 * v + 0.001 * g**2
    return weights - alpha * g / (np.sqrt(v / (1 - 0.999**t)) + 1e-8), v


def test_adam_inside_goes_on_from_task_to_task():
    """Oracle: a loop over meta-batches, tasks and steps; T tasks leave their mean."""
    net, phi, _, x, y = problem()
    adam, v = Adam0(), np.zeros_like(phi)
    for call in range(3):
        W = inner_loop(net, phi, x, y, 0.05, adam)
        after = []
        for t in range(T):
            weights, v_t = phi, v  # each task begins with the same state
            for i in range(K):
                _, g = net.loss_and_gradient(weights, x[i, t], y[i, t])
                weights, v_t = one_adam_step(weights, g, v_t, call * K + i + 1, 0.05)
            np.testing.assert_allclose(W[t], weights, atol=1e-12)
            after.append(v_t)
        v = np.mean(after, axis=0)
        np.testing.assert_allclose(adam.v, v, rtol=1e-12)


def test_adapt_begins_with_the_state_of_adam_and_leaves_it_alone():
    """Oracle: an inner loop with the same state; a second call that finds the same."""
    net, phi, _, x, y = problem()
    adam, same = Adam0(), Adam0()
    inner_loop(net, phi, x, y, 0.05, adam)
    inner_loop(net, phi, x, y, 0.05, same)
    first, second = (adapt(net, phi, x[0], y[0], 0.05, 3, adam) for _ in range(2))
    expected = inner_loop(net, phi, x[[0, 0, 0]], y[[0, 0, 0]], 0.05, same)
    assert np.array_equal(first, second) and np.array_equal(first, expected)


def test_adapt_takes_every_step_on_all_of_the_data():
    """Oracle: gradient descent in a Python loop, each task from its own start."""
    net, _, starts, (x, *_), (y, *_) = problem()
    weights = starts
    for steps in range(1, 6):
        _, g = net.loss_and_gradient(weights, x, y)
        weights = weights - 0.1 * g
        W = adapt(net, starts, x, y, 0.1, steps)
        np.testing.assert_allclose(W, weights, atol=1e-14)


# Reptile's relatives

@pytest.mark.parametrize("optimiser", [None, Adam0])
def test_every_update_against_its_definition(optimiser):
    """Oracle: the definitions, from the gradients of a Python loop, task by task."""
    net, phi, _, x, y = problem()
    for t in range(T):
        weights, adam, g = phi, optimiser and optimiser(), []
        steps = [phi]
        for i in range(K):
            g.append(net.loss_and_gradient(weights, x[i, t], y[i, t])[1])
            if adam:
                weights = adam.step(weights, g[-1], 0.1)
            else:
                weights = weights - 0.1 * g[-1]
            steps.append(weights)
        for update, W in ((inner_loop, steps[K]), (joint, steps[1]),
                          (fomaml, phi - 0.1 * g[3])):
            ours = update(net, phi, x, y, 0.1, optimiser and optimiser())[t]
            np.testing.assert_allclose(ours, W, atol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
def test_maml_is_the_derivative_through_the_inner_loop(loss):
    """Oracle: the complex-step derivative by φ of loss k after k − 1 steps."""
    net, phi, _, x, y = problem(loss)
    starts = phi + 1e-20j * np.eye(net.num_params)  # (P, P): a "task" each
    for t in range(T):
        x_t, y_t = (np.repeat(a[:, t : t + 1], net.num_params, axis=1) for a in (x, y))
        adapted = inner_loop(net, starts, x_t[:-1], y_t[:-1], 0.1)
        derivative = net.loss(adapted, x_t[-1], y_t[-1]).imag / 1e-20
        W = phi - 0.1 * derivative
        np.testing.assert_allclose(maml(net, phi, x, y, 0.1)[t], W, atol=1e-14)
        alone = maml(net, phi, x[:, t], y[:, t], 0.1)
        np.testing.assert_allclose(alone, W, atol=1e-14)


@pytest.mark.parametrize("update", [inner_loop, fomaml, maml])
def test_what_the_taylor_expansion_leaves_out_is_of_second_order(update):
    """Oracle: section 5.1; a remainder in α² falls to a quarter when α is halved.

    Reptile  ḡ_1 + ḡ_2 − α H̄_2 ḡ_1
    FOMAML         ḡ_2 − α H̄_2 ḡ_1
    MAML           ḡ_2 − α H̄_2 ḡ_1 − α H̄_1 ḡ_2
    """
    net, phi, _, x, y = problem(k=2)
    x, y = x[:, 0], y[:, 0]
    g1, g2 = (net.loss_and_gradient(phi, x[i], y[i])[1] for i in range(2))
    H1_g2 = net.hessian_vector_product(phi, x[0], y[0], g2)
    H2_g1 = net.hessian_vector_product(phi, x[1], y[1], g1)
    remainder = []
    for alpha in 2e-3, 1e-3:
        first_order = g2 - alpha * H2_g1
        if update is inner_loop:
            first_order = first_order + g1
        if update is maml:
            first_order = first_order - alpha * H1_g2
        exact = (phi - update(net, phi, x, y, alpha)) / alpha
        remainder.append(np.linalg.norm(exact - first_order))
    assert remainder[0] / remainder[1] == pytest.approx(4, rel=0.02)


# Training

NET = MLP([2, 5, 1])
START = NET.init(np.random.default_rng(2), np.float64)


def lines(rng, tasks):
    """A small task distribution: random planes, 4 mini-batches of 6."""
    x = rng.normal(size=(K, tasks, B, 2))
    return x, x @ rng.normal(size=(tasks, 2, 1))


def run(net=NET, phi=START, sample=lines, seed=4, **settings):
    """All that `train` yields."""
    defaults = {"alpha": 0.1, "epsilon": 0.5, "iterations": 5, "meta_batch": T}
    rng = np.random.default_rng(seed)
    return list(train(net, phi, sample, rng, **defaults | settings))


@pytest.mark.parametrize("epsilon", [0.5, lambda i: 0.3 / (1 + i)])
def test_outer_step_against_the_formula(epsilon):
    """Oracle: φ ← φ + ε (mean W − φ), every task from the same φ; ε falls to 0.5/5."""
    rng, phi, before = np.random.default_rng(4), START, START.copy()
    for n, (iteration, ours) in enumerate(run(epsilon=epsilon)):
        x, y = lines(rng, T)
        W = [inner_loop(NET, phi, x[:, t], y[:, t], 0.1) for t in range(T)]
        step = epsilon(n) if callable(epsilon) else 0.5 * (1 - n / 5)
        phi = phi + step * (sum(W) / T - phi)
        assert iteration == n + 1 and ours.dtype == START.dtype
        np.testing.assert_allclose(ours, phi, rtol=1e-12)  # each φ is kept as it was
    assert np.array_equal(START, before), "training must not change where it starts"


def test_adam_inside_and_outside_keep_a_state_each():
    """Oracle: two Adams in a Python loop, the outer one on φ − W; ε falls to 0.5/5."""
    rng, phi, inner, outer = np.random.default_rng(4), START, Adam0(), Adam0()
    for n, (_, ours) in enumerate(run(inner=Adam0(), outer=Adam0())):
        W = inner_loop(NET, phi, *lines(rng, T), 0.1, inner).mean(axis=0)
        phi = outer.step(phi, phi - W, 0.5 * (1 - n / 5))
        np.testing.assert_allclose(ours, phi, atol=1e-12)


def test_one_task_an_iteration_unless_told_otherwise():
    """Oracle: what `sample` is asked for."""
    asked = []

    def sample(rng, tasks):
        asked.append(tasks)
        return lines(rng, tasks)

    rng = np.random.default_rng(0)
    list(train(NET, START, sample, rng, alpha=0.1, epsilon=0.5, iterations=3))
    assert asked == [1, 1, 1]


@pytest.mark.parametrize("update", [None, joint, fomaml, maml])
def test_float32_stays_float32(update):
    """Oracle: φ's dtype, though the data are of float64."""
    for _, phi in run(phi=START.astype(np.float32), update=update, iterations=2):
        assert phi.dtype == np.float32


# What is refused

CLASSIFIER = MLP([2, 5, 3], "cross-entropy")
ZEROS = np.zeros(CLASSIFIER.num_params)
X4, Y4 = lines(np.random.default_rng(0), T)  # (4, 3, 6, 2) and (4, 3, 6, 1)
X1, Y1 = X4[0, 0], Y4[0, 0]  # one task: (6, 2) and (6, 1)
LABELS = np.array([0, 1, 2, 1, 0, 2])
H = NET.hessian_vector_product


@pytest.mark.parametrize("says, call", [
    (r"weights must be \(21,\).*\(20,\)", lambda: NET.loss(START[1:], X1, Y1)),
    (r"\(21,\) or \(3, 21\)", lambda: NET.predict(np.zeros((2, 21)), X4[0])),
    ("float32 or float64, not float16", lambda: run(phi=START.astype("f2"))),
    (r"phi must be \(21,\).*\(3, 21\)", lambda: run(phi=np.zeros((T, 21)))),
    (r"x must be \(T, B, 2\)", lambda: NET.predict(START, X1[:, 0])),
    (r"x must be \(k, T, B, 2\)", lambda: inner_loop(NET, START, X1, Y1, 0.1)),
    ("not empty", lambda: trajectory(NET, START, X4[:, :, :0], Y4[:, :, :0], 0.1)),
    (r"y must be \(6, 1\); it is \(6,\)", lambda: NET.loss(START, X1, Y1[:, 0])),
    ("steps must be 1 or more, not 0", lambda: adapt(NET, START, X1, Y1, 0.1, 0)),
    ("integers from 0 to 2", lambda: CLASSIFIER.loss(ZEROS, X1, LABELS + 1)),
    ("integers from 0 to 2", lambda: CLASSIFIER.loss(ZEROS, X1, LABELS - 1)),
    ("integers from 0 to 2", lambda: CLASSIFIER.loss(ZEROS, X1, LABELS * 1.0)),
    (r"v must be \(21,\)", lambda: H(START, X1, Y1, 1.0)),
    ("not through Adam", lambda: maml(NET, START, X4, Y4, 0.1, Adam0())),
    (r"W must be \(3, 21\); it is \(21,\)",  # a sample without the axis T
     lambda: run(sample=lambda *_: (X4[:, 0], Y4[:, 0]))),
    (r"W must be \(2, 21\); it is \(3, 21\)",  # a sample that ignores T
     lambda: run(sample=lambda *_: (X4, Y4), meta_batch=2)),
    (r"W must be \(3, 21\); it is \(3, 1\)",
     lambda: run(update=lambda *_: np.zeros((T, 1)))),
])
def test_what_does_not_fit_is_refused_in_words(says, call):
    """Oracle: what would broadcast, or be wrong without a word, raises a ValueError."""
    with pytest.raises(ValueError, match=says):
        call()


def test_divergence_is_reported_with_what_to_try():
    """Oracle: descent with a step beyond 2/curvature grows without bound."""
    with pytest.raises(FloatingPointError, match="lower alpha = 500"):
        run(alpha=500, iterations=1000)
    with pytest.raises(FloatingPointError, match="or epsilon"):
        run(epsilon=1e9, iterations=1000)
    one_bad_number = X4.copy()
    one_bad_number[0, 1, 2, 0] = np.nan  # of one task in three
    with pytest.raises(FloatingPointError, match="the data"):
        inner_loop(NET, START, one_bad_number, Y4, 0.1)


# The sine demo: what it prints and draws

GIST_LOSSES = """6.585 6.240 3.570 0.341 0.149 0.101 0.074 0.061 0.050 0.048 0.045 0.044
    0.045 0.045 0.048 0.048 0.047 0.043 0.044 0.049 0.046 0.044 0.050 0.051 0.047 0.047
    0.050 0.048 0.047 0.048 0.048""".split()
GIST_FINAL = [0.42942142, 0.031738624, -0.121004194, 0.24102303, -0.24440354,
              -0.1943108, -0.21444547, -0.38479778, -0.057332974, 0.39847112,
              -0.09164247, -0.27766255, 0.058580585, -0.3449843, 0.15751667]


def test_the_demo_follows_the_gist_to_its_end(capsys, monkeypatch):
    """Oracle: a recorded PyTorch run: 31 losses, each 300th parameter, their norm."""
    phis = {}
    monkeypatch.setattr(sine_demo, "table", lambda net, phis_, *_: phis.update(phis_))
    sine_demo.main(["--no-plot"])
    printed = re.findall(r"^iteration (\d+) +loss on plotted curve (\d\.\d{3})$",
                         capsys.readouterr().out, re.M)
    assert [int(i) for i, _ in printed] == [1, *range(1000, 30_001, 1000)]
    assert [loss for _, loss in printed] == GIST_LOSSES

    start, phi = phis.values()
    np.testing.assert_allclose(start[[0, -1]], [-0.00748682, -0.06312194], atol=1e-8)
    np.testing.assert_allclose(phi[::300], GIST_FINAL, atol=1e-5)
    assert np.linalg.norm(phi) == pytest.approx(16.808373, abs=1e-4)


def plain_update(update, net, phi, x, y, alpha):
    """Where an update moves φ to on one task, x (5, 10, 1), by a plain loop."""
    def gradient(weights, i):
        return net.loss_and_gradient(weights, x[i], y[i])[1]

    def loss_5(weights):  # of the last mini-batch, after four steps on the others
        for i in range(4):
            weights = weights - alpha * gradient(weights, i)
        return net.loss(weights, x[4], y[4])

    W = phi
    for i in range(5):
        last, W = W, W - alpha * gradient(W, i)
    slopes = [loss_5(phi + 1e-20j * e).imag / 1e-20 for e in np.eye(len(phi))]
    return {"reptile": W, "joint": phi - alpha * gradient(phi, 0),
            "fomaml": phi + (W - last), "maml": phi - alpha * np.array(slopes)}[update]


@pytest.mark.parametrize("update, name, seed, meta_batch", [
    ("reptile", "Reptile", 3, 2), ("joint", "joint training", 4, 1),
    ("fomaml", "FOMAML", 5, 3), ("maml", "MAML", 6, 1),
])
def test_the_demo_runs_what_its_options_name(update, name, seed, meta_batch, capsys,
                                             monkeypatch):
    """Oracle: the gist as a plain loop, from the draws of RandomState(seed)."""
    net, X = MLP([1, 4, 3, 1]), sine_demo.X
    monkeypatch.setattr(sine_demo, "NETWORK", net)
    monkeypatch.setattr(sine_demo, "ALPHA", 0.1)
    monkeypatch.setattr(sine_demo, "EPSILON", 0.9)
    init = sine_demo.pytorch_init  # in float64, so that rounding decides nothing
    monkeypatch.setattr(sine_demo, "pytorch_init", lambda *a: init(*a).astype(float))
    shown = []  # what the picture is made from
    monkeypatch.setattr(sine_demo, "Picture", lambda *settings: shown.append(settings))
    sine_demo.main(f"--no-plot --iterations 4 --update {update} --seed {seed} "
                   f"--meta-batch {meta_batch}".split())
    printed = capsys.readouterr().out
    assert printed.isascii()

    rng = np.random.RandomState(seed)

    def draw_sine():
        b, a = 2 * np.pi * rng.random_sample(), 0.1 + 4.9 * rng.random_sample()
        return lambda x: a * np.sin(x + b)

    def descend(phi, x, y, steps):
        for _ in range(steps):
            phi = phi - 0.1 * net.loss_and_gradient(phi, x, y)[1]
        return phi

    start = phi = sine_demo.pytorch_init(net, seed)
    plotted, points, losses = draw_sine(), X[rng.choice(50, size=10)], []
    for i in range(4):
        W = []
        for _ in range(meta_batch):
            task, x = draw_sine(), X[rng.permutation(50)].reshape(5, 10, 1)
            W.append(plain_update(update, net, phi, x, task(x), 0.1))
        phi = phi + 0.9 * (1 - i / 4) * (np.mean(W, axis=0) - phi)
        curve = net.predict(descend(phi, points, plotted(points), 32), X)
        losses.append(np.square(curve - plotted(X)).mean())

    _, of_update, sine, its_points, of_seed = shown[0]
    assert (of_update, of_seed) == (update, seed)
    np.testing.assert_allclose(sine_demo.sine(sine, X), plotted(X))
    np.testing.assert_allclose(its_points, points)
    found = re.findall(r"iteration (\d+) +loss on plotted curve (\S+)", printed)
    assert [int(i) for i, _ in found] == [1, 4]
    assert [float(loss) for _, loss in found] == pytest.approx(losses[::3], abs=6e-4)

    titles, *rows = re.findall(r"^(?:steps|  +\d+) .*$", printed, re.M)
    assert titles.split(maxsplit=3)[1:] == ["random", "initialisation", name]
    (a, b), chosen = sine_demo.new_sines(seed, 1000)
    y = a * np.sin(chosen + b)
    for row, steps in zip(rows, (0, 1, 8, 16, 32), strict=True):
        n, random, _, _, trained, _, _ = row.split()
        assert int(n) == steps
        for weights, mean in (start, random), (phi, trained):
            W = descend(np.tile(weights, (1000, 1)), chosen, y, steps)
            errors = np.square(net.predict(W, np.tile(X, (1000, 1, 1)))
                               - a * np.sin(X + b))
            assert float(mean) == pytest.approx(errors.mean(), abs=6e-4)


def test_a_sine_lies_at_its_amplitude_and_phase_in_the_plane():
    """Oracles: a sin(x + b) = a cos b sin x + a sin b cos x; least squares by NumPy."""
    a, b = np.array([2.0, 5.0])[:, None, None], np.array([0.3, 4.0])[:, None, None]
    points = sine_demo.plane(sine_demo.sine((a, b), sine_demo.X))
    np.testing.assert_allclose(points[:, 0], (a * np.cos(b)).ravel())
    np.testing.assert_allclose(points[:, 1], (a * np.sin(b)).ravel())

    outputs = np.random.default_rng(0).normal(size=(4, 3, 50, 1))
    basis = np.hstack([np.sin(sine_demo.X), np.cos(sine_demo.X)])
    fit = np.linalg.lstsq(basis, outputs[2, 1], rcond=None)[0]
    np.testing.assert_allclose(sine_demo.plane(outputs)[2, 1], fit.ravel())


def test_evaluation_and_table_against_plain_descent():
    """Oracles: descent on each sine by itself; E[a²]/2; the normal distribution."""
    net, X = MLP([1, 8, 9, 1]), sine_demo.X
    phi, steps = net.init(np.random.default_rng(3), np.float64), (0, 2, 5)
    errors = sine_demo.evaluate(net, phi, 0.05, seed=1, T=7, steps=steps)
    rng = np.random.default_rng([1, 7])  # as documented: [seed, T]
    phase, amplitude = rng.uniform(0, 2 * np.pi, 7), rng.uniform(0.1, 5, 7)
    chosen = rng.random((7, 50)).argsort(axis=1)[:, :10]
    for t in range(7):
        y, weights = amplitude[t] * np.sin(X + phase[t]), phi
        for step in range(6):
            if step in steps:
                error = np.square(net.predict(weights, X) - y).mean()
                assert errors[steps.index(step), t] == pytest.approx(error)
            points = X[chosen[t]], y[chosen[t]]
            weights = weights - 0.05 * net.loss_and_gradient(weights, *points)[1]

    silent = sine_demo.evaluate(net, 0 * phi, 0.05, seed=1, T=2000, steps=(0,))
    assert silent.mean() == pytest.approx((5**3 - 0.1**3) / 3 / 4.9 / 2, rel=0.05)
    text = sine_demo.table(net, {"a": phi}, 0.05, 1, T=7, steps=steps)
    means, intervals = np.array(re.findall(r"(\S+) \+- (\S+)", text), float).T
    quantile = NormalDist().inv_cdf(0.975)
    assert means == pytest.approx(errors.mean(axis=1), abs=6e-4)
    expected = [quantile * stdev(e.tolist()) / 7**0.5 for e in errors]
    assert intervals == pytest.approx(expected, abs=6e-4)


def drawn(axes):
    """What is drawn: the data, (points, 2), of each line, by its label."""
    return {line.get_label(): line.get_xydata() for line in axes.lines}


def test_the_picture_shows_the_star_and_curves():
    """Oracle: plain gradient descent on ten points, step by step."""
    net, X, alpha = sine_demo.NETWORK, sine_demo.X, sine_demo.ALPHA
    phi = sine_demo.pytorch_init(net, 1)
    task, x_train = (3.0, 1.0), X[2::5]
    picture = sine_demo.Picture(Figure(), "fomaml", task, x_train, seed=2, T=3)
    picture.draw((70, phi))
    star, curves = drawn(picture.left), drawn(picture.right)

    def path(x, y):
        weights = [phi]
        for _ in range(8):
            _, gradient = net.loss_and_gradient(weights[-1], x, y)
            weights.append(weights[-1] - alpha * gradient)
        return [net.predict(w, X) for w in weights]

    steps = path(x_train, 3 * np.sin(x_train + 1))
    for n, label in (0, "0 steps"), (1, "1 step"), (2, "2 steps"), (8, "8 steps"):
        expected = np.hstack([X, steps[n]])
        np.testing.assert_allclose(curves[f"after {label}"], expected, atol=1e-4)
    np.testing.assert_allclose(curves["the sine"][:, 1:], 3 * np.sin(X + 1))
    np.testing.assert_allclose(curves["ten points"][:, :1], x_train)

    axes = picture.left
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("p", "q")
    assert "p sin x + q cos x" in axes.get_title()
    rays = [line for line in axes.lines if len(line.get_xdata()) == 9]
    (a, b), x_new = sine_demo.new_sines(2, 3)
    errors = []
    for t in range(3):
        p, q = a[t].item() * np.cos(b[t].item()), a[t].item() * np.sin(b[t].item())
        np.testing.assert_allclose(star["new tasks"][t], [p, q])
        outputs = path(x_new[t], a[t] * np.sin(x_new[t] + b[t]))
        target = a[t] * np.sin(X + b[t])
        errors.append(np.square(outputs[8] - target).mean())
        ray = [sine_demo.plane(y) for y in outputs]
        np.testing.assert_allclose(rays[t].get_xydata(), ray, atol=1e-3)
        assert rays[t].get_color() == "#009E73"
        np.testing.assert_allclose(star["8 steps from φ"][t], ray[8], atol=1e-3)
        np.testing.assert_allclose(star["φ"][0], ray[0])
    title = picture.figure.texts[0].get_text()
    assert title.startswith("FOMAML, iteration 70: squared error "
                            f"{np.mean(errors):.2f} on 3 new sines after 8 steps")


def test_the_film_of_a_training_holds_its_last_frame(tmp_path, capsys, monkeypatch):
    """Oracle: Pillow's reading of the .gif."""
    gif = tmp_path / "sine.gif"
    monkeypatch.setattr(sine_demo, "table", lambda *_: "")  # it takes seconds
    sine_demo.main(["--iterations", "5", "--save", str(gif)])
    printed = capsys.readouterr().out
    assert "iteration 1 " in printed and "iteration 5 " in printed
    with Image.open(gif) as image:
        durations = []
        for i in range(image.n_frames):
            image.seek(i)
            durations.append(image.info["duration"])
    assert durations == [400, 400, 400, 400, 400, 3600]  # iterations 0 to 5


@pytest.mark.parametrize("arguments", [
    "--iterations 0", "--meta-batch many", "--update sgd", "--save missing/a.png",
    "--save a.txt", "--save .", "--seed -1", "--seed 4294967296",
])
def test_a_wrong_argument_is_answered_before_the_training(arguments, capsys):
    """Oracle: argparse's exit code."""
    with pytest.raises(SystemExit, match="2"):
        sine_demo.main(arguments.split())
    assert "iteration" not in capsys.readouterr().out


def demo(*arguments, **environment):
    """Start sine_demo.py without a display, or with the given environment."""
    screen = ("DISPLAY", "WAYLAND_DISPLAY", "MPLBACKEND")
    clean = {name: value for name, value in os.environ.items() if name not in screen}
    command = [sys.executable, str(HERE / "sine_demo.py"), *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=clean | environment, **pipes)


def test_without_a_display_the_demo_prints_and_saves(tmp_path):
    """Oracle: the gist's first loss; a picture on the disk."""
    saving = demo("--iterations", 2, "--save", tmp_path / "a.png")
    for process in saving, demo("--iterations", 2, MPLBACKEND="svg"):
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
        assert out.startswith("iteration 1      loss on plotted curve 6.585\n")
        assert "1,000 new sines" in out
    assert (tmp_path / "a.png").read_bytes()[1:4] == b"PNG"


@pytest.fixture
def screen():
    """The environment of a virtual screen with a window manager."""
    pytest.importorskip("tkinter", reason="needs tkinter")
    if not all(map(shutil.which, ("Xvfb", "openbox", "wmctrl"))):
        pytest.skip("needs Xvfb, openbox and wmctrl")
    server = "Xvfb -displayfd 1 -screen 0 1280x800x24".split()
    with subprocess.Popen(server, stdout=subprocess.PIPE, text=True) as screen:
        display = {"DISPLAY": ":" + screen.stdout.readline().strip()}
        manager = subprocess.Popen(["openbox"], env=os.environ | display)
        yield display | {"MPLBACKEND": "TkAgg"}
        manager.terminate()
        screen.terminate()


@pytest.mark.parametrize("end", ["close button", "Ctrl-C"])
def test_the_close_button_or_ctrl_c_ends_the_demo(end, screen):
    """Oracle: the X server's list of windows; how the process ended."""
    process = demo("--iterations", 10**8, **screen)
    assert process.stdout.readline().startswith("iteration 1 ")
    command = "wmctrl -c Reptile" if end == "close button" else "wmctrl -R Reptile"
    subprocess.run(command.split(), env=os.environ | screen, check=True)
    if end == "Ctrl-C":
        process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (-2 if end == "Ctrl-C" else 0, "")


def test_the_tangent_kernel_says_how_far_a_step_on_one_point_moves_the_curve():
    """Oracle: a short step of gradient descent on the one point, (f(x') − y')²."""
    net, X = MLP([1, 8, 9, 1]), sine_demo.X
    phi = net.init(np.random.default_rng(3), np.float64)
    K = sine_demo.tangent_kernel(net, phi)
    before, alpha, j = net.predict(phi, X), 1e-6, 17
    W = adapt(net, phi, X[[j]], before[[j]] - 2.0, alpha, steps=1)
    moved = (net.predict(W, X) - before)[:, 0]
    np.testing.assert_allclose(moved, -2 * alpha * 2.0 * K[:, j], rtol=1e-4)


def test_the_query_set_of_sines_is_not_the_support_set():
    """Oracle: the points themselves: four times the same ten, then ten others."""
    x, y = sine_demo.support_and_query(np.random.RandomState(0), 3)
    for t in range(3):
        support, query = set(x[0, t].ravel()), set(x[4, t].ravel())
        assert len(support | query) == 20
        assert all(set(x[i, t].ravel()) == support for i in range(4))
        basis = np.column_stack([np.sin(x[:, t]).ravel(), np.cos(x[:, t]).ravel()])
        _, residual, rank, _ = np.linalg.lstsq(basis, y[:, t].ravel(), rcond=None)
        assert rank == 2 and residual < 1e-20  # one sine through all of them


# The README, and the programs that it names

def test_readme_snippet_prints_what_the_readme_says(capsys):
    """Oracle: the comments that stand beside the README's code."""
    readme = (HERE / "README.md").read_text("utf-8")
    code = re.search(r"```python\n(.*?)```", readme, re.DOTALL).group(1)
    exec(compile(code, "README.md", "exec"), {})
    printed = re.findall(r"# prints (.*)", code)
    assert printed and capsys.readouterr().out.splitlines() == printed


PROGRAMS = [path for path in sorted(HERE.glob("*.py")) + sorted(HERE.glob("*/*.py"))
            if "__main__" in path.read_text("utf-8") and "test_" not in path.name]


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_every_program_starts_and_prints_its_help_in_ascii(path):
    """Oracle: an interpreter whose output is ASCII, with no package but the demo's."""
    module = ".".join(path.relative_to(HERE).with_suffix("").parts)
    code = ("import runpy, sys; sys.argv = ['program', '--help']; "
            "sys.modules.update(dict.fromkeys(['IPython', 'nbconvert', 'pytest'])); "
            f"runpy.run_module({module!r}, run_name='__main__')")
    done = subprocess.run([sys.executable, "-c", code], cwd=HERE, capture_output=True,
                          env=os.environ | {"PYTHONIOENCODING": "ascii"}, text=True,
                          timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage:")


def test_what_the_texts_name_is_there():
    """Oracle: the files on the disk, for each relative link and each command."""
    for text in [HERE / "README.md", *HERE.glob("*/*.md")]:
        content = text.read_text("utf-8")
        for link in re.findall(r"\]\((?!http|#)([^)#]+)", content):
            assert (text.parent / link).exists(), f"{text.name} links to {link}"
        for module in re.findall(r"python3? -m ([a-z]+\.[a-z_]+)", content):
            program = HERE / (module.replace(".", "/") + ".py")
            assert program.exists(), f"{text.name} names {module}"
