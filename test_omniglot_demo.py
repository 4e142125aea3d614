"""Tests of omniglot_demo.py: each compares with an independent way to know, on data made here, or on Omniglot itself.

No two sizes are equal where it can be helped: tasks, classes, shots, sides and features all differ.
"""

import hashlib
import http.server
import os
import re
import shutil
import struct
import subprocess
import sys
import threading
import time
import zipfile
import zlib
from pathlib import Path
from statistics import NormalDist, stdev

import numpy as np
import pytest

import omniglot_demo as demo
from reptile import MLP, train

needs_data = pytest.mark.skipif("OMNIGLOT_DIR" not in os.environ, reason="OMNIGLOT_DIR names no folder with Omniglot")


def png(ink):
    """The bytes of a PNG, 8 bits grey, of ink (h, w): black on white. Written from the PNG standard, not by Pillow."""
    rows = b"".join(b"\0" + bytes(row) for row in (255 * (1 - ink)).astype(np.uint8))
    header = struct.pack(">2I5B", ink.shape[1], ink.shape[0], 8, 0, 0, 0, 0)
    packed = b"\x89PNG\r\n\x1a\n"
    for kind, data in (b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""):
        packed += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return packed


def make_zip(path, alphabets, seed=0, side=15, drawers=20, extra=()):
    """A zip like Omniglot's, of {alphabet: number of characters}; returns its (names, drawings) as read_zip should."""
    names = [(alphabet, f"character{i + 1:02}") for alphabet, count in sorted(alphabets.items()) for i in range(count)]
    drawings = (np.random.default_rng(seed).random((len(names), drawers, side, side)) < 0.2).astype(np.uint8)
    files = [(f"{path.stem}/{a}/{c}/{i:04}_{d + 1:02}.png", png(ink))
             for i, (a, c) in enumerate(names) for d, ink in enumerate(drawings[i])]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in [*reversed(files), *extra]:  # the order in the zip must not matter
            archive.writestr(name, data)
    return names, drawings


def make_official(monkeypatch, folder, name, alphabets, seed=0):
    """A small zip in `folder` that the demo takes for the official file `name`."""
    path = folder / f"images_{name}.zip"
    made = make_zip(path, alphabets, seed)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(demo.ZIPS, name, (path.name, path.stat().st_size, sha256))
    return path, made



def test_zip_is_read_as_it_was_written(tmp_path):
    names, drawings = make_zip(tmp_path / "a.zip", {"Zulu": 2, "Alpha": 3})
    read_names, read = demo.read_zip(tmp_path / "a.zip")
    assert read_names == names and read.dtype == np.uint8
    np.testing.assert_array_equal(read, drawings)


BAD = {
    "strange name": [("a/../../x.png", b"")],
    "another file": [("a/Alpha/readme.txt", b"hello")],
    "absurd size": [("a/Alpha/character01/0001_21.png", b"0" * 10**6)],
    "not an image": [(f"a/Beta/character01/0009_{d:02}.png", b"no image at all, but long enough") for d in range(20)],
    "another shape": [(f"a/Beta/character01/0009_{d:02}.png", png(np.eye(16))) for d in range(20)],
    "no ink": [(f"a/Beta/character01/0009_{d:02}.png", png(np.zeros((15, 15)))) for d in range(20)],
    "one drawing too many": [("a/Alpha/character01/0000_21.png", png(np.eye(15)))],
}


@pytest.mark.parametrize("extra", BAD.values(), ids=BAD)
def test_hostile_zip_is_refused(tmp_path, extra):
    make_zip(tmp_path / "a.zip", {"Alpha": 1}, extra=extra)
    with pytest.raises(ValueError, match=r"a\.zip is not a whole zip of Omniglot drawings") as error:
        demo.read_zip(tmp_path / "a.zip")
    assert "\n" not in str(error.value)
    assert os.listdir(tmp_path) == ["a.zip"]  # nothing was extracted


