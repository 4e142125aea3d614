"""Each test holds the code against something independent, named in its first line.

No two sizes in a test are equal (tasks, examples, inputs, hidden units, outputs), so
that nothing can broadcast into passing.
"""

import io
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from statistics import NormalDist, stdev

import numpy as np
import pytest
from matplotlib.figure import Figure

import reptile
import sine_demo
from reptile import MLP, Adam, adapt, fomaml, inner_loop, joint, maml, train
from reptile import weighted_sum as weighted

HERE = Path(__file__).parent
T, B, K = 3, 6, 4  # tasks, examples, inner steps
NETWORKS = [(f, loss) for f in ("tanh", "relu") for loss in ("mse", "cross-entropy")]


def problem(activation="tanh", loss="mse", sizes=(2, 5, 7, 4), k=K):
    """A network, φ, weights (T, P), and random mini-batches x (k, T, B, 2), y."""
    rng, net = np.random.default_rng(7), MLP(sizes, activation, loss)
    weights = np.array([net.init(rng, np.float64) for _ in range(T)])
    x, y = rng.normal(size=(k, T, B, sizes[0])), rng.normal(size=(k, T, B, sizes[-1]))
    if loss == "cross-entropy":
        y = rng.integers(0, sizes[-1], (k, T, B))
    return net, weights[0], weights, x, y


# The network

@pytest.mark.parametrize("activation, loss", NETWORKS)
def test_loss_against_scalar_arithmetic(activation, loss):
    """Oracle: the network in Python floats, one unit of one example at a time."""
    net, phi, _, x, y = problem(activation, loss)
    f = math.tanh if activation == "tanh" else lambda z: max(z, 0.0)
    total, outputs = 0.0, []
    for example, target in zip(x[0, 0], y[0, 0]):
        h, place = list(example), 0
        for n_in, n_out in zip(net.layer_sizes, net.layer_sizes[1:]):
            W = phi[place : place + (n_in + 1) * n_out].reshape(n_in + 1, n_out)
            place += W.size
            z = [sum(a * w for a, w in zip([*h, 1.0], column)) for column in W.T]
            h = [f(value) for value in z] if place < net.num_params else z
        if loss == "mse":
            total += sum((a - t) ** 2 for a, t in zip(h, target)) / len(h)
        else:
            h = [math.exp(a) / sum(map(math.exp, h)) for a in h]
            total -= math.log(h[target])
        outputs.append(h)
    assert net.loss(phi, x[0, 0], y[0, 0]) == pytest.approx(total / B, rel=1e-12)
    np.testing.assert_allclose(net.predict(phi, x[0, 0]), outputs, rtol=1e-12)


@pytest.mark.parametrize("outputs", [1, 4])
@pytest.mark.parametrize("activation, loss", NETWORKS)
def test_gradient_of_every_parameter(activation, loss, outputs):
    """Oracle: complex-step derivatives; for ReLU, central differences."""
    net, phi, weights, x, y = problem(activation, loss, (2, 5, 7, outputs))
    (x, *_), (y, *_) = x, y
    numeric = np.empty_like(weights)
    for p, e in enumerate(np.eye(net.num_params)):
        if activation == "tanh":
            numeric[:, p] = net.loss(weights + 1e-20j * e, x, y).imag / 1e-20
        else:
            above, below = (net.loss(weights + h * e, x, y) for h in (1e-6, -1e-6))
            numeric[:, p] = (above - below) / 2e-6
    tolerance = 1e-13 if activation == "tanh" else 1e-8
    _, gradient = net.loss_and_gradient(weights, x, y)
    np.testing.assert_allclose(gradient, numeric, rtol=0, atol=tolerance)
    _, alone = net.loss_and_gradient(phi, x[0], y[0])
    np.testing.assert_allclose(alone, numeric[0], rtol=0, atol=tolerance)


def test_cross_entropy_does_not_overflow():
    """Oracle: log n_out for a network of zeros, a number for one of huge outputs."""
    net, phi, _, x, y = problem(loss="cross-entropy")
    assert net.loss(0 * phi, x[0, 0], y[0, 0]) == pytest.approx(math.log(4))
    assert np.isfinite(net.loss(1e4 * phi, x[0, 0], y[0, 0]))


