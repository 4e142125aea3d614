"""Tests of the programs on characters, each against an independent way to know.

What the programs print is compared with loops over tasks and steps, written out here,
on drawings that are made up. Only the last test needs OMNIGLOT_DIR.
"""

import hashlib
import http.server
import importlib
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
from statistics import fmean, mean, stdev

import numpy as np
import pytest
from PIL import Image

from experiments import gradient_sums, omniglot_figures, omniglot_tuning
from omniglot import data, demo, kernel
from omniglot.data import Drawings
from reptile import MLP

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
    drawings, test = data.load_split("small1", "small2", folder=folder)
    assert drawings.pictures.shape == (7, 20, 9, 400)
    assert test.pictures.shape == (7, 20, 1, 400)
    for (split, _), alphabet, start in (drawings, "Shared", 3), (test, "Beta", 0):
        for c, d in (0, 0), (2, 19):
            expected = data.views(draw(alphabet, c, d))[0]
            found = split[start + c, d, 0] / 255
            np.testing.assert_allclose(found, expected, atol=0.01)
    with pytest.raises(ValueError, match="no alphabet"):
        data.load_split("small1", "small1", folder=folder)


def test_unpacked_and_packed_again_is_the_same(folder):
    expected = data.load_split("small1", "small2", folder=folder)
    with zipfile.ZipFile(folder / "one.zip") as archive:
        archive.extractall(folder / "one")
    (folder / "one/set/Alpha/character00/._0000_00.png").write_bytes(b"of macOS")
    (folder / "one.zip").unlink()
    with zipfile.ZipFile(folder / "two.zip") as archive:
        archive.extractall(folder / "again")
    (folder / "two.zip").unlink()
    shutil.make_archive(folder / "two", "zip", folder / "again" / "set")
    found = data.load_split("small1", "small2", folder=folder)
    for (pictures, _), (known, _) in zip(found, expected):
        np.testing.assert_array_equal(pictures, known)


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
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("0.png", b"")
    refused("0.png in .* is not in a folder")
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
    monkeypatch.setattr(data, "find_set", lambda *_: Path("made up"))
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


def test_papers_split_is_disjoint(monkeypatch):
    # Each of 1,623 characters is a picture of its own number.
    def load_set(name, folder):
        numbers = {"background": np.arange(964), "evaluation": np.arange(964, 1623)}
        return None, np.tile(numbers[name][:, None, None, None], (1, 2, 3, 1))

    monkeypatch.setattr(data, "load_set", load_set)
    (pictures, _), (test, _) = data.load_papers_split(5)
    assert pictures.shape == (1200, 2, 3, 1) and test.shape == (423, 2, 1, 1)
    both = [*pictures[:, 0, 0, 0], *test[:, 0, 0, 0]]
    assert sorted(both) == list(range(1623))


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
    dot = 0 * ink
    dot[50:53, 50:53] = 1
    assert 0 < (data.views(dot)[0] > 0).sum() < 200  # and it does not fill the picture
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
    sample = data.mini_batches(Drawings(pictures), 7, 3, 6)
    x, y = sample(np.random.default_rng(0), 5)
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
    sample = data.support_and_query(Drawings(pictures), 4, 3, 8)
    x, y = sample(np.random.default_rng(0), 5)
    assert x.shape == (3, 5, 28, 400) and y.shape == (3, 5, 28)
    for t in range(5):
        first, second, last = (  # of each step, how often each drawing is met
            Counter(read(a) for a in x[i, t]) for i in range(3))
        assert first == second and set(first.values()) == {7}
        assert len(first) == 4 and len(last) == 4 * 7
        of_class = {}
        for a, label in zip(x[:, t].reshape(84, 400), y[:, t].ravel()):
            c, d, _, turn = read(a)
            of_class.setdefault((c, turn), {label: set()})[label].add(d)
        labels = [label for labels in of_class.values() for label in labels]
        assert sorted(labels) == [0, 1, 2, 3]
        assert all(len(d) == 8 for labels in of_class.values() for d in labels.values())


