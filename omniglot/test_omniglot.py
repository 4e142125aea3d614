"""Tests of data.py and demo.py, each against an independent way to know.

Most run on small zips made here; those on Omniglot itself need OMNIGLOT_DIR.
"""

import contextlib
import hashlib
import http.server
import io
import itertools
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from collections import Counter
from functools import partial
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
from PIL import Image

import omniglot.data as omniglot
from omniglot import demo
from reptile import MLP, Adam, adapt, fomaml, joint, reptile, train

ROOT = str(Path(__file__).parents[1])
needs_images = pytest.mark.skipif(
    "OMNIGLOT_DIR" not in os.environ, reason="OMNIGLOT_DIR does not name Omniglot")


def make_zip(path, alphabets, seed):
    """A zip like Omniglot's, of {alphabet: characters}; returns the drawings."""
    rng, drawings = np.random.default_rng(seed), {}
    names = [(a, c, d) for a, n in alphabets.items()
             for c in range(n) for d in range(20)]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for a, c, d in names[::-1]:  # the order must not matter
            ink = np.kron(rng.random((7, 7)) < 0.3, np.ones((15, 15))) > 0
            ink[50:53, 40:66], png = True, io.BytesIO()
            Image.fromarray(~ink).save(png, "PNG")  # 1 bit, black on white
            archive.writestr(f"{path.stem}/{a}/character{c:02}/{c:04}_{d:02}.png",
                             png.getvalue())
            drawings[a, c, d] = ink
    return np.array([drawings[n] for n in sorted(names)]).reshape(-1, 20, 105, 105)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with two small zips, and their drawings."""
    folder = tmp_path_factory.mktemp("zips")
    drawings = {
        "small1": make_zip(folder / "small1.zip", {"Alpha": 3, "Shared": 4}, seed=0),
        "small2": make_zip(folder / "small2.zip", {"Beta": 7, "Shared": 4}, seed=1)}
    return folder, drawings


@pytest.fixture
def official(made, monkeypatch, tmp_path):
    """Two small zips in tmp_path / "data" that stand for small1 and small2."""
    folder, drawings = made
    shutil.copytree(folder, tmp_path / "data")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("OMNIGLOT_DIR", raising=False)
    for name in drawings:
        data = (folder / f"{name}.zip").read_bytes()
        facts = f"{name}.zip", len(data), hashlib.sha256(data).hexdigest()
        monkeypatch.setitem(omniglot.ZIPS, name, facts)
    return drawings


# Where the images come from

def test_split_is_read_as_it_was_written_and_shares_no_alphabet(official, tmp_path):
    folder = tmp_path / "data"
    (seen, drawings), (new, unseen) = omniglot.load_split("small1", "small2", folder)
    assert seen == ["Alpha"] * 3 + ["Shared"] * 4 and new == ["Beta"] * 7
    np.testing.assert_array_equal(drawings, official["small1"])
    np.testing.assert_array_equal(unseen, official["small2"][:7])
    with pytest.raises(ValueError, match="no alphabet"):
        omniglot.load_split("small1", "small1", folder)


def test_places_are_searched_in_order_and_a_missing_file_is_named(
        official, tmp_path, monkeypatch):
    cache = tmp_path / "cache" / "reptile-omniglot"
    cache.mkdir(parents=True)
    (tmp_path / "env").mkdir()
    data = (tmp_path / "data" / "small1.zip").read_bytes()
    for folder in cache, tmp_path / "env":
        (folder / "small1.zip").write_bytes(data)
    assert omniglot.find_zip("small1").parent == cache
    monkeypatch.setenv("OMNIGLOT_DIR", str(tmp_path / "env"))
    assert omniglot.find_zip("small1").parent == tmp_path / "env"
    assert omniglot.find_zip("small1", tmp_path / "data").parent == tmp_path / "data"
    monkeypatch.setattr(omniglot, "download", None)  # is not called if one is named
    with pytest.raises(FileNotFoundError, match=r"no small2.zip in .*env"):
        omniglot.find_zip("small2")
    for wrong in data[:-1], data[:-1] + b"?":
        (tmp_path / "env" / "small1.zip").write_bytes(wrong)
        with pytest.raises(ValueError, match=r"small1.zip is not the official file"):
            omniglot.find_zip("small1")


@pytest.fixture
def server(official, monkeypatch):
    """A local server in place of the official address; `answer(handler)` replies."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            with contextlib.suppress(OSError):  # the client went away
                self.server.answer(self)

        log_message = lambda *_: None
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(omniglot, "SOURCE", f"http://127.0.0.1:{server.server_port}/")
    yield server
    server.shutdown()
    server.server_close()


