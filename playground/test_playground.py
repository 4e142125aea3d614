"""The playground in a real browser: headless Chromium, by touch, mouse and keyboard.

Its numbers are compared with what NumPy makes of the same points and strokes.
"""

import re
import shutil
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest

from omniglot.data import prepare
from playground import build
from reptile import MLP, adapt
from sine_demo import ALPHA, NETWORK, X, evaluate

playwright = pytest.importorskip("playwright.sync_api", reason="no package playwright")
PAGE = Path(__file__).with_name("index.html")
HTML = PAGE.read_text(encoding="utf-8")
PHIS = build.read_phis(HTML)
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True,
         "has_touch": True}
PROJECTOR = {"viewport": {"width": 1920, "height": 1080}}


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium, or else Playwright's own."""
    with playwright.sync_playwright() as p:
        try:
            chromium = p.chromium.launch(executable_path=shutil.which("chromium"))
        except playwright.Error:
            pytest.skip("no browser: install chromium, or playwright install chromium")
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser):
    """A function that opens the page offline. Any complaint fails the test."""
    contexts, complaints, requests = [], [], []

    def visit(**options):
        contexts.append(browser.new_context(offline=True, **options))
        page = contexts[-1].new_page()
        page.set_default_timeout(5000)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(PAGE.as_uri())
        return page

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []
    assert set(requests) <= {PAGE.as_uri(), "data:,"}


def settle(page):
    """Wait until the next frame has been drawn."""
    page.evaluate("new Promise((go) => requestAnimationFrame(() => setTimeout(go)))")


def middle(page, selector):
    """Where on the screen a thing is, scrolled to if need be."""
    page.locator(selector).scroll_into_view_if_needed()
    box = page.locator(selector).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page, start, *path):
    """Press the mouse, move it, let it go."""
    page.mouse.move(*start)
    page.mouse.down()
    for point in path:
        page.mouse.move(*point, steps=3)
    page.mouse.up()
    settle(page)


def fingers(page):
    """A function touch(kind, *points): fingers are now at these points."""
    session = page.context.new_cdp_session(page)

    def touch(kind, *points):
        at = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
        event = {"type": f"touch{kind}", "touchPoints": at}
        session.send("Input.dispatchTouchEvent", event)
        settle(page)

    return touch


def points_of(line):
    """The points, (n, 2), of a polyline on the page."""
    pairs = line.get_attribute("points").split()
    return np.array([pair.split(",") for pair in pairs], float).reshape(-1, 2)


def test_the_page_is_what_build_makes_of_its_parts():
    assert build.assemble(PHIS) == HTML
    assert len(HTML.encode()) <= 600_000
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", HTML)  # that is a name


def test_rounding_to_float16_costs_nothing_that_shows():
    """After 8 steps Reptile's error is 0.112, as in the README, from float32."""
    phi = PHIS["reptile"].astype(np.float32)
    assert f"{evaluate(NETWORK, phi, ALPHA, 0, 1000, (8,)).mean():.3f}" == "0.112"


def test_curves_equal_numpy(visit):
    """For new sines, points that are dragged off them, and any k and α."""
    page, rng = visit(), np.random.default_rng(0)
    phis = PHIS | {"random": np.array(page.evaluate("Array.from(METHODS[0].phi)"))}
    for k in (0, 1, 13, 32):
        page.locator("#new-sine").click()
        page.locator("#one-side").click()
        page.locator("#sine-k").fill(str(k))
        page.locator("#sine-alpha").fill(str(2 * rng.integers(1, 19) / 1000))
        box = page.locator(".plot").bounding_box()
        for i in rng.choice(10, 2, replace=False):
            to = rng.uniform(0.1, 0.9, 2) * [box["width"], box["height"]]
            drag(page, middle(page, f".point >> nth={i}"), to + [box["x"], box["y"]])
        alpha = float(page.locator("#sine-alpha").input_value())
        points = np.array(page.evaluate("sines.points.map(({ x, y }) => [x, y])"))
        x_train, y_train = points[:, :1], points[:, 1:]
        a, b = page.evaluate("[sines.a, sines.b]")
        for name in ("random", "joint", "maml", "reptile"):
            phi = phis[name].astype(np.float64)
            W = adapt(NETWORK, phi, x_train, y_train, alpha, k) if k else phi
            curve = points_of(page.locator(f".plot .curve-{name}"))
            np.testing.assert_allclose(curve[:, 1:], NETWORK.predict(W, curve[:, :1]),
                                       atol=1e-4)
            errors = [NETWORK.loss(W, x_train, y_train),
                      NETWORK.loss(W, X, a * np.sin(X + b))]
            shown = page.locator(f"tr:has(.curve-{name}) td").all_inner_texts()
            for error, text in zip(errors, shown):
                precision = 0.006 if error < 9.9 else 0.6
                assert float(text) == pytest.approx(error, abs=precision)


