"""Tests of the Omniglot programs, each against an independent way to know.

All but the last run on drawings made here; that one needs OMNIGLOT_DIR.
"""

import hashlib
import http.server
import io
import os
import re
import shutil
import subprocess
import sys
import threading
import tracemalloc
import zipfile
from collections import Counter
from itertools import product
from pathlib import Path
from statistics import fmean

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy, as in demo.py

import numpy as np
import pytest
from PIL import Image

from omniglot import data, demo, gradient_sums, kernel
from reptile import MLP, Adam, adapt, fomaml, joint, reptile

ROOT = str(Path(__file__).parents[1])


def draw(alphabet, character, drawing):
    """Made-up ink, (105, 105), which differs from drawing to drawing."""
    rng = np.random.default_rng([*alphabet.encode(), character, drawing])
    ink = np.kron(rng.random((7, 7)) < 0.3, np.ones((15, 15))) > 0
    ink[50:53, 40:66] = True
    return ink


def pack(path, alphabets, top="set/"):
    """A zip like Omniglot's, of {alphabet: characters}."""
    names = [(a, c, d) for a, n in alphabets.items()
             for c in range(n) for d in range(20)]
    with zipfile.ZipFile(path, "w") as archive:
        for a, c, d in names[::-1]:  # the order must not matter
            png = io.BytesIO()
            Image.fromarray(~draw(a, c, d)).save(png, "PNG")  # black on white, 1 bit
            archive.writestr(f"{top}{a}/character{c:02}/{c:04}_{d:02}.png",
                             png.getvalue())


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A folder with two small sets, zipped: one alphabet is in both."""
    folder = tmp_path_factory.mktemp("zips")
    pack(folder / "one.zip", {"Alpha": 3, "Shared": 4})
    pack(folder / "two.zip", {"Beta": 7, "Shared": 4})
    return folder


@pytest.fixture
def folder(packed, tmp_path, monkeypatch):
    """The same two sets, under the names small1 and small2."""
    shutil.copytree(packed, tmp_path / "sets")
    for name, file, characters in ("small1", "one", 7), ("small2", "two", 11):
        sha256 = hashlib.sha256((packed / f"{file}.zip").read_bytes()).hexdigest()
        monkeypatch.setitem(data.SETS, name, (file, characters, sha256))
    monkeypatch.setattr(data, "CACHE", tmp_path / "cache")
    monkeypatch.delenv("OMNIGLOT_DIR", raising=False)
    return tmp_path / "sets"


# Where the drawings come from

def test_drawings_are_read_as_they_were_written_and_no_alphabet_is_in_both(folder):
    pictures, test = data.load_split("small1", "small2", folder)
    assert pictures.shape == (7, 20, 9, 400) and test.shape == (7, 20, 1, 400)
    for split, alphabet, start in (pictures, "Shared", 3), (test, "Beta", 0):
        for c, d in (0, 0), (2, 19):
            expected = data.views(draw(alphabet, c, d))[0]
            found = split[start + c, d, 0] / 255
            np.testing.assert_allclose(found, expected, atol=0.01)
    with pytest.raises(ValueError, match="no alphabet"):
        data.load_split("small1", "small1", folder)


def test_unpacked_and_packed_again_is_the_same(folder):
    expected = data.load_split("small1", "small2", folder)
    with zipfile.ZipFile(folder / "one.zip") as archive:
        archive.extractall(folder / "one")
    (folder / "one/set/Alpha/character00/._0000_00.png").write_bytes(b"of macOS")
    (folder / "one.zip").unlink()
    with zipfile.ZipFile(folder / "two.zip") as archive:
        archive.extractall(folder / "again")
    (folder / "two.zip").unlink()
    shutil.make_archive(folder / "two", "zip", folder / "again" / "set")
    for found, known in zip(data.load_split("small1", "small2", folder), expected):
        np.testing.assert_array_equal(found, known)


def test_what_a_person_names_is_refused_in_words(folder, monkeypatch):
    def refused(message):
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            data.load_set("small1")

    monkeypatch.setenv("OMNIGLOT_DIR", str(folder))
    path = folder / "one.zip"
    path.write_bytes(path.read_bytes()[:-100])
    refused("one.zip is damaged")
    pack(path, {"Alpha": 6})
    refused("has 6 characters, not 7")
    path.unlink()
    refused("neither one.zip nor a folder one")

    pack(folder / "again.zip", {"Alpha": 7})
    with zipfile.ZipFile(folder / "again.zip") as archive:
        archive.extractall(folder / "one")
    drawing = folder / "one/set/Alpha/character03/0003_07.png"
    Image.fromarray(draw("Alpha", 3, 7)).save(drawing)  # white on black
    refused("0003_07.png .* is not .* dark ink on white")
    drawing.write_bytes(b"PNG")
    refused("0003_07.png .* is damaged")
    drawing.unlink()
    refused("20 drawings")


def test_memory_of_a_set_is_that_of_its_pictures(monkeypatch):
    # A thousand characters: 72 MB of pictures. Their drawings would take 220 MB.
    monkeypatch.setitem(data.SETS, "background", ("none", 1000, ""))
    monkeypatch.setattr(data, "find_set", lambda *_: "made up")
    monkeypatch.setattr(data, "views", lambda ink, matrices: np.zeros((9, 400)))
    monkeypatch.setattr(data, "read_drawings", lambda _: (
        ("Alpha", i // 20, np.zeros((105, 105), bool)) for i in range(20_000)))
    tracemalloc.start()
    _, pictures = data.load_set("background")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert pictures.nbytes == 72e6 and peak < 200e6


def test_downloads_are_whole_or_leave_nothing(folder, monkeypatch):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            code, content, length = self.server.answer
            self.send_response(code)
            self.send_header("Content-Length", length)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(data, "SOURCE", f"http://127.0.0.1:{server.server_port}/")
    content = (folder / "one.zip").read_bytes()
    size = len(content)
    for answer, problem in (
            ((200, content[:-700], size), "cannot fetch http"),
            ((200, content[::-1], size), "is not the official file"),
            ((404, b"", 0), "cannot fetch http.*404")):
        server.answer = answer
        with pytest.raises(ConnectionError, match=problem):
            data.find_set("small1")
        assert not [*data.CACHE.glob("*")]

    server.answer = 200, content, size
    path = data.find_set("small1")
    assert path.read_bytes() == content and [*data.CACHE.iterdir()] == [path]
    server.shutdown()
    server.server_close()
    assert data.find_set("small1") == path  # from now on out of the cache


def test_papers_split_is_disjoint_and_the_seed_fixes_it(monkeypatch):
    # Each of 1,623 characters is a picture of its own number.
    def load_set(name, folder):
        numbers = {"background": np.arange(964), "evaluation": np.arange(964, 1623)}
        return None, np.tile(numbers[name][:, None, None, None], (1, 2, 3, 1))

    monkeypatch.setattr(data, "load_set", load_set)
    pictures, test = data.load_papers_split(5)
    assert pictures.shape == (1200, 2, 3, 1) and test.shape == (423, 2, 1, 1)
    both = [*pictures[:, 0, 0, 0], *test[:, 0, 0, 0]]
    assert sorted(both) == list(range(1623))
    np.testing.assert_array_equal(data.load_papers_split(5)[0], pictures)
    assert (data.load_papers_split(6)[0] != pictures).any()


# How they are prepared

def test_preparation_against_its_definition_in_plain_python():
    # Area means, centre of mass, spread, bilinear interpolation, standardisation, pixel
    # by pixel, as the page does it in JavaScript.
    ink = np.zeros((105, 105))
    ink[20:64, 30:34] = ink[60:64, 30:70] = ink[10:12, 90:105] = 1  # to the border
    a = [[fmean(ink[5 * Y + i, 5 * X + j] for i in range(5) for j in range(5))
          for X in range(21)] for Y in range(21)]
    pixels = [(X + 0.5, Y + 0.5, a[Y][X]) for Y in range(21) for X in range(21)]
    m = sum(w for _, _, w in pixels)
    cx, cy = sum(w * x for x, _, w in pixels) / m, sum(w * y for _, y, w in pixels) / m
    sx = (sum(w * (x - cx) ** 2 for x, _, w in pixels) / m) ** 0.5
    sy = (sum(w * (y - cy) ** 2 for _, y, w in pixels) / m) ** 0.5
    spread, expected = (sx**2 + sy**2) ** 0.5, []
    for y in range(20):
        for x in range(20):
            u = cx + (x - 9.5) * (spread + 2**0.5 * sx) / 12
            v = cy + (y - 9.5) * (spread + 2**0.5 * sy) / 12
            value = 0.0
            if 0 <= u < 21 and 0 <= v < 21:
                x0, y0 = int(np.floor(u - 0.5)), int(np.floor(v - 0.5))
                for X, wx in (x0, 1 - (u - 0.5 - x0)), (x0 + 1, u - 0.5 - x0):
                    for Y, wy in (y0, 1 - (v - 0.5 - y0)), (y0 + 1, v - 0.5 - y0):
                        value += wx * wy * a[min(max(Y, 0), 20)][min(max(X, 0), 20)]
            expected.append(value)
    np.testing.assert_allclose(data.views(ink)[0], expected, atol=1e-6)
    standard = (np.array(expected) - np.mean(expected)) / np.std(expected)
    np.testing.assert_allclose(data.prepare(ink), standard, atol=1e-4)
    with pytest.raises(ValueError, match="without ink"):
        data.prepare(0 * ink)


def test_views_through_a_matrix():
    # Ink of covariance C seen through A has covariance A^-1 C A^-T, in pixels of 1/s.
    A, C = np.array([[0.8, 0.6], [-0.3, 1.1]]), np.diag([200.0, 40])
    p = np.indices((105, 105))[::-1] + 0.5 - np.reshape([48, 57], (2, 1, 1))
    ink = np.exp(-np.einsum("iyx,ij,jyx->yx", p, np.linalg.inv(C), p) / 2)
    picture = data.views(ink, [1.5 * A])[0]

    p = np.indices((20, 20))[::-1].reshape(2, -1) - 9.5
    w = picture / picture.sum()
    np.testing.assert_allclose(p @ w, 0, atol=0.05)
    s = (np.sqrt(np.trace(C)) + np.sqrt(2 * np.diag(C))) / 12  # half-way: 1 when round
    inverse = np.linalg.inv(s[:, None] * 1.5 * A)
    expected = inverse @ C @ inverse.T
    np.testing.assert_allclose(p * w @ p.T, expected, atol=0.06 * np.trace(expected))


def test_turns_are_the_eight_symmetries_of_the_square():
    square = np.arange(400).reshape(20, 20)
    known = {s.tobytes() for q in range(4)
             for s in (np.rot90(square, q), np.fliplr(np.rot90(square, q)))}
    assert {square.ravel()[turn].tobytes() for turn in data.TURNS} == known
    assert (data.TURNS[0] == square.ravel()).all() and len(known) == 8


# How tasks are drawn and judged

def numbered(characters, drawings, variants):
    """Pictures whose pixels say which they are, and what reads it from standardised
    ones: (character, drawing, variant, turn)."""
    rng = np.random.default_rng(1)
    pictures = rng.integers(256, size=(characters, drawings, variants, 400))
    known = {}
    for c, d, v in np.ndindex(pictures.shape[:3]):
        for turn, order in enumerate(data.TURNS):
            x = data.standardise(pictures[c, d, v][order])
            known[tuple(np.round(x[:6], 3))] = c, d, v, turn
    return pictures.astype(np.uint8), lambda x: known[tuple(np.round(x[:6], 3))]


def test_edges_against_their_definition_in_plain_python():
    x = np.random.default_rng(0).normal(size=(2, 400)).astype(np.float32)
    found = data.edges(x).reshape(2, 4, 10, 10)

    picture = np.pad(x[1].reshape(20, 20), 2, mode="reflect", reflect_type="odd")
    weights = {-1: 1 / 8, 0: 3 / 8, 1: 3 / 8, 2: 1 / 8}  # of rows 2 i - 1 to 2 i + 2
    expected = np.zeros((4, 10, 10))
    directions = (1, 0), (0, 1), (-1, 0), (0, -1)  # down, right, up, left
    for d, i, j in np.ndindex(expected.shape):
        for row, column in product(weights, repeat=2):
            u, v = 2 * i + row, 2 * j + column
            if 0 <= u < 20 and 0 <= v < 20:  # central differences, at the border odd
                du, dv = directions[d]
                u, v = u + 2, v + 2
                darker = picture[u + du, v + dv] - picture[u - du, v - dv]
                expected[d, i, j] += weights[row] * weights[column] * max(darker / 2, 0)
    expected = np.sqrt(expected)
    expected = (expected - expected.mean()) / expected.std()
    np.testing.assert_allclose(found[1], expected, atol=1e-4)

    # Neither how dark the pen is, nor how dark the paper, changes them.
    np.testing.assert_allclose(data.edges(3 * x + 2), data.edges(x), atol=1e-4)


def test_a_task_has_no_drawing_twice_and_its_labels_are_classes():
    pictures, read = numbered(3, 11, 2)
    x, y = data.task_distribution(pictures, 7, 3, 6)(np.random.default_rng(0), 5)
    assert x.shape == (3, 5, 14, 400) and y.shape == (3, 5, 14)
    seen = set()
    for t in range(5):
        met = [read(a) for a in x[:, t].reshape(42, 400)]
        seen.update(met)
        assert len({(c, d, turn) for c, d, _, turn in met}) == 42
        labels = {(c, turn, y) for (c, _, _, turn), y in zip(met, y[:, t].ravel())}
        assert len(labels) == 7 and {label for *_, label in labels} == set(range(7))
    for part in range(4):  # every character, drawing, variant and turn is met
        assert len({met[part] for met in seen}) == (3, 11, 2, 8)[part]


def test_support_set_is_seen_at_each_step_and_the_query_set_only_at_the_last():
    pictures, read = numbered(3, 11, 2)
    x, y = data.support_and_query(pictures, 4, 3, 8, 2)(np.random.default_rng(0), 5)
    assert x.shape == (3, 5, 24, 400) and y.shape == (3, 5, 24)
    for t in range(5):
        first, second, last = (  # of each step, how often each drawing is met
            Counter(read(a) for a in x[i, t]) for i in range(3))
        assert first == second and set(first.values()) == {3}
        assert len(first) == 4 * 2 and len(last) == 4 * 6
        of_class = {}
        for a, label in zip(x[:, t].reshape(72, 400), y[:, t].ravel()):
            c, d, _, turn = read(a)
            of_class.setdefault((c, turn), {label: set()})[label].add(d)
        assert sorted(label for labels in of_class.values() for label in labels) == [
            0, 1, 2, 3]
        assert all(len(d) == 8 for labels in of_class.values() for d in labels.values())


def test_accuracy_knows_right_from_wrong_and_never_asks_what_it_showed():
    same = np.eye(9)[:, None, None].repeat(20, axis=1)  # each character is one point
    same = np.pad(same, [(0, 0)] * 3 + [(0, 391)])
    assert (data.accuracy(demo.nearest_neighbour, same, 4, 3, 13, 0) == 100).all()
    always_0 = data.accuracy(lambda _, q: q[:, :, 0] * 0, same, 4, 3, 13, 0)
    assert always_0.shape == (13,) and (always_0 == 25).all()
    noise = np.random.default_rng(0).normal(size=(9, 20, 1, 30))  # nothing to be learnt
    chance = data.accuracy(demo.nearest_neighbour, noise, 4, 3, 300, 0)
    assert abs(chance.mean() - 25) < 4  # only a drawing met twice would be recognised


def test_intervals():
    # A fair coin: deviation 50, so 1.96 * 50 / sqrt(99). Three seeds of means 1, 2, 6:
    # deviation sqrt(7), so 4.303 * sqrt(7 / 3), whatever their tasks.
    assert demo.interval([np.tile([0, 100], 50)]) == "50.0 ± 9.8"
    assert demo.interval([[0, 2], [2, 2], [9, 3]]) == "3.0 ± 6.6"


# How a new task is learnt

@pytest.mark.parametrize("carried", [False, True])
def test_classifiers_against_loops_over_tasks(carried):
    # A network of five classes learns a task of three: by its first three columns.
    rng, net = np.random.default_rng(0), MLP([5, 7, 5], loss="cross-entropy")
    support, query = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(2, 8, 5))
    support, query = data.standardise(support), data.standardise(query)
    phi = net.init(rng, np.float64)
    adam, alpha = None, 0.5
    if carried:
        adam, alpha = Adam(), 0.05
        for _ in range(9):
            adam.step(phi, rng.normal(size=phi.shape), 0)
    learner = demo.Learner(net, phi, alpha, adam)
    labels = demo.classifier(learner, 3, steps=6)(support, query)
    nearest = demo.nearest_neighbour(support, query)

    three, alpha = MLP([5, 7, 3], loss="cross-entropy"), alpha if carried else 0.3
    M1, M2 = net.unpack(phi)
    start = np.concatenate([M1.ravel(), M2[:, :3].ravel()])
    for t in range(2):
        w = start
        if carried:
            _, v2 = net.unpack(adam.v)
            v, n = np.concatenate([adam.v[:M1.size], v2[:, :3].ravel()]), adam.t
        for _ in range(6):  # steps on all of the support set, written out
            x, y = support[t].reshape(12, 5), np.repeat(range(3), 4)
            g = three.loss_and_gradient(w, x, y)[1]
            if carried:
                v, n = 0.999 * v + 0.001 * g**2, n + 1
                g = g / (np.sqrt(v / (1 - 0.999**n)) + 1e-8)
            w = w - alpha * g
        for q in range(8):
            assert labels[t, q] == three.predict(w, query[t, q][None])[0].argmax()
            distance = np.linalg.norm(support[t] - query[t, q], axis=-1).min(axis=1)
            assert nearest[t, q] == distance.argmin()


def test_adam_is_carried_from_task_to_task_and_into_the_evaluation():
    pictures, _ = numbered(5, 20, 2)
    net = MLP([400, 4, 3], loss="cross-entropy")
    method = demo.METHODS["reptile-adam"]._replace(k=2, shots=4, meta_batch=3)
    *_, (_, learner) = demo.meta_train(method, net, pictures, iterations=4, seed=3)

    rng = np.random.default_rng(3)
    phi = net.init(rng).astype(float)
    v, n = 0, 0
    for i in range(4):
        x, y = data.task_distribution(pictures, 3, 2, 4)(rng, 3)
        W, vs = [], []
        for t in range(3):  # each task begins with the v of the tasks before
            w, v_t = phi, v
            for j in range(2):
                g = net.loss_and_gradient(w, x[j, t], y[j, t])[1]
                v_t = 0.999 * v_t + 0.001 * g**2
                step = g / (np.sqrt(v_t / (1 - 0.999 ** (n + j + 1))) + 1e-8)
                w = w - method.alpha * step
            W.append(w)
            vs.append(v_t)
        v, n = np.mean(vs, axis=0), n + 2
        phi = phi + method.epsilon * (1 - i / 4) * (np.mean(W, axis=0) - phi)
    np.testing.assert_allclose(learner.phi, phi, atol=2e-5)
    np.testing.assert_allclose(learner.adam.v, v, atol=1e-5 * v.max())


def test_training_is_reptile_and_gradient_descent_on_whole_tasks():
    pictures, _ = numbered(5, 20, 2)
    net = MLP([400, 5, 4], loss="cross-entropy")
    for meta_gradient, k in (reptile, 5), (joint, 1):
        method = demo.METHODS["reptile"]._replace(meta_gradient=meta_gradient, k=k)
        stops = [*demo.meta_train(method, net, pictures, iterations=6, seed=3)]
        assert [iteration for iteration, _ in stops] == [0, 1, 2, 3, 4, 5, 6]
        rng = np.random.default_rng(3)
        phi = start = net.init(rng)
        np.testing.assert_array_equal(stops[0][1].phi, start)
        for i in range(6):
            x, y = data.task_distribution(pictures, 4, k, 10)(rng, 5)
            W = []
            for t in range(5):
                w = phi
                for j in range(k):  # α = 0.1 for five classes is 0.08 for four
                    w = w - 0.08 * net.loss_and_gradient(w, x[j, t], y[j, t])[1]
                W.append(w)
            phi = (phi + (1 - i / 6) * (np.mean(W, axis=0) - phi)).astype(np.float32)
        atol = 1e-3 * np.abs(phi - start).max()
        np.testing.assert_allclose(stops[-1][1].phi, phi, atol=atol)


@pytest.mark.parametrize("name", ["joint", "fomaml", "maml", "reptile"])
def test_first_step_of_each_method(name):
    pictures, _ = numbered(5, 20, 2)
    net, method = MLP([400, 4, 6], loss="cross-entropy"), demo.METHODS[name]
    _, (_, learner) = demo.meta_train(method, net, pictures, iterations=1, seed=0)

    rng = np.random.default_rng(0)
    start = net.init(rng)
    x, y = method.tasks(pictures, 6)(rng, 5)
    alpha = 6 / 5 * method.alpha  # for six classes
    g = method.meta_gradient(net, start, x, y, alpha).mean(axis=0)
    step = alpha * g
    if method.outer:  # Adam's first step has one length in every direction
        step = g / (abs(g) + 1e-8 / alpha)
    np.testing.assert_allclose(learner.phi, start - method.epsilon * step, atol=1e-6)
    assert learner.alpha == (0.2 if name == "fomaml" else method.alpha)


# What has been found

def test_tangent_kernel_against_differences_of_the_outputs():
    rng, net = np.random.default_rng(0), MLP([5, 7, 3], loss="cross-entropy")
    phi, x = net.init(rng, np.float64), rng.normal(size=(4, 5))
    J = np.empty((4, 3, phi.size))  # of log-probabilities, less their mean
    for p in range(phi.size):
        step = 1e-5 * (np.arange(phi.size) == p)
        up, down = net.predict(phi + step, x), net.predict(phi - step, x)
        slope = np.log(up / down) / 2e-5
        J[:, :, p] = slope - slope.mean(axis=1, keepdims=True)
    expected = np.einsum("icp,jcp->ij", J, J)
    np.testing.assert_allclose(kernel.tangent_kernel(net, phi, x), expected, rtol=1e-6)


def test_what_a_kernel_says_of_tasks():
    same = np.eye(9)[:, None, None].repeat(20, axis=1)  # each character is one point
    found = kernel.judge(kernel.correlation, np.pad(same, [(0, 0)] * 3 + [(0, 391)]),
                         4, 0, lambda support, query: np.zeros((1, 20)))
    # Standardised, 0.0025 of the pixels is 1: correlations 1 and -1/399.
    np.testing.assert_allclose(found, [1, -1 / 399, 100, 25], rtol=1e-3)


# The sums of gradients

def test_sums_are_those_of_the_paper_and_their_twins_move_as_far():
    # g1 alone is joint training, the last one alone FOMAML, the sum of all Reptile.
    rng, net = np.random.default_rng(0), MLP([5, 7, 3], loss="cross-entropy")
    x, y = rng.normal(size=(4, 1, 6, 5)), rng.integers(3, size=(4, 1, 6))
    phi = net.init(rng, np.float64)
    for name, k, known in (("g1", 1, joint), ("g2", 2, fomaml), ("g4", 4, fomaml),
                           ("g1 + g2", 2, reptile), ("g1 + g2 + g3", 3, reptile)):
        method = gradient_sums.method(name, 0.25)
        assert method.k == k and method.shots == 5 * k and method.meta_batch == 1
        found = method.meta_gradient(net, phi, x[:k], y[:k], 0.1)
        np.testing.assert_allclose(found, known(net, phi, x[:k], y[:k], 0.1), rtol=1e-9)
    for name in gradient_sums.SUMS:
        equal, twin = gradient_sums.outer_steps(name)
        assert equal == 0.25 and twin * name.count("g") == 1


def test_without_last_layer_all_classes_are_equally_likely():
    rng, net = np.random.default_rng(0), gradient_sums.NET
    phi = net.init(rng)
    zeroed = gradient_sums.without_last_layer(phi)
    np.testing.assert_allclose(net.predict(zeroed, rng.normal(size=(4, 400))), 1 / 5,
                               atol=1e-6)
    assert (zeroed != phi).sum() == 129 * 5  # and φ itself is as it was


def test_sums_are_trained_printed_and_drawn(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(gradient_sums, "TASKS", 4)
    pictures, test = data.load_split("small1", "small2", folder)
    curve, zeroed = gradient_sums.run(("g2", 0.25, 1, 2, pictures, test))
    assert curve.shape == (3, 2) and list(curve[:, 0]) == [0, 1, 2]
    assert 0 <= zeroed <= 100

    def train_all(seeds, iterations, pictures, test):  # made up: 10 ε + seed, 50
        return {(name, epsilon): [(np.array([[0, 9], [5, 10 * epsilon + seed]]), 50)
                                  for seed in seeds]
                for name in gradient_sums.SUMS
                for epsilon in gradient_sums.outer_steps(name)}

    monkeypatch.setattr(gradient_sums, "train_all", train_all)
    gradient_sums.main(f"--data {folder} --figures {tmp_path} --seed 3".split())
    row = re.search(r"^g1 \+ g2  .*$", capsys.readouterr().out, re.M)[0].split("  ")
    assert [cell.strip() for cell in row if cell] == [
        "g1 + g2", "6.5 (5.5-7.5)", "50.0 (50.0-50.0)", "9.0 (8.0-10.0)",
        "50.0 (50.0-50.0)"]
    with Image.open(tmp_path / "gradient_sums.png") as image:
        assert image.size[0] > 1000


# The command lines

SMALL = ("--hidden 9 --iterations 12 --ways 7 --tasks 20 --data sets").split()


@pytest.fixture
def small(folder, tmp_path, monkeypatch, capsys):
    """The demo on the two small sets: what it prints."""
    monkeypatch.setattr(demo, "PROGRESS_TASKS", 10)
    monkeypatch.setattr(kernel, "TASKS", 3)
    monkeypatch.chdir(tmp_path)

    def main(*arguments):
        demo.main([*SMALL, *arguments])
        return capsys.readouterr().out

    return main


def test_demo_prints_its_tables_and_draws_its_figures(small, tmp_path):
    out = small("--save", "phi.npz", "--figures", "drawn/here", "--inputs", "edges")
    table = out[out.index("Accuracy"):out.index("Which drawings")]
    assert table.count("±") == 2 * (1 + 3 * 3)  # 5-way; nearest neighbour; three φ
    for name in "episode", "found_characters":
        with Image.open(tmp_path / "drawn/here" / f"{name}.png") as image:
            assert image.size[0] > 1000

    # One number of the table is had again, from the saved φ: 5-shot, 5 steps.
    row = re.search(r"after 5 .*?^  Reptile +(.*?)$", table, re.M | re.S)[1].split()
    with np.load("phi.npz") as file:
        phi, net = file["phi"], MLP(file["layer_sizes"].tolist(), loss="cross-entropy")
        alpha = float(file["alpha"])
        assert file["inputs"] == "edges"
    assert net.layer_sizes == (400, 9, 7) and alpha == pytest.approx(0.1 * 7 / 5)
    assert not [*tmp_path.glob("*.part")]
    five = demo.first_classes(demo.Learner(net, phi, alpha), 5)
    _, test = data.load_split("small1", "small2", "sets")
    rng, right, labels = np.random.default_rng([0, 5, 5]), [], np.arange(5)
    for _ in range(5):  # four tasks each
        for x in data.draw_tasks(rng, test, 4, 5, 10):  # (5, 10, 400)
            x = data.edges(x)
            w = adapt(five.net, five.phi, x[:, :5].reshape(25, 400), labels.repeat(5),
                      0.1, 5)
            found = five.net.predict(w, x[:, 5:].reshape(25, 400)).argmax(axis=1)
            right.append(100 * np.mean(found == labels.repeat(5)))
    assert row[3] == f"{np.mean(right):.1f}"


def test_three_seeds_in_processes_that_are_spawned(small, tmp_path):
    # As on macOS and Windows, where a new process knows nothing of this one.
    arguments = [*SMALL, "--iterations", "1", "--seeds", "3"]
    code = ("import multiprocessing as m, sys\n"
            "from omniglot import data, demo\n"
            "if __name__ == '__main__':\n"
            "    m.set_start_method('spawn')\n"
            f"    data.SETS = {data.SETS!r}\n"
            f"    demo.main({arguments!r})\n")
    (tmp_path / "spawn.py").write_text(code)
    environment = {**os.environ, "PYTHONPATH": ROOT}
    done = subprocess.run([sys.executable, "spawn.py"], capture_output=True, text=True,
                          env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("±") == 2 * (1 + 3 * 2)
    for seed in 0, 1, 2:
        assert f"Reptile, seed {seed}, iteration 1:" in done.stdout


@pytest.mark.parametrize("arguments, words", [
    ("--ways 1", "--ways"), ("--tasks x", "--tasks"), ("--seeds 2", "--seeds"),
    ("--data nowhere", "nowhere"), ("--save sets", "--save"),
    ("--save no/phi.npz", "no/phi.npz"), ("--figures sets/one.zip", "one.zip"),
    ("--update all --save x", "--update"),
    ("--split papers --test small2", "--split papers"), ("--ways 57", "56 classes")])
def test_mistakes_get_the_parser_s_answer(small, monkeypatch, capsys, arguments, words):
    monkeypatch.setattr(demo, "meta_train", None)  # none of them comes so far
    with pytest.raises(SystemExit) as stopped:
        small(*arguments.split())
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err.splitlines()[-1]


# Omniglot itself

needs_omniglot = pytest.mark.skipif("OMNIGLOT_DIR" not in os.environ,
                                    reason="OMNIGLOT_DIR does not name Omniglot")


@needs_omniglot
def test_short_training_beats_the_random_initialisation():
    # 200 iterations, 1 s; after one step on one drawing 76 -> 81 %: 3 are asked for.
    pictures, test = data.load_split("small1", "small2")
    assert pictures.shape[0] == 136 and test.shape[0] == 106
    net = MLP([400, 96, 20], loss="cross-entropy")
    stops = demo.meta_train(demo.METHODS["reptile"], net, pictures, 200, seed=0)
    before, *_, after = (
        data.accuracy(demo.classifier(learner, 5, 1), test, 5, 1, 300, 0).mean()
        for iteration, learner in stops if iteration in (0, 200))
    print(f"{before:.1f} -> {after:.1f} %")
    assert after > before + 3


@needs_omniglot
def test_all_layers_but_the_last_are_enough():
    # Lesson 5. From the page's φ, 3-way 1-shot, five steps in some layers only.
    alphabets, test = data.load_set("small2", variants=0)
    test = test[~np.isin(alphabets, ["Greek", "Latin"])]  # φ has met these two
    with np.load(Path(ROOT) / "playground/omniglot_3way.npz") as file:
        phi, alpha = file["phi"], float(file["alpha"])
        net = MLP(file["layer_sizes"].tolist(), loss="cross-entropy")
    last = net.unpack(phi)[-1].size
    parts = {"all": slice(None), "but the last": slice(-last),
             "last": slice(-last, None)}

    right = {}
    for name, part in parts.items():
        def classify(support, query):
            W = np.tile(phi, (len(support), 1))
            labels = np.tile(range(3), (len(support), 1))
            for _ in range(5):
                _, g = net.loss_and_gradient(W, support[:, :, 0], labels)
                W[:, part] -= alpha * g[:, part]
            return net.predict(W, query).argmax(axis=-1)

        right[name] = data.accuracy(classify, test, 3, 1, 400, 0).mean()
    print(right)  # 91.7, 91.7, 81.5
    assert abs(right["all"] - right["but the last"]) < 1
    assert right["last"] < right["all"] - 5
