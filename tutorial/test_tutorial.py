"""The notebook: that it fits a class, that it ran, and that its numbers are true.

Each number in the text must be found where the cell's metadata says that it comes from:

    code:ID         the source or the printed output of that cell
    recorded:NAME   tutorial/recorded.json: the mean of a row, or its name
    file:PATH#WORD  a file of this project, or only its lines with that word
    quoted:NAME     a list below, with the reason or the reference
"""

import json
import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
pytest.importorskip("IPython", reason="the notebook's figures need .[notebook]")
from reptile import MLP
from tutorial import figures

COMMITTED = ROOT / "tutorial.ipynb"
FRESH = ROOT / ".venv" / "tutorial.ipynb"  # .ci/run executes it there
NEWER = FRESH.exists() and FRESH.stat().st_mtime > COMMITTED.stat().st_mtime
CELLS = json.loads((FRESH if NEWER else COMMITTED).read_text(encoding="utf-8"))["cells"]

QUOTED = {  # name: numbers that nothing here measures, and why they are true
    "years": "2017 (MAML, arXiv:1703.03400), 2018 (Reptile, arXiv:1803.02999)",
    "lesson": "25 minutes: test_a_lesson_takes_25_minutes",
    "interval": "95 %: figures.print_errors",
    "lesson 1": "all 50 points less the 10 given: 40; an error of 4.1 is above 4",
    "parameters": "2 * 64 + 65 * 64 + 65 = 4,353 for the layers 1-64-64-1",
    "paper": "5.2 and 6.3: sections of arXiv:1803.02999v3",
    "orders": "5! = 120 orders of five mini-batches",
    "algebra": "40/49: (50 − 10) / (50 − 1), for ten of 50 points; −1/49 likewise",
    "steps before": "g_1, g_2, g_3 have 0, 1, 2 inner steps before them",
    "expansion": "g_2 + g_3: the sum of (1, −1) and (1, −2) is (2, −3)",
    "waves": "the task of the exercise: a from 1 to 2",
    "omniglot": "20 drawings of each character: Lake et al., Science 350:1332 (2015); "
    "136 characters in the file small1, as `python -m omniglot.demo` prints",
    "rerun": "10 minutes: 299 CPU seconds with every RERUN, 15 more for two terms",
    "bias": "a constant 1 is appended; the ordinary derivative is 1",
    "discs": "220 points less the 20 given: 200; 0.5 is one half",
    "rest": "0.8^5 = 0.33, 0.6^5 = 0.08, 0.92 = 1 − 0.08, 0.67 = 1 − 0.33, "
    "d = 0.8 / (1 + 0.92 / 0.67) = 0.34",
    "resume": "α = 0.02 and ε = 0.1 in an example; at least 100 tasks is advice; "
    "1-shot is the name of a setting",
    "characters": "98.7 and 97.7 %: arXiv:1803.02999v3, table 1",
    "points": "20: a support set and a query set of ten points each",
    "price": "5 + 4 * 2 = 13 gradients; 13 / 5 = 2.6",
}

LESSONS = {}  # number: its cells
for _cell in CELLS:
    _source = "".join(_cell["source"])
    if _heading := re.search(r"^# (?:Lesson (\d)|(Appendix))", _source, re.M):
        _number = int(_heading[1] or 5)
    elif not LESSONS:
        _number = 0
    LESSONS.setdefault(_number, []).append(_cell)


def source(cell):
    return "".join(cell["source"])


def tags(cell):
    return cell["metadata"].get("tags", [])


def printed(cell):
    return "".join("".join(o.get("text", "")) for o in cell.get("outputs", []))


def pictures(cell):
    data = (o.get("data", {}) for o in cell.get("outputs", []))
    return [d["image/png"] for d in data if "image/png" in d]


# ------------------------------------------------------------------ it fits a class


def minutes(cells):
    """Reading, running and looking, without exercises and solutions."""
    cells = [c for c in cells if not {"exercise", "solution"} & set(tags(c))]
    text = [source(c) for c in cells if c["cell_type"] == "markdown"]
    code = [line for c in cells if c["cell_type"] == "code" for line in c["source"]]
    words = len(" ".join(text).split())
    lines = sum(bool(line.strip()) for line in code)
    shown = sum(len(pictures(c)) for c in cells)
    return words / 130 + lines / 8 + 1.5 * shown + 0.5, lines


@pytest.mark.parametrize("lesson", [1, 2, 3, 4])
def test_a_lesson_takes_25_minutes(lesson):
    time, lines = minutes(LESSONS[lesson])
    assert time < 25.5, f"{time:.1f} minutes"
    assert lines <= 60


