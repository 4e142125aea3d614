"""Each test holds the code against something independent of it, named in its first line.

No two sizes in a test are equal (tasks, examples, inputs, hidden units, outputs), so that nothing can broadcast into
passing.
"""

import math
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import NormalDist, stdev

import numpy as np
import pytest
from matplotlib.figure import Figure

import reptile
import sine_demo
from reptile import MLP, SGD, Adam, inner_loop, load, meta_gradient, minibatches, save, train

HERE = Path(__file__).parent
T, B, K = 3, 6, 4  # tasks, examples, inner steps
ALL_NETWORKS = [(activation, loss) for activation in ("tanh", "relu") for loss in ("mse", "cross-entropy")]


def problem(activation="tanh", loss="mse", sizes=(2, 5, 7, 4), dtype=np.float64, k=K):
    """A network, φ, weights (T, P), and random mini-batches x (k, T, B, 2), y."""
    rng = np.random.default_rng(7)
    net = MLP(sizes, activation, loss)
    weights = np.array([net.init(rng, dtype) for _ in range(T)])
    x = rng.normal(size=(k, T, B, sizes[0]))
    y = rng.normal(size=(k, T, B, sizes[-1])) if loss == "mse" else rng.integers(0, sizes[-1], (k, T, B))
    return net, weights[0], weights, x, y


# The network


@pytest.mark.parametrize("activation, loss", ALL_NETWORKS)
def test_loss_against_scalar_arithmetic(activation, loss):
    """Oracle: the network written with Python floats, one unit of one example at a time."""
    net, phi, _, x, y = problem(activation, loss)
    f = math.tanh if activation == "tanh" else lambda z: max(z, 0.0)
    total = 0.0
    for example, target in zip(x[0, 0], y[0, 0]):
        h, place = list(example), 0
        for n_in, n_out in zip(net.sizes, net.sizes[1:]):
            W = phi[place : place + n_in * n_out].reshape(n_in, n_out)
            b = phi[place + n_in * n_out : place + (n_in + 1) * n_out]
            place += (n_in + 1) * n_out
            z = [sum(h[i] * W[i, j] for i in range(n_in)) + b[j] for j in range(n_out)]
            h = [f(value) for value in z] if place < net.P else z
        if loss == "mse":
            total += sum((a - t) ** 2 for a, t in zip(h, target)) / len(h)
        else:
            total -= math.log(math.exp(h[target]) / sum(map(math.exp, h)))
    assert net.loss(phi, x[0, 0], y[0, 0]) == pytest.approx(total / B, rel=1e-12)


@pytest.mark.parametrize("outputs", [1, 4])
@pytest.mark.parametrize("activation, loss", ALL_NETWORKS)
def test_gradient_of_every_parameter(activation, loss, outputs):
    """Oracle: complex-step derivatives of the loss, and central differences for ReLU, which has no complex step."""
    net, phi, weights, x, y = problem(activation, loss, (2, 5, 7, outputs))
    numeric = np.empty_like(weights)
    for p, e in enumerate(np.eye(net.P)):
        if activation == "tanh":
            numeric[:, p] = net.loss(weights + 1e-20j * e, x[0], y[0]).imag / 1e-20
        else:
            numeric[:, p] = (net.loss(weights + 1e-6 * e, x[0], y[0]) - net.loss(weights - 1e-6 * e, x[0], y[0])) / 2e-6
    tolerance = 1e-13 if activation == "tanh" else 1e-8
    value, gradient = net.loss_and_gradient(weights, x[0], y[0])
    assert value.shape == (T,)
    np.testing.assert_allclose(gradient, numeric, rtol=0, atol=tolerance)
    np.testing.assert_allclose(net.loss_and_gradient(phi, x[0, 0], y[0, 0])[1], numeric[0], rtol=0, atol=tolerance)


def test_softmax():
    """Oracle: softmax probabilities sum to one, and cross-entropy of an all-zero network is log n_out."""
    net, phi, _, x, y = problem(loss="cross-entropy")
    assert net.predict(phi, x[0, 0]).sum(axis=-1) == pytest.approx(np.ones(B))
    assert net.loss(0 * phi, x[0, 0], y[0, 0]) == pytest.approx(math.log(4))
    huge = net.loss(1e4 * phi, x[0, 0], y[0, 0])
    assert np.isfinite(huge), "log-softmax must not overflow"


@pytest.mark.parametrize("loss", ["mse", "cross-entropy"])
def test_hessian_vector_product(loss):
    """Oracles: central differences of the gradient; and a Hessian is symmetric, u·Hv = v·Hu."""
    net, _, weights, x, y = problem(loss=loss)
    u, v = np.random.default_rng(3).normal(size=(2, T, net.P))
    Hu, Hv = (net.hessian_vector_product(weights, x[0], y[0], w) for w in (u, v))
    above, below = (net.loss_and_gradient(weights + h * v, x[0], y[0])[1] for h in (1e-5, -1e-5))
    np.testing.assert_allclose(Hv, (above - below) / 2e-5, atol=1e-7)
    np.testing.assert_allclose((u * Hv).sum(axis=1), (v * Hu).sum(axis=1), rtol=1e-12)
    single = net.hessian_vector_product(weights[1], x[0, 1], y[0, 1], v[1])
    np.testing.assert_allclose(single, Hv[1], rtol=1e-12)