@pytest.mark.parametrize("loss", ["mse", "cross-entropy"])
def test_hessian_vector_product(loss):
    """Oracles: central differences of the gradient; the symmetry uHv = vHu."""
    net, _, weights, (x, *_), (y, *_) = problem(loss=loss)
    u, v = np.random.default_rng(3).normal(size=(2, T, net.num_params))
    Hu, Hv = (net.hessian_vector_product(weights, x, y, w) for w in (u, v))
    up, down = (net.loss_and_gradient(weights + h * v, x, y)[1] for h in (1e-5, -1e-5))
    np.testing.assert_allclose(Hv, (up - down) / 2e-5, atol=1e-7)
    np.testing.assert_allclose((u * Hv).sum(axis=1), (v * Hu).sum(axis=1), rtol=1e-12)
    z = np.array([0.3 + 2j, -1 - 0.5j])
    reptile.tanh(z, out := 0 * z)
    np.testing.assert_allclose(out, np.tanh(z))


def test_init_is_uniform_and_unpack_gives_views():
    """Oracle: a uniform distribution on ±1/√n_in has the deviation 1/√(3 n_in)."""
    net = MLP([9, 400, 3])
    phi = net.init(np.random.default_rng(0))
    for W, n_in in zip(net.unpack(phi), (9, 400)):
        assert len(W) == n_in + 1 and np.shares_memory(W, phi)
        assert 0.98 / math.sqrt(n_in) < abs(W).max() <= 1 / math.sqrt(n_in)
        assert W.std() == pytest.approx(1 / math.sqrt(3 * n_in), rel=0.05)
    assert np.array_equal(phi, net.init(np.random.default_rng(0)))


# Adam and the inner loop

PYTORCH_ADAM = {  # torch.optim.Adam(lr=0.1, betas=(β1, 0.999)), PyTorch 2.13
    0.0: [[0.900000002, -0.9000000005, 0.4000001],
          [0.8367449567, -0.963255047, 0.2735280525],
          [0.9878875338, -1.1021032477, 0.4464738798]],
    0.9: [[0.900000002, -0.9000000005, 0.4000001],
          [0.8067820405, -0.8733662967, 0.3034819585],
          [0.8274177429, -0.9123052755, 0.3639683257]],
}  # fmt: skip


@pytest.mark.parametrize("beta1", [0.0, 0.9])
def test_adam_against_pytorch(beta1):
    """Oracle: values recorded from PyTorch."""
    weights, adam = np.array([1.0, -1.0, 0.5]), Adam(beta1) if beta1 else Adam()
    gradients = [0.5, -2.0, 0.01], [0.25, 1.0, 0.02], [-1.0, 3.0, -0.5]
    for gradient, expected in zip(gradients, PYTORCH_ADAM[beta1]):
        weights = adam.step(weights, np.array(gradient), 0.1)
        np.testing.assert_allclose(weights, expected, atol=1e-9)


@pytest.mark.parametrize("optimiser", [None, lambda: Adam(beta1=0.5)])
@pytest.mark.parametrize("activation, loss", NETWORKS)
def test_tasks_at_once_against_a_loop_over_tasks(activation, loss, optimiser):
    """Oracle: one task after another, in a plain Python loop over its mini-batches."""
    net, phi, _, x, y = problem(activation, loss)
    before = phi.copy()
    trajectory, grads = inner_loop(net, phi, x, y, 0.05, optimiser, trajectory=True)
    W = inner_loop(net, phi, x, y, 0.05, optimiser)
    for t in range(T):
        weights, adam = phi.copy(), optimiser and optimiser()
        for i in range(K):
            g = net.loss_and_gradient(weights, x[i, t], y[i, t])[1]
            np.testing.assert_allclose(trajectory[i, t], weights, atol=1e-12)
            np.testing.assert_allclose(grads[i, t], g, atol=1e-12)
            weights = adam.step(weights, g, 0.05) if adam else weights - 0.05 * g
        np.testing.assert_allclose(trajectory[K, t], weights, atol=1e-12)
        np.testing.assert_allclose(W[t], weights, atol=1e-12)
        alone = inner_loop(net, phi, x[:, t], y[:, t], 0.05, optimiser)
        np.testing.assert_allclose(alone, weights, atol=1e-12)
    assert np.array_equal(phi, before), "the inner loop must not change phi"


def test_adapt_takes_every_step_on_all_of_the_data():
    """Oracle: gradient descent in a Python loop, each task from its own start."""
    net, _, starts, (x, *_), (y, *_) = problem()
    W = adapt(net, starts, x, y, alpha=0.1, steps=5)
    weights = starts
    for _ in range(5):
        weights = weights - 0.1 * net.loss_and_gradient(weights, x, y)[1]
    np.testing.assert_allclose(W, weights, atol=1e-14)