def reply(content, length=None, code=200):
    """An answer that sends content, said to be of `length`."""
    def answer(handler):
        handler.send_response(code)
        handler.send_header("Content-Length", length or len(content))
        handler.end_headers()
        handler.wfile.write(content)
    return answer


def test_downloads_are_whole_or_leave_nothing_and_say_what_to_do(server, tmp_path):
    content = (tmp_path / "data" / "small1.zip").read_bytes()
    for answer, problem in (
            (reply(content[:-700], len(content)), "the connection ended early"),
            (reply(content[::-1]), "it is another file"),
            (reply(b"", code=404), "404")):
        server.answer = answer
        with pytest.raises(ConnectionError, match=rf"http\S+ \(.*{problem}.*--data"):
            omniglot.find_zip("small1")
        assert not [*tmp_path.glob("cache/*/*")]
    server.answer = reply(content)
    path = omniglot.find_zip("small1")
    assert path.read_bytes() == content and [*path.parent.iterdir()] == [path]
    server.answer = None
    assert omniglot.find_zip("small1") == path  # from now on out of the cache


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
    np.testing.assert_allclose(omniglot.views(ink)[0].ravel(), expected, atol=1e-6)
    standard = (np.array(expected) - np.mean(expected)) / np.std(expected)
    np.testing.assert_allclose(omniglot.prepare(ink), standard, atol=1e-4)
    with pytest.raises(ValueError, match="without ink"):
        omniglot.prepare(0 * ink)


def blob(x, y, covariance):
    """A smooth ellipse of ink, (105, 105), with its centre and covariance in pixels."""
    p = np.indices((105, 105))[::-1] + 0.5 - np.reshape([x, y], (2, 1, 1))
    return np.exp(-np.einsum("iyx,ij,jyx->yx", p, np.linalg.inv(covariance), p) / 2)


def test_views_centre_scale_and_transform():
    # Ink of covariance C seen through A has covariance A^-1 C A^-T, in pixels of 1/s.
    A, C = np.array([[0.8, 0.6], [-0.3, 1.1]]), np.diag([200.0, 40])
    picture = omniglot.views(blob(48, 57, C), [1.5 * A])[0]
    p = np.indices((20, 20))[::-1].reshape(2, -1) - 9.5
    w = picture.ravel() / picture.sum()
    np.testing.assert_allclose(p @ w, 0, atol=0.05)
    s = (np.sqrt(np.trace(C)) + np.sqrt(2 * np.diag(C))) / 12  # half-way: 1 when round
    inverse = np.linalg.inv(s[:, None] * 1.5 * A)
    expected = inverse @ C @ inverse.T
    np.testing.assert_allclose(p * w @ p.T, expected, atol=0.06 * np.trace(expected))


# How tasks are drawn and judged

def test_meta_batch_holds_each_drawing_once_with_its_label():
    images = np.random.default_rng(1).normal(size=(9, 11, 3))
    codes = {tuple(np.round(omniglot.standardise(images[c, d]), 4)): (c, d)
             for c in range(9) for d in range(11)}  # which says what has been drawn
    x, y = omniglot.task_distribution(images, 4, 3, 6)(np.random.default_rng(0), 5)
    assert x.shape == (3, 5, 8, 3) and y.shape == (3, 5, 8)
    for t in range(5):
        met = [codes[tuple(np.round(a, 4))] for a in x[:, t].reshape(24, 3)]
        assert len(set(met)) == 24 and len({c for c, _ in met}) == 4
        labels = {(c, label) for (c, _), label in zip(met, y[:, t].ravel())}
        assert len(labels) == 4 and {label for _, label in labels} == {0, 1, 2, 3}


def test_support_set_is_seen_at_each_step_and_the_query_set_only_at_the_last():
    images = np.random.default_rng(1).normal(size=(9, 11, 3))
    codes = {tuple(np.round(omniglot.standardise(images[c, d]), 4)): (c, d)
             for c in range(9) for d in range(11)}
    x, y = omniglot.support_and_query(images, 4, 3, 8, 2)(np.random.default_rng(0), 5)
    assert x.shape == (3, 5, 24, 3) and y.shape == (3, 5, 24)
    for t in range(5):
        first, second, last = (  # of each step, how often each drawing is met
            Counter(codes[tuple(np.round(a, 4))] for a in x[i, t]) for i in range(3))
        assert first == second and set(first.values()) == {3}
        assert len(first) == 4 * 2 and len(last) == 4 * 6
        assert not first.keys() & last.keys()
        labels = {}  # of each class, at all steps
        for i in range(3):
            for a, label in zip(x[i, t], y[i, t]):
                c, _ = codes[tuple(np.round(a, 4))]
                labels.setdefault(c, set()).add(int(label))
        assert sorted(labels.values(), key=min) == [{0}, {1}, {2}, {3}]
    with pytest.raises(ValueError, match="does not fill"):
        omniglot.support_and_query(images, 4, 3, 8, 3)