def test_layers_are_views():
    """Oracle: NumPy's own answer to whether memory is shared."""
    net, _, weights, _, _ = problem()
    assert all(np.shares_memory(Wb, weights) for Wb in net.layers(weights))
    assert sum(Wb[0].size for Wb in net.layers(weights)) == net.P


def test_init_is_uniform_and_seeded():
    """Oracle: a uniform distribution on ±1/√n_in has that range and the standard deviation 1/√(3 n_in)."""
    net = MLP([9, 400, 3])
    first, last = net.layers(net.init(np.random.default_rng(0)))
    for layer, n_in in (first, 9), (last, 400):
        assert 0.98 / math.sqrt(n_in) < abs(layer).max() <= 1 / math.sqrt(n_in)
        assert layer.std() == pytest.approx(1 / math.sqrt(3 * n_in), rel=0.05)
    assert np.array_equal(net.init(np.random.default_rng(5)), net.init(np.random.default_rng(5)))


def test_readme_snippet_prints_what_the_readme_says(capsys):
    """Oracle: the README's own sentence after the snippet."""
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", readme, re.DOTALL).group(1)
    exec(compile(code, "README.md", "exec"), {})
    assert tuple(capsys.readouterr().out.splitlines()) == re.search(r"It prints `(.*?)` and `(.*?)`\.", readme).groups()


# Optimisers and the inner loop

PYTORCH_ADAM = {  # torch.optim.Adam(lr=0.1, betas=(beta1, 0.999)) after each of the three gradients below, PyTorch 2.13
    0.0: [[0.900000002, -0.9000000005, 0.4000001], [0.8367449567, -0.963255047, 0.2735280525],
          [0.9878875338, -1.1021032477, 0.4464738798]],
    0.9: [[0.900000002, -0.9000000005, 0.4000001], [0.8067820405, -0.8733662967, 0.3034819585],
          [0.8274177429, -0.9123052755, 0.3639683257]],
}  # fmt: skip


@pytest.mark.parametrize("beta1", [0.0, 0.9])
def test_adam_against_pytorch(beta1):
    """Oracle: values recorded from PyTorch."""
    weights, adam, seen = np.array([1.0, -1.0, 0.5]), Adam(beta1=beta1) if beta1 else Adam(), []
    adam.reset(weights)
    for gradient in [0.5, -2.0, 0.01], [0.25, 1.0, 0.02], [-1.0, 3.0, -0.5]:
        adam.step(weights, np.array(gradient), 0.1)
        seen.append(weights.copy())
    np.testing.assert_allclose(seen, PYTORCH_ADAM[beta1], atol=1e-9)


@pytest.mark.parametrize("optimiser", [SGD(), Adam(beta1=0.5)], ids=str)
@pytest.mark.parametrize("activation, loss", ALL_NETWORKS)
def test_tasks_at_once_against_a_loop_over_tasks(activation, loss, optimiser, monkeypatch):
    """Oracle: one task after another, each by itself, in a plain Python loop over its mini-batches."""
    net, phi, _, x, y = problem(activation, loss)
    monkeypatch.setattr(reptile, "CACHE", 4 * phi.nbytes)  # two tasks fit, so the three are cut into pieces
    adapted, grads, points = inner_loop(net, phi, x, y, 0.05, optimiser, trace=True)
    before = phi.copy()
    for t in range(T):
        weights = phi.copy()
        optimiser.reset(weights)
        for i in range(K):
            gradient = net.loss_and_gradient(weights, x[i, t], y[i, t])[1]
            np.testing.assert_allclose(grads[i, t], gradient, atol=1e-12)
            np.testing.assert_allclose(points[i, t], weights, atol=1e-12)
            optimiser.step(weights, gradient.copy(), 0.05)
        np.testing.assert_allclose(adapted[t], weights, atol=1e-12)
        alone = inner_loop(net, phi, x[:, t], y[:, t], 0.05, optimiser)
        np.testing.assert_allclose(alone, weights, atol=1e-12)
    assert np.array_equal(phi, before), "the inner loop must not change phi"


def test_each_task_may_have_its_own_start():
    """Oracle: k steps are the same as k − 1 steps and one more."""
    net, phi, _, x, y = problem()
    halfway = inner_loop(net, phi, x[:-1], y[:-1], 0.1)
    whole = inner_loop(net, phi, x, y, 0.1)
    np.testing.assert_allclose(inner_loop(net, halfway, x[-1:], y[-1:], 0.1), whole, atol=1e-14)


# Meta-updates


def test_every_update_against_a_loop_over_tasks():
    """Oracle: the definitions, summed by hand over gradients met in plain SGD, task by task, and averaged."""
    net, phi, _, x, y = problem()
    alpha, c = 0.1, np.array([0.5, 0.0, -1.0, 2.0])
    expected = {"joint": 0, "fomaml": 0, "reptile": 0, "sum": 0}
    for t in range(T):
        weights, g = phi.copy(), []
        for i in range(K):
            g.append(net.loss_and_gradient(weights, x[i, t], y[i, t])[1])
            weights = weights - alpha * g[-1]
        expected["joint"] += alpha * g[0] / T
        expected["fomaml"] += alpha * g[-1] / T
        expected["reptile"] += (phi - weights) / T
        expected["sum"] += alpha * (0.5 * g[0] - g[2] + 2 * g[3]) / T
    for update, gradient in expected.items():
        ours = meta_gradient(net, phi, x, y, alpha, c if update == "sum" else update)
        np.testing.assert_allclose(ours, gradient, atol=1e-14, err_msg=update)
    np.testing.assert_allclose(meta_gradient(net, phi, x, y, alpha, np.ones(K)), expected["reptile"], atol=1e-14)


