"""The pages in a real browser: headless Chromium, by mouse, finger and keyboard.

What is drawn is read back from its paths and pixels, and compared with NumPy at a φ
that is read out of the page.
"""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from omniglot.data import prepare
from playground import build
from reptile import MLP, train

playwright = pytest.importorskip("playwright.sync_api", reason="no package playwright")
FOLDER = Path(__file__).parent
SIZES = [(1280, 720), (390, 844), (844, 390), (768, 1024), (1920, 1080), (320, 568)]
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True,
         "has_touch": True}
NET = MLP([1, 32, 32, 1])
X = np.linspace(-5, 5, 50)
GRID = np.linspace(-5, 5, 101)


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


@pytest.fixture(scope="module")
def visit(browser):
    """A function that opens a page offline. Complaints and requests are faults."""
    contexts, complaints, requests = [], [], []

    def visit(address="", file=FOLDER / "index.html", **options):
        options = {"viewport": {"width": 1280, "height": 720},
                   "reduced_motion": "reduce", **options}
        contexts.append(browser.new_context(offline=True, **options))
        page = contexts[-1].new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url.split(":")[0]))
        page.goto(file.as_uri() + address)
        if file.name == "index.html":
            page.wait_for_function("TRACKS.every((k) => ready(k) >= 0 && !waits(k))")
        settle(page)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert set(requests) <= {"file", "data", "blob"}
    assert [text for text in complaints if "willReadFrequently" not in text] == []


@pytest.fixture(scope="module")
def page(visit):
    """The page with both tapes full. Before that, somebody has dragged time to its end:
    `seen` holds, for each frame, what the knob said and showed."""
    page = visit()
    page.evaluate("""() => {
        window.seen = [];
        const draw = render;
        render = () => {
            draw();
            const knob = +element("time5").value, phi = tapes[5][knob].phi;
            const curve = line(graph(layout().on_curve, NET.predict(phi, GRID)));
            seen.push([knob, element("when5").textContent, element("says").textContent,
                element("before").getAttribute("d") === curve]);
        };
    }""")
    page.locator("#time5").press("End")
    page.wait_for_function("TRACKS.every((k) => ready(k) === LAST)")
    page.locator("#time5").press("Home")
    settle(page)
    page.evaluate("window.first = seen.splice(0)")
    return page


def show(page, **wanted):
    """Restore a state by a link, and wait until it is drawn."""
    address = "&".join(f"{name}={value}" for name, value in wanted.items())
    page.evaluate("(address) => { location.hash = address; }", address)
    settle(page)


def settle(page):
    """Wait until the next frames have been drawn."""
    page.evaluate("""new Promise((go) => requestAnimationFrame(() =>
        requestAnimationFrame(() => setTimeout(go))))""")


def says(page):
    return page.locator("#says").inner_text()


def box(page, selector):
    found = page.locator(selector).bounding_box()
    return np.array([found["x"], found["y"], found["width"], found["height"]])


def drawn(page, name):
    """The lines of a path on the stage, each (n, 2), in pixels of the window."""
    d = page.locator(f"#{name}").get_attribute("d")
    lines = [re.findall(r"-?[\d.]+(?:e-?\d+)?", line) for line in d.split("M")[1:]]
    return [np.array(line, float).reshape(-1, 2) + box(page, "#stage")[:2]
            for line in lines]


def middle(page, name):
    """Where a circle on the stage is, in pixels of the window; None if not seen."""
    circle = page.locator(f"#{name}")
    at = [float(circle.get_attribute(axis)) for axis in ("cx", "cy")]
    seen = circle.get_attribute("opacity") == "1"
    return np.array(at) + box(page, "#stage")[:2] if seen else None


def on_curve(page, pixels):
    """Pixels as x and y of the curve's plot, which is 10.6 by 12."""
    left, top, width, height = box(page, "#curve")
    return (np.array(pixels) - [left + width / 2, top + height / 2]) / [
        width / 10.6, -height / 12]


def on_disc(page, pixels):
    """Pixels as p and q of the disc, whose outermost ring has radius 5."""
    ring = drawn(page, "rings")[4]
    unit = np.ptp(ring[:, 0]) / 10
    return (np.array(pixels) - (ring.min(0) + ring.max(0)) / 2) / [unit, -unit]


