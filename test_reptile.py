"""Each test holds the code against something independent, named in its first line.

No two sizes in a test are equal (tasks, examples, inputs, hidden units, outputs), so
that nothing can broadcast into passing.
"""

import math
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from statistics import NormalDist, stdev

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when NumPy is imported

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

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
            M = phi[place : place + (n_in + 1) * n_out].reshape(n_in + 1, n_out)
            place += M.size
            z = [sum(a * w for a, w in zip([*h, 1.0], column)) for column in M.T]
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


def test_a_network_can_be_pickled():
    """Oracle: the network that was pickled. (Other processes get it so.)"""
    net, phi, _, x, _ = problem()
    twin = pickle.loads(pickle.dumps(net))
    assert np.array_equal(twin.predict(phi, x[0]), net.predict(phi, x[0]))


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


@pytest.mark.parametrize("activation, loss", NETWORKS)
def test_tasks_at_once_against_a_loop_over_tasks(activation, loss):
    """Oracle: one task after another, in a plain Python loop over its mini-batches."""
    net, phi, _, x, y = problem(activation, loss)
    before = phi.copy()
    trajectory, grads = inner_loop(net, phi, x, y, 0.05, trajectory=True)
    W = inner_loop(net, phi, x, y, 0.05)
    for t in range(T):
        weights = phi.copy()
        for i in range(K):
            _, g = net.loss_and_gradient(weights, x[i, t], y[i, t])
            np.testing.assert_allclose(trajectory[i, t], weights, atol=1e-12)
            np.testing.assert_allclose(grads[i, t], g, atol=1e-12)
            weights = weights - 0.05 * g
        np.testing.assert_allclose(trajectory[K, t], weights, atol=1e-12)
        np.testing.assert_allclose(W[t], weights, atol=1e-12)
        alone = inner_loop(net, phi, x[:, t], y[:, t], 0.05)
        np.testing.assert_allclose(alone, weights, atol=1e-12)
    assert np.array_equal(phi, before), "the inner loop must not change phi"


def one_adam_step(weights, g, m, v, t, alpha, beta1):
    """Adam's step t = 1, 2, ... by the formulas of its paper: weights, m, v."""
    m = beta1 * m + (1 - beta1) * g
    v = 0.999 * v + 0.001 * g**2
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - 0.999**t)
    return weights - alpha * m_hat / (np.sqrt(v_hat) + 1e-8), m, v


@pytest.mark.parametrize("beta1", [0.0, 0.5])
def test_adam_inside_goes_on_from_task_to_task(beta1):
    """Oracle: a loop over meta-batches, tasks and steps; T tasks leave their mean."""
    net, phi, _, x, y = problem()
    adam, m, v = Adam(beta1), np.zeros_like(phi), np.zeros_like(phi)
    for call in range(3):
        W = inner_loop(net, phi, x, y, 0.05, adam)
        after = []
        for t in range(T):
            weights, m_t, v_t = phi, m, v  # each task begins with the same state
            for i in range(K):
                _, g = net.loss_and_gradient(weights, x[i, t], y[i, t])
                weights, m_t, v_t = one_adam_step(
                    weights, g, m_t, v_t, call * K + i + 1, 0.05, beta1)
            np.testing.assert_allclose(W[t], weights, atol=1e-12)
            after.append((m_t, v_t))
        m, v = np.mean(after, axis=0)
        np.testing.assert_allclose(adam.v, v, rtol=1e-12)


def test_adapt_begins_with_the_state_of_adam_and_leaves_it_alone():
    """Oracle: an inner loop with the same state; a second call that finds the same."""
    net, phi, _, x, y = problem()
    adam, same = Adam(), Adam()
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


# Meta-gradients

@pytest.mark.parametrize("optimiser", [None, Adam])
def test_every_meta_gradient_against_its_definition(optimiser):
    """Oracle: the definitions, from the gradients of a Python loop, task by task."""
    net, phi, _, x, y = problem()
    c = [0.5, 0.0, -1.0, 2.0]
    for t in range(T):
        weights, adam, g = phi, optimiser and optimiser(), []
        for i in range(K):
            g.append(net.loss_and_gradient(weights, x[i, t], y[i, t])[1])
            if adam:
                weights = adam.step(weights, g[-1], 0.1)
            else:
                weights = weights - 0.1 * g[-1]
        expected = {joint: g[0], fomaml: g[3], reptile.reptile: (phi - weights) / 0.1,
                    weighted(c): 0.5 * g[0] - g[2] + 2 * g[3]}  # fmt: skip
        for meta_gradient, value in expected.items():
            ours = meta_gradient(net, phi, x, y, 0.1, optimiser and optimiser())[t]
            np.testing.assert_allclose(ours, value, atol=1e-12)


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
        alone = maml(net, phi, x[:, t], y[:, t], 0.1)
        np.testing.assert_allclose(ours, derivative, rtol=1e-9, atol=1e-14)
        np.testing.assert_allclose(alone, derivative, rtol=1e-9, atol=1e-14)