def test_one_step_of_reptile_is_joint_training():
    """Oracle: with k = 1, (φ − U(φ))/α is the gradient of the mean loss, here by complex step."""
    net, phi, _, x, y = problem(k=1)
    mean_loss = lambda w: net.loss(np.broadcast_to(w, (T, net.P)), x[0], y[0]).mean()
    gradient = np.array([mean_loss(phi + 1e-20j * e).imag / 1e-20 for e in np.eye(net.P)])
    for update in "reptile", "joint", "fomaml", "maml":
        np.testing.assert_allclose(meta_gradient(net, phi, x, y, 0.3, update), 0.3 * gradient, atol=1e-14)


@pytest.mark.parametrize("loss", ["mse", "cross-entropy"])
def test_maml_is_the_derivative_through_the_inner_loop(loss):
    """Oracle: the complex-step derivative, by each parameter of φ, of loss k after k − 1 steps."""
    net, phi, _, x, y = problem(loss=loss)
    derivative = np.zeros(net.P)
    for t in range(T):
        starts = phi + 1e-20j * np.eye(net.P)  # one "task" for each parameter: (P, P)
        x_t, y_t = (np.repeat(a[:, t : t + 1], net.P, axis=1) for a in (x, y))
        adapted = inner_loop(net, starts, x_t[:-1], y_t[:-1], 0.1)
        derivative += net.loss(adapted, x_t[-1], y_t[-1]).imag / 1e-20 / T
    np.testing.assert_allclose(meta_gradient(net, phi, x, y, 0.1, "maml"), 0.1 * derivative, rtol=1e-9, atol=1e-15)


def test_taylor_expansions_of_section_5():
    """Oracle: the paper's expansions to O(α); what they leave out must fall by 4 when α halves."""
    net, phi, _, x, y = problem()
    g = [net.loss_and_gradient(phi, x[i, 0], y[i, 0])[1] for i in range(K)]
    H = lambda i, v: net.hessian_vector_product(phi, x[i, 0], y[i, 0], v)
    before = [sum(g[:i], np.zeros(net.P)) for i in range(K)]  # Σ_{j<i} ḡ_j
    expansion = {
        "maml": lambda a: g[-1] - a * H(K - 1, before[-1]) - a * sum(H(j, g[-1]) for j in range(K - 1)),
        "fomaml": lambda a: g[-1] - a * H(K - 1, before[-1]),
        "reptile": lambda a: sum(g) - a * sum(H(i, before[i]) for i in range(K)),
    }
    for update, predicted in expansion.items():
        measured = lambda a: meta_gradient(net, phi, x[:, :1], y[:, :1], a, update) / a  # noqa: B023
        coarse, fine = (np.linalg.norm(measured(a) - predicted(a)) for a in (2e-3, 1e-3))
        assert coarse / fine == pytest.approx(4, rel=0.02), update


@pytest.mark.parametrize("tail", ["shared", "separate"])
def test_minibatches(tail):
    """Oracle: the definition. No example twice before all are used, and a separate tail meets none of them."""
    N, k, b = 10, 6, 3
    drawn = minibatches(np.random.default_rng(1), T, N, k, b, tail)
    assert drawn.shape == (k, T, b)
    for t in range(T):
        body = drawn[:, t] if tail == "shared" else drawn[:-1, t]
        pool = N if tail == "shared" else N - b
        assert len(set(body.ravel()[:pool])) == pool
        assert (tail == "separate") == set(drawn[-1, t]).isdisjoint(body.ravel())
    assert len({tuple(drawn[:, t].ravel()) for t in range(T)}) == T, "tasks must not share an order"


# Training


def sample(rng, tasks):
    """A small task distribution for the tests: random lines, 4 mini-batches of 6."""
    x = rng.normal(size=(K, tasks, B, 2))
    return x, x @ rng.normal(size=(tasks, 2, 1))


def run(net, phi, rng, **settings):
    """Train to the end; φ."""
    defaults = {"alpha": 0.1, "epsilon": 0.5, "iterations": 5, "meta_batch": T}
    for _, phi in train(net, phi, sample, rng, **(defaults | settings)):
        pass
    return phi


NET = MLP([2, 5, 1])


def test_outer_step_against_the_formula():
    """Oracle: φ ← φ + ε (1 − n/N) (mean W − φ), with every task started from the same φ; the last step is ε/N."""
    phi = NET.init(np.random.default_rng(2), np.float64)
    ours = run(NET, phi, np.random.default_rng(4))
    rng, steps = np.random.default_rng(4), []
    for n in range(5):
        x, y = sample(rng, T)
        W = [inner_loop(NET, phi, x[:, t], y[:, t], 0.1) for t in range(T)]
        steps.append(0.5 * (1 - n / 5))
        phi = phi + steps[-1] * (sum(W) / T - phi)
    np.testing.assert_allclose(ours, phi, rtol=1e-12)
    assert steps[-1] == pytest.approx(0.5 / 5)