# Meta-gradients

def test_every_meta_gradient_against_its_definition():
    """Oracle: the definitions, from gradients met in plain descent, task by task."""
    net, phi, _, x, y = problem()
    c = [0.5, 0.0, -1.0, 2.0]
    for t in range(T):
        weights, g = phi, []
        for i in range(K):
            g.append(net.loss_and_gradient(weights, x[i, t], y[i, t])[1])
            weights = weights - 0.1 * g[-1]
        expected = {joint: g[0], fomaml: g[3], reptile.reptile: sum(g),
                    weighted(c): 0.5 * g[0] - g[2] + 2 * g[3]}  # fmt: skip
        for meta_gradient, value in expected.items():
            ours = meta_gradient(net, phi, x, y, 0.1)[t]
            np.testing.assert_allclose(ours, value, atol=1e-13)


def test_one_step_of_each_is_joint_training():
    """Oracle: with k = 1 all are the mean loss's gradient, here by complex step."""
    net, phi, _, x, y = problem(k=1)
    e = np.eye(net.num_params)
    gradient = [net.loss(phi + 1e-20j * v, x[0], y[0]).mean().imag / 1e-20 for v in e]
    for meta_gradient in reptile.reptile, joint, fomaml, maml, weighted([1]):
        ours = meta_gradient(net, phi, x, y, 0.3).mean(axis=0)
        np.testing.assert_allclose(ours, gradient, atol=1e-13)


@pytest.mark.parametrize("loss", ["mse", "cross-entropy"])
def test_maml_is_the_derivative_through_the_inner_loop(loss):
    """Oracle: the complex-step derivative by φ of loss k after k − 1 steps."""
    net, phi, _, x, y = problem(loss=loss)
    starts = phi + 1e-20j * np.eye(net.num_params)  # (P, P): a "task" each
    for t in range(T):
        x_t, y_t = (np.repeat(a[:, t : t + 1], net.num_params, axis=1) for a in (x, y))
        adapted = inner_loop(net, starts, x_t[:-1], y_t[:-1], 0.1)
        derivative = net.loss(adapted, x_t[-1], y_t[-1]).imag / 1e-20
        ours = maml(net, phi, x, y, 0.1)[t]
        np.testing.assert_allclose(ours, derivative, rtol=1e-9, atol=1e-14)


def test_taylor_expansions_of_section_5():
    """Oracle: the paper's expansions; what they leave out falls by 4 when α halves."""
    net, phi, _, x, y = problem()
    g = [net.loss_and_gradient(phi, x[i, 0], y[i, 0])[1] for i in range(K)]
    H = lambda i, v: net.hessian_vector_product(phi, x[i, 0], y[i, 0], v)
    before = [sum(g[:i], np.zeros(net.num_params)) for i in range(K)]  # Σ_{j<i} ḡ_j
    last = lambda a: g[-1] - a * H(K - 1, before[-1])
    expansion = {
        fomaml: last,
        maml: lambda a: last(a) - a * sum(H(j, g[-1]) for j in range(K - 1)),
        reptile.reptile: lambda a: sum(g) - a * sum(H(i, before[i]) for i in range(K)),
    }
    for meta_gradient, predicted in expansion.items():
        coarse, fine = (
            np.linalg.norm(meta_gradient(net, phi, x, y, a)[0] - predicted(a))
            for a in (2e-3, 1e-3)
        )
        assert coarse / fine == pytest.approx(4, rel=0.02)


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


def test_outer_adam_is_handed_phi_minus_w():
    """Oracle: Adam's first step is ε in the direction of the sign of φ − W."""
    x, y = lines(np.random.default_rng(4), T)
    W = inner_loop(NET, START, x, y, 0.1, Adam).mean(axis=0)
    ((_, ours),) = run(outer=Adam, inner=Adam, iterations=1, epsilon=0.01)
    np.testing.assert_allclose(ours, START - 0.01 * np.sign(START - W), atol=1e-6)


GIST_LOSSES = """6.585 6.240 3.570 0.341 0.149 0.101 0.074 0.061 0.050 0.048 0.045 0.044
    0.045 0.045 0.048 0.048 0.047 0.043 0.044 0.049 0.046 0.044 0.050 0.051 0.047 0.047
    0.050 0.048 0.047 0.048 0.048""".split()