def test_accuracy_knows_right_from_wrong_and_never_asks_what_it_showed():
    same = np.eye(9)[:, None, None].repeat(20, axis=1)  # each character is one point
    same = Drawings(np.pad(same, [(0, 0)] * 3 + [(0, 391)]))
    assert (data.accuracy(demo.nearest_neighbour, same, 4, 3, 13, 0) == 100).all()
    always_0 = data.accuracy(lambda _, q: q[:, :, 0] * 0, same, 4, 3, 13, 0)
    assert always_0.shape == (13,) and (always_0 == 25).all()
    noise = np.random.default_rng(0).normal(size=(9, 20, 1, 30))  # nothing to be learnt
    chance = data.accuracy(demo.nearest_neighbour, Drawings(noise), 4, 3, 300, 0)
    assert abs(chance.mean() - 25) < 4  # only a drawing met twice would be recognised


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
    same = Drawings(np.pad(same, [(0, 0)] * 3 + [(0, 391)]))
    found = kernel.judge(kernel.correlation, same, 4, 0,
                         lambda support, query: np.zeros((1, 20)))
    # Standardised, 0.0025 of the pixels is 1: correlations 1 and -1/399.
    np.testing.assert_allclose(found, [1, -1 / 399, 100, 25], rtol=1e-3)


# What the programs print

def made_up(characters, seed):
    """Noisy pictures, (characters, 20, 2, 400), of characters that are hard to tell."""
    rng = np.random.default_rng(seed)
    clean = rng.random((characters, 1, 1, 400))
    pictures = clean + rng.normal(0, 0.9, (characters, 20, 2, 400))
    return (40 * pictures + 128).clip(0, 255).astype(np.uint8)


TRAIN, NEW = made_up(6, 0), made_up(26, 1)[:, :, :1]


class OneProcess:
    """In place of all cores."""
    map = staticmethod(map)


@pytest.fixture
def printed(monkeypatch, capsys):
    """What the demo prints: its table, {(after, row): cells}, and all of it."""
    def load_set(name, folder=None, variants=8):
        return {"small1": (["A"], TRAIN), "small2": (["B"] * 26, NEW)}[name]

    monkeypatch.setattr(data, "load_set", load_set)
    monkeypatch.setattr(demo, "all_cores", OneProcess)
    monkeypatch.setattr(demo, "PROGRESS_TASKS", 4)
    monkeypatch.setattr(kernel, "TASKS", 2)

    def main(arguments):
        demo.main(f"--hidden 9 --iterations 3 --tasks 20 {arguments}".split())
        out = capsys.readouterr().out
        assert out.isascii()
        rows, after = {}, ""
        for line in filter(None, out[out.index("\nAccuracy"):].splitlines()):
            title, *cells = re.split(r"  +", line.strip())
            if not cells:
                after = title
            else:
                rows[after, title] = cells
        return rows, out

    return main


# α, ε, k by hand, and the tasks.
SETTINGS = {
    "joint": (0.2, 0.1, 1, data.mini_batches),
    "fomaml": (0.01, 0.5, 4, data.support_and_query),
    "maml": (0.4, 0.000125, 5, data.mini_batches),
    "reptile": (0.1, 1, 5, data.mini_batches),
    "reptile-adam": (0.002, 0.165, 5, data.mini_batches),
}
AT_TEST = {"random": 0.2, "joint": 0.2, "fomaml": 0.2, "maml": 0.4, "reptile": 0.1,
           "reptile-adam": 0.002}