def expansion(meta_gradient, net, phi, x, y, alpha):
    """Section 5.1's expansion to first order in α, for one task without axis T, k = 2.

    reptile  ḡ_1 + ḡ_2 − α H̄_2 ḡ_1
    fomaml         ḡ_2 − α H̄_2 ḡ_1
    maml           ḡ_2 − α H̄_2 ḡ_1 − α H̄_1 ḡ_2
    """
    _, g1 = net.loss_and_gradient(phi, x[0], y[0])
    _, g2 = net.loss_and_gradient(phi, x[1], y[1])
    H1_g2 = net.hessian_vector_product(phi, x[0], y[0], g2)
    H2_g1 = net.hessian_vector_product(phi, x[1], y[1], g1)
    if meta_gradient is reptile.reptile:
        return g1 + g2 - alpha * H2_g1
    if meta_gradient is fomaml:
        return g2 - alpha * H2_g1
    return g2 - alpha * H2_g1 - alpha * H1_g2


@pytest.mark.parametrize("meta_gradient", [reptile.reptile, fomaml, maml])
def test_what_the_taylor_expansion_leaves_out_is_of_second_order(meta_gradient):
    """Oracle: section 5.1; a remainder in α² falls to a quarter when α is halved."""
    net, phi, _, x, y = problem(k=2)
    x, y = x[:, 0], y[:, 0]
    remainder = []
    for alpha in 2e-3, 1e-3:
        exact = meta_gradient(net, phi, x, y, alpha)
        first_order = expansion(meta_gradient, net, phi, x, y, alpha)
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


def test_outer_optimiser_is_handed_phi_minus_w():
    """Oracle: an optimiser that records what it is given, and does not move φ."""
    given = []

    class Recorder:
        def step(self, weights, grad, step_size):
            given.append((weights, grad, step_size))
            return weights

    run(outer=Recorder(), inner=Adam(), iterations=2)
    rng, adam = np.random.default_rng(4), Adam()
    for n, (weights, grad, step_size) in enumerate(given):
        x, y = lines(rng, T)
        W = inner_loop(NET, START, x, y, 0.1, adam).mean(axis=0)
        assert np.array_equal(weights, START) and step_size == 0.5 * (1 - n / 2)
        np.testing.assert_allclose(grad, START - W, atol=1e-14)


def test_outer_adam_keeps_its_state():
    """Oracle: Adam, in a Python loop, on FOMAML's α g."""
    rng, phi, adam = np.random.default_rng(4), START, Adam()
    for n, (_, ours) in enumerate(run(meta_gradient=fomaml, outer=Adam())):
        g = fomaml(NET, phi, *lines(rng, T), 0.1).mean(axis=0)
        phi = adam.step(phi, 0.1 * g, 0.5 * (1 - n / 5))
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


@pytest.mark.parametrize("meta_gradient", [reptile.reptile, fomaml])
def test_float32_stays_float32(meta_gradient):
    """Oracle: φ's dtype, though NumPy's own numbers are of float64."""
    alpha, epsilon = np.array([0.1, 0.5])
    for step in epsilon, lambda i: epsilon:
        for _, phi in run(phi=START.astype(np.float32), meta_gradient=meta_gradient,
                          alpha=alpha, epsilon=step, iterations=2):
            assert phi.dtype == np.float32


def test_what_is_done_to_a_phi_does_not_change_the_training():
    """Oracle: the same training, left alone."""
    undisturbed = [phi for _, phi in run()]
    rng = np.random.default_rng(4)
    for i, phi in train(NET, START, lines, rng, alpha=0.1, epsilon=0.5, iterations=5,
                        meta_batch=T):
        assert np.array_equal(phi, undisturbed[i - 1])
        phi *= 0


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
    for i, phi in train(net, phi, sine_demo.sample_sines, rng, alpha=0.02,
                        epsilon=0.1, iterations=30_000):
        if i == 1 or i % 1000 == 0:
            y = sine_demo.predictions(net, phi, task, x_train, 0.02, [32])[0]
            loss = np.square(y - sine_demo.sine(task, sine_demo.X)).mean()
            losses.append(f"{loss:.3f}")
    assert losses == GIST_LOSSES
    np.testing.assert_allclose(phi[::300], GIST_FINAL, atol=1e-5)
    assert np.linalg.norm(phi) == pytest.approx(16.808373, abs=1e-4)


# Bad input