GIST_FINAL = [0.42942142, 0.031738624, -0.121004194, 0.24102303, -0.24440354,
              -0.1943108, -0.21444547, -0.38479778, -0.057332974, 0.39847112,
              -0.09164247, -0.27766255, 0.058580585, -0.3449843, 0.15751667]


def test_training_follows_the_gist_to_its_end():
    """Oracle: a recorded PyTorch run: 31 losses, each 300th parameter, their norm."""
    net, rng, losses = sine_demo.NETWORK, np.random.RandomState(0), []
    task, x_train = sine_demo.draw_sine(rng), sine_demo.X[rng.choice(50, size=10)]
    phi = sine_demo.pytorch_init(net, 0)
    np.testing.assert_allclose(phi[[0, -1]], [-0.00748682, -0.06312194], atol=1e-8)
    alpha, epsilon = np.array([0.02, 0.1])  # NumPy's numbers must not make φ float64
    for i, phi in train(net, phi, sine_demo.sample_sines, rng, alpha=alpha,
                        epsilon=epsilon, iterations=30_000):  # fmt: skip
        if i == 1 or i % 1000 == 0:
            y = sine_demo.predictions(net, phi, task, x_train, 0.02, [32])[0]
            loss = np.square(y - sine_demo.sine(task, sine_demo.X)).mean()
            losses.append(f"{loss:.3f}")
    assert losses == GIST_LOSSES and phi.dtype == np.float32
    np.testing.assert_allclose(phi[::300], GIST_FINAL, atol=1e-5)
    assert np.linalg.norm(phi) == pytest.approx(16.808373, abs=1e-4)


# Bad input

CLASSIFIER = MLP([2, 5, 3], "relu", "cross-entropy")
ZEROS = np.zeros(CLASSIFIER.num_params)
X4, Y4 = lines(np.random.default_rng(0), T)
LABELS = np.array([0, 1, 2, 1, 0, 2])
BAD_INPUT = {
    "one size": (lambda: MLP([2]), r"two whole numbers.*\(2,\)"),
    "empty layer": (lambda: MLP([2, 0, 1]), "above 0"),
    "half a unit": (lambda: MLP([2, 2.5, 1]), "two whole numbers"),
    "activation": (lambda: MLP([2, 1], "sigmoid"), "tanh.*relu"),
    "loss": (lambda: MLP([2, 1], loss="hinge"), "mse.*cross-entropy"),
    "weights too short": (lambda: NET.loss(START[1:], X4[0], Y4[0]), r"\(21,\).*20"),
    "weights of 2 tasks": (lambda: NET.predict(np.zeros((2, 21)), X4[0]), r"\(3, 21\)"),
    "half precision": (lambda: run(phi=START.astype("f2")), "float32 or float64"),
    "x without n_in": (lambda: NET.predict(START, X4[0, :, :, 0]), r"T, B, 2"),
    "x without k": (lambda: inner_loop(NET, START, X4[0, 0], Y4[0, 0], 0.1), "k, T, B"),
    "no steps": (lambda: adapt(NET, START, X4[0], Y4[0], 0.1, steps=0), "not empty"),
    "y flat": (lambda: NET.loss(START, X4[0, 0], Y4[0, 0, :, 0]), r"\(6, 1\).*\(6,\)"),
    "label 3 of 3": (lambda: CLASSIFIER.loss(ZEROS, X4[0, 0], LABELS + 1), "0 to 2"),
    "label -1": (lambda: CLASSIFIER.loss(ZEROS, X4[0, 0], LABELS - 1), "0 to 2"),
    "label 0.0": (lambda: CLASSIFIER.loss(ZEROS, X4[0, 0], LABELS * 1.0), "integers"),
    "relu, H v": (lambda: CLASSIFIER.hessian_vector_product(
        ZEROS, X4[0, 0], LABELS, ZEROS), "tanh, not relu"),
    "H of integers": (lambda: NET.hessian_vector_product(
        np.ones(21, int), X4[0], Y4[0], START), "float32 or"),
    "v = 1": (lambda: NET.hessian_vector_product(START, X4[0], Y4[0], 1.0), "v must"),
    "MAML through Adam": (lambda: maml(NET, START, X4, Y4, 0.1, Adam), "not Adam"),
    "sample without T": (lambda: run(sample=lambda *_: (X4[:, 0], Y4[:, 0])), "T, B"),
    "sample of x": (lambda: run(sample=lambda *_: X4), "unpack"),
    "sample of y = 0": (lambda: run(sample=lambda *_: (X4, 0)), r"y must be .*\(\)"),
    "g of 1 task": (lambda: run(meta_gradient=lambda *a: joint(*a)[0]), r"\(21,\)"),
    "phi for each task": (lambda: run(phi=np.zeros((T, 21))), r"\(21,\)"),
    "3 numbers, 4 steps": (lambda: run(meta_gradient=weighted([1, 2, 3])), "shape"),
}  # fmt: skip


