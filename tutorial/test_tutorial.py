"""The tutorial: its exercises' checks, its size, and the numbers its text quotes."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from reptile import MLP, inner_loop
from sine_demo import draw_sine, sine
from tutorial.checks import check_step, check_updates, check_waves

COMMITTED = Path(__file__).parents[1] / "tutorial.ipynb"
FRESH = COMMITTED.parent / ".venv" / "tutorial.ipynb"  # .ci/run executes it there
NEWER = FRESH.exists() and FRESH.stat().st_mtime > COMMITTED.stat().st_mtime
CELLS = json.loads((FRESH if NEWER else COMMITTED).read_text(encoding="utf-8"))["cells"]
NET = MLP([1, 7, 1])


def sample(rng, T, k):
    """T sines, k mini-batches of 10 random points."""
    x, tasks = rng.uniform(-5, 5, (k, T, 10, 1)), [draw_sine(rng) for _ in range(T)]
    return x, np.stack([sine(task, x[:, t]) for t, task in enumerate(tasks)], axis=1)


def W_of(phi, x, y, alpha):
    """W of each task, one at a time, in plain Python."""
    W = [phi] * len(x[0])
    for i in range(len(x)):
        for t, w in enumerate(W):
            W[t] = w - alpha * NET.loss_and_gradient(w, x[i][t], y[i][t])[1]
    return W


def changes_phi(phi, x, y, alpha, epsilon):
    phi += epsilon * (np.mean(W_of(phi.copy(), x, y, alpha), axis=0) - phi)
    return phi


def in_turn(phi, x, y, alpha, epsilon):
    for t in range(x.shape[1]):
        W = inner_loop(NET, phi, x[:, [t]], y[:, [t]], alpha)[0]
        phi = phi + epsilon * (W - phi)
    return phi


@pytest.mark.parametrize("answer, verdict", [
    (lambda p, x, y, a, e: p + e * (np.mean(W_of(p, x, y, a), 0) - p), "right"),
    (lambda p, x, y, a, e: [*(p - e * (p - np.mean(W_of(p, x, y, a), 0)))], "right"),
    (lambda p, x, y, a, e: p + e * (np.sum(W_of(p, x, y, a), 0) - 3 * p), "sum"),
    (lambda p, x, y, a, e: np.mean(W_of(p, x, y, a), 0), "without epsilon"),
    (lambda p, x, y, a, e: p - e * (np.mean(W_of(p, x, y, a), 0) - p), "sign"),
    (lambda p, x, y, a, e: e * (np.mean(W_of(p, x, y, a), 0) - p), "add it to phi"),
    (lambda p, x, y, a, e: p + e * (np.mean(W_of(p, 4 * [x[0]], 4 * [y[0]], a), 0) - p),
     "mini-batch 1"),
    (lambda p, x, y, a, e: p + e * (W_of(p, x, y, a)[0] - p), "first task only"),
    (lambda p, x, y, a, e: p, "has not moved"), (changes_phi, "changes the phi"),
    (in_turn, "one task after another"), (lambda *_: None, "not written"),
])
def test_check_step(answer, verdict):
    assert verdict in check_step(answer, NET, sample)


@pytest.mark.parametrize("order, at, sign, verdict", [
    ((1, 0), None, -1, "right"), ((0, 1), None, -1, "wrong order"),
    ((1, 0), 0, -1, "at phi"), ((1,), None, -1, "first step's"),
    ((1, 0), None, 1, "I + alpha H"), ((), 0, 1, "FOMAML"),
])
def test_check_updates(order, at, sign, verdict):
    def answer(net, phi, x, y, alpha):
        W, path, g = phi, [], []
        for x_i, y_i in zip(x, y):
            path.append(W)
            g.append(net.loss_and_gradient(W, x_i, y_i)[1])
            W = W - alpha * g[-1]
        v = g[-1]
        for j in order:
            H = path[j if at is None else at], x[j], y[j]
            v = v + sign * alpha * net.hessian_vector_product(*H, v)
        return (phi - W) / alpha, g[-1], v
    reptile, fomaml, maml = check_updates(answer, sample).split("; ")
    assert (reptile, fomaml) == ("Reptile: right", "FOMAML: right") and verdict in maml


def wave(a, b):
    return lambda x: a * np.where(np.sin(x + b) > 0, 1, -1)


@pytest.mark.parametrize("draw, verdict", [
    (lambda rng: wave(1 + rng.random(), 2 * np.pi * rng.random()), "right"),
    (lambda rng: wave(rng.uniform(1, 2), rng.uniform(0, np.pi)), "b is not"),
    (lambda rng: wave(rng.uniform(1, 2), np.pi * rng.integers(2)), "b is not"),
    (lambda rng: wave(1.5, rng.uniform(0, 7)), "a is not"),
    (lambda rng: wave(rng.integers(1, 3), rng.uniform(0, 7)), "a is not"),
    (lambda rng: wave(*np.random.uniform(1, 2, 2)), "must come from rng"),
    (lambda rng: lambda x: wave(1 + rng.random(), rng.random())(x), "when the task"),
    (lambda rng: np.sin, "a or -a"),
    (lambda rng: None, "not written"), (lambda rng: 1.0, "return a function"),
])
def test_check_waves(draw, verdict):
    assert verdict in check_waves(draw)


def test_the_notebook_fits_a_class():
    code = [c for c in CELLS if c["cell_type"] == "code"]
    assert len(CELLS) <= 110 and [c["execution_count"] for c in code] == [
        *range(1, len(code) + 1)]  # executed once, in order
    lines = [line.rstrip("\n") for c in code for line in c["source"]]
    assert max(map(len, lines)) <= 78
    assert not [o for c in code for o in c["outputs"] if o["output_type"] == "error"]


def test_the_text_quotes_what_the_cells_print():
    printed = "\n".join("".join(o.get("text", "")) for c in CELLS
                        for o in c.get("outputs", []))
    gist = {1: 6.585, 1000: 6.240, 2000: 3.570, 3000: 0.341, 30_000: 0.048}
    for i, loss in gist.items():
        assert f"{i:,}: error {loss:.3f}, PyTorch {loss:.3f}" in printed
    after_8 = {m[0]: float(m[1]) for m in re.findall(
        r"(Reptile|joint training|random initialisation) .* 8: (\S+) ±", printed)}
    assert after_8["Reptile"] < 0.15 and min(
        after_8["joint training"], after_8["random initialisation"]) > 3.5
    rows = {(int(k), ak): [float(e) for e in errors.split()] for k, ak, errors in
            re.findall(r"k = +(\d+), .*k = (\S+): error (.*)", printed)}
    assert min(rows[1, "0.02"]) > 3.5 and max(rows[5, "0.10"]) < 0.3
    assert max(rows[2, "0.10"]) < 0.5 < 1 < min(rows[2, "0.04"])
    assert "MAML: right" in printed and printed.count("as the module: True") == 3