def test_outer_adam_is_handed_phi_minus_w():
    """Oracle: Adam's first step is ε in the direction of the sign of φ − W."""
    phi = NET.init(np.random.default_rng(2), np.float64)
    W = inner_loop(NET, phi, *sample(np.random.default_rng(4), T), 0.1)
    ours = run(NET, phi, np.random.default_rng(4), outer=Adam(), iterations=1, epsilon=0.01)
    np.testing.assert_allclose(ours, phi - 0.01 * np.sign(phi - W.mean(axis=0)), atol=1e-6)


def test_one_task_and_full_step_is_plain_sgd():
    """Oracle: with ε = 1 and one task an iteration, φ becomes W: the next task goes on where the last one ended."""
    phi = NET.init(np.random.default_rng(2), np.float64)
    ours = run(NET, phi, np.random.default_rng(4), epsilon=1.0, iterations=1, meta_batch=1)
    x, y = sample(np.random.default_rng(4), 1)
    for x_i, y_i in zip(x[:, 0], y[:, 0]):
        phi = phi - 0.1 * NET.loss_and_gradient(phi, x_i, y_i)[1]
    np.testing.assert_allclose(ours, phi, rtol=1e-12)


GIST_LOSSES = """6.585 6.240 3.570 0.341 0.149 0.101 0.074 0.061 0.050 0.048 0.045 0.044 0.045 0.045 0.048 0.048 0.047
    0.043 0.044 0.049 0.046 0.044 0.050 0.051 0.047 0.047 0.050 0.048 0.047 0.048 0.048""".split()
GIST_FINAL = [0.42942142, 0.031738624, -0.121004194, 0.24102303, -0.24440354, -0.1943108, -0.21444547, -0.38479778,
              -0.057332974, 0.39847112, -0.09164247, -0.27766255, 0.058580585, -0.3449843, 0.15751667]  # fmt: skip


def test_training_ends_where_the_gist_ends():
    """Oracle: every 300th parameter, and the norm of all, of a recorded PyTorch run of the gist, seed 0."""
    net, rng = sine_demo.NETWORK, np.random.RandomState(0)
    sine_demo.draw_sine(rng), rng.choice(50, size=10)  # the gist's plotted sine and points
    phi = sine_demo.pytorch_init(net, 0)
    for _, phi in train(net, phi, sine_demo.sample_sines, rng, alpha=0.02, epsilon=0.1, iterations=30_000):
        pass
    np.testing.assert_allclose(phi[::300], GIST_FINAL, atol=1e-5)
    assert np.linalg.norm(phi) == pytest.approx(16.808373, abs=1e-4)


# Saving and going on


@pytest.mark.parametrize("kind", [np.random.default_rng, np.random.RandomState])
@pytest.mark.parametrize("outer", [SGD(), Adam(beta1=0.9)], ids=str)
def test_resumed_run_ends_bit_for_bit_the_same(tmp_path, kind, outer):
    """Oracle: the run that was not interrupted."""
    settings = {"alpha": 0.1, "epsilon": 0.01, "iterations": 9, "meta_batch": 2, "inner": Adam()}
    start = NET.init(np.random.default_rng(2))
    uninterrupted = run(NET, start, kind(4), outer=outer, **settings)
    rng = kind(4)
    for iteration, phi in train(NET, start, sample, rng, outer=outer, **settings):
        if iteration == 4:
            save(tmp_path / "run.npz", NET, phi, iteration, rng, outer, **settings)
        if iteration == 6:
            break
    rng, fresh = kind(99), Adam(beta1=0.9) if isinstance(outer, Adam) else SGD()
    phi, iteration = load(tmp_path / "run.npz", NET, rng, fresh, **settings)
    assert iteration == 4
    assert np.array_equal(run(NET, phi, rng, outer=fresh, start=iteration, **settings), uninterrupted)


def test_a_failed_save_keeps_the_old_file(tmp_path, monkeypatch):
    """Oracle: the folder's contents, byte for byte."""
    path, rng = tmp_path / "run.npz", np.random.default_rng(0)
    save(path, NET, np.zeros(NET.P), 1, rng)
    before = path.read_bytes()

    def full_disk(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(OSError, match="No space"):
        save(path, NET, np.ones(NET.P), 2, rng)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["run.npz"]


def damage_truncated(path):
    path.write_bytes(path.read_bytes()[:-100])


def damage_pickled(path):
    path.write_bytes(pickle.dumps({"phi": 1}))


def damage_object_array(path):
    np.savez(path, phi=np.array([{}], dtype=object))


def damage_npy(path):
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))


def damage_foreign(path):
    np.savez(path, something=np.zeros(3))


def damage_phi(path):
    with np.load(path) as saved:
        np.savez(path, **(dict(saved) | {"phi": np.full(NET.P, np.nan)}))


DAMAGES = [damage_truncated, damage_pickled, damage_object_array, damage_npy, damage_foreign, damage_phi, Path.unlink]