@pytest.mark.parametrize("call, message", BAD_INPUT.values(), ids=BAD_INPUT)
def test_bad_input_is_refused_in_one_line(call, message):
    """Oracle: a ValueError of one line that names what is wrong."""
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_divergence_is_reported_with_its_iteration():
    """Oracle: descent with a step beyond 2/curvature grows without bound."""
    with pytest.raises(FloatingPointError, match=r"iteration \d+: .*lower alpha = 500"):
        run(alpha=500, iterations=1000)
    with pytest.raises(FloatingPointError, match=r"iteration 1: lower epsilon"):
        run(epsilon=math.inf, iterations=1)
    with pytest.raises(FloatingPointError, match="the data"):
        inner_loop(NET, START, X4 * np.nan, Y4, 0.1)


# The sine demo, as a user runs it

def demo(*arguments, **environment):
    """Start sine_demo.py without a display, or with the given environment."""
    screen = ("DISPLAY", "WAYLAND_DISPLAY", "MPLBACKEND")
    clean = {name: value for name, value in os.environ.items() if name not in screen}
    command = [sys.executable, str(HERE / "sine_demo.py"), *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=clean | environment, **pipes)


def test_demo_as_in_the_readme(tmp_path):
    """Oracle: the gist's first losses; a picture; a table in which learning shows."""
    process = demo("--figure", tmp_path / "sine.png", "--iterations", 3000)
    out, err = process.communicate(timeout=100)
    assert (process.returncode, err) == (0, "")
    told = re.findall(r"(?m)^iteration (\d+) +loss on plotted curve (\S+)$", out)
    assert told[0] == ("1", "6.585")
    assert [iteration for iteration, _ in told] == ["1", "1000", "2000", "3000"]
    rows = re.findall(r"(?m)^ +(\d+) +(\S+) \+- \S+ +(\S+) \+- \S+$", out)
    assert [row[0] for row in rows] == ["0", "1", "8", "16", "32"]
    assert float(rows[2][2]) < 0.7 * float(rows[2][1])
    assert (tmp_path / "sine.png").read_bytes()[1:4] == b"PNG"


def test_evaluation_and_table_against_plain_descent():
    """Oracles: descent on each sine by itself; E[a²]/2; the normal distribution."""
    net, X = MLP([1, 8, 9, 1], "relu"), sine_demo.X
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


def test_picture_pairs_each_curve_with_its_number_of_steps():
    """Oracle: plain gradient descent on the ten points, step by step."""
    net, X, x_train = MLP([1, 8, 9, 1]), sine_demo.X, sine_demo.X[2::5]
    y_train, figure = 3 * np.sin(x_train + 1), Figure()
    phis = {name: net.init(np.random.default_rng(ord(name)), float) for name in "ab"}
    sine_demo.draw(figure, net, phis, (1.0, 3.0), x_train, 0.1)
    for axes, (name, weights) in zip(figure.axes, phis.items()):
        shown = {c.get_label(): np.reshape(c.get_ydata(), (-1, 1)) for c in axes.lines}
        np.testing.assert_allclose(shown["the sine"], 3 * np.sin(X + 1))
        for step in range(9):
            if step in (0, 1, 2, 8):
                curve = net.predict(weights, X)
                np.testing.assert_allclose(shown[f"step {step}"], curve, atol=1e-9)
            _, gradient = net.loss_and_gradient(weights, x_train, y_train)
            weights = weights - 0.1 * gradient
        error = np.square(curve - 3 * np.sin(X + 1)).mean()
        assert axes.get_title() == f"{name}\nerror {error:.2f} after 8 steps"