CLASSIFIER = MLP([2, 5, 3], "relu", "cross-entropy")
ZEROS = np.zeros(CLASSIFIER.num_params)
X4, Y4 = lines(np.random.default_rng(0), T)  # (4, 3, 6, 2) and (4, 3, 6, 1)
X1, Y1 = X4[0, 0], Y4[0, 0]  # one task: (6, 2) and (6, 1)
LABELS = np.array([0, 1, 2, 1, 0, 2])


def refused(call, *arguments, says, **settings):
    """Whether the call ends in a ValueError, of one line, that says so."""
    with pytest.raises(ValueError, match=says) as caught:
        call(*arguments, **settings)
    assert "\n" not in str(caught.value)


def test_networks_that_cannot_be_are_refused():
    refused(MLP, 5, says="must be a list.*not 5")
    refused(MLP, [2], says=r"must be a list.*not \[2\]")
    refused(MLP, [2, 0, 1], says="above 0, not 0")
    refused(MLP, [2, 2.5, 1], says="whole numbers above 0, not 2.5")
    refused(MLP, [2, 1], "sigmoid", says="tanh or relu, not 'sigmoid'")
    refused(MLP, [2, 1], loss="hinge", says="mse or cross-entropy, not 'hinge'")


def test_weights_that_do_not_fit_are_refused():
    refused(NET.loss, START[1:], X1, Y1, says=r"weights must be \(21,\).*\(20,\)")
    refused(NET.predict, np.zeros((2, 21)), X4[0], says=r"\(21,\) or \(3, 21\)")
    refused(NET.predict, None, X1, says=r"weights must be .*\(\)")
    refused(inner_loop, NET, None, X4, Y4, 0.1, says=r"phi must be .*\(\)")
    refused(run, phi=START.astype("f2"), says="float32 or float64, not float16")
    refused(run, phi=np.zeros((T, 21)), says=r"phi must be \(21,\).*\(3, 21\)")
    refused(run, inner=Adam, says=r"an object: Adam\(\)")
    adam = Adam()
    refused(run, inner=adam, outer=adam, says="an Adam.* each")


def test_examples_that_do_not_fit_are_refused():
    refused(NET.predict, START, X1[:, 0], says=r"\(T, B, 2\)")
    refused(NET.predict, START, X4, says=r"\(T, B, 2\)")
    refused(NET.predict, START, X1[:0], says="not empty")
    refused(inner_loop, NET, START, X1, Y1, 0.1, says=r"\(k, T, B, 2\)")
    refused(inner_loop, NET, START, X4[:0], Y4[:0], 0.1, says="not empty")
    refused(NET.loss, START, X1, Y1[:, 0], says=r"y must be \(6, 1\); it is \(6,\)")
    refused(NET.loss, START, X1, None, says=r"y must be \(6, 1\); it is \(\)")
    refused(adapt, NET, START, X1, Y1, 0.1, steps=0, says="1 or more, not 0")
    refused(adapt, NET, START, X1, Y1, 0.1, steps=-1, says="1 or more, not -1")


def test_labels_that_do_not_fit_are_refused():
    refused(CLASSIFIER.loss, ZEROS, X1, LABELS + 1, says="integers from 0 to 2")
    refused(CLASSIFIER.loss, ZEROS, X1, LABELS - 1, says="integers from 0 to 2")
    refused(CLASSIFIER.loss, ZEROS, X1, LABELS * 1.0, says="integers from 0 to 2")


def test_second_derivatives_that_are_not_there_are_refused():
    Hv = CLASSIFIER.hessian_vector_product
    refused(Hv, ZEROS, X1, LABELS, ZEROS, says="tanh, not relu")
    refused(maml, NET, START, X4, Y4, 0.1, Adam(), says="not through Adam")
    Hv = NET.hessian_vector_product
    refused(Hv, START, X1, Y1, 1.0, says=r"v must be \(21,\)")
    refused(Hv, np.ones(21, int), X1, Y1, START, says="float32 or float64")


def test_samples_and_meta_gradients_that_do_not_fit_are_refused():
    refused(run, sample=lambda rng, tasks: lines(rng, 2), says="must draw 3 tasks")
    refused(run, sample=lambda *_: (X4[:, 0], Y4[:, 0]), says="must draw 3 tasks")
    refused(run, sample=lambda *_: (X4, 0), says=r"y must be \(4, 3, 6, 1\)")
    refused(run, meta_gradient=weighted([1, 2, 3]), says=r"weighted_sum must be \(4,\)")
    refused(run, meta_gradient=lambda *a: joint(*a)[0], says=r"\(3, 21\).*\(21,\)")
    refused(run, meta_gradient=lambda *_: np.zeros((T, 1)), says=r"it is \(3, 1\)")