@pytest.mark.parametrize("damage", DAMAGES)
def test_load_refuses_what_save_did_not_write(tmp_path, damage):
    """Oracle: the error names the file, and generator and optimiser are as they were."""
    path, rng, outer = tmp_path / "run.npz", np.random.default_rng(0), Adam()
    outer.reset(np.zeros(NET.P))
    save(path, NET, np.zeros(NET.P), 1, np.random.default_rng(5), outer)
    damage(path)
    with pytest.raises(ValueError, match=r"run\.npz"):
        load(path, NET, rng, outer)
    assert rng.random() == np.random.default_rng(0).random()
    assert outer.t == 0


@pytest.mark.parametrize(
    "net, rng, outer, settings, message",
    [
        (MLP([2, 6, 1]), np.random.default_rng(0), SGD(), {"alpha": 0.1}, "net = "),
        (NET, np.random.RandomState(0), SGD(), {"alpha": 0.1}, "random generator"),
        (NET, np.random.default_rng(0), Adam(), {"alpha": 0.1}, "outer = "),
        (NET, np.random.default_rng(0), SGD(), {"alpha": 0.2}, "alpha = 0.1.*alpha = 0.2"),
        (NET, np.random.default_rng(0), SGD(), {}, "alpha = 0.1.*alpha = unset"),
    ],
)
def test_load_refuses_another_run(tmp_path, net, rng, outer, settings, message):
    """Oracle: a run with another network, generator, optimiser or settings could not end the same."""
    save(tmp_path / "run.npz", NET, np.zeros(NET.P), 1, np.random.default_rng(5), alpha=0.1)
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "run.npz", net, rng, outer, **settings)


# Bad input