def test_animation_walks_through_the_inner_steps(tmp_path, monkeypatch):
    """Oracle: Pillow's reading of the .gif. And no stdout that can be reconfigured."""
    monkeypatch.setattr(sys, "stdout", io.StringIO())  # as in IDLE and in a notebook
    gif = tmp_path / "sine.gif"
    arguments = ["--iterations", "3", "--animation", str(gif), "--no-plot"]
    assert sine_demo.main(arguments) == 0
    assert "iteration 3 " in sys.stdout.getvalue()
    from PIL import Image

    durations, frames = [], set()
    with Image.open(gif) as image:
        for i in range(image.n_frames):
            image.seek(i)
            durations.append(image.info["duration"])
            frames.add(image.convert("RGB").tobytes())
    assert durations == [1000] * 4 + [3000] and len(frames) == 5
    assert list(tmp_path.iterdir()) == [gif]


BAD_ARGUMENTS = {
    "--iterations 0": "start at 1", "--iterations many": "--iterations",
    "--meta-batch -1": "start at 1", "--seed -1": "--seed", "--update sgd": "--update",
    "--figure missing/a.png": "cannot write missing/a.png", "--figure a.txt": ".png",
    "--figure .png": "or .svg", "--animation a.mp4": ".gif", "--animation .": ".gif",
}  # fmt: skip


@pytest.mark.parametrize("arguments", BAD_ARGUMENTS)
def test_bad_arguments_are_one_line(arguments, tmp_path, monkeypatch, capsys):
    """Oracle: one line on standard error, the exit code 2, no file."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as caught:
        sine_demo.main(arguments.split())
    out, err = capsys.readouterr()
    assert (caught.value.code, out, err.count("\n")) == (2, "", 1)
    assert BAD_ARGUMENTS[arguments] in err and list(tmp_path.iterdir()) == []


def test_impatience_costs_no_file(tmp_path):
    """Oracle: the signal of Ctrl-C, twice; the files are there, and one line."""
    files = "--figure", tmp_path / "a.png", "--animation", tmp_path / "a.gif"
    process = demo("--iterations", 10**8, *files)
    assert process.stdout.readline().startswith("iteration 1 ")
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "")
    assert re.search(r"^stopped at [\d,]+\n\Z", out, re.MULTILINE)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.gif", "a.png"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_goes_nowhere_costs_no_figure(tmp_path):
    """Oracle: the shell's own broken pipe; a full disk is named with the file."""
    process = demo("--iterations", 3000, "--figure", tmp_path / "a.png")
    process.stdout.readline()
    process.stdout.close()
    process.stdout = None
    err = process.communicate(timeout=60)[1]
    assert err == "sine_demo.py: cannot print: Broken pipe\n"
    assert process.returncode == 0
    assert (tmp_path / "a.png").read_bytes()[1:4] == b"PNG"
    with pytest.raises(OSError, match=r"cannot write .*a\.png: No space left"):
        sine_demo.write(tmp_path / "a.png", lambda part: part.symlink_to("/dev/full")
                        or part.write_text("a"))  # fmt: skip
    assert list(tmp_path.iterdir()) == [tmp_path / "a.png"]


SCREEN = ("Xvfb", "openbox", "wmctrl")


@pytest.mark.skipif(not all(map(shutil.which, SCREEN)), reason=f"needs {SCREEN}")
def test_window_on_a_virtual_screen(tmp_path):
    """Oracle: the X server lists a window, whose close button ends the program."""
    pytest.importorskip("tkinter", reason="needs tkinter")
    server = "Xvfb -displayfd 1 -screen 0 1280x800x24".split()
    with subprocess.Popen(server, stdout=subprocess.PIPE, text=True) as screen:
        display = {"DISPLAY": ":" + screen.stdout.readline().strip()}
        manager = subprocess.Popen(["openbox"], env=os.environ | display)
        try:
            process = demo("--iterations", 10**8, "--figure", tmp_path / "a.png",
                           MPLBACKEND="TkAgg", **display)  # fmt: skip
            close = {"args": ["wmctrl", "-c", "Reptile"], "capture_output": True}
            while subprocess.run(**close, env=os.environ | display).returncode:
                assert process.poll() is None, process.communicate()
                time.sleep(0.1)
            out, err = process.communicate(timeout=60)
        finally:
            manager.terminate()
            screen.terminate()
    assert (process.returncode, err) == (0, "") and "stopped at" in out
    assert (tmp_path / "a.png").read_bytes()[1:4] == b"PNG"


def test_readme_snippet_prints_what_the_readme_says(capsys):
    """Oracle: the comments that stand beside the README's code."""
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", readme, re.DOTALL).group(1)
    exec(compile(code, "README.md", "exec"), {})
    printed = re.findall(r"# prints (.*)", code)
    assert printed and capsys.readouterr().out.splitlines() == printed