def test_accuracy_knows_right_from_wrong_and_never_asks_what_it_showed():
    images = np.eye(9)[:, None].repeat(20, axis=1)  # each class is one point
    assert (omniglot.accuracy(demo.nearest_neighbour, images, 4, 3, 13, 0) == 100).all()
    always_0 = omniglot.accuracy(lambda _, q: q[:, :, 0] * 0, images, 4, 3, 13, 0)
    assert always_0.shape == (13,) and (always_0 == 25).all()
    images = np.random.default_rng(0).normal(size=(9, 20, 30))  # nothing to be learnt:
    chance = omniglot.accuracy(demo.nearest_neighbour, images, 4, 3, 300, 0)
    assert abs(chance.mean() - 25) < 4  # only a drawing met twice would be recognised


def test_interval_of_a_fair_coin():
    # Deviation 50, so 1.96 * 50 / sqrt(100) = 9.8.
    assert demo.interval(np.tile([0, 100], 50)).strip() == "50.0 ± 9.8"


@pytest.mark.parametrize("inner, alpha", [(None, 0.3), (Adam, 0.05)])
def test_classifiers_against_loops_over_tasks(inner, alpha):
    rng, net = np.random.default_rng(0), MLP([5, 7, 3], loss="cross-entropy")
    support, query = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(2, 8, 5))
    support, query = omniglot.standardise(support), omniglot.standardise(query)
    phi = net.init(rng)
    nearest = demo.nearest_neighbour(support, query)
    labels = demo.adapted(net, phi, alpha, inner, 6, support, query)
    for t in range(2):
        w, adam = phi, Adam()
        for _ in range(6):  # steps on all of the support set, written out
            x, y = support[t].reshape(12, 5), np.repeat(range(3), 4)
            gradient = net.loss_and_gradient(w, x, y)[1]
            w = adam.step(w, gradient, alpha) if inner else w - alpha * gradient
        for q in range(8):
            assert labels[t, q] == net.predict(w, query[t, q][None])[0].argmax()
            distance = np.linalg.norm(support[t] - query[t, q], axis=-1).min(axis=1)
            assert nearest[t, q] == distance.argmin()


# Training, and the command line

SETTINGS = ("--hidden 9 --iterations 25 --ways 3 --tasks 20 --shots 1 2 "
            "--data data --figures .").split()
UPDATES = [*demo.METHODS]


@pytest.fixture
def small(official, tmp_path, monkeypatch, capsys):
    """The demo's main on the two small zips, in a second: what it prints."""
    monkeypatch.setattr(demo, "VARIANTS", 1)
    monkeypatch.setattr(demo, "CURVE_TASKS", 10)
    monkeypatch.chdir(tmp_path)
    demo._load.cache_clear()

    def main(*arguments):
        demo.main([*SETTINGS, *arguments])
        return capsys.readouterr().out

    yield main
    demo._load.cache_clear()


@pytest.fixture
def fork():
    """Processes that know the small zips, where the system can fork."""
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("no fork here")
    return multiprocessing.get_context("fork")


def test_demo_prints_its_table_and_draws_its_figures(small, tmp_path):
    out = small("--run", "run.npz")
    one, two = re.findall(r"^[12]-shot, after(.*?)\n\n", out, re.MULTILINE | re.DOTALL)
    for block in one, two:
        assert block.count("±") == 1 + 3 * 2  # nearest neighbour; two φ, three times
    row = re.search(r"^Reptile +(.*)$", two, re.MULTILINE)[1].split()
    for name in "learning_curve.png", "episode.png":
        with Image.open(tmp_path / name) as image:
            assert image.size[0] > 1000

    # One number of the table is had again, from the saved φ: 2-shot, 5 steps.
    with np.load("run.npz") as file:
        phi, net = file["phi"], MLP(file["layer_sizes"].tolist(), loss="cross-entropy")
        alpha = float(file["alpha"])
    (_, _), (_, test) = omniglot.load_split("small1", "small2", "data")
    images, rng = omniglot.centred(test), np.random.default_rng([0, 3, 2])
    right, labels = [], np.arange(3)
    for _ in range(2):  # ten tasks each
        for x in omniglot.draw_tasks(rng, images, 10, 3, 7):  # (3, 7, 400)
            w = adapt(net, phi, x[:, :2].reshape(6, 400), labels.repeat(2), alpha, 5)
            found = net.predict(w, x[:, 2:].reshape(15, 400)).argmax(axis=1)
            right.append(100 * np.mean(found == labels.repeat(5)))
    assert row[3] == f"{np.mean(right):.1f}"