def test_points_follow_finger_and_keys(visit):
    page = visit(**PHONE)
    touch, (x, y) = fingers(page), middle(page, ".point >> nth=4")
    before = page.evaluate("structuredClone(sines.points)")
    box = page.locator(".plot").bounding_box()
    touch("Start", (x, y))
    for i in range(1, 6):
        touch("Move", (x + 4 * i, y - 10 * i))
    touch("End")
    moved = page.evaluate("structuredClone(sines.points)")
    assert [i for i in range(10) if moved[i] != before[i]] == [4]
    dx, dy = (moved[4][axis] - before[4][axis] for axis in "xy")
    assert dx == pytest.approx(10.8 * 20 / box["width"], abs=0.1)
    assert dy == pytest.approx(12.4 * 50 / box["height"], abs=0.1)
    assert page.evaluate("scrollY") == 0

    page.locator(".point >> nth=4").focus()
    for key in ("ArrowLeft", "ArrowDown", "Shift+ArrowDown"):
        page.keyboard.press(key)
    settle(page)
    keyed = page.evaluate("sines.points[4]")
    assert keyed["x"] == pytest.approx(moved[4]["x"] - 0.1)
    assert keyed["y"] == pytest.approx(moved[4]["y"] - 0.6)
    told = page.locator(".point >> nth=4").get_attribute("aria-valuetext")
    assert told == f"x = {keyed['x']:.1f}, y = {keyed['y']:.1f}"


def test_two_points_coincide_and_another_leaves_the_plot(visit):
    page = visit(**PHONE)
    touch = fingers(page)
    touch("Start", middle(page, ".point >> nth=0"), middle(page, ".point >> nth=1"))
    touch("Move", (200, 350), (200, 350))
    touch("End")
    first, second, *_ = page.evaluate("sines.points")
    assert first == pytest.approx(second, abs=0.2)
    assert not re.search("diverged|NaN", page.locator("#methods").inner_text())
    touch("Start", (200, 350))
    touch("Move", (-500, 4000))
    touch("End")
    assert {"x": -5, "y": -5.8} in page.evaluate("sines.points")


def test_divergence_is_reported_in_words(visit):
    page = visit()
    page.locator("#sine-alpha").fill("0.08")
    page.locator("#sine-k").fill("32")
    settle(page)
    assert "α = 0.08 is too large" in page.locator("#sine-status").inner_text()
    assert page.locator("#methods").inner_text().count("diverged") == 8
    shown = page.locator("body").inner_text() + page.locator("#curves").inner_html()
    assert not re.search(r"NaN|Infinity|e\+", shown)
    page.locator("#sine-alpha").fill("0.02")
    settle(page)
    assert page.locator("#sine-status").inner_text() == ""


def test_play_walks_from_0_and_pauses(visit):
    page = visit()
    page.clock.install(time=0)
    page.clock.pause_at(1000)
    page.locator("#sine-play").click()
    assert page.locator("#sine-k").input_value() == "0"
    page.clock.run_for(1100)
    page.get_by_role("button", name="Pause").click()
    page.clock.run_for(5000)
    assert page.locator("#sine-k").input_value() == "4"
    page.locator("#sine-play").click()
    page.clock.run_for(60_000)
    assert page.locator("#sine-k-value").inner_text() == "32"


