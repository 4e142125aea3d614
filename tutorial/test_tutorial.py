"""The lessons: each is executed, at a lower cost, and its claims are tested.

The margins come from several seeds. Numbers stand in the notebook's outputs only, so
that nothing here compares digits in the text.
"""

import base64
import contextlib
import io
import json
import re
import struct
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from experiments import law
from reptile import fomaml, inner_loop, maml
from sine_demo import ALPHA, NETWORK, X, evaluate
from tutorial import figures

ROOT = Path(__file__).parents[1]
CELLS = json.loads((ROOT / "tutorial.ipynb").read_text("utf-8"))["cells"]

CHEAPER = {  # in a lesson's cells: what takes long, and what is run here instead
    1: {"30_000\n": "3000\n", "0.02, 0.1,": "0.02, 0.5,", "=15_000": "=5000",
        "iterations=3000": "iterations=600"},
    2: {},
    3: {"iterations=3000": "iterations=1000", "iterations=500": "iterations=300",
        "default_rng(1), 1000)": "default_rng(1), 200)", "range(3)": "range(2)"},
    4: {"iterations=6000": "iterations=3000", "iterations=2000": "iterations=1200",
        "default_rng(7), 3000)": "default_rng(7), 800)", "T=1000": "T=200",
        "(1000, 1, 1)": "(200, 1, 1)"},
    5: {},
}


def lesson(number):
    """The code cells of a lesson, {id: source}."""
    return {c["id"]: "".join(c["source"]) for c in CELLS
            if c["id"].startswith(f"l{number}-") and c["cell_type"] == "code"}


def run(cells, cheaper, monkeypatch):
    """Execute {id: source}: the names that it defines, and {id: what it prints}."""
    monkeypatch.setattr(figures, "show", plt.close)
    monkeypatch.setattr(figures, "evaluate", few)
    names, printed = {}, {}
    text = "\n".join(cells.values())
    assert all(old in text for old in cheaper)
    costly = "|".join(map(re.escape, cheaper)) or "$^"
    for name, source in cells.items():
        source = re.sub(costly, lambda match: cheaper[match[0]], source)
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(source, name, "exec"), names)
        printed[name] = out.getvalue()
    return names, printed