def trained(name, net, seed, iterations=3, see=data.pixels):
    """φ and, of Adam inside, v and t: by loops over tasks and steps."""
    rng = np.random.default_rng(seed)
    phi = net.init(rng).astype(float)
    v, t = 0 * phi, 0
    if name == "random":
        return phi, v, t

    alpha, epsilon, k, tasks = SETTINGS[name]
    N = net.layer_sizes[-1]
    sample = tasks(Drawings(TRAIN), N, k, 10)
    step = alpha if name == "reptile-adam" else alpha * N / 5
    for i in range(iterations):
        x, y = sample(rng, 5)
        x = see(x)
        moves, vs = [], []
        for task in range(5):
            w, v_task, path, grads = phi, v, [], []
            for j in range(k):
                g = net.loss_and_gradient(w, x[j, task], y[j, task])[1]
                path.append(w)
                grads.append(g)
                if name == "reptile-adam":
                    v_task = 0.999 * v_task + 0.001 * g**2
                    g = g / (np.sqrt(v_task / (1 - 0.999 ** (t + j + 1))) + 1e-8)
                w = w - step * g
            vs.append(v_task)

            move = w - phi
            if name in ("joint", "fomaml"):
                move = -step * grads[-1]
            if name == "maml":
                move = grads[-1]
                for j in reversed(range(k - 1)):
                    move = move - step * net.hessian_vector_product(
                        path[j], x[j, task], y[j, task], move)
            moves.append(move)

        move = np.mean(moves, axis=0)
        if name == "reptile-adam":
            v, t = np.mean(vs, axis=0), t + k
        if name == "maml":  # Adam outside
            v, t = 0.999 * v + 0.001 * (step * move)**2, t + 1
            move = -step * move / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        phi = phi + epsilon * (1 - i / iterations) * move
    return phi, v, t


def new_tasks(N, K, T, seed, drawings):
    """Of T test tasks x, (N, K + 5, n_in), each by itself, as the network sees it."""
    rng = np.random.default_rng([seed, N, K])
    for start in range(0, T, 4):
        unseen = Drawings(drawings.pictures)
        x = data.draw_tasks(rng, unseen, min(4, T - start), N, K + 5)
        yield from drawings.see(x)


def right(name, net, learnt, N, K, T, steps, seed, drawings=Drawings(NEW)):
    """% of each test task: the last layer's first N columns, steps written out."""
    phi, v, t = learnt
    columns = [*net.unpack(phi)[:-1], net.unpack(phi)[-1][:, :N]]
    start = np.concatenate([M.ravel() for M in columns])
    of_v = [*net.unpack(v)[:-1], net.unpack(v)[-1][:, :N]]
    start_v = np.concatenate([M.ravel() for M in of_v])
    small = MLP([*net.layer_sizes[:-1], N], loss="cross-entropy")
    found = []
    for x in new_tasks(N, K, T, seed, drawings):
        w, v_task = start, start_v
        for j in range(steps):
            g = small.loss_and_gradient(w, x[:, :K].reshape(N * K, -1),
                                        np.arange(N).repeat(K))[1]
            if name == "reptile-adam":
                v_task = 0.999 * v_task + 0.001 * g**2
                g = g / (np.sqrt(v_task / (1 - 0.999 ** (t + j + 1))) + 1e-8)
                w = w - AT_TEST[name] * g
            else:
                w = w - AT_TEST[name] * N / 5 * g
        answers = small.predict(w, x[:, K:].reshape(N * 5, -1)).argmax(axis=1)
        found.append(100 * np.mean(answers == np.arange(N).repeat(5)))
    return found


def nearest(N, K, T, seed, drawings=Drawings(NEW)):
    """% of each test task, by distances."""
    found = []
    for x in new_tasks(N, K, T, seed, drawings):
        hits = 0
        for c, q in np.ndindex(N, 5):
            distance = np.linalg.norm(x[:, :K] - x[c, K + q], axis=2).min(axis=1)
            hits += distance.argmin() == c
        found.append(100 * hits / (5 * N))
    return found


COLUMNS = (5, 1, 20), (5, 5, 20), (20, 1, 5), (20, 5, 5)
ROWS = {"after 1 step": 1, "after 5 steps": 5, "after 50 steps": 50}