GOOD = {"net": NET, "phi": NET.init(np.random.default_rng(0)), "alpha": 0.1}
ONE_ADAM, FOREIGN_ADAM = Adam(), Adam()
FOREIGN_ADAM.reset(np.zeros(NET.P + 1))  # has been training a network of another size
CLASSIFIER, ZEROS = MLP([2, 3], loss="cross-entropy"), np.zeros(9)
X4, Y4 = sample(np.random.default_rng(0), T)  # (4, 3, 6, 2), (4, 3, 6, 1)
NAN = np.where(np.arange(2) == 0, np.nan, X4)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: MLP([2]), "at least"),
        (lambda: MLP(5), "sizes must list"),
        (lambda: MLP([2, 0, 1]), "whole number"),
        (lambda: MLP([2, -3, 1]), "whole number"),
        (lambda: MLP([2, 2.5, 1]), "whole number"),
        (lambda: MLP([2, 10**6, 10**6, 1]), "number of parameters"),
        (lambda: MLP([2, 1], activation="sigmoid"), "tanh, relu"),
        (lambda: MLP([2, 1], loss="hinge"), "mse, cross-entropy"),
        (lambda: Adam(beta1=1.0), "Adam"),
        (lambda: NET.loss(GOOD["phi"][:-1], X4[0, 0], Y4[0, 0]), r"weights of shape \(21,\)"),
        (lambda: NET.loss(np.arange(NET.P), X4[0, 0], Y4[0, 0]), "floating-point.*int64"),
        (lambda: NET.loss(np.full(NET.P, np.nan), X4[0, 0], Y4[0, 0]), "finite"),
        (lambda: NET.predict(GOOD["phi"], X4[0, 0, :, :1]), r"x must have shape \(6, 2\).*\(6, 1\)"),
        (lambda: NET.predict(GOOD["phi"], X4[0, 0, 0]), r"x must have shape"),
        (lambda: NET.predict(GOOD["phi"], X4[0, 0, :0]), "empty"),
        (lambda: NET.predict(GOOD["phi"], X4[0]), r"x must have shape"),
        (lambda: NET.predict(GOOD["phi"], [["a", "b"]]), "real numbers"),
        (lambda: NET.predict(GOOD["phi"], X4[0, 0] + 0j), "real numbers"),
        (lambda: NET.predict(GOOD["phi"], NAN[0, 0]), "NaN"),
        (lambda: NET.predict(GOOD["phi"], np.full((3, 2), 1e300)), "infinity"),
        (lambda: NET.loss(GOOD["phi"], X4[0, 0], Y4[0, 0, :, 0]), r"y must have shape \(6, 1\)"),
        (lambda: NET.loss(GOOD["phi"], X4[0, 0], Y4[0, 0, :1]), r"y must have shape \(6, 1\)"),
        (lambda: NET.loss(GOOD["phi"], X4[0, 0], Y4[0, 0] * np.inf), "NaN"),
        (lambda: CLASSIFIER.loss(ZEROS, X4[0, 0], np.array([0, 1, 2, 3, 0, 0])), "0 ... 2"),
        (lambda: CLASSIFIER.loss(ZEROS, X4[0, 0], np.array([0, 1, -1, 0, 0, 0])), "0 ... 2"),
        (lambda: CLASSIFIER.loss(ZEROS, X4[0, 0], np.zeros(6)), "integers"),
        (lambda: MLP([2, 3], "relu").hessian_vector_product(ZEROS, X4[0, 0], np.zeros((6, 3)), ZEROS), "tanh"),
        (lambda: NET.hessian_vector_product(GOOD["phi"], X4[0, 0], Y4[0, 0], np.zeros(3)), "v must have"),
        (lambda: NET.hessian_vector_product(np.ones(NET.P, int), X4[0, 0], Y4[0, 0], np.ones(NET.P)), "real floating"),
        (lambda: NET.hessian_vector_product(GOOD["phi"], X4[0, 0], Y4[0, 0], np.full(NET.P, np.nan)), "v holds NaN"),
        (lambda: inner_loop(**GOOD, x=X4[0, 0], y=Y4[0, 0]), r"x must be \(k, T, B, n_in\)"),
        (lambda: inner_loop(**GOOD, x=X4[:, 0], y=Y4), "y must have shape"),
        (lambda: inner_loop(**GOOD, x=X4, y=Y4[:3]), "y must have shape"),
        (lambda: inner_loop(**GOOD, x=NAN, y=Y4), "NaN"),
        (lambda: inner_loop(**(GOOD | {"phi": np.zeros((2, NET.P))}), x=X4, y=Y4), "one for each task"),
        (lambda: inner_loop(**(GOOD | {"alpha": 0}), x=X4, y=Y4), "alpha must be a positive"),
        (lambda: inner_loop(**(GOOD | {"alpha": np.inf}), x=X4, y=Y4), "alpha must be a positive"),
        (lambda: meta_gradient(**GOOD, x=X4[:, 0], y=Y4[:, 0]), r"\(k, T, B, n_in\)"),
        (lambda: meta_gradient(**GOOD, x=X4[:, :2], y=Y4), r"y \(k, T, B, ...\)"),
        (lambda: meta_gradient(**GOOD, x=X4[:, :0], y=Y4[:, :0]), r"x \(k, T, B, n_in\)"),
        (lambda: meta_gradient(**GOOD, x=X4, y=Y4, update="reptil"), "reptile, maml"),
        (lambda: meta_gradient(**GOOD, x=X4, y=Y4, update=[1, 2, 3]), "4 finite numbers"),
        (lambda: meta_gradient(**GOOD, x=X4, y=Y4, update="maml", optimiser=Adam()), "SGD only"),
        (lambda: run(NET, GOOD["phi"], np.random.default_rng(0), epsilon=-1), "epsilon must be a positive"),
        (lambda: run(NET, GOOD["phi"], np.random.default_rng(0), iterations=0), "iterations must be"),
        (lambda: run(NET, GOOD["phi"], np.random.default_rng(0), iterations=10**12), "iterations must be"),
        (lambda: run(NET, GOOD["phi"], np.random.default_rng(0), meta_batch=2.0), "meta_batch must be"),
        (lambda: run(NET, GOOD["phi"], np.random.default_rng(0), meta_batch=10**8), "meta_batch times"),
        (lambda: run(NET, GOOD["phi"], np.random.default_rng(0), start=6), "start"),
        (lambda: run(NET, GOOD["phi"], np.random.default_rng(0), start="2"), "start"),
        (lambda: run(NET, GOOD["phi"], np.random.default_rng(0), start=2, outer=Adam()), "load"),
        (lambda: run(NET, GOOD["phi"], np.random.default_rng(0), inner=SGD), "inner must be SGD"),
        (lambda: run(NET, GOOD["phi"], np.random.default_rng(0), outer="adam"), "outer must be SGD"),
        (lambda: run(NET, GOOD["phi"], np.random.default_rng(0), inner=ONE_ADAM, outer=ONE_ADAM), "two optimisers"),
        (lambda: run(NET, GOOD["phi"], np.random.default_rng(0), start=2, outer=FOREIGN_ADAM), "load"),
        (lambda: run(NET, GOOD["phi"] + 0j, np.random.default_rng(0)), "real floating"),
        (lambda: next(train(NET, GOOD["phi"], lambda rng, T: X4, None, alpha=1, epsilon=1, iterations=1)), "a pair"),
        (lambda: inner_loop(**GOOD, x=X4, y=Y4, optimiser="adam"), "optimiser must be SGD"),
        (lambda: inner_loop(**GOOD, x=X4, y=Y4, optimiser=Adam), "optimiser must be SGD"),
        (lambda: inner_loop(**GOOD, x=X4[:0], y=Y4[:0]), "x must not be empty"),
        (lambda: inner_loop(**(GOOD | {"alpha": 10**400}), x=X4, y=Y4), "alpha must be a positive"),
        (lambda: inner_loop(**(GOOD | {"alpha": True}), x=X4, y=Y4), "alpha must be a positive"),
        (lambda: NET.loss(GOOD["phi"], X4[0, 0], None), "y must have shape"),
        (lambda: NET.init(np.random.default_rng(0), int), "floating-point"),
        (lambda: save("/nowhere", NET, GOOD["phi"] * np.nan, 1, None), "phi holds NaN"),
        (lambda: save("/nowhere", NET, GOOD["phi"][1:], 1, None), "phi must have shape"),
        (lambda: save("/nowhere", NET, GOOD["phi"], -1, None), "iteration must be"),
        (lambda: save("/nowhere", NET, GOOD["phi"], 1, None, outer=Adam()), "no state to save"),
        (lambda: minibatches(np.random.default_rng(0), T, 10, 2, 11), "cannot draw"),
        (lambda: minibatches(np.random.default_rng(0), T, 10, 1, 5, "separate"), "cannot draw"),
        (lambda: minibatches(np.random.default_rng(0), T, 10, 2, 5, "own"), "shared or separate"),
    ],
)
def test_bad_input_is_refused_in_one_line(call, message):
    """Oracle: a ValueError of one line that names what is wrong."""
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_divergence_is_reported_with_its_iteration():
    """Oracle: gradient descent on a linear net with a step beyond 2/curvature grows without bound."""
    phi = NET.init(np.random.default_rng(0))
    before = phi.copy()
    with pytest.raises(FloatingPointError, match=r"iteration \d+: the inner loop diverged.*alpha .now 500. or eps"):
        run(NET, phi, np.random.default_rng(0), alpha=500, iterations=1000)
    with pytest.raises(FloatingPointError, match=r"iteration 1: φ diverged: try a smaller epsilon"):
        run(NET, phi, np.random.default_rng(0), epsilon=1e39, iterations=1)
    assert np.array_equal(phi, before)