def test_huge_image_is_refused_before_it_is_decoded(tmp_path):
    huge = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4s2I", 13, b"IHDR", 10**6, 10**6) + b"\x08\0\0\0\0"
    extra = [(f"a/Alpha/character01/0001_{d:02}.png", huge) for d in range(20)]
    make_zip(tmp_path / "a.zip", {}, extra=extra)
    with pytest.raises(ValueError, match="plausible size"):
        demo.read_zip(tmp_path / "a.zip")


def test_zip_cut_short_or_of_something_else_or_missing(tmp_path):
    make_zip(tmp_path / "a.zip", {"Alpha": 1})
    whole = (tmp_path / "a.zip").read_bytes()
    for content in whole[: len(whole) // 2], b"", b"something else", whole.replace(whole[60:90], bytes(30)):
        (tmp_path / "a.zip").write_bytes(content)
        with pytest.raises(ValueError, match=r"a\.zip is not a whole zip"):
            demo.read_zip(tmp_path / "a.zip")
    with pytest.raises(ValueError, match=r"cannot read .*b\.zip"):
        demo.read_zip(tmp_path / "b.zip")


def test_no_alphabet_is_trained_and_tested_on(tmp_path, monkeypatch):
    make_official(monkeypatch, tmp_path, "small1", {"Alpha": 2, "Shared": 3})
    _, (names, drawings) = make_official(monkeypatch, tmp_path, "small2", {"Shared": 3, "Omega": 4, "Beta": 1}, seed=1)
    (train_names, _), (test_names, test_drawings) = demo.load_split("small1", "small2", tmp_path)
    assert {a for a, _ in train_names} == {"Alpha", "Shared"} and {a for a, _ in test_names} == {"Beta", "Omega"}
    np.testing.assert_array_equal(test_drawings, drawings[[names.index(name) for name in test_names]])
    with pytest.raises(ValueError, match="nothing to test on"):
        demo.load_split("small1", "small1", tmp_path)


def test_order_of_the_folders(tmp_path, monkeypatch):
    path, _ = make_official(monkeypatch, tmp_path, "small1", {"Alpha": 1})
    for place in "data", "env", "cache/reptile-omniglot":
        (tmp_path / place).mkdir(parents=True)
        shutil.copy(path, tmp_path / place)
    monkeypatch.setenv("OMNIGLOT_DIR", str(tmp_path / "env"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for place in "data", "env", "cache/reptile-omniglot":
        assert demo.find_zip("small1", tmp_path / "data").parent == tmp_path / place
        (tmp_path / place / path.name).unlink()
    with pytest.raises(ValueError, match="--data: there is no folder"):
        demo.find_zip("small1", tmp_path / "nowhere")


def test_wrong_size_and_wrong_checksum_are_named(tmp_path, monkeypatch):
    path, _ = make_official(monkeypatch, tmp_path, "small1", {"Alpha": 1})
    content = path.read_bytes()
    for wrong, reason in (content[:-1], "bytes"), (content[:-1] + b"?", "SHA-256"):
        path.write_bytes(wrong)
        with pytest.raises(ValueError, match=f"{path.name}.*{reason}.*--data"):
            demo.find_zip("small1", tmp_path)


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A local server in the place of the official address; what it answers is in server.answer, a function."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            try:
                self.server.answer(self)
            except OSError:
                pass  # the client went away

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(demo, "SOURCE", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("OMNIGLOT_DIR", raising=False)
    server.path, _ = make_official(monkeypatch, tmp_path, "small1", {"Alpha": 1})
    yield server
    server.shutdown()
    server.server_close()


def reply(content, length=None, code=200, pause=0):
    """An answer that sends `content`, said to be of `length`, in small pieces with a pause after each."""

    def answer(handler):
        handler.send_response(code)
        handler.send_header("Content-Length", str(len(content) if length is None else length))
        handler.end_headers()
        for i in range(0, len(content), 1000):
            handler.wfile.write(content[i : i + 1000])
            time.sleep(pause)

    return answer


def test_download(server, tmp_path):
    server.answer = reply(server.path.read_bytes())
    path = demo.find_zip("small1")
    assert path.read_bytes() == server.path.read_bytes() and os.listdir(path.parent) == [server.path.name]
    server.answer = None
    assert demo.find_zip("small1") == path  # the second time nothing is fetched


def test_failed_downloads_leave_nothing_and_say_what_to_do(server, monkeypatch, tmp_path):
    content = server.path.read_bytes()
    monkeypatch.setattr(demo, "STALL", 0.3)
    monkeypatch.setattr(demo, "PATIENCE", 0.35)
    answers = {
        "truncated": reply(content[:-700], len(content)),
        "wrong": reply(content[::-1]),
        "endless": reply(content * 3),
        "missing": reply(b"", code=404),
        "slow": reply(content, pause=0.1),
        "stalled": reply(content, pause=5),
    }
    for answer in answers.values():
        server.answer, start = answer, time.monotonic()
        with pytest.raises(ValueError) as error:
            demo.find_zip("small1")
        assert time.monotonic() - start < 3 and "\n" not in str(error.value)
        for part in server.path.name, demo.SOURCE, "--data":
            assert part in str(error.value)
        assert os.listdir(tmp_path / "cache/reptile-omniglot") == []


def test_unreachable_address_and_unwritable_cache(server, monkeypatch, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(ValueError, match="cannot fetch .*--data"):
        demo.find_zip("small1")
    (tmp_path / "cache").unlink()
    monkeypatch.setattr(demo, "SOURCE", "http://127.0.0.1:9/")
    with pytest.raises(ValueError, match="cannot fetch .*--data"):
        demo.find_zip("small1")



def test_shrink_keeps_the_ink_and_takes_means():
    drawings = np.random.default_rng(0).random((3, 2, 56, 84)) < 0.3
    by_hand = drawings.reshape(3, 2, 28, 2, 28, 3).mean(axis=(3, 5))  # whole pixels: 56 = 2 · 28, 84 = 3 · 28
    np.testing.assert_allclose(demo.shrink(drawings), by_hand, atol=1e-6)
    drawings = np.random.default_rng(0).random((3, 2, 105, 105)) < 0.3  # 105 = 3.75 · 28: fractions of pixels
    np.testing.assert_allclose(demo.shrink(drawings).sum(axis=(2, 3)) * 3.75**2, drawings.sum(axis=(2, 3)), rtol=1e-5)


def blob(row, column, height, width, side=28):
    """A smooth upright ellipse of ink, (1, side, side), with its centre and standard deviations as given."""
    r, c = np.indices((side, side))
    return np.exp(-((r - row) ** 2 / height**2 + (c - column) ** 2 / width**2) / 2)[None].astype(np.float32)


def test_centre_and_spread_of_an_ellipse():
    centre, spread = demo.centre_and_spread(blob(12, 15.5, 2, 1.5))
    np.testing.assert_allclose(centre, [[12, 15.5]], atol=1e-3)
    np.testing.assert_allclose(spread, [2.5], atol=1e-3)  # √(2² + 1.5²)
    with pytest.raises(ValueError, match="without ink"):
        demo.centre_and_spread(np.zeros((1, 28, 28), np.float32))


def test_warp_centres_and_scales():
    for drawing in blob(12, 15.5, 3, 4), blob(15, 11, 1.5, 2):
        centre, spread = demo.centre_and_spread(demo.warp(drawing, np.eye(2)))
        np.testing.assert_allclose(centre, [[13.5, 13.5]], atol=0.1)
        # Bilinear interpolation blurs and the frame cuts off a little: a spread of 8 to some per cent.
        np.testing.assert_allclose(spread, [demo.SPREAD], rtol=0.1)


def test_turns_are_numpys_turns_and_mirrors():
    image = np.zeros((1, 28, 28), np.float32)
    image[0, 6:22, 8:11], image[0, 6:9, 8:20] = 1, 0.5
    straight = demo.warp(image, np.eye(2))
    turned = [demo.warp(image, A)[0] for A in demo.TURNS]
    expected = [np.rot90(m, q) for m in (straight[0], straight[0][:, ::-1]) for q in range(4)]
    for picture in turned:  # the eight of one are the eight of the other, in whatever order
        assert min(np.abs(picture - other).max() for other in expected) < 1e-4
    assert min(np.abs(a - b).max() for i, a in enumerate(turned) for b in turned[:i]) > 0.1


def test_warp_moves_the_ink_as_its_matrix_says():
    # Pixel p shows what was at A p, so a covariance C becomes A⁻¹ C A⁻ᵀ, and the common scale s makes it C (8 / s)².
    A = np.array([[0.9, 0.25], [-0.1, 1.1]])
    picture = demo.warp(blob(13.5, 13.5, 3, 2), 1.6 * A)[0]
    r, c = np.indices((28, 28)) - 13.5
    measured = np.array([[(a * b * picture).sum() for a in (r, c)] for b in (r, c)]) / picture.sum()
    inverse = np.linalg.inv(1.6 * A)
    expected = inverse @ np.diag([9, 4]) @ inverse.T * 64 / 13
    np.testing.assert_allclose(measured, expected, atol=0.05 * expected.max())


def test_small_affine_is_its_formula_and_small():
    A = demo.small_affine(np.random.default_rng(0), (700, 3))
    assert A.shape == (700, 3, 2, 2)
    scale = np.sqrt(np.linalg.det(A))  # rotation and shear keep areas
    assert 0.85 <= scale.min() < 0.86 and 1.19 < scale.max() <= 1.2
    # A = scale R S, with S = [[1, 0], [shear, 1]]: the last column of R S is that of R, (−sin, cos).
    angle = np.degrees(np.arctan2(-A[..., 0, 1], A[..., 1, 1]))
    assert 11.9 < np.abs(angle).max() <= 12
    shear = (A[..., :, 0] * A[..., :, 1]).sum(axis=-1) / scale**2  # first column times second: shear · |second|²
    assert 0.19 < np.abs(shear).max() <= 0.2


def test_edges_of_a_straight_line_point_across_it():
    image = np.zeros((1, 28, 28), np.float32)
    image[0, :, 12:16] = 1  # a vertical stroke: edges to the right on its left, to the left on its right, no others
    total = demo.edges(image)[0].sum(axis=(1, 2))
    across = np.abs(demo.DIRECTIONS @ [0, 1])  # |cos| of the angle to the horizontal
    np.testing.assert_allclose(total / total.max(), across**4, atol=1e-3)
    turned = demo.edges(image.swapaxes(1, 2))[0].sum(axis=(1, 2))
    np.testing.assert_allclose(np.roll(total, 2), turned, rtol=1e-4)  # a quarter-turn is two of the eight directions


@pytest.mark.parametrize("features", demo.FEATURES)
def test_prepared_inputs_are_standardised_and_one_drawing_is_as_many(features):
    images = np.random.default_rng(0).random((2, 70, 28, 28), np.float32)
    x = demo.prepare(images, features=features)
    np.testing.assert_allclose(x.mean(axis=-1), 0, atol=1e-5)
    np.testing.assert_allclose(x.std(axis=-1), 1, atol=1e-3)
    np.testing.assert_allclose(demo.prepare(images[1, 66], features=features), x[1, 66], atol=1e-5)
    np.testing.assert_allclose(demo.prepare(3 * images, features=features), x, atol=1e-4)  # contrast does not matter


def test_augment_makes_classes_and_variants():
    images = np.random.default_rng(0).random((3, 20, 28, 28), np.float32)
    assert demo.augment(images, np.random.default_rng(1), 2).shape == (24, 40, 28 * 28)
    assert demo.augment(images, np.random.default_rng(1), 2, "edges").shape == (24, 40, 8 * 49)



def test_tasks_have_distinct_classes_and_drawings():
    classes, drawings = demo.draw_tasks(np.random.default_rng(0), 300, 4, 7, classes=9, drawings=11)
    assert classes.shape == (300, 4, 1) and drawings.shape == (300, 4, 7)
    assert all(len(set(row.ravel())) == 4 for row in classes)
    assert all(len(set(row)) == 7 for row in drawings.reshape(-1, 7))  # so no query is in the support set
    assert set(classes.ravel()) == set(range(9)) and set(drawings.ravel()) == set(range(11))
    for too_many in (10, 7), (4, 12):
        with pytest.raises(ValueError):
            demo.draw_tasks(np.random.default_rng(0), 3, *too_many, classes=9, drawings=11)


def test_tasks_drawn_together_are_those_drawn_one_by_one():
    together = demo.draw_tasks(np.random.default_rng(3), 6, 4, 7, 9, 11)
    rng = np.random.default_rng(3)
    singly = [demo.draw_tasks(rng, 1, 4, 7, 9, 11) for _ in range(6)]
    for a, b in zip(together, zip(*singly)):
        np.testing.assert_array_equal(a, np.concatenate(b))


def test_meta_batch_against_a_loop_over_tasks_and_examples():
    data = np.arange(9 * 11, dtype=float).reshape(9, 11, 1)  # an input that says which drawing it is
    x, y = demo.task_distribution(data, 4, shots=6, k=3, b=8)(np.random.default_rng(0), 5)
    assert x.shape == (3, 5, 8, 1) and y.shape == (3, 5, 8)
    classes, drawings = demo.draw_tasks(np.random.default_rng(0), 5, 4, 6, 9, 11)
    for t in range(5):
        expected = {(data[classes[t, n, 0], d, 0], n) for n in range(4) for d in drawings[t, n]}
        assert set(zip(x[:, t].ravel(), y[:, t].ravel())) == expected  # 3 · 8 = 4 · 6: each image once


def toy(classes=12, n_in=6, noise=0.5):
    """Data (classes, 20, n_in): each class a point, with noise around it."""
    rng = np.random.default_rng(5)
    return (rng.normal(size=(classes, 1, n_in)) + noise * rng.normal(size=(classes, 20, n_in))).astype(np.float32)


def test_nearest_neighbour_against_a_loop():
    rng = np.random.default_rng(0)
    support, query = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(2, 7, 5))
    for t in range(2):
        for m in range(7):
            distance = [min(np.linalg.norm(query[t, m] - s) for s in support[t, n]) for n in range(3)]
            assert demo.nearest_neighbour(support, query)[t, m] == np.argmin(distance)


def test_evaluation_does_not_depend_on_labels():
    # To rename the labels of a task is to permute the classes of its support set and the network's output units.
    net = MLP([6, 10, 4], loss="cross-entropy")
    phi = net.init(np.random.default_rng(1))
    data, order = toy(), np.array([2, 0, 3, 1])
    support, query = data[:4, :1][None], data[:4, 5:8].reshape(1, 12, 6)
    renamed = phi.copy()
    net.layers(renamed)[-1][...] = net.layers(phi)[-1][:, order]
    adapted = demo.Learner(net, phi, "sgd").adapt(support), demo.Learner(net, renamed, "sgd").adapt(support[:, order])
    a, b = (net.predict(weights, query) for weights in adapted)
    np.testing.assert_allclose(a[..., order], b, atol=1e-3)
    a, b = (demo.nearest_neighbour(s, query) for s in (support, support[:, order]))
    np.testing.assert_array_equal(a, order[b])


def test_accuracy_knows_right_from_wrong():
    data = np.eye(9, dtype=np.float32)[:, None].repeat(20, axis=1)  # (9, 20, 9): each class is one point
    assert (demo.accuracy(demo.nearest_neighbour, data, 4, 3, 60, 0) == 1).all()
    constant = demo.accuracy(lambda support, query: np.zeros(query.shape[:2]), data, 4, 3, 60, 0)
    assert constant.shape == (60,) and (constant == 0.25).all()


def test_accuracy_does_not_depend_on_the_order_of_the_classes():
    # The classes of the data in another order are other tasks, so the mean agrees only within its interval.
    data = toy()
    a, b = (demo.accuracy(demo.nearest_neighbour, d, 5, 1, 2000, 0).mean() for d in (data, data[::-1]))
    assert abs(a - b) < 0.02 and a > 0.5


@pytest.mark.parametrize("inner", demo.INNER)
def test_joint_training_is_gradient_descent_on_whole_tasks(inner):
    # In steps written out here. With SGD inside, Reptile with k = 1 would be the same; with Adam it would not.
    data, net = toy(), MLP([6, 7, 4], loss="cross-entropy")
    args = demo.parse(["--ways", "4", "--iterations", "6", "--inner", inner])
    ours, _ = demo.meta_train("joint training", net, data, args, lambda phi, iteration: None)
    rng, alpha = np.random.default_rng(0), demo.INNER[inner][1]
    start = phi = net.init(rng)
    sample = demo.task_distribution(data, 4, shots=10, k=1, b=4 * 10)  # each image of a task once, all at once
    for n in range(6):
        x, y = sample(rng, 5)
        gradients = [net.loss_and_gradient(phi, x[0, t], y[0, t])[1] for t in range(5)]
        phi = phi - alpha * (1 - n / 6) * np.mean(gradients, axis=0)
    np.testing.assert_allclose(ours, phi, rtol=0, atol=1e-3 * np.abs(phi - start).max())


def test_table_against_each_network_and_number_of_steps_by_itself(monkeypatch, capsys):
    # Each row's accuracies are had again, from the network and the steps that the row names.
    data, net = toy(), MLP([6, 9, 3], loss="cross-entropy")
    images = np.random.default_rng(0).random((12, 20, 28, 28), np.float32)
    trained, meta_train = {"random start": net.init(np.random.default_rng(0))}, demo.meta_train

    def remember(name, *arguments):
        trained[name], curve = meta_train(name, *arguments)
        return trained[name], curve

    for name, stand_in in {"HIDDEN": (9,), "prepare_data": lambda args: (data, images, data), "meta_train": remember,
                           "write": lambda figure, path: None}.items():
        monkeypatch.setattr(demo, name, stand_in)
    demo.demonstrate(demo.parse("--ways 3 --shots 1 4 --tasks 60 --iterations 40".split()))
    out = capsys.readouterr().out
    rows = re.findall(r"^(\S.*), k = (\d+) +(\S+) ± (\S+) +(\S+) ± (\S+)$", out, re.MULTILINE)
    assert len({tuple(printed) for _, _, *printed in rows}) == 9, "no two rows could be taken for each other"
    for name, steps, *printed in rows:
        learner = demo.Learner(net, trained[name], "sgd", int(steps))
        for K, mean, interval in zip((1, 4), printed[::2], printed[1::2]):
            a = 100 * demo.accuracy(learner, data, 3, K, 60, 0)
            assert float(mean) == pytest.approx(a.mean(), abs=0.06)
            assert float(interval) == pytest.approx(NormalDist().inv_cdf(0.975) * stdev(a) / 60**0.5, abs=0.06)


def test_episode_figure_of_a_network_that_knows_nothing():
    # Its last layer is zero, so each of 3 classes has 1/3 before adaptation. Without noise, all are right after it.
    net, data = MLP([6, 9, 3], loss="cross-entropy"), toy(noise=0)
    phi = net.init(np.random.default_rng(1))
    net.layers(phi)[-1][...] = 0
    figure = demo.episode_figure(demo.Learner(net, phi, "sgd"), np.ones((12, 20, 28, 28)), data, 3, seed=0)
    probability = {axes.get_title(): axes.images[0].get_array() for axes in figure.axes}  # (queries, classes)
    np.testing.assert_allclose(probability["before adaptation"], np.full((6, 3), 1 / 3), atol=1e-6)
    np.testing.assert_array_equal(probability["after 50 steps"].argmax(axis=1), [0, 0, 1, 1, 2, 2])


def test_gradient_combinations_are_measured_and_drawn_at_every_point(monkeypatch):
    # The curve of g1 + g2 is known from elsewhere: it is Reptile with k = 2.
    data, net = toy(), MLP([6, 9, 5], loss="cross-entropy")
    monkeypatch.setattr(demo, "HIDDEN", (9,))
    figure = demo.combinations_figure(*demo.compare_combinations(data, data, iterations=8, seeds=2, points=4))
    curves = {line.get_label(): line.get_data() for line in figure.axes[0].lines}
    assert {name: list(x) for name, (x, _) in curves.items()} == {name: [0, 2, 4, 6, 8] for name in demo.COMBINATIONS}
    expected = []
    for seed in range(2):
        rng, sample = np.random.default_rng(seed), demo.task_distribution(data, 5, shots=10, k=2, b=25)
        start = net.init(rng)
        run = train(net, start, sample, rng, alpha=0.1, epsilon=1.0, iterations=8, update="reptile")
        points = [start, *[phi.copy() for _, phi in run][1::2]]
        learners = [demo.Learner(net, phi, "sgd", 4) for phi in points]
        expected.append([100 * demo.accuracy(learner, data, 5, 5, 100, 0).mean() for learner in learners])
    np.testing.assert_allclose(curves["g1 + g2"][1], np.mean(expected, axis=0), atol=0.1)



def run(folder, *arguments, **environment):
    """(exit code, output, errors) of the demo as a user runs it, in `folder`."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "MPLBACKEND": "Agg", **environment}
    command = [sys.executable, Path(demo.__file__), *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "arguments",
    ["--ways 0", "--shots 16", "--shots 0", "--iterations x", "--tasks 0", "--seed -1", "--train nothing",
     "--data /no/such/folder", "--run weights.txt", "--nonsense", "--figures /proc/no", "--ways 1", "--tasks 1",
     "--run /no/such/folder/run.npz", f"--figures {__file__}", "--gradient-combinations --ways 3"],
)
def test_bad_arguments_give_one_line(tmp_path, monkeypatch, capsys, arguments):
    make_official(monkeypatch, tmp_path, "small1", {"Alpha": 6})
    make_official(monkeypatch, tmp_path, "small2", {"Beta": 6})
    given = arguments.split() if "--data" in arguments else [*arguments.split(), "--data", str(tmp_path)]
    try:
        code = demo.main(given)
    except SystemExit as end:
        code = end.code
    errors = capsys.readouterr().err
    assert code in (1, 2) and errors.count("\n") == 1 and "Traceback" not in errors


def test_defaults_are_those_that_help_states(capsys):
    with pytest.raises(SystemExit):
        demo.parse(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    stated = dict(re.findall(r"--(\w+) (?:(?!--).)*?\(default: ([\w ]+)", text))
    defaults = {name: value for name, value in vars(demo.parse([])).items() if value}
    assert stated.keys() | {"seed"} == defaults.keys() | {"seed"}  # the seed's default is 0
    for name, value in defaults.items():
        assert stated[name] == (" ".join(map(str, value)) if name == "shots" else str(value))


@pytest.fixture
def small(tmp_path, monkeypatch, capsys):
    """The demo's main on two small zips: a function of further arguments that returns (exit code, output, errors)."""
    make_official(monkeypatch, tmp_path, "small1", {"Alpha": 6})
    make_official(monkeypatch, tmp_path, "small2", {"Beta": 7}, seed=1)
    monkeypatch.setattr(demo, "HIDDEN", (9,))
    monkeypatch.setattr(demo, "write", lambda figure, path: path.touch())  # drawn once, below

    def main(*arguments):
        code = demo.main(["--data", str(tmp_path), "--figures", str(tmp_path / "figures"), "--tasks", "60",
                          "--iterations", "40", *map(str, arguments)])
        return code, *capsys.readouterr()

    return main


def test_demo_prints_a_table_and_writes_its_figures(small, tmp_path):
    code, out, err = small("--ways", 3, "--shots", 1, 4)
    assert (code, err) == (0, "")
    for words in "1-shot", "4-shot", "nearest neighbour, pixels", "random start", "joint training", "Reptile", "±":
        assert words in out
    assert sorted(os.listdir(tmp_path / "figures")) == ["episode.png", "learning_curve.png", "preparation.png"]
    assert small("--ways", 8)[2].count("\n") == 1  # more ways than there are characters to test on


def test_run_that_is_killed_goes_on_bit_for_bit(small, tmp_path, monkeypatch):
    small("--ways", 3, "--run", tmp_path / "whole.npz")
    calls = []

    def killed(*arguments, **settings):
        for iteration, phi in train(*arguments, **settings):
            calls.append(iteration)
            if iteration == 27:
                raise KeyboardInterrupt
            yield iteration, phi

    monkeypatch.setattr(demo, "train", killed)
    code, out, err = small("--ways", 3, "--run", tmp_path / "parts.npz")
    assert (code, err) == (130, "") and "goes on from" in out
    monkeypatch.setattr(demo, "train", train)
    assert "going on after iteration 26" in small("--ways", 3, "--run", tmp_path / "parts.npz")[1]
    with np.load(tmp_path / "whole.npz") as whole, np.load(tmp_path / "parts.npz") as parts:
        np.testing.assert_array_equal(whole["phi"], parts["phi"])
        assert int(parts["iteration"]) == 40
    before = (tmp_path / "parts.npz").read_bytes()
    code, _, err = small("--ways", 4, "--run", tmp_path / "parts.npz")  # a network of another shape
    assert code == 1 and err.count("\n") == 1 and "was saved with" in err
    assert (tmp_path / "parts.npz").read_bytes() == before



@needs_data
def test_omniglots_small_split():
    start = time.perf_counter()
    (names, drawings), (test_names, test_drawings) = demo.load_split("small1", "small2")
    assert time.perf_counter() - start < 5
    count = {alphabet: sum(a == alphabet for a, _ in names + test_names) for alphabet, _ in names + test_names}
    assert count == {"Balinese": 24, "Early_Aramaic": 22, "Greek": 24, "Korean": 40, "Latin": 26,
                     "Japanese_(katakana)": 47, "Sanskrit": 42, "Tagalog": 17}
    assert drawings.shape == (136, 20, 105, 105) and test_drawings.shape == (106, 20, 105, 105)
    assert not {a for a, _ in names} & {a for a, _ in test_names}


@needs_data
def test_short_training_beats_the_random_start():
    # 300 iterations, a second. One inner step then does more from φ than from the random start: 69 -> 79 %;
    # 5 points are asked for.
    (_, drawings), (_, test_drawings) = demo.load_split("small1", "small2")
    rng, net = np.random.default_rng(0), MLP([784, *demo.HIDDEN, 5], loss="cross-entropy")
    start, sample = net.init(rng), demo.task_distribution(demo.augment(demo.shrink(drawings), rng, 1), 5)
    for _, phi in train(net, start, sample, rng, alpha=0.1, epsilon=1.0, iterations=300, meta_batch=5):
        pass
    test_data = demo.prepare(demo.shrink(test_drawings))
    learners = (demo.Learner(net, p, "sgd", 1) for p in (start, phi))
    before, after = (demo.accuracy(learner, test_data, 5, 1, 300, 0).mean() for learner in learners)
    print(f"{100 * before:.1f} -> {100 * after:.1f} %")
    assert after > before + 0.05


@needs_data
def test_command_line_as_a_user_types_it(tmp_path):
    code, out, err = run(tmp_path, "--iterations", 1, "--tasks", 20, "--ways", 3, "--shots", 1)
    assert (code, err) == (0, "") and "Reptile" in out
    for name in "preparation", "episode", "learning_curve":
        assert (tmp_path / "omniglot_figures" / f"{name}.png").read_bytes()[:4] == b"\x89PNG"