def close(cell, value, half=None, tolerance=0.35):
    """The cell says so; rounding may turn one answer of five hundred."""
    found, error = map(float, cell.split(" +- "))
    assert found == pytest.approx(value, abs=tolerance)
    assert half is None or error == pytest.approx(half, abs=2 * tolerance)


@pytest.mark.parametrize("name", SETTINGS)
def test_each_row_is_its_own_method_and_each_column_its_own_tasks(
        printed, monkeypatch, name):
    if name in ("fomaml", "maml"):  # larger steps: with their own, three iterations
        alpha, epsilon, k, tasks = SETTINGS[name]  # of one are much like the other's
        alpha, epsilon = {"fomaml": (0.3, epsilon), "maml": (alpha, 0.02)}[name]
        larger = demo.METHODS[name]._replace(alpha=alpha, epsilon=epsilon)
        monkeypatch.setitem(demo.METHODS, name, larger)
        monkeypatch.setitem(SETTINGS, name, (alpha, epsilon, k, tasks))
    rows, out = printed(f"--update {name} --seed 3")
    assert rows["Accuracy (%) on new characters, 95 % interval over the tasks",
                "5-way 1-shot"] == ["5-way 5-shot", "20-way 1-shot", "20-way 5-shot"]
    assert "20 tasks       20 tasks        5 tasks        5 tasks" in out
    net = MLP([400, 9, 20], loss="cross-entropy")
    for row in "random", name:
        learnt = trained(row, net, 3)
        for after, steps in ROWS.items():
            for (N, K, T), cell in zip(COLUMNS, rows[after, demo.METHODS[row].title]):
                of_tasks = right(row, net, learnt, N, K, T, steps, 3)
                close(cell, mean(of_tasks), 1.96 * stdev(of_tasks) / T**0.5)

    title = demo.METHODS[name].title
    found = [row for after, row in rows if after.startswith("that is the answer")]
    assert found == ["same : others", "pixels", "random initialisation", title]


def test_three_seeds_are_three_trainings_and_three_sets_of_tasks(printed):
    rows, out = printed("--seeds 3 --seed 4")
    net = MLP([400, 9, 20], loss="cross-entropy")
    ours, random, plain = [], [], []  # of each seed, % of each task
    for seed in 4, 5, 6:
        assert f"Reptile, seed {seed}, iteration 3:" in out
        ours.append(right("reptile", net, trained("reptile", net, seed), 5, 5, 20, 50,
                          seed))
        random.append(right("random", net, trained("random", net, seed), 5, 5, 20, 50,
                            seed))
        plain.append(nearest(5, 5, 20, seed))

    def over_seeds(cell, values):
        close(cell, mean(values), 4.303 * stdev(values) / 3**0.5)

    heading = "Accuracy (%) on new characters, 95 % interval over three training seeds"
    over_seeds(rows[heading, "nearest neighbour, no step"][1], [*map(mean, plain)])
    over_seeds(rows["after 50 steps", "Reptile"][1], [*map(mean, ours)])
    others = {"nearest neighbour": plain, "random initialisation": random}
    for title, theirs in others.items():
        cell = rows["may be chance)", title][1]
        assert cell[0] in "+-"
        over_seeds(cell, [mean(a) - mean(b) for a, b in zip(ours, theirs)])


def test_papers_split_has_the_seed_s_characters_and_the_network_sees_edges(
        printed, monkeypatch):
    pool = made_up(1623, 2)[:, :10, :1]
    monkeypatch.setattr(data, "load_set", lambda name, folder: (
        None, {"background": pool[:964], "evaluation": pool[964:]}[name]))
    rows, out = printed("--split papers --inputs edges --seed 6 --update random")
    assert "1,200 characters to train on, 423 to test on" in out
    order = np.random.default_rng(6).permutation(1623)
    test = Drawings(pool[order[1200:]], data.edges)
    heading = "Accuracy (%) on new characters, 95 % interval over the tasks"
    close(rows[heading, "nearest neighbour, no step"][0],
          mean(nearest(5, 1, 20, 6, test)))
    net = MLP([400, 9, 20], loss="cross-entropy")
    found = right("random", net, trained("random", net, 6), 5, 1, 20, 5, 6, test)
    close(rows["after 5 steps", "random initialisation"][0], mean(found))


