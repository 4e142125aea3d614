"""The playground in a real browser: headless Chromium, by touch, mouse and keyboard.

Each number on the page is compared with what NumPy makes of the same points and strokes.
"""

import json
import re
import shutil
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from playground import build
from reptile import MLP, adapt
from sine_demo import ALPHA, NETWORK, evaluate

playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
PAGE = Path(__file__).with_name("playground.html")
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
PROJECTOR = {"viewport": {"width": 1920, "height": 1080}}


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as p:
        try:
            chromium = p.chromium.launch(executable_path=shutil.which("chromium"))
        except playwright.Error:
            pytest.skip("no browser: apt-get install chromium, or playwright install chromium")
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser):
    """A function that opens the page offline. Complaints and requests fail the test."""
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
    """Wait until what is due before the next frame is on the page."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")


def numbers(page, selector):
    """The points of a polyline as (n, 2)."""
    text = page.locator(selector).get_attribute("points")
    return np.array([[float(v) for v in pair.split(",")] for pair in text.split()])


def shown_errors(page):
    """{method: [loss, error]} as the table shows them."""
    rows = page.locator("#methods tr").all()
    return {row.locator("th").inner_text(): row.locator("td").all_inner_texts() for row in rows}


def middle(page, selector):
    box = page.locator(selector).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page, start, *path):
    page.mouse.move(*start)
    page.mouse.down()
    for point in path:
        page.mouse.move(*point, steps=3)
    page.mouse.up()
    settle(page)


def fingers(page):
    """A function touch(kind, *points): fingers are now at these points of the screen."""
    session = page.context.new_cdp_session(page)

    def touch(kind, *points):
        at = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
        session.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": at})

    return touch


def test_the_page_is_what_build_makes_of_its_parts():
    page = PAGE.read_text(encoding="utf-8")
    assert build.assemble(build.read_phis(page)) == page
    assert len(page.encode()) <= 600_000
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page)  # a name, not a request
    assert len((build.SOURCE / "reptile.js").read_text(encoding="utf-8").splitlines()) <= 120


def test_rounding_to_float16_keeps_the_sine_demo_s_error():
    """The README's table: Reptile's error after 8 steps is 0.112, joint training's is not."""
    phis = build.read_phis(PAGE.read_text(encoding="utf-8"))
    error = {name: evaluate(NETWORK, phis[name].astype(np.float32), ALPHA, 0, 1000, (8,)).mean()
             for name in build.SINES}
    assert round(error["reptile"], 3) == 0.112
    assert error["maml"] < 0.3 < 3 < error["joint"]


@pytest.mark.parametrize("seed", range(4))
def test_curves_equal_numpy(visit, seed):
    rng = np.random.default_rng(seed)
    page, k, alpha = visit(), int(rng.integers(0, 33)), float(rng.integers(1, 8)) / 200
    page.locator("#new-sine").click()
    if seed % 2:
        page.locator("#one-side").click()
    for i in rng.choice(10, 2, replace=False):
        box = page.locator(".plot").bounding_box()
        drag(page, middle(page, f".point >> nth={i}"),
             (box["x"] + box["width"] * rng.uniform(0.1, 0.9), box["y"] + box["height"] * rng.uniform(0.1, 0.9)))
    page.locator("#sine-k").fill(str(k))
    page.locator("#sine-alpha").fill(str(alpha))
    settle(page)
    points = np.array([[p["x"], p["y"]] for p in page.evaluate("sines.points")])
    phis = build.read_phis(PAGE.read_text(encoding="utf-8"))
    phis["random"] = np.array(page.evaluate("Array.from(METHODS[0].phi)"))
    truth = numbers(page, ".plot .curve-true")
    a, b = page.evaluate("[sines.task.a, sines.task.b]")
    np.testing.assert_allclose(truth[:, 1], a * np.sin(truth[:, 0] + b), atol=1e-5)
    for name in ("random", "joint", "maml", "reptile"):
        phi = phis[name].astype(np.float64)
        W = adapt(NETWORK, phi, points[:, :1], points[:, 1:], alpha, k) if k else phi
        x, f = np.split(numbers(page, f".plot .curve-{name}"), 2, axis=1)
        np.testing.assert_allclose(f, NETWORK.predict(W, x), atol=1e-4)


def test_points_follow_mouse_fingers_and_keys(visit):
    page = visit(**PHONE)
    touch = fingers(page)
    x, y = middle(page, ".point >> nth=4")
    before = page.evaluate("structuredClone(sines.points)")
    touch("Start", (x, y))
    for i in range(1, 6):
        touch("Move", (x + 4 * i, y - 10 * i))
    touch("End")
    settle(page)
    moved = page.evaluate("sines.points")
    box = page.locator(".plot").bounding_box()
    others = [i for i in range(10) if moved[i] != before[i]]
    assert others == [4]
    assert moved[4]["x"] - before[4]["x"] == pytest.approx(20 / box["width"] * 10.8, abs=0.1)
    assert moved[4]["y"] - before[4]["y"] == pytest.approx(50 / box["height"] * 12.4, abs=0.1)
    assert page.evaluate("scrollY") == 0

    point = page.locator(".point >> nth=4")
    point.focus()
    for key in ("ArrowLeft", "ArrowDown", "Shift+ArrowDown"):
        page.keyboard.press(key)
    settle(page)
    keyed = page.evaluate("sines.points[4]")
    assert keyed["x"] == pytest.approx(moved[4]["x"] - 0.1)
    assert keyed["y"] == pytest.approx(moved[4]["y"] - 0.6)
    assert f"y = {keyed['y']:.1f}" in point.get_attribute("aria-valuetext")


def test_two_fingers_move_two_points_and_points_may_coincide(visit):
    page = visit(**PHONE)
    touch = fingers(page)
    a, b = middle(page, ".point >> nth=0"), middle(page, ".point >> nth=1")
    touch("Start", a, b)
    touch("Move", (200, 350), (200, 350))
    touch("End")
    settle(page)
    first, second = page.evaluate("sines.points.slice(0, 2)")
    assert first == pytest.approx(second, abs=0.2)
    assert "diverged" not in str(shown_errors(page))
    touch("Start", (200, 350))
    touch("Move", (-500, 4000))  # off the screen
    touch("End")
    settle(page)
    assert [-5, -5.8] in [[p["x"], p["y"]] for p in page.evaluate("sines.points")]


def test_divergence_is_reported_in_words(visit):
    page = visit()
    page.locator("#sine-alpha").fill("0.2")
    page.locator("#sine-k").fill("32")
    settle(page)
    assert "α = 0.2 is too large" in page.locator("#sine-status").inner_text()
    assert "diverged" in str(shown_errors(page))
    text = page.locator("body").inner_text() + page.locator("#curves").inner_html()
    assert not re.search(r"NaN|Infinity|e\+", text)
    page.locator("#sine-alpha").fill("0.02")
    settle(page)
    assert page.locator("#sine-status").inner_text() == ""