def few(*arguments, T, **options):
    """`evaluate` on a tenth of the sines."""
    return evaluate(*arguments, T=T // 10, **options)


def error(phi, steps=8):
    """The mean error on 200 new sines."""
    return evaluate(NETWORK, phi, ALPHA, seed=5, T=200, steps=(steps,)).mean()


def test_lesson_1(monkeypatch):
    n, printed = run(lesson(1), CHEAPER[1], monkeypatch)
    random, joint, phi = n["start"], n["phi_joint"], n["phi"]
    assert abs(NETWORK.predict(joint, X)).max() < 1
    assert error(joint) > 3.5 and error(random) > 3.5  # joint training is no better
    assert error(phi) < 0.1 * error(joint)
    assert error(phi, 1) < 0.5 * error(phi, 0)  # a step removes most of the error
    assert error(phi, 0) > 3.5  # and φ itself is not good

    k1, k2, k5 = map(error, n["by_k"].values())
    assert k1 > 4 > k2 > 2 * k5  # k = 2 between the two
    sgd, constant, falling = map(error, n["by_epsilon"].values())
    assert sgd > 2 * falling and sgd > 2 * constant
    r_sgd, *rest = map(float, re.findall(r"sines: (\S+)", printed["l1-sgd-why"]))
    assert r_sgd < 0.5 < min(rest)
    assert printed["l1-exercise"] == "not written yet\n"
    assert printed["l1-solution"] == "right\n"


def test_a_setting_of_lesson_1_is_obeyed_or_refused_in_words(monkeypatch):
    cells = {name: source for name, source in lesson(1).items()
             if name in ("l1-imports", "l1-settings", "l1-inner-loop", "l1-gist")}
    cells = {"": "from sine_demo import *; start = pytorch_init(NETWORK, 0)"} | cells

    def change(old, new):
        cheaper = {"30_000\n": "100\n", old: new}
        return run(cells, cheaper, monkeypatch)

    n, printed = change(" 5, ", " 10, ")
    x, _ = n["mini_batches"](np.random.default_rng(0), 10)
    assert x.shape == (10, 10, 1)
    assert len(np.unique(x[5:])) == 50  # the last five are all points once more
    assert "diverged" not in printed["l1-gist"]
    assert "α = 0.2 is too large" in change("0.02", "0.2")[1]["l1-gist"]
    assert "ε = 10 is too large" in change("0.1,", "10,")[1]["l1-gist"]


def test_lesson_2(monkeypatch):
    n, printed = run(lesson(2), CHEAPER[2], monkeypatch)
    assert printed["l2-same"].count("True") == 3
    at_60, at_200 = np.transpose([n["live"][m] for m in ("Reptile", "FOMAML", "MAML")])
    assert at_200[0] < 0.5 * at_200[1] and at_200[0] < at_200[2]  # Reptile leads early
    recorded = json.loads(figures.RACE.read_text("utf-8"))
    for i, name in enumerate(n["live"]):  # the live runs follow the recorded ones
        row = recorded[name]
        assert 0.6 * row["least"][0] < at_60[i] < 1.5 * row["largest"][0]
        assert 0.6 * row["least"][1] < at_200[i] < 1.5 * row["largest"][1]
        *_, epsilon, falls = n["RACE"][name]
        assert epsilon == row["epsilon"] and falls == ("falling" in row["outer step"])

    ends = {name: row["mean"][-1] for name, row in recorded.items()}
    assert ends["MAML"] < ends["Reptile"] < ends["FOMAML"]
    for name in ("MAML, 5 mini-batches", "Reptile, MAML's points"):
        assert ends[name] > ends["Reptile"]
    assert recorded["MAML"]["seconds"][-1] > 3 * recorded["Reptile"]["seconds"][-1]
    assert printed["l2-solution"].count("right") == 3


def test_lesson_3(monkeypatch):
    n, printed = run(lesson(3), CHEAPER[3], monkeypatch)
    random, trained = re.findall(r"changes by +(\S+) and falls in +(\d+)%",
                                 printed["l3-help"])
    assert float(random[0]) > 0 and 40 < int(random[1]) < 75  # the mean rises
    assert float(trained[0]) < -2 and int(trained[1]) > 97

    measure = n["coefficients"]
    for method, *table in ((maml, 1, -2), (fomaml, 1, -1), (inner_loop, 2, -1)):
        assert np.allclose(measure(method, n["TRAINED"], 1e-5), table, atol=0.01)
    at_use = [runs[5] for runs in n["left"]["Reptile"]]  # α = 0.02
    assert n["alphas"][5] == 0.02 and max(at_use) < 0.7

    ours, two_terms, first = map(error, n["phis"].values())
    assert abs(ours - two_terms) < 0.3 and first > 3.9 > ours + 0.2
    assert printed["l3-solution"] == "right\n"


def test_lesson_4(monkeypatch):
    n, printed = run(lesson(4), CHEAPER[4], monkeypatch)
    phis, K, C = n["phis"], n["K"], np.cos(X - X.T)

    def correlation(kernel, other=C):
        return np.corrcoef(kernel.ravel(), other.ravel())[0, 1]

    assert correlation(K["Reptile"]) > 0.93
    assert abs(correlation(K["random φ"])) < 0.1
    assert np.trace(K["joint training"]) < 0.5 * np.trace(K["random φ"])
    for line in printed["l4-why"].splitlines():  # the formula is exact
        measured, half, formula = map(float, re.findall(r" (-?\d+\.\d)(?= |,|$)", line))
        assert abs(measured - formula) < 2 * half + 0.1

    zero, random, joint, ours, best = map(float, re.findall(r"(\d\.\d\d)\n",
                                                            printed["l4-best"]))
    assert joint > zero and random > zero  # a pull from these does harm
    assert best < ours < 1.15 * best
    slopes = re.findall(r"\[\s*(\S+)\s+(\S+)\s*\]", printed["l4-law"])
    law_3, found_3, law_10, found_10 = np.array(slopes, float)
    np.testing.assert_allclose([found_3, found_10], [law_3, law_10], atol=0.2)
    assert all(found_3 < found_10)

    u, s, _ = np.linalg.svd(n["last_hidden_layer"](phis["Reptile"]))
    sines = np.linalg.qr(np.hstack([np.sin(X), np.cos(X)]))[0]
    assert np.square(s[:2]).sum() > 0.9 * np.square(s).sum()
    assert np.linalg.svd(sines.T @ u[:, :2])[1].min() > 0.9  # nearly sine and cosine
    all_layers, last = re.findall(r": (\S+)", printed["l4-last"])
    assert float(last) < 1.1 * float(all_layers)
    assert printed["l4-solution"] == "right\n"


def test_lesson_5(monkeypatch):
    _, printed = run(lesson(5), CHEAPER[5], monkeypatch)
    assert "is not here" not in "".join(printed.values())


def test_the_law_is_the_slope_of_the_best_line():
    """Oracle: lines fitted to clouds of estimates, from simulated tasks and points."""
    rng = np.random.default_rng(0)
    for family, C in law.FAMILIES.items():
        e, signal = law.patterns(C)
        for B in 3, 10:
            (x,), (y,) = law.tasks(C, 1, B)(rng, 20_000)
            places = np.rint((x + 5) / 10 * 49).astype(int)[..., 0]  # (T, B)
            estimates = np.mean(e[places] * y, axis=1)  # (T, n)
            slope = signal / np.mean(estimates**2, axis=0)  # as E[c estimate] = signal
            np.testing.assert_allclose(slope, law.predicted(C, B), atol=0.03)


# The file


def test_it_ran_from_top_to_bottom():
    code = [c for c in CELLS if c["cell_type"] == "code"]
    assert [c["execution_count"] for c in code] == [*range(1, len(code) + 1)]
    outputs = [o for c in code for o in c["outputs"]]
    assert not [o for o in outputs if o["output_type"] == "error"]
    assert not [o for o in outputs if o.get("name") == "stderr"]
    assert (ROOT / "tutorial.ipynb").stat().st_size < 1_500_000

    (gist,) = (c for c in code if c["id"] == "l1-gist")
    lines = "".join(t for o in gist["outputs"] for t in o["text"]).splitlines()
    for line in lines:
        ours, published = re.findall(r"\d\.\d{3}", line)
        assert ours == published
    assert len(lines) == 5


def test_its_figures_can_be_projected():
    pictures = [(c["id"], o["data"]["image/png"]) for c in CELLS
                for o in c.get("outputs", []) if "image/png" in o.get("data", {})]
    assert len(pictures) >= 16
    for name, picture in pictures:
        width, height = struct.unpack(">II", base64.b64decode(picture)[16:24])
        drawn_elsewhere = name.startswith("l5-")
        assert width >= 1000 and height >= (250 if drawn_elsewhere else 450), name


def test_titles_state_what_is_drawn(monkeypatch):
    titles = []

    def show(figure):
        titles.append(" ".join(axes.get_title() for axes in figure.axes))
        plt.close(figure)

    monkeypatch.setattr(figures, "show", show)
    figures.one_function(NETWORK, np.ones(NETWORK.num_params, np.float32))
    figures.star(NETWORK, {"x": np.full(NETWORK.num_params, 1e9)}, ALPHA)
    assert "not zero" in titles[0]
    assert "diverged" in titles[1]


def test_the_commands_of_the_teaching_notes(tmp_path, monkeypatch):
    app = pytest.importorskip("nbconvert.nbconvertapp").NbConvertApp
    monkeypatch.chdir(ROOT)
    notes = (ROOT / "tutorial" / "teaching.md").read_text("utf-8")
    commands = re.findall(r"^jupyter nbconvert ((?:.*\\\n)*.*)", notes, re.M)
    assert len(commands) == 4
    for command in commands:
        arguments = command.replace("\\\n", " ").split()
        app.clear_instance()
        converter = app.instance()
        converter.initialize([*arguments, "--output-dir", str(tmp_path)])
        converter.start()

    page = (tmp_path / "tutorial.html").read_text("utf-8")
    assert "three_updates_solution" in page
    class_copy = (tmp_path / "class.ipynb").read_text("utf-8")
    assert "three_updates(" in class_copy and "_solution(" not in class_copy
    assert "image/png" not in class_copy
    solutions = (tmp_path / "solutions.html").read_text("utf-8")
    assert "three_updates_solution" in solutions and "Lesson 1" not in solutions
    assert "reveal" in (tmp_path / "tutorial.slides.html").read_text("utf-8")