def drag(page, start, *path):
    page.mouse.move(*start)
    page.mouse.down()
    for point in path:
        page.mouse.move(*point, steps=3)
    page.mouse.up()
    settle(page)


def swipe(page, start, end):
    """With a finger."""
    session = page.context.new_cdp_session(page)
    for kind, points in [("Start", [start]), ("Move", [end]), ("End", [])]:
        session.send("Input.dispatchTouchEvent", {
            "type": f"touch{kind}",
            "touchPoints": [{"x": x, "y": y} for x, y in points]})
    settle(page)


def phi_of(page, k):
    return np.array(page.evaluate("(k) => [...tapes[k][shown(k)].phi]", k))


def values(phi, x):
    return NET.predict(phi, x[:, None])[:, 0]


def gradients(phi, x):
    """∂f(x)/∂φ, (n, P): that of the squared error where it is 2 (f − y) ∂f = ∂f."""
    copies = np.tile(phi, (len(x), 1))
    y = values(phi, x)[:, None, None] - 0.5
    return NET.loss_and_gradient(copies, x[:, None, None], y)[1]


def pulled(phi, x, y):
    """φ after the step at (x, y) that would land there if f were linear in φ."""
    [f], [g] = values(phi, np.array([x])), gradients(phi, np.array([x]))
    return phi + (y - f) / (g @ g) * g


def place(f, x=X):
    """The (p, q) with p sin x + q cos x nearest to f."""
    return np.linalg.lstsq(np.stack([np.sin(x), np.cos(x)], axis=1), f, rcond=None)[0]