def test_gradient_combinations_are_drawn(small, fork, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo.multiprocessing, "Pool", fork.Pool)
    demo.main("--gradient-combinations --iterations 10 --ways 3 --hidden 9 --data data "
              "--figures .".split())
    out = capsys.readouterr().out
    assert len(set(re.findall(r"(g\S.*, seed [012]): .* ->", out))) == 7 * 3
    with Image.open(tmp_path / "gradient_combinations.png") as image:
        assert image.size[0] > 1000


def test_combinations_are_those_of_the_paper():
    # g1 alone is joint training, the last one alone FOMAML, the sum of all Reptile.
    rng, net = np.random.default_rng(0), MLP([5, 7, 3], loss="cross-entropy")
    x, y = rng.normal(size=(4, 1, 6, 5)), rng.integers(3, size=(4, 1, 6))
    phi = net.init(rng, np.float64)
    for name, k, known in (("g1", 1, joint), ("g2", 2, fomaml), ("g4", 4, fomaml),
                           ("g1 + g2", 2, reptile), ("g1 + g2 + g3", 3, reptile)):
        method = demo.combination(name)
        assert method.k == k and method.shots == 5 * k
        found = method.meta_gradient(net, phi, x[:k], y[:k], 0.1)
        np.testing.assert_allclose(found, known(net, phi, x[:k], y[:k], 0.1), rtol=1e-9)


def test_without_last_layer_all_classes_are_equally_likely():
    rng, net = np.random.default_rng(0), MLP([5, 7, 3], loss="cross-entropy")
    phi = net.init(rng)
    zeroed = demo.without_last_layer(net, phi)
    x = rng.normal(size=(4, 5))
    np.testing.assert_allclose(net.predict(zeroed, x), 1 / 3, atol=1e-6)
    assert (zeroed != phi).sum() == 8 * 3  # and φ itself is as it was


def test_training_is_reptile_and_gradient_descent_on_whole_tasks():
    # The schedule written out; joint training as steps of plain gradient descent.
    images = np.random.default_rng(5).normal(size=(12, 20, 6))
    net = MLP([6, 7, 4], loss="cross-entropy")
    for method, k in (demo.METHODS["reptile"], 5), (demo.CONTROL, 1):
        run = demo.new_run(net, method, 3)
        stops = [r.iteration for r in demo.go_on(run, net, method, images, 6)]
        assert stops == [1, 2, 3, 4, 5, 6]
        rng = np.random.default_rng(3)
        phi = start = net.init(rng)
        for i in range(6):
            x, y = omniglot.task_distribution(images, 4, k, 10)(rng, 5)
            W = []
            for t in range(5):
                w = phi
                for j in range(k):
                    w = w - 0.08 * net.loss_and_gradient(w, x[j, t], y[j, t])[1]
                W.append(w)
            phi = (phi + (1 - i / 6) * (np.mean(W, axis=0) - phi)).astype(np.float32)
        atol = 1e-3 * np.abs(phi - start).max()
        np.testing.assert_allclose(run.phi, phi, atol=atol)


@pytest.mark.parametrize("update", ["reptile", "maml"])
def test_run_that_is_killed_goes_on_bit_for_bit(small, tmp_path, monkeypatch, update):
    monkeypatch.setattr(demo, "draw_figures", lambda *_: None)
    arguments = "--update", update, "--run"
    expected = small(*arguments, "whole.npz")
    rng = np.random.default_rng(UPDATES.index(update))
    for kill in 1, rng.integers(1, 25):
        def killed(*arguments, kill=kill, **settings):
            training = train(*arguments, **settings)
            yield from itertools.islice(training, int(kill))
            raise KeyboardInterrupt
        monkeypatch.setattr(demo, "train", killed)
        with pytest.raises(KeyboardInterrupt):
            small(*arguments, "parts.npz")
    monkeypatch.setattr(demo, "train", train)
    found = small(*arguments, "parts.npz")

    def table(text):
        return text[text.index("-way accuracy"):text.index("iterations cost")]

    assert table(found) == table(expected)
    with np.load("whole.npz") as a, np.load("parts.npz") as b:
        assert a.files == b.files
        for name in a.files:  # the learning curve and the random state too
            np.testing.assert_array_equal(a[name], b[name])
    assert not [*tmp_path.rglob("*.part")]