def test_reptile_is_trained_on_edges_where_it_is_tested_on_them(printed):
    rows, _ = printed("--inputs edges --ways 5")
    net = MLP([400, 9, 5], loss="cross-entropy")
    learnt = trained("reptile", net, 0, see=data.edges)
    test = Drawings(NEW, data.edges)
    assert len(rows["after 1 step", "Reptile"]) == 2  # no 20-way tasks
    close(rows["after 1 step", "Reptile"][0],
          mean(right("reptile", net, learnt, 5, 1, 20, 1, 0, test)))


def test_the_kernels_are_of_what_has_been_trained(printed):
    rows, _ = printed("--iterations 5")
    net = MLP([400, 9, 20], loss="cross-entropy")
    kernels = {title: cells for (after, title), cells in rows.items()
               if after.startswith("that is the answer")}
    for name in "random", "reptile":
        phi, *_ = trained(name, net, 0, iterations=5)
        M1, M2 = net.unpack(phi)
        five = np.concatenate([M1.ravel(), M2[:, :5].ravel()])
        small = MLP([400, 9, 5], loss="cross-entropy")
        same, others, right, _ = kernel.judge(
            lambda x: kernel.tangent_kernel(small, five, x), Drawings(NEW), 5, 0)
        cells = kernels[demo.METHODS[name].title]
        assert float(cells[0]) == pytest.approx(same / others, abs=0.11)
        assert float(cells[1]) == pytest.approx(right, abs=2.1)


def test_a_method_that_diverges_costs_its_row(printed, monkeypatch):
    broken = demo.METHODS["fomaml"]._replace(alpha=1e38)
    monkeypatch.setitem(demo.METHODS, "fomaml", broken)
    rows, out = printed("--update all --ways 5 --seeds 3")
    assert "FOMAML, seed 2: diverged: lower alpha" in out
    for after in ROWS:
        assert rows[after, "FOMAML"] == ["diverged"]
        assert len(rows[after, "Reptile"]) == 2
    assert len([row for after, row in rows if after == "may be chance)"]) == 5


def test_sums_of_gradients_are_trained_printed_and_drawn(
        printed, monkeypatch, capsys, tmp_path):
    net = MLP([400, 9, 5], loss="cross-entropy")
    monkeypatch.setattr(gradient_sums, "NET", net)
    monkeypatch.setattr(gradient_sums, "TASKS", 20)
    monkeypatch.setattr(gradient_sums, "FIGURE", tmp_path / "sums.png")
    sums = {"g1": [1], "g2": [0, 1], "g1 + g2": [1, 1]}
    monkeypatch.setattr(gradient_sums, "SUMS", sums)
    gradient_sums.main("--iterations 20 --seed 3".split())
    out = capsys.readouterr().out
    assert out.isascii()

    def found(c, epsilon, seed, zeroed):
        rng = np.random.default_rng(seed)
        phi = net.init(rng).astype(float)
        sample = data.mini_batches(Drawings(TRAIN), 5, len(c), 5 * len(c))
        for i in range(20):
            x, y = sample(rng, 1)
            w, total = phi, 0
            for j, c_j in enumerate(c):
                g = net.loss_and_gradient(w, x[j, 0], y[j, 0])[1]
                w, total = w - 0.01 * g, total + c_j * g
            phi = phi - epsilon * (1 - i / 20) * 0.01 * total
        if zeroed:
            phi[-10 * 5:] = 0
        monkeypatch.setitem(AT_TEST, "random", 0.01)
        return mean(right("random", net, (phi, 0 * phi, 0), 5, 5, 20, 5, 1))

    for name, c in sums.items():
        row = re.search(rf"^{re.escape(name)}  .*$", out, re.M)[0]
        cells = re.split(r"  +", row)[1:]
        settings = product((0.25, 1 / sum(c)), (False, True))
        for cell, (epsilon, zeroed) in zip(cells, settings, strict=True):
            values = [found(c, epsilon, seed, zeroed) for seed in (3, 4, 5)]
            numbers = [float(number) for number in re.split(r"[ (\-)]+", cell)[:3]]
            expected = [mean(values), min(values), max(values)]
            assert numbers == pytest.approx(expected, abs=0.35)
    with Image.open(tmp_path / "sums.png") as image:
        assert image.size[0] > 1000