def rasterise(strokes):
    """Ink (105, 105) within 2.5 pixels of 1,000 points along each part of a stroke."""
    ink = np.zeros((105, 105), bool)
    for stroke in strokes:
        for a, b in pairwise(stroke):
            pen = np.linspace(a, b, 1000).T[:, None]  # (2, 1, 1000)
            dx, dy = np.square(np.arange(105)[:, None] - pen)  # (105, 1000) each
            x, y = (np.flatnonzero(d.min(axis=1) < 9) for d in (dx, dy))
            ink[np.ix_(y, x)] |= (dy[y][:, None] + dx[x]).min(axis=-1) <= 2.5**2
    return ink


def strokes_in(page, cell):
    """The strokes in a cell, each (n, 2)."""
    lines = page.locator(f".cell >> nth={cell} >> polyline").all()
    return [points_of(line) for line in lines]


def bars(page):
    """The probabilities on the page, (2, 3): from Reptile, and from random."""
    lengths = page.locator(".bar i").evaluate_all(
        "(bars) => bars.map((bar) => +bar.style.getPropertyValue('--p'))")
    return np.reshape(lengths, (3, 2)).T


def scribble(page, cell, rng):
    """Draw a stroke of three parts with the mouse."""
    middle(page, f".cell >> nth={cell} >> css=svg")
    box = page.locator(f".cell >> nth={cell} >> css=svg").bounding_box()
    drag(page, *rng.uniform(0.15, 0.85, (4, 2)) * box["width"] + [box["x"], box["y"]])


def test_probabilities_equal_numpy(visit):
    page, rng = visit(), np.random.default_rng(5)
    page.locator("#clear-all").click()
    for cell in (0, 1, 2, 3, 3):
        scribble(page, cell, rng)
    x = np.array([prepare(rasterise(strokes_in(page, cell))) for cell in range(4)])
    prepared = page.evaluate(
        "board.drawings.map((strokes) => Array.from(prepare(rasterise(strokes))))")
    np.testing.assert_allclose(prepared, x, atol=1e-4)

    with np.load(build.OMNIGLOT) as file:
        net = MLP(file["layer_sizes"].tolist(), loss="cross-entropy")
        phi, alpha = file["phi"].astype(np.float16), float(file["alpha"])
    starts = np.array([phi, page.evaluate("Array.from(STARTS[1].phi)")])  # (2, P)
    support, query = np.tile(x[:3], (2, 1, 1)), np.tile(x[3:], (2, 1, 1))
    labels = np.tile(range(3), (2, 1))
    for k in (0, 1, 7, 50):
        page.locator("#drawing-k").fill(str(k))
        W = adapt(net, starts, support, labels, alpha, k) if k else starts
        np.testing.assert_allclose(bars(page), net.predict(W, query)[:, 0], atol=1e-4)


def test_strokes_are_undone_and_cleared(visit):
    page, rng = visit(), np.random.default_rng(0)
    start, status = bars(page), page.locator("#drawing-status")
    assert page.locator("#undo").is_disabled()
    scribble(page, 3, rng)
    assert np.abs(bars(page) - start).max() > 0.01
    page.keyboard.press("Control+z")
    np.testing.assert_array_equal(bars(page), start)
    page.get_by_role("button", name="clear class 2").click()
    assert not strokes_in(page, 1) and not bars(page).any()
    assert status.inner_text() == "Draw something in class 2."
    page.locator("#clear-all").click()
    assert status.inner_text() == "Draw something in class 1, class 2, class 3, input."
    page.locator("#undo").click()
    page.locator("#undo").click()
    np.testing.assert_array_equal(bars(page), start)
    scribble(page, 0, rng)
    page.reload()
    np.testing.assert_array_equal(bars(page), start)