def test_divergence_is_reported_with_its_iteration():
    """Oracle: descent with a step beyond 2/curvature grows without bound."""
    with pytest.raises(FloatingPointError, match=r"iteration \d+: .*lower alpha = 500"):
        run(alpha=500, iterations=1000)
    with pytest.raises(FloatingPointError, match=r"iteration 1: .*lower epsilon"):
        run(epsilon=math.inf, iterations=1)
    infinite_once = np.zeros((T, len(START)))
    infinite_once[0, 0] = math.inf
    with pytest.raises(FloatingPointError, match="iteration 1: .*lower epsilon"):
        run(meta_gradient=lambda *_: infinite_once)
    one_bad_number = X4.copy()
    one_bad_number[0, 1, 2, 0] = np.nan  # of one task in three
    with pytest.raises(FloatingPointError, match="the data"):
        inner_loop(NET, START, one_bad_number, Y4, 0.1)


# The sine demo

def test_a_sine_lies_at_its_amplitude_and_phase_in_the_plane():
    """Oracles: a sin(x + b) = a cos b sin x + a sin b cos x; least squares by NumPy."""
    b, a = np.array([0.3, 4.0])[:, None, None], np.array([2.0, 5.0])[:, None, None]
    points = sine_demo.plane(sine_demo.sine((b, a), sine_demo.X))
    np.testing.assert_allclose(points[:, 0], (a * np.cos(b)).ravel())
    np.testing.assert_allclose(points[:, 1], (a * np.sin(b)).ravel())

    outputs = np.random.default_rng(0).normal(size=(4, 3, 50, 1))
    basis = np.hstack([np.sin(sine_demo.X), np.cos(sine_demo.X)])
    fit = np.linalg.lstsq(basis, outputs[2, 1], rcond=None)[0]
    np.testing.assert_allclose(sine_demo.plane(outputs)[2, 1], fit.ravel())


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


def drawn(axes):
    """What is drawn: the data, (points, 2), of each line, by its label."""
    return {line.get_label(): line.get_xydata() for line in axes.lines}


def test_the_picture_shows_the_star_and_curves():
    """Oracle: plain gradient descent on ten points, step by step."""
    net, X, alpha = sine_demo.NETWORK, sine_demo.X, sine_demo.ALPHA
    phi = sine_demo.pytorch_init(net, 1)
    task, x_train = (1.0, 3.0), X[2::5]
    picture = sine_demo.Picture(Figure(), "reptile", task, x_train, seed=2, T=3)
    picture.draw((70, phi))
    star, curves = drawn(picture.left), drawn(picture.right)

    def descend(x, y, weights=phi):
        _, gradient = net.loss_and_gradient(weights, x, y)
        return weights - alpha * gradient

    weights = phi
    for step in range(9):
        if step in (0, 1, 2, 8):
            label = f"after {step} step{'' if step == 1 else 's'}"
            expected = np.hstack([X, net.predict(weights, X)])
            np.testing.assert_allclose(curves[label], expected, atol=1e-4)
        weights = descend(x_train, sine_demo.sine(task, x_train), weights)
    np.testing.assert_allclose(curves["the sine"][:, 1:], 3 * np.sin(X + 1))
    np.testing.assert_allclose(curves["ten points"][:, :1], x_train)

    (b, a), x_new = sine_demo.new_sines(2, 3)
    errors = []
    for t in range(3):
        weights, new_sine = phi, (b[t, 0], a[t, 0])
        for _ in range(8):
            weights = descend(x_new[t], sine_demo.sine(new_sine, x_new[t]), weights)
        outputs, target = net.predict(weights, X), sine_demo.sine(new_sine, X)
        errors.append(np.square(outputs - target).mean())
        end = sine_demo.plane(outputs)
        np.testing.assert_allclose(star["8 steps from φ"][t], end, atol=1e-3)
        np.testing.assert_allclose(star["new tasks"][t], sine_demo.plane(target))
    np.testing.assert_allclose(star["φ"][0], sine_demo.plane(net.predict(phi, X)))
    error = f"iteration 70: squared error {np.mean(errors):.2f} on 3 new"
    assert error in picture.figure.texts[0].get_text()


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
    "--save a.txt", "--save .", "--seed -1",
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
    process = demo("--iterations", 2, "--save", tmp_path / "a.png")
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
        task = np.linalg.lstsq(np.hstack([np.sin(x[0, t]), np.cos(x[0, t])]), y[0, t],
                               rcond=None)[0]
        fit = np.hstack([np.sin(x[4, t]), np.cos(x[4, t])]) @ task
        np.testing.assert_allclose(y[4, t], fit, atol=1e-9)


def test_readme_snippet_prints_what_the_readme_says(capsys):
    """Oracle: the comments that stand beside the README's code."""
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", readme, re.DOTALL).group(1)
    exec(compile(code, "README.md", "exec"), {})
    printed = re.findall(r"# prints (.*)", code)
    assert printed and capsys.readouterr().out.splitlines() == printed