# The sine demo, as a user runs it


def demo(*arguments, **environment):
    """Run sine_demo.py without a display, or with the given environment."""
    screen = ("DISPLAY", "WAYLAND_DISPLAY", "MPLBACKEND")
    clean = {name: value for name, value in os.environ.items() if name not in screen}
    command = [sys.executable, str(HERE / "sine_demo.py"), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean | environment)


def test_pytorch_init_against_pytorch():
    """Oracle: the first weight and the last bias that PyTorch 2.13 draws for the gist's network with seed 0."""
    phi = sine_demo.pytorch_init(sine_demo.NETWORK, 0)
    np.testing.assert_allclose(phi[[0, -1]], [-0.00748682, -0.06312194], atol=1e-8)


def test_demo_prints_the_gists_losses_and_the_table(tmp_path):
    """Oracle: the 31 losses that the gist printed; a picture that is a picture; a table in which learning shows."""
    process = demo("--figure", tmp_path / "sine.png")
    out, err = process.communicate(timeout=100)
    assert (process.returncode, err) == (0, "")
    lines = re.findall(r"^iteration (\d+) +loss on plotted curve (\S+)$", out, re.MULTILINE)
    assert [int(n) for n, _ in lines] == [1, *range(1000, 30_001, 1000)]
    assert [loss for _, loss in lines] == GIST_LOSSES
    rows = re.findall(r"^ +(\d+) +(\S+) ± (\S+) +(\S+) ± (\S+)$", out, re.MULTILINE)
    assert [row[0] for row in rows] == ["0", "1", "8", "16", "32"]
    trained, untrained = float(rows[-1][1]), float(rows[-1][3])
    assert trained < 0.15 < 2 < untrained
    assert (tmp_path / "sine.png").read_bytes().startswith(b"\x89PNG")


def test_evaluation_of_many_sines_at_once():
    """Oracles: plain gradient descent on each sine by itself; and the mean square of the random sines, E[a²]/2."""
    net, X = sine_demo.NETWORK, sine_demo.X
    phi = sine_demo.pytorch_init(net, 3).astype(np.float64)
    tasks, x_train = sine_demo.draw_test_tasks(seed=1, T=7)
    errors = sine_demo.evaluate(phi, seed=1, T=7, steps=(0, 2, 5))
    assert errors.shape == (3, 7)
    for t, (phase, amplitude) in enumerate(zip(*(values.ravel() for values in tasks))):
        assert len(set(x_train[t].ravel())) == 10, "ten different points"
        weights = phi.copy()
        for step in range(6):
            if step in (0, 2, 5):
                error = net.predict(weights, X) - amplitude * np.sin(X + phase)
                assert errors[(0, 2, 5).index(step), t] == pytest.approx((error**2).mean())
            weights -= 0.02 * net.loss_and_gradient(weights, x_train[t], amplitude * np.sin(x_train[t] + phase))[1]
    silent = sine_demo.evaluate(0 * phi, seed=1, T=2000, steps=(0,))
    assert silent.mean() == pytest.approx((5**3 - 0.1**3) / 3 / 4.9 / 2, rel=0.05)
    assert not np.array_equal(silent, sine_demo.evaluate(0 * phi, seed=2, T=2000, steps=(0,)))


def test_table_prints_means_and_95_percent_intervals(capsys):
    """Oracle: the error of each sine by itself, the sample's standard deviation and the normal distribution."""
    phi = sine_demo.pytorch_init(sine_demo.NETWORK, 3)
    sine_demo.print_table({"start": phi}, seed=1, T=70)
    rows = re.findall(r"^ +(\d+) +(\S+) ± (\S+)$", capsys.readouterr().out, re.MULTILINE)
    errors = sine_demo.evaluate(phi, seed=1, T=70, steps=[int(step) for step, _, _ in rows]).astype(float)
    means, intervals = np.array(rows, float).T[1:]
    assert means == pytest.approx(errors.mean(axis=1), abs=6e-4)
    assert intervals == pytest.approx([NormalDist().inv_cdf(0.975) * stdev(e) / 70**0.5 for e in errors], abs=6e-4)