def test_clumsy_hands(visit):
    """A second finger, a stroke out of its cell, a lone dot, a window resized."""
    page = visit(**PHONE)
    page.locator("#clear-all").click()
    touch, (x, y) = fingers(page), middle(page, ".cell >> nth=0 >> css=svg")
    touch("Start", (x, y))
    touch("Start", (x, y), (x + 30, y))
    touch("Move", (x + 5, y + 5), (x + 60, y))
    touch("Move", (x + 500, y + 5), (x + 90, y))
    touch("End")
    [stroke] = strokes_in(page, 0)
    width = page.locator(".cell >> nth=0 >> css=svg").bounding_box()["width"]
    moved = (stroke - stroke[0]) * width / 105
    assert set(moved[:, 0].round()) == {0, 5, 500} and not strokes_in(page, 1)

    page = visit()
    page.locator("#clear-all").click()
    page.mouse.click(*middle(page, ".cell >> nth=0 >> css=svg"))
    page.mouse.move(*middle(page, ".cell >> nth=1 >> css=svg"))
    page.mouse.down()
    page.set_viewport_size({"width": 500, "height": 900})
    page.mouse.move(0, 0)
    page.mouse.up()
    for cell in (0, 1):
        [stroke] = strokes_in(page, cell)
        x = page.evaluate(f"Array.from(prepare(rasterise(board.drawings[{cell}])))")
        np.testing.assert_allclose(x, prepare(rasterise([stroke])), atol=1e-4)


def test_nothing_overlaps_or_sticks_out(visit):
    page = visit()
    for width in (320, 390, 820, 1280, 1920):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") == width
        boxes = page.locator("h1, h2, p, a, button, input, label, td, th, .plot, "
                             ".cell > svg, .bar, canvas").evaluate_all("""
            (elements) => elements.map((element) => {
              const { left, top, right, bottom } = element.getBoundingClientRect();
              return [element.outerHTML.slice(0, 60), left, top, right, bottom];
            }).filter(([, left, , right]) => right > left)""")
        assert len(boxes) > 60
        assert all(0 <= left and right <= width for _, left, _, right, _ in boxes)
        for (html, *one), (other, *two) in combinations(boxes, 2):
            left, top = np.maximum(one[:2], two[:2])
            right, bottom = np.minimum(one[2:], two[2:])
            inside = [left, top, right, bottom] in (one, two)
            apart = right <= left + 1 or bottom <= top + 1
            assert inside or apart, (width, html, other)


@pytest.mark.parametrize("scheme, paper", [("light", 255), ("dark", 20)])
def test_text_is_legible(visit, scheme, paper):
    """WCAG's contrast of 7 to 1, and letters that grow with the screen."""
    page = visit(color_scheme=scheme, **PROJECTOR)
    texts = page.locator("h1, p, button:enabled, label, td, th, span")
    colours = texts.evaluate_all("""
        (elements) => elements.map((element) => {
          let below = element;
          const paint = () => getComputedStyle(below).backgroundColor;
          while (paint() === "rgba(0, 0, 0, 0)") below = below.parentElement;
          return [getComputedStyle(element).color, paint()];
        })""")
    rgb = [[re.findall(r"\d+", colour)[:3] for colour in pair] for pair in colours]
    v = np.array(rgb, float) / 255  # (elements, 2, 3)
    linear = np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)
    light = np.sort(linear @ [0.2126, 0.7152, 0.0722] + 0.05, axis=1)
    assert (light[:, 1] / light[:, 0]).min() > 7
    colour, size = page.evaluate("""[getComputedStyle(document.documentElement)].map(
        (style) => [style.backgroundColor, parseFloat(style.fontSize)])[0]""")
    assert colour == f"rgb({paper}, {paper}, {paper})" and size > 26


def test_answers_are_quick(visit):
    """Times in ms, the best of several, as other processes disturb them. The limits are
    twice those of a laptop, 16 for a frame and 100 for a stroke."""
    page = visit()
    page.locator("#sine-k").fill("32")
    best = """(f, n) => Math.min(...Array.from({ length: n }, () => {
        const start = performance.now();
        f();
        return performance.now() - start;
      }))"""
    assert page.evaluate(f"({best})(show_sines, 40)") < 2 * 16
    assert page.evaluate(f"({best})(learn, 5)") < 2 * 100