def test_process_killed_at_any_moment_leaves_a_whole_run(small, tmp_path, fork):
    rng = np.random.default_rng(0)
    for _ in range(3):
        process = fork.Process(target=small, args=("--run", "run.npz"))
        process.start()
        while not (tmp_path / "run.npz").exists() and process.is_alive():
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.3))
        process.kill()
        process.join()
        assert demo.read_run(tmp_path / "run.npz", {})["phi"].size == 401 * 9 + 10 * 3


def test_a_run_is_written_through_a_link_and_by_two_at_once(small, tmp_path):
    (tmp_path / "link.npz").symlink_to(tmp_path / "real.npz")
    small("--run", "link.npz")
    assert (tmp_path / "link.npz").is_symlink() and (tmp_path / "real.npz").is_file()
    with omniglot.whole("both.npz") as part:  # another process is writing ...
        part.write_bytes(b"1")
        code = ("import pathlib, omniglot.data as o\n"
                "with o.whole('both.npz') as part: part.write_bytes(b'2')")
        subprocess.run([sys.executable, "-c", code], check=True,
                       env={**os.environ, "PYTHONPATH": ROOT})
        assert (tmp_path / "both.npz").read_bytes() == b"2"
    assert (tmp_path / "both.npz").read_bytes() == b"1"


def test_another_setting_or_a_damaged_run_is_refused_before_the_work(
        small, tmp_path, monkeypatch, capsys):
    small("--run", "run.npz")
    content = (tmp_path / "run.npz").read_bytes()
    monkeypatch.setattr(demo, "load", None)  # is not reached

    def refused(*arguments):
        with pytest.raises(SystemExit):
            small("--run", "run.npz", *arguments)
        return capsys.readouterr().err

    for option, value in ("--seed", "1"), ("--update", "maml"), ("--hidden", "8"):
        assert f"run.npz is a run of {option} " in refused(option, value)
    other = demo.METHODS["reptile"]._replace(epsilon=0.5)
    with monkeypatch.context() as changed:
        changed.setitem(demo.METHODS, "reptile", other)
        assert "run.npz is a run of α, ε" in refused()
    damaged = b"", b"nonsense", content[:-9], content[:900] + bytes(50) + content[950:]
    for content in damaged:
        (tmp_path / "run.npz").write_bytes(content)
        assert "run.npz is not a whole run" in refused()


@pytest.mark.parametrize("arguments", [
    "--ways 1", "--shots 16", "--iterations 0", "--tasks x", "--seed -1", "--train it",
    "--data /no/such/folder", "--run /no/folder/r.npz", "--run .", "--nonsense",
    "--figures /dev/null/x", "--ways 8", "--update all --run r.npz",
    "--run r.npz --gradient-combinations", "--tasks 7 --gradient-combinations"])
def test_mistakes_give_one_line(official, tmp_path, monkeypatch, capsys, arguments):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMNIGLOT_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(demo, "augment", None)  # none of them comes so far
    with pytest.raises(SystemExit) as stopped:
        demo.main(arguments.split())
    code = stopped.value.code
    message = capsys.readouterr().err if code == 2 else f"{code}\n"
    assert arguments.split()[0] in message or arguments.split()[1] in message
    assert message.count("\n") == 1


def test_command_prints_where_the_terminal_lacks_greek():
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONPATH": ROOT}
    found = subprocess.run([sys.executable, "-m", "omniglot.demo", "--help"],
                           env=environment, capture_output=True)
    assert found.returncode == 0 and b"--gradient-combinations" in found.stdout


# Omniglot itself

@needs_images
def test_short_training_beats_the_random_initialisation():
    # 300 iterations, 2 s: after one step on one drawing 76 -> 81 %; 3 are asked for.
    (_, drawings), (_, unseen) = omniglot.load_split("small1", "small2")
    rng, net = np.random.default_rng(0), MLP([400, 96, 5], loss="cross-entropy")
    images, phi = omniglot.augment(drawings, rng, 1), net.init(rng)
    test = omniglot.centred(unseen)
    sample = omniglot.task_distribution(images, 5, 5, 10)
    *_, (_, trained) = train(net, phi, sample, rng, alpha=0.1, epsilon=1.0,
                             iterations=300, meta_batch=5)
    before, after = (omniglot.accuracy(
        partial(demo.adapted, net, p, 0.1, None, 1), test, 5, 1, 300, 0).mean()
        for p in (phi, trained))
    print(f"{before:.1f} -> {after:.1f} %")
    assert after > before + 3
