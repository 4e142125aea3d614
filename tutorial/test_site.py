"""The site in a real browser, offline: links, formulas, slides and solutions."""

import re
import shutil

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="no package playwright")
nbformat = pytest.importorskip("nbformat", reason="no packages of the extra notebook")
site = pytest.importorskip("tutorial.site", reason="no packages of the extra notebook")

PROJECTOR = {"width": 1280, "height": 720}
NOTEBOOK = nbformat.read(site.ROOT / "tutorial.ipynb", as_version=4)
SOLUTIONS = [cell.source for cell in NOTEBOOK.cells
             if "solution" in cell.metadata.get("tags", [])]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The site of the committed notebook."""
    folder = tmp_path_factory.mktemp("site")
    site.build(folder)
    return folder


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
def tab(browser):
    """A tab without network. Any complaint, or any request but for a file, fails."""
    context = browser.new_context(offline=True, viewport=PROJECTOR)
    page = context.new_page()
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url)
            if not request.url.startswith(("file:", "data:")) else None)
    yield page
    context.close()
    assert complaints == []


def pages(folder):
    return [path for path in folder.rglob("*.html") if "playground" not in path.parts]


def test_all_pages_are_there(folder):
    names = {path.name for path in pages(folder)}
    lessons = {f"lesson-{n}.html" for n in (1, 2, 3, 4)}
    decks = {f"slides-{n}.html" for n in (1, 2, 3, 4)}
    others = {"index.html", "appendix.html", "solutions.html", "teaching.html"}
    assert names >= lessons | decks | others
    assert (folder / "playground" / "index.html").exists()


def test_every_cell_is_in_one_lesson(folder):
    found = sum(path.read_text("utf-8").count('<div class="cell ')
                for path in pages(folder)
                if not path.name.startswith(("slides", "solutions")))
    assert found == len(NOTEBOOK.cells) - len(SOLUTIONS)


def test_links_lead_somewhere(folder):
    for path in pages(folder):
        text = path.read_text("utf-8")
        for address in re.findall(r'(?:href|src)="([^"]*)"', text):
            if address.startswith(("https:", "data:")):
                continue
            file, _, anchor = address.partition("#")
            target = path.parent / file if file else path
            assert target.is_file(), (path.name, address)
            if anchor:
                assert f'id="{anchor}"' in target.read_text("utf-8"), address


def test_pages_open_offline_and_show_formulas(folder, tab):
    formulas = 0
    for path in pages(folder):
        tab.goto(path.as_uri())
        formulas += tab.locator("math").count()
        tab.evaluate("document.querySelectorAll('pre, code').forEach(e => e.remove())")
        text = tab.locator("main").inner_text()
        assert "$" not in text and "\\" not in text, path.name
    assert formulas > 100


def test_the_page_leads_back(folder, tab):
    tab.goto((folder / "index.html").as_uri())
    tab.get_by_role("link", name="The page", exact=True).click()
    tab.wait_for_url("**/playground/index.html")
    tab.get_by_role("link", name="lessons and slides").click()
    tab.wait_for_url("**/index.html")
    assert "playground" not in tab.url


OVERFLOWING = """
[...document.querySelectorAll("section")].flatMap((slide, i) => {
  const parts = [slide, ...slide.querySelectorAll("pre, table, math")];
  const wide = parts.some((e) => e.scrollWidth > e.clientWidth + 1 && e.clientWidth);
  const high = slide.scrollHeight > slide.clientHeight;
  const images = [...slide.querySelectorAll("img")];
  const small = images.some((image) => image.clientHeight < 350);
  return wide || high || small ? [i + 1] : [];
})
"""


@pytest.mark.parametrize("lesson", [1, 2, 3, 4])
def test_nothing_runs_off_a_slide(folder, tab, lesson):
    tab.goto((folder / f"slides-{lesson}.html").as_uri())
    tab.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
    assert tab.evaluate(OVERFLOWING) == []


# ------------------------------------------------------------- a small notebook


def cell(source, slide_type="-", tags=(), kind="markdown"):
    """A cell of a notebook."""
    make = getattr(nbformat.v4, f"new_{kind}_cell")
    metadata = {"slideshow": {"slide_type": slide_type}, "tags": list(tags)}
    return make(source, metadata=metadata)


SMALL = nbformat.v4.new_notebook(cells=[
    cell("# All of it\n\n[on](#there)\n\n```sh\n# no heading\n```"),
    cell("# Lesson 1: Begin", "slide"),
    cell("prepare()", "skip", kind="code"),
    cell("one $x_1$"),
    cell("two", "fragment"),
    cell("three", "subslide"),
    cell('<a id="there"></a>\n# Lesson 2: End', "slide"),
    cell("Do it.", tags=["exercise"]),
    cell("done()  # the solution", tags=["solution"], kind="code"),
])


def test_lessons_and_slides_begin_where_they_should():
    parts = site.parts_of(SMALL)
    assert {title: len(cells) for title, cells in parts.items()} == {
        "All of it": 1, "Lesson 1: Begin": 5, "Lesson 2: End": 3}
    slides = [[c.node.source for c in slide]
              for slide in site.slides_of(parts["Lesson 1: Begin"])]
    assert slides == [["# Lesson 1: Begin", "one $x_1$", "two"], ["three"]]


def test_links_across_pages():
    pages = site.across_pages(site.pages_of(SMALL, for_teachers=False))
    assert '<a href="lesson-2.html#there">' in pages["index.html"]


def test_keys_lead_through_slides_and_fragments(tmp_path, tab):
    deck = site.pages_of(SMALL, for_teachers=False)["slides-1.html"]
    path = tmp_path / "deck.html"
    path.write_text(deck, "utf-8")

    tab.goto(path.as_uri())
    two = tab.get_by_text("two")
    three = tab.get_by_text("three")
    assert not two.is_visible()
    tab.keyboard.press("ArrowRight")
    assert two.is_visible()
    assert tab.evaluate("scrollY") == 0
    tab.keyboard.press(" ")
    playwright.expect(three).to_be_in_viewport()
    assert tab.url.endswith("#2")
    tab.keyboard.press("ArrowLeft")
    playwright.expect(two).to_be_in_viewport()

    tab.goto("about:blank")
    tab.goto(path.as_uri() + "#2")  # a slide can be linked to
    playwright.expect(three).to_be_in_viewport()
    assert tab.evaluate("scrollY") == PROJECTOR["height"]


def test_the_class_copy_says_nothing_of_solutions(folder):
    copy = nbformat.read(folder / "tutorial_class.ipynb", as_version=4)
    assert len(copy.cells) == len(NOTEBOOK.cells) - len(SOLUTIONS)
    for c in copy.cells:
        assert c.source not in SOLUTIONS
        assert not re.search(r"_solution|[Ss]olutions? (is|are) |# Solution", c.source)
        if c.cell_type == "code":
            assert c.outputs == [] and c.execution_count is None


def test_solutions_have_a_page_of_their_own(folder):
    assert len(SOLUTIONS) >= 4
    for source in SOLUTIONS:
        for name in re.findall(r"def (\w+_solution)", source):
            with_it = [path.name for path in pages(folder)
                       if name in path.read_text("utf-8")]
            assert with_it == ["solutions.html"]


def test_a_site_for_students_alone():
    pages = site.pages_of(SMALL, for_teachers=False)
    assert not {"solutions.html", "tutorial/teaching.html"} & {*pages}
    assert "teachers" not in pages["index.html"]
    assert "the solution" not in "".join(pages.values())