@pytest.mark.parametrize("lesson", [1, 2, 3, 4])
def test_a_lesson_has_predictions_an_exercise_and_homework(lesson):
    text = "\n".join(map(source, LESSONS[lesson]))
    assert text.count("**Predict.**") == text.count("<details>") == 2
    assert len(re.findall(r"## Exercise: .* \(10 minutes\)", text)) == 1
    assert text.count("**Homework") == 1
    exercises = [c for c in LESSONS[lesson] if "exercise" in tags(c)]
    exercises = [c for c in exercises if c["cell_type"] == "code"]
    assert printed(exercises[0]) == "not written yet\n"
    solutions = [c for c in LESSONS[lesson] if "solution" in tags(c)]
    assert "right" in printed(solutions[0]) and "not yet" not in printed(solutions[0])


def test_cells_are_short():
    for cell in CELLS:
        if cell["cell_type"] == "code":
            lines = source(cell).splitlines()
            assert len(lines) <= 15, cell["id"]
            assert max(map(len, lines)) <= 78, cell["id"]


# ------------------------------------------------------------------ it has been run


def test_it_ran_from_top_to_bottom():
    code = [c for c in CELLS if c["cell_type"] == "code"]
    assert [c["execution_count"] for c in code] == [*range(1, len(code) + 1)]
    for cell in code:
        assert not [o for o in cell["outputs"] if o["output_type"] == "error"]
        assert not [o for o in cell["outputs"] if o.get("name") == "stderr"], cell["id"]
    assert COMMITTED.stat().st_size < 2_000_000


def test_its_figures_are_large_enough_to_project():
    import base64
    import struct

    count = 0
    for cell in CELLS:
        for picture in pictures(cell):
            width, height = struct.unpack(">II", base64.b64decode(picture)[16:24])
            assert width >= 1000 and height >= 450, cell["id"]
            count += 1
    assert count >= 16


def test_slides_have_a_place_for_every_cell():
    kinds = {"slide", "subslide", "fragment", "skip", "notes", "-"}
    assert all(c["metadata"]["slideshow"]["slide_type"] in kinds for c in CELLS)


# ------------------------------------------------------------------ its numbers


NUMBER = re.compile(r"(?<![\w.^_{])[-−]?\d[\d,]*(?:\.\d+)?(?![\w^])")


def numbers(text):
    """The numbers in a text, as they are written."""
    return [n.rstrip(",").replace("−", "-") for n in NUMBER.findall(text)]


def quoted_in(markdown):
    """The numbers that a Markdown text states.

    Left out are code, addresses, and one-digit whole numbers in formulas, in headings
    and where they number something.
    """
    text = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)|<[^>]*>", " ", markdown, flags=re.S)
    heading = r"^(#+ .*|\d\. |\*\*\d\. [^*]*\*\*|\*\*\d\.\*\*)"
    text = re.sub(heading, " ", text, flags=re.M)
    named = r"(lessons?|lines?|tasks?|step|mini-batch|mini-batches|k =|k =|i =) \d"
    text = re.sub(rf"(?i)\b{named}\b( and \d)?", " ", text)
    found = []
    pieces = re.split(r"(\$\$.*?\$\$|\$.*?\$)", text, flags=re.S)
    for i, piece in enumerate(pieces):
        in_formula = i % 2 == 1
        for number in numbers(piece.replace(r"\,", "").replace("{,}", "")):
            if in_formula and len(number.lstrip("-")) == 1:
                continue
            found.append(number)
    return found


def text_of(place):
    """The text of a place that a cell's metadata names."""
    kind, name = place.split(":", 1)
    if kind == "code":
        (cell,) = (c for c in CELLS if c["id"] == name)
        code = re.sub(r"(?<=\d)_(?=\d)", "", source(cell))  # 20_000
        return code + "\n" + printed(cell)
    if kind == "file":
        path, _, word = name.partition("#")
        lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
        return "\n".join(line for line in lines if word in line)
    if kind == "quoted":
        return QUOTED[name]
    rows = figures.recorded(name)
    lines = [f"{row} {np.mean(runs)}" for row, runs in rows.items()]
    return "\n".join([f"{len(rows)} rows", *lines])


def unsupported(markdown, places):
    """The numbers of a text that its sources do not have, rounded or not."""
    known = {float(n.replace(",", "")) for place in places
             for n in numbers(text_of(place))}
    lost = []
    for number in quoted_in(markdown):
        value = abs(float(number.replace(",", "")))
        places_after = len(number.split(".")[1]) if "." in number else None
        if places_after is None:
            true = value in {abs(k) for k in known}
        else:
            true = any(abs(abs(k) - value) <= 0.5001 * 10.0**-places_after
                       for k in known)
        if not true:
            lost.append(number)
    return lost


MARKDOWN = [c for c in CELLS if c["cell_type"] == "markdown"]