def test_picture_pairs_each_curve_with_its_number_of_steps():
    """Oracle: plain gradient descent on the ten points, step by step; and the sine itself."""
    net, X, x_train, task = sine_demo.NETWORK, sine_demo.X, sine_demo.X[2::5], (1.0, 3.0)
    weights = sine_demo.pytorch_init(net, 3).astype(np.float64)
    picture = sine_demo.Picture(Figure(), task, x_train)
    picture.draw(weights, iteration=1)
    shown = {line.get_label(): np.reshape(line.get_ydata(), (-1, 1)) for line in picture.axes.lines}  # (50, 1) each
    np.testing.assert_allclose(shown["truth"], 3 * np.sin(X + 1))
    for step in range(33):
        if step in (0, 8, 16, 24, 32):
            np.testing.assert_allclose(shown[f"after {step} steps"], net.predict(weights, X), atol=1e-9)
        weights -= 0.02 * net.loss_and_gradient(weights, x_train, 3 * np.sin(x_train + 1))[1]


@pytest.mark.parametrize("update", ["fomaml", "joint", "maml"])
def test_demo_with_other_updates(update):
    """Oracle: joint training on sines learns next to nothing (their mean is zero), the others learn."""
    process = demo("--update", update, "--iterations", 1500 if update == "maml" else 3000, "--meta-batch", 2)
    out, _ = process.communicate(timeout=100)
    trained, untrained = map(float, re.search(r"^ +16 +(\S+) ± \S+ +(\S+) ±", out, re.MULTILINE).groups())
    assert process.returncode == 0
    assert trained > 0.9 * untrained if update == "joint" else trained < 0.8 * untrained


def test_demo_animation(tmp_path):
    """Oracle: Pillow reads the frames of the .gif; what has colour in them, the curves and not the title, moves."""
    process = demo("--iterations", 30, "--animation", tmp_path / "sine.gif", "--no-plot")
    assert process.wait(timeout=100) == 0
    from PIL import Image, ImageSequence

    with Image.open(tmp_path / "sine.gif") as image:
        frames = [np.array(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]
    assert len({(np.ptp(frame, axis=2) > 60).tobytes() for frame in frames}) > 20
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--iterations", "0"], "--iterations must be a whole number"),
        (["--iterations", "many"], "--iterations"),
        (["--meta-batch", "-1"], "--meta-batch must be"),
        (["--meta-batch", "1000000000"], "--meta-batch must be"),
        (["--seed", "-1"], "--seed must be"),
        (["--update", "sgd"], "--update"),
        (["--figure", "missing/folder/a.png"], "cannot write missing/folder/a.png"),
        (["--figure", "a.txt"], "must end in"),
        (["--animation", "a.mp4"], "must end in .gif"),
    ],
)
def test_demo_refuses_bad_arguments_in_one_line(arguments, message, tmp_path, monkeypatch):
    """Oracle: one line on standard error, a non-zero exit code, no file."""
    monkeypatch.chdir(tmp_path)
    process = demo(*arguments)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert message in err
    assert (out, err.count("\n")) == ("", 1)
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_ends_with_one_line_and_the_figure(tmp_path):
    """Oracle: the signal that Ctrl-C sends."""
    process = demo("--figure", tmp_path / "sine.png", "--iterations", 10**8)
    assert process.stdout.readline().startswith("iteration 1 ")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "")
    assert re.search(r"^stopped after iteration [\d,]+ of 100,000,000\n\Z", out, re.MULTILINE)
    assert (tmp_path / "sine.png").read_bytes().startswith(b"\x89PNG")


SCREEN = ("Xvfb", "openbox", "wmctrl")
needs_screen = pytest.mark.skipif(not all(map(shutil.which, SCREEN)), reason=f"needs {', '.join(SCREEN)}")


@contextmanager
def virtual_screen():
    """The environment that puts a program on a virtual screen, which has a window manager, until the context ends."""
    pytest.importorskip("tkinter", reason="needs tkinter")
    server = "Xvfb -displayfd 1 -screen 0 1280x800x24".split()
    with subprocess.Popen(server, stdout=subprocess.PIPE, text=True) as screen:
        display = {"DISPLAY": ":" + screen.stdout.readline().strip()}
        manager = subprocess.Popen(["openbox"], env=os.environ | display, stderr=subprocess.DEVNULL)
        try:
            yield display | {"MPLBACKEND": "TkAgg"}
        finally:
            manager.terminate()
            manager.wait()
            screen.terminate()


def close_window(title, process, screen):
    """Close the window of that title, once it is there, as a user does; (output, errors) of its program to the end."""
    while subprocess.run(["wmctrl", "-c", title], env=os.environ | screen, stderr=subprocess.DEVNULL).returncode:
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    return process.communicate(timeout=60)


@needs_screen
def test_window_on_a_virtual_screen(tmp_path):
    """Oracle: the X server lists a window; the window manager's close button ends the program cleanly."""
    with virtual_screen() as screen:
        process = demo("--iterations", 10**8, "--figure", tmp_path / "sine.png", **screen)
        assert process.stdout.readline().startswith("iteration 1 ")
        out, err = close_window("Reptile on sine waves", process, screen)
    assert (process.returncode, err) == (0, "")
    assert "stopped after iteration" in out
    assert (tmp_path / "sine.png").exists()