def test_pictures_are_drawn(printed, monkeypatch, tmp_path):
    monkeypatch.setattr(omniglot_figures, "FIGURES", tmp_path)
    omniglot_figures.main(["--iterations", "1"])
    for name in "episode", "found_characters":
        with Image.open(tmp_path / f"{name}.png") as image:
            assert image.size[0] > 1000


def test_tuning_gives_what_diverges_no_points(printed, monkeypatch, capsys):
    monkeypatch.setattr(data, "load_set", lambda name: (["A", "B"] + 4 * ["C"], TRAIN))
    monkeypatch.setattr(omniglot_tuning, "NET", MLP([400, 9, 5], loss="cross-entropy"))
    monkeypatch.setattr(omniglot_tuning, "ITERATIONS", 1)
    monkeypatch.setattr(omniglot_tuning, "TASKS", 4)
    monkeypatch.setattr(data, "accuracy", lambda *_: np.array([40.0, 60]))
    start = omniglot_tuning.STARTS["joint"][0]
    assert omniglot_tuning.score(start) == 50
    assert omniglot_tuning.score(start._replace(alpha=float("inf"))) == 0
    assert "diverged" in capsys.readouterr().out


@pytest.mark.parametrize("program", [
    "omniglot.demo", "experiments.gradient_sums", "experiments.omniglot_figures",
    "experiments.omniglot_preparation", "experiments.omniglot_tuning"])
def test_help_is_ascii(capsys, program):
    with pytest.raises(SystemExit):
        importlib.import_module(program).main(["--help"])
    assert capsys.readouterr().out.isascii()


def test_three_seeds_in_processes_that_are_spawned(folder, tmp_path):
    # As on macOS and Windows, where a new process knows nothing of this one.
    arguments = ("--hidden 9 --iterations 1 --ways 5 --tasks 20 --seeds 3 --data "
                 "sets").split()
    code = ("import multiprocessing as m, sys\n"
            "from omniglot import data, demo\n"
            "if __name__ == '__main__':\n"
            "    m.set_start_method('spawn')\n"
            f"    data.SETS = {data.SETS!r}\n"
            f"    demo.main({arguments!r})\n")
    (tmp_path / "spawn.py").write_text(code)
    environment = {**os.environ, "PYTHONPATH": ROOT}
    done = subprocess.run([sys.executable, "spawn.py"], capture_output=True, text=True,
                          env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("+-") == 2 * (1 + 3 * 2 + 2)
    for seed in 0, 1, 2:
        assert f"Reptile, seed {seed}, iteration 1:" in done.stdout


@pytest.mark.parametrize("arguments, words", [
    ("--ways 1", "--ways"), ("--tasks x", "--tasks"), ("--seeds 2", "--seeds"),
    ("--data nowhere", "nowhere")])
def test_mistakes_get_the_parser_s_answer(capsys, arguments, words):
    with pytest.raises(SystemExit) as stopped:
        demo.main(arguments.split())
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err.splitlines()[-1]


# Omniglot itself

needs_omniglot = pytest.mark.skipif("OMNIGLOT_DIR" not in os.environ,
                                    reason="OMNIGLOT_DIR does not name Omniglot")


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

        right[name] = data.accuracy(classify, Drawings(test), 3, 1, 400, 0).mean()
    print(right)  # 91.7, 91.7, 81.5
    assert abs(right["all"] - right["but the last"]) < 1
    assert right["last"] < right["all"] - 5