@pytest.mark.parametrize("cell", MARKDOWN, ids=[c["id"] for c in MARKDOWN])
def test_every_number_in_the_text_is_found_where_it_comes_from(cell):
    assert unsupported(source(cell), cell["metadata"].get("numbers", [])) == []


def test_falsified_numbers_are_noticed():
    """Change the last digit of each number of two digits or more, one at a time."""
    noticed = missed = 0
    for cell in MARKDOWN:
        places = cell["metadata"].get("numbers", [])
        for number in {n for n in quoted_in(source(cell)) if len(n) > 1}:
            false = number[:-1] + str((int(number[-1]) + 3) % 10)
            if unsupported(f"word {false} word", places):
                noticed += 1
            else:
                missed += 1
    assert noticed > 100
    assert missed < 0.1 * noticed, (noticed, missed)


def test_recorded_results_have_the_code_that_made_them():
    code = "\n".join(source(c) for c in CELLS if c["cell_type"] == "code")
    recorded = json.loads(figures.RECORDED.read_text(encoding="utf-8"))
    made = set(re.findall(r'figures\.record\("([^"]+)"', code))
    shown = set(re.findall(r'figures\.print_recorded\("([^"]+)"', code)) | {"ratio"}
    assert made == shown == set(recorded)


def test_the_live_race_runs_at_the_recorded_settings():
    (cell,) = (c for c in CELLS if c["id"] == "l2-race-settings")
    for name in ("Reptile", "FOMAML", "MAML"):
        chosen = re.search(rf"^{name} +Adam, (falling|constant) +ε = (\S+)",
                           figures.RACE.read_text("utf-8").split("Chosen")[1], re.M)
        falling = chosen[1] == "falling"
        assert re.search(rf'"{name}": \(\w+, \w+, {chosen[2]}, {falling}\)',
                         source(cell))


# ------------------------------------------------------------------ its figures


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were drawn, instead of displayed."""
    drawn = []
    monkeypatch.setattr(figures, "show", drawn.append)
    yield drawn
    plt.close("all")


def titles(figure):
    return " ".join(axes.get_title() for axes in figure.axes)


def test_titles_state_what_is_drawn(drawn):
    net = MLP([1, 2, 1])
    figures.one_function(net, np.zeros(net.num_params))
    figures.one_function(net, np.ones(net.num_params))
    assert "close to zero" in titles(drawn[0]) and "not zero" in titles(drawn[1])

    phi, right = np.array([1.6, 1.2]), np.array([1.0, 0])
    figures.two_weights(lambda p: p[..., 0], phi, {"MAML": -right, "Reptile": right})
    figures.two_weights(lambda p: p[..., 0], phi, {"MAML": right, "Reptile": -right})
    assert "MAML's step" in titles(drawn[2]) and "Reptile's step" in titles(drawn[3])

    errors, fades = [4, 2, 0.0], np.array([[1], [1], [0]])
    figures.during_training([0, 1, 2], {"Reptile": np.ones((3, 2))}, errors)
    figures.during_training([0, 1, 2], {"Reptile": fades}, errors)
    assert "left to 2" in titles(drawn[4]) and "100%" in titles(drawn[4])
    assert "left to 1" in titles(drawn[5]) and "50%" in titles(drawn[5])


def test_the_plane_puts_a_sine_at_its_amplitude_and_phase():
    a, b = 3.0, 0.7
    p, q = figures.plane(a * np.sin(figures.X + b))
    assert np.allclose((p, q), (a * np.cos(b), a * np.sin(b)))


def test_the_variance_explained_is_that_between_groups():
    x = np.array([1, 1, 2, 2])
    assert figures.explained(x, np.array([0.0, 0, 5, 5])) == 1
    assert figures.explained(x, np.array([0.0, 2, 0, 2])) == 0
    assert np.isclose(figures.explained(x, np.array([0.0, 2, 4, 6])), 4 / 5)


def test_divergence_is_said_in_words(capsys):
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    try:
        shell.run_cell("from tutorial import figures; figures.report_divergence()")
        shell.run_cell("raise FloatingPointError('lower alpha')")
    finally:
        InteractiveShell.clear_instance()
    output = capsys.readouterr()
    assert "This diverged. lower alpha\n" in output.out
    assert "Traceback" not in output.out + output.err


def test_recorded_numbers_are_written_and_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(figures, "RECORDED", tmp_path / "recorded.json")
    figures.record("a", {"row": [1.0, 2.0, 4.5]})
    figures.record("b", {"other": [0.123456]})
    assert figures.recorded("a") == {"row": [1.0, 2.0, 4.5]}
    assert figures.recorded("b") == {"other": [0.1235]}
    assert "row    2.50  (1.00 to 4.50)" in capsys.readouterr().out