def wrong(phi):
    """The error of one pull at 48 points, of 12 phases, over that of a flat line."""
    error = flat = 0
    for n in range(48):
        p, q = 3 * np.cos(n * np.pi / 6), 3 * np.sin(n * np.pi / 6)
        x = X[12 * (n % 4) + 3 + 3 * (n // 12)]
        after = values(pulled(phi, x, p * np.sin(x) + q * np.cos(x)), X)
        error += np.square(after - p * np.sin(X) - q * np.cos(X)).sum()
        flat += np.square(p * np.sin(X) + q * np.cos(X)).sum()
    return error / flat


# ----------------------------------------------------------------------- what is drawn


@pytest.mark.parametrize("track, k, n", [
    ("five", 5, 0), ("five", 5, 420), ("five", 5, 3000),
    ("one", 1, 58), ("one", 1, 700), ("one", 1, 3000)])
def test_the_pictures_equal_numpy(page, track, k, n):
    x, y = 1.3, -2.7
    show(page, **{"five": 0, "one": 0, track: n}, see=track, x=x, y=y)
    phi = phi_of(page, k)
    W = pulled(phi, x, y)
    curves = {"before": values(phi, GRID), "after": values(W, GRID),
              "guess": y * np.cos(GRID - x)}
    for name, expected in curves.items():
        [line] = on_curve(page, drawn(page, name))
        np.testing.assert_allclose(line, np.stack([GRID, expected], 1), atol=1e-6)
    np.testing.assert_allclose(on_curve(page, middle(page, "dot")), [x, y], atol=1e-6)

    places = {"start": place(values(phi, X)), "landed": place(values(W, X)),
              "target": [y * np.sin(x), y * np.cos(x)]}
    for name, expected in places.items():
        at = on_disc(page, middle(page, name))
        np.testing.assert_allclose(at, expected, atol=1e-6)

    J = gradients(phi, X)
    K = np.reshape(page.evaluate("[...look().kernel]"), (50, 50))
    np.testing.assert_allclose(K, J @ J.T, atol=1e-6 * np.abs(K).max())
    pixels = np.reshape(page.evaluate("""[...element("stripes").getContext("2d")
        .getImageData(0, 0, 50, 50).data]"""), (50, 50, 4))[::-1]  # rows go upwards
    opacity = 255 * np.abs(K) / np.abs(K).max()
    np.testing.assert_allclose(pixels[..., 3], opacity, atol=1)
    coloured = pixels[..., 0] != pixels[..., 2]  # grey has as much red as blue
    np.testing.assert_array_equal(coloured[opacity > 40], (K > 0)[opacity > 40])
    row = on_curve(page, drawn(page, "row")[0])[:, 1].mean()  # the frame lies at x
    stripes = on_curve(page, [box(page, "#stripes")[:2], box(page, "#stripes")[:2]
                              + box(page, "#stripes")[2:]])[:, 1]
    share = (row - stripes[1]) / (stripes[0] - stripes[1])
    assert share == pytest.approx((x + 5.102) / 10.204, abs=0.06)

    style = page.locator(f"#track{k}").get_attribute("style")
    share = float(re.search(r"--wrong: ([\d.]+)", style)[1])
    assert share == pytest.approx(wrong(phi), abs=1e-6)
    assert page.locator(f"#wrong{k}").inner_text() == f"{100 * share:.0f}\xa0% wrong"
    assert page.locator(f"#when{k}").inner_text().endswith(f"× {n:,} sines")


@pytest.mark.parametrize("k", [5, 1])
def test_practice_equals_numpy(page, k):
    """After 30 sines, on the same mini-batches: ten points each, and none twice."""
    batches = np.array(page.evaluate("""(k) => {
        const random = generator(0);
        NET.init(random);  // as the recording begins
        return PLACES.slice(0, 30).map(() =>
            draw_task(k, random).map((x_or_y) => x_or_y.map((batch) => [...batch])));
    }""", k))[:, :, :, None, :, None]
    assert batches.shape == (30, 2, k, 1, 10, 1)
    amplitudes = []
    for x, y in batches.reshape(30, 2, -1):
        p, q = place(y, x)
        np.testing.assert_allclose(p * np.sin(x) + q * np.cos(x), y, atol=1e-9)
        assert len(np.unique(x.round(9))) == 10 * k
        assert np.isin(x.round(9), X.round(9)).all()
        amplitudes.append(np.hypot(p, q))
    assert min(amplitudes) < 1 and 4 < max(amplitudes) <= 5

    start = np.array(page.evaluate("[...tapes[5][0].phi]"))
    draw = iter(batches)
    practice = train(NET, start, lambda rng, T: next(draw), None, alpha=0.04,
                     epsilon=0.4, iterations=3000)
    *_, (n, phi) = [next(practice) for _ in range(30)]
    recorded = page.evaluate("(k) => [...tapes[k][PLACES.indexOf(30)].phi]", k)
    np.testing.assert_allclose(recorded, phi, atol=1e-9)


def test_five_pulls_open_the_star_and_one_does_not(page):
    hits = {}
    for track, k in [("five", 5), ("one", 1)]:
        show(page, five=3000, one=3000, see=track)
        crosses = on_disc(page, [line.mean(0) for line in drawn(page, "crosses")[::2]])
        ends = on_disc(page, [ray[-1] for ray in drawn(page, "rays")])
        hits[k] = (np.linalg.norm(crosses - ends, axis=1) < 0.6).sum()
        words = page.locator("#picture").get_attribute("aria-label").split()
        assert " ".join(words).startswith(
            f"The disc: rays from the start reach {hits[k]} of 20 new sines.")
    assert hits[5] >= 16 and hits[1] <= 4
    start, five, one = page.evaluate(
        "[tapes[1][0], tapes[5][LAST], tapes[1][LAST]].map(({ wrong }) => wrong)")
    assert five < 0.55 and start > 1.2 and one > 1.2


def test_a_cross_shows_eight_pulls_at_ten_points(page):
    show(page, five=600, one=0)
    cross = drawn(page, "crosses")[6].mean(0)
    page.mouse.move(*cross)
    settle(page)
    assert says(page).startswith("A new sine. Eight pulls at ten of its points")
    p, q = on_disc(page, cross)
    W, ten = phi_of(page, 5), X[2::5]
    path = [place(values(W, ten), ten)]
    for _ in range(8):
        residual = values(W, ten) - p * np.sin(ten) - q * np.cos(ten)
        W = W - 0.04 * 2 * (residual @ gradients(W, ten)) / 10
        path.append(place(values(W, ten), ten))
    ray = on_disc(page, drawn(page, "rays")[3])
    np.testing.assert_allclose(ray, path, atol=1e-6)
    np.testing.assert_allclose(on_disc(page, drawn(page, "move")[0]), path, atol=1e-6)
    [curve] = on_curve(page, drawn(page, "after"))
    np.testing.assert_allclose(curve[:, 1], values(W, GRID), atol=1e-6)
    dots = on_curve(page, drawn(page, "ten"))[:, 0]
    expected = np.stack([ten, p * np.sin(ten) + q * np.cos(ten)], axis=1)
    np.testing.assert_allclose(dots, expected, atol=1e-6)
    assert middle(page, "dot") is None  # one question at a time
    page.mouse.move(700, 10)
    settle(page)
    assert middle(page, "dot") is not None


def test_a_second_pull_finds_the_curve_moved_the_right_way_or_not(page):
    for track, k, way in [("five", 5, "right"), ("one", 1, "wrong")]:
        show(page, five=3000, one=3000, see=track, x=-1.6, y=3.4)
        assert page.locator("#verdict").text_content() == "a second pull?"
        page.mouse.click(*middle(page, "ring"))
        settle(page)
        assert page.locator("#verdict").text_content() == f"moved the {way} way"
        assert ("the first pull helped." in says(page)) == (way == "right")
        x, y = on_curve(page, middle(page, "ring"))
        assert y == pytest.approx(3.4 * np.cos(x + 1.6), abs=1e-6)  # on the same sine
        phi = phi_of(page, k)
        ends = [[x, values(weights, np.array([x]))[0]]
                for weights in (phi, pulled(phi, -1.6, 3.4))]
        shaft = on_curve(page, drawn(page, "arrow")[0])
        np.testing.assert_allclose(shaft, ends, atol=1e-6)
        [left] = on_curve(page, drawn(page, "left"))
        np.testing.assert_allclose(left, [ends[1], [x, y]], atol=1e-6)
    page.locator("#second-handle").press("ArrowRight")
    settle(page)
    assert on_curve(page, middle(page, "ring"))[0] == pytest.approx(x + 0.2, abs=1e-6)
    page.locator("#second-handle").press("Escape")
    settle(page)
    assert page.locator("#verdict").text_content() == "a second pull?"


# ----------------------------------------------------------------------- time and tape


def test_a_knob_says_what_it_shows_before_the_tape_is_full(page):
    places, seen = page.evaluate("[PLACES, first]")
    for knob, text, _, same in seen:
        assert same and text == f"Five pulls a sine × {places[knob]:,} sines"
    knobs = [knob for knob, *_ in seen]
    assert len(set(knobs)) > 10 and knobs[-1] == 0 and max(knobs) == len(places) - 1
    lines = [line for *_, line, _ in seen]
    assert "It is still practising: the knob comes along." in lines


def test_time_goes_both_ways_and_tracks_take_turns(page):
    show(page, five=0, one=0)
    page.locator("#track5 button").click()
    page.wait_for_function("+element('time5').value > 20")
    page.evaluate("state.met = true")  # shows the second track
    page.locator("#track1 button").click()
    page.wait_for_function("+element('time1').value > 20")
    stopped = page.locator("#time5").input_value()
    button = page.locator("#track1 button")
    assert button.get_attribute("aria-label") == "Pause: one pull a sine"

    left, top, width, height = box(page, "#time1")
    drag(page, (left + 0.6 * width, top + height / 2), (left + width / 2, top + 9))
    knob = page.locator("#time1").input_value()
    assert int(knob) == pytest.approx(124, abs=4)
    page.wait_for_timeout(150)
    assert page.locator("#time1").input_value() == knob  # the drag has stopped it
    assert page.locator("#time5").input_value() == stopped
    page.locator("#time1").press("Home")
    settle(page)
    [one] = drawn(page, "after")
    page.locator("#time5").press("Home")
    settle(page)
    np.testing.assert_array_equal(one, drawn(page, "after")[0])  # both start alike


# -------------------------------------------------------------------- hands and words


def test_mouse_finger_and_keys_pull_the_point(page, visit):
    show(page, five=3000, one=0)
    left, top, width, height = box(page, "#curve")
    drag(page, middle(page, "dot"), (left + 0.7 * width, top + 0.7 * height))
    at = on_curve(page, middle(page, "dot"))
    np.testing.assert_allclose(at, [0.2 * 10.6, -0.2 * 12], atol=0.05)
    page.mouse.click(left + 0.2 * width, top + 0.3 * height)  # anywhere in the plot
    settle(page)
    at = on_curve(page, middle(page, "dot"))
    np.testing.assert_allclose(at, [-0.3 * 10.6, 0.2 * 12], atol=0.05)

    x, y, w, h = box(page, "#stripes")  # a row is a point's place
    page.mouse.click(x + w / 2, y + h / 4)
    settle(page)
    at = on_curve(page, middle(page, "dot"))
    np.testing.assert_allclose(at, [10.204 / 4, 0.2 * 12], atol=0.1)
    for key in ["ArrowLeft", "ArrowLeft", "ArrowUp"]:
        page.locator("#handle").press(key)
    settle(page)
    keyed = on_curve(page, middle(page, "dot"))
    np.testing.assert_allclose(keyed - at, [-0.4, 0.2], atol=1e-6)
    page.locator("#handle").press("Home")
    settle(page)
    assert on_curve(page, middle(page, "dot"))[0] == pytest.approx(-5)
    spoken = page.locator("#handle").get_attribute("aria-valuetext")
    assert spoken == f"x -5.0, height {keyed[1]:.1f}"

    phone = visit("#five=0&one=0", **PHONE)
    x, y = middle(phone, "dot")
    swipe(phone, (x, y), (x + 50, y + 60))
    np.testing.assert_allclose(middle(phone, "dot"), [x + 50, y + 60], atol=1)
    phone.context.close()  # it records two tapes


def test_what_the_line_says(page):
    for wanted, words in [
            (dict(five=0, one=0), "Unpractised, it only tilts"),
            (dict(five=400, one=0), "Five pulls on a sine, then the next"),
            (dict(five=3000, one=0), "But why five pulls a sine? Play the second"),
            (dict(five=3000, one=100, see="one"), "The same start, but only one pull"),
            (dict(five=3000, one=3000, see="one"), "Each first pull says: start"),
            (dict(five=3000, one=3000), "Both starts are flat."),
            (dict(five=3000, one=0, y=0), "At height zero")]:
        show(page, **wanted)
        assert says(page).startswith(words)
    page.locator("#algorithm").click()
    assert "φ ← φ + ε (W − φ)" in page.locator("#lines").inner_text()
    page.locator("#algorithm").click()
    assert not page.locator("#lines").is_visible()


def test_the_opening_shows_the_gesture(visit):
    page = visit(reduced_motion="no-preference")
    assert says(page) == "One pull at one point moves the whole curve."
    page.evaluate("state.intro = 1.8")
    page.wait_for_function("element('says').textContent.startsWith('And every curve')")
    page.wait_for_function("element('says').textContent.startsWith('Drag the point')")
    at = on_curve(page, middle(page, "dot"))
    np.testing.assert_allclose(at, [-1.6, 3.4], atol=1e-6)
    assert page.locator("#track5").is_visible()
    assert not page.locator("#track1").is_visible()  # it comes when it means something
    page.context.close()


def test_a_link_restores_what_it_shows(page, visit):
    show(page, five=60, one=30, see="one", x=2.5, y=-3)
    page.locator("#handle").press("ArrowUp")
    page.wait_for_function("location.hash.includes('y=-2.8')")
    again = visit(page.evaluate("location.hash"))
    for name in ["after", "rays", "crosses"]:
        np.testing.assert_allclose(np.concatenate(drawn(again, name)),
                                   np.concatenate(drawn(page, name)), atol=1e-6)
    assert says(again) == says(page)
    assert again.locator("#when5").inner_text() == "Five pulls a sine × 60 sines"
    again.context.close()
    show(page, five="rubbish", one=1e9)  # the one is left out, the other cut
    assert page.locator("#when1").inner_text() == "One pull a sine × 3,000 sines"


# ------------------------------------------------------------------------- six screens

FAULTS = """([words, things, hands]) => {
    const all = (selector) => [...document.querySelectorAll(selector)].filter((e) =>
        e.checkVisibility({ visibilityProperty: true }));
    const box = (e) => {  // of the words, not of the room that they have
        const range = document.createRange();
        range.selectNodeContents(e);
        return (e.matches(words) ? range : e).getBoundingClientRect();
    };
    const name = (e) => e.id || e.textContent.trim().slice(0, 20);
    const seen = all(`${words}, ${things}`), faults = [];
    seen.forEach((a, i) => {
        const r = box(a);
        if (Math.min(r.left, r.top, innerWidth - r.right, innerHeight - r.bottom) < -1)
            faults.push(`${name(a)} sticks out`);
        seen.slice(i + 1).filter((b) => !a.contains(b)).map((b) => [b, box(b)])
            .filter(([, s]) => Math.min(r.right, s.right) - Math.max(r.left, s.left) > 2
                && Math.min(r.bottom, s.bottom) - Math.max(r.top, s.top) > 2)
            .forEach(([b]) => faults.push(`${name(a)} covers ${name(b)}`));
    });
    all(hands).forEach((e) => {
        const { left, top, width, height } = e.getBoundingClientRect();
        if (!e.contains(document.elementFromPoint(left + width / 2, top + height / 2)))
            faults.push(`${name(e)} is covered`);
    });
    return faults;
}"""


def test_six_screens_show_everything_and_rotation_loses_nothing(page):
    for track in ["five", "one"]:
        show(page, five=1000, one=3000, see=track)
        before, words = on_curve(page, drawn(page, "after")[0]), says(page)
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            settle(page)
            assert page.evaluate(FAULTS, [
                "header, .caption:not(#keys), .key, #says, label, .wrong",
                "#plane, #curve, #stripes, .track button",
                "#handle, #second-handle, input, button, a"]) == [], (width, height)
            assert min(box(page, "#plane")[2:]) >= 110
            assert box(page, "#curve")[3] >= 80 and box(page, "#stripes")[3] >= 28
            covered = [FAULTS, ["#verdict, #stripes-caption", "#handle", "input"]]
            assert page.evaluate(*covered) == [], (width, height)
            after = on_curve(page, drawn(page, "after")[0])
            np.testing.assert_allclose(after, before, atol=1e-6)
            assert says(page) == words
    page.set_viewport_size({"width": 1280, "height": 720})


# ---------------------------------------------------------------------- draw your own


@pytest.fixture(scope="module")
def board(visit):
    return visit(file=FOLDER / "draw.html")


def shares(page):
    """What the bars say, (3 judges, 3 characters): in words and as lengths."""
    bars = page.locator("#cells li")
    words = re.findall(r"(\d+)\xa0%", "".join(bars.all_text_contents()))
    lengths = bars.evaluate_all("""(bars) => bars.map((bar) => bar.clientWidth
        && parseFloat(bar.style.getPropertyValue("--share")))""")
    return [np.reshape(numbers, (3, 3)).T.astype(float) for numbers in (words, lengths)]


def ink_of(strokes):
    """The ink, (105, 105), of strokes: all pixels within 2.5 of one of their lines."""
    y, x = np.mgrid[:105, :105]
    pixels = np.stack([x, y], axis=-1)
    ink = np.zeros((105, 105), bool)
    for stroke in strokes:
        for a, b in zip(np.array(stroke[:1] + stroke), np.array(stroke)):
            t = np.clip((pixels - a) @ (b - a) / max((b - a) @ (b - a), 1e-12), 0, 1)
            ink |= np.square(pixels - a - t[..., None] * (b - a)).sum(-1) <= 2.5 ** 2
    return ink


def test_answers_to_drawings_equal_numpy(board):
    """From the strokes on the page, by omniglot/data.py and one gradient step."""
    net = MLP([400, 96, 64, 3], loss="cross-entropy")
    examples = set()
    for _ in range(4):
        board.locator("#example").click()
        examples.add(board.locator("#cell0 path").get_attribute("d"))
        pictures = np.array([prepare(ink_of(strokes))
                             for strokes in board.evaluate("state.drawings")])
        expected = []
        for i, alpha in [(0, 0.06), (1, 0.3)]:
            phi = np.array(board.evaluate("(i) => [...JUDGES[i].phi]", i))
            _, g = net.loss_and_gradient(phi, pictures[:3], np.arange(3))
            expected.append(net.predict(phi - alpha * g, pictures[3:])[0])
        expected.append(np.maximum(pictures[:3] @ pictures[3] / 400, 0))
        words, lengths = shares(board)
        np.testing.assert_allclose(lengths, expected, atol=1e-4)
        np.testing.assert_allclose(words, 100 * np.array(expected), atol=0.51)

        found = board.locator(".found h2").all_text_contents()
        if expected[2].max() < 0.4:
            assert says(board).startswith("Perhaps none of them") and found == []
        else:
            assert found == ["ABC"[np.argmax(expected[0])]]
            sure = f"Reptile’s start says {found[0]}, {words[0].max():.0f}\xa0% sure"
            assert sure in says(board)
    with np.load(FOLDER / "omniglot_3way.npz") as file:
        phi, alpha = board.evaluate("[[...JUDGES[0].phi], JUDGES[0].alpha]")
        np.testing.assert_allclose(phi, file["phi"], atol=1e-4)
        assert alpha == file["alpha"]
    random = np.array(board.evaluate("[...JUDGES[1].phi]"))
    assert 0.049 < np.abs(random[:401 * 96]).max() <= 1 / 20  # ± 1 / √400
    assert len(examples) == 4


def test_hands_draw(board, visit):
    board.locator("#clear").click()
    assert says(board) == "Draw something in A, B, C and the fourth."
    assert set(board.locator("#cells li b").all_text_contents()) == {"–"}
    for i in range(4):
        left, top, width, height = box(board, f"#cell{i} .paper")
        assert width == pytest.approx(height)
        end = 0.3 + 0.2 * (i % 3)  # the fourth is drawn as A is
        drag(board, (left + 0.2 * width, top + 0.3 * height),
             (left + 0.8 * width, top + end * height))
    [stroke] = board.evaluate("state.drawings[1]")
    ends = [stroke[0], stroke[-1]]
    np.testing.assert_allclose(ends, [[21, 31.5], [84, 52.5]], atol=0.2)
    assert "says A" in says(board)
    board.evaluate("state.drawings = [0, 0, 1, 0].map((i) => EXAMPLES[0][i]); render()")
    assert says(board).startswith("Two of the three are equally like it")
    board.locator("#cell1 button").click()
    assert says(board) == "Draw something in B."

    phone = visit(file=FOLDER / "draw.html", **PHONE)
    x, y, *_ = box(phone, "#cell0 .paper")
    swipe(phone, (x + 20, y + 20), (x + 60, y + 70))
    assert len(phone.evaluate("state.drawings[0]")) == 3  # the example has two strokes
    paper = "getComputedStyle(document.querySelector('.paper')).touchAction"
    assert phone.evaluate(paper) == "none" and phone.evaluate("scrollY") == 0
    phone.context.close()


def test_six_screens_show_all_cells(board):
    board.locator("#example").click()
    for width, height in SIZES:
        board.set_viewport_size({"width": width, "height": height})
        assert board.evaluate(FAULTS, [
            "header, h2, .cell .text, li span, li b, .caption, #says",
            ".paper, .button", ".paper, button, a"]) == [], (width, height)
        assert min(box(board, f"#cell{i} .paper")[2] for i in range(4)) >= 75
    board.set_viewport_size({"width": 1280, "height": 720})


def test_one_file_works_alone(visit, tmp_path):
    """Both pages, their scripts in them, in a folder without any other file."""
    for name in ["index.html", "draw.html"]:
        (tmp_path / name).write_text(build.in_one_file(name), encoding="utf-8")
    page = visit("#five=60&one=0", file=tmp_path / "index.html")
    page.locator("text=draw your own").click()
    page.wait_for_function("element('says').textContent.startsWith('After one pull')")
