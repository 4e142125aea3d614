"""The lessons as a web site: a folder that opens from disk or from any static host.

    python tutorial/site.py [FOLDER]        FOLDER is `site` if it is left out
    --no-teacher    leave out the solutions and the notes for teachers

    index.html              the notebook's introduction, and where to go
    playground/index.html   the page on which Reptile learns
    lesson-1.html ...       each lesson and the appendix, with their outputs
    slides-1.html ...       the slides of each lesson; they print, one a page
    tutorial_class.ipynb    the notebook without solutions and outputs
    solutions.html          each exercise with its solution
    tutorial/teaching.html  the notes for teachers

Nothing is loaded from the network. Formulas are MathML, which browsers draw by
themselves; each page carries its style, and the slides a short script.

A lesson begins at each top-level heading of tutorial.ipynb. A slide begins at each cell
whose slide type (cell metadata, as for `nbconvert --to slides`) is "slide" or
"subslide"; "fragment" appears at a key press, "skip" and "notes" do not appear. Cells
with the tag "solution" stand in solutions.html alone, those with "exercise" there too.
"""

import argparse
import functools
import html
import re
import shutil
from copy import deepcopy
from pathlib import Path

import nbformat
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments.formatters import HtmlFormatter

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "tutorial"
TEACHING, SOLUTIONS = "tutorial/teaching.html", "solutions.html"


# ------------------------------------------------------------- notebook cells as HTML


class MathMLRenderer(IPythonRenderer):
    """Markdown to HTML as in a notebook, but with MathML for formulas."""

    def inline_math(self, body):
        """$ ... $"""
        return mathml(body)

    def block_math(self, body):
        """$$ ... $$"""
        return mathml(body, display="block")


def mathml(formula, display="inline"):
    """A LaTeX formula as MathML."""
    # The converter knows the environment align*, which looks the same as aligned.
    formula = formula.replace("{aligned}", "{align*}")
    return convert(formula, display=display)


def markdown(text):
    """Markdown as HTML."""
    renderer = MathMLRenderer(escape=False, exclude_anchor_links=True)
    return MarkdownWithMath(renderer).render(text)


def unchanged(text):
    """HTML as it is: the notebook is the project's own, and nothing need be removed."""
    return text


EXPORTER = HTMLExporter(
    template_name="basic",
    filters={"markdown2html": markdown, "clean_html": unchanged},
    exclude_input_prompt=True,
    exclude_output_prompt=True,
)


class Cell:
    """A notebook cell, and its HTML, made once for the lesson and its slides."""

    def __init__(self, node):
        self.node = node
        self.tags = node.metadata.get("tags", [])
        slideshow = node.metadata.get("slideshow", {})
        self.slide_type = slideshow.get("slide_type", "-")  # "-" is the same slide

    @functools.cached_property
    def html(self):
        """The cell with its outputs."""
        notebook = nbformat.v4.new_notebook(cells=[self.node])
        text, _ = EXPORTER.from_notebook_node(notebook)
        return text

    @property
    def top_heading(self):
        """The text of a top-level heading in a Markdown cell, or None."""
        if self.node.cell_type != "markdown":
            return None
        prose = re.sub(r"```.*?```", "", self.node.source, flags=re.DOTALL)
        heading = re.search(r"^# (.+)$", prose, flags=re.MULTILINE)
        return heading[1] if heading else None


def joined(cells):
    """The HTML of all cells."""
    return "\n".join(cell.html for cell in cells)


# ------------------------------------------------------------- what the notebook holds


def parts_of(notebook):
    """{title: cells}: first the introduction, then the lessons and the appendix."""
    parts, title = {}, None
    for node in notebook.cells:
        cell = Cell(node)
        title = cell.top_heading or title
        parts.setdefault(title, []).append(cell)
    return parts


def name_of(title):
    """`lesson-1` for "Lesson 1: Reptile, built before your eyes"."""
    start = title.split(":")[0].lower()
    return re.sub(r"[^a-z0-9]+", "-", start).strip("-")


def slides_of(cells):
    """[[cell, ...], ...]: the cells of each slide."""
    slides = []
    for cell in cells:
        if cell.slide_type in ("slide", "subslide"):
            slides.append([])
        if slides and cell.slide_type not in ("skip", "notes"):
            slides[-1].append(cell)
    return slides


def class_copy(notebook):
    """The notebook without solutions and outputs."""
    copy = deepcopy(notebook)
    copy.cells = [cell for cell in copy.cells
                  if "solution" not in cell.metadata.get("tags", [])]
    for cell in copy.cells:
        if cell.cell_type == "code":
            cell.outputs = []
            cell.execution_count = None
    return copy


# ------------------------------------------------------------- pages


def page(title, body, kind="text", script=""):
    """A whole HTML page; `kind` is "text" or "slides"."""
    style = (HERE / "site.css").read_text(encoding="utf-8")
    code_style = HtmlFormatter(style="xcode").get_style_defs(".highlight")
    return f"""<!DOCTYPE html>
<html lang="en" class="{kind}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{html.escape(title)}</title>
<style>
{style}
{code_style}
</style>
</head>
<body>
{body}
{script}
</body>
</html>
"""


def text_page(title, body, links):
    """A page to read, with links above and below."""
    navigation = f"<nav>{' '.join(links)}</nav>"
    return page(title, f"{navigation}\n<main>{body}</main>\n{navigation}")


def slide_page(title, slides):
    """The slides of a lesson, one below the other, each as high as the window."""
    sections = "\n".join(slide(cells) for cells in slides)
    script = (HERE / "slides.js").read_text(encoding="utf-8")
    way_back = f"<nav>{link(name_of(title) + '.html', 'Text')}</nav>"
    return page(f"{title} (slides)", f"<main>\n{sections}\n</main>\n{way_back}",
                "slides", f"<script>\n{script}</script>")


def slide(cells):
    """One slide; what comes with a key press is of the class `fragment`."""
    blocks = []
    for cell in cells:
        kind = "fragment" if cell.slide_type == "fragment" else "shown"
        blocks.append(f'<div class="{kind}">{cell.html}</div>')
    return f"<section>{''.join(blocks)}</section>"


def solutions(parts):
    """Each exercise with its solution."""
    body = "<h1>Solutions of the exercises</h1>"
    for title, cells in parts.items():
        wanted = [cell for cell in cells if {"exercise", "solution"} & {*cell.tags}]
        if wanted:
            body += f"<h2>{html.escape(title)}</h2>{joined(wanted)}"
    return body


def contents(parts, for_teachers):
    """The notebook's introduction, and where to go."""
    introduction, *lessons = parts
    places = [link("playground/index.html", "The page")
              + ": watch Reptile learn; there is nothing to install"]
    for title in lessons:
        place = link(f"{name_of(title)}.html", title)
        if slides_of(parts[title]):
            place += f" ({link(deck_name(title), 'slides')})"
        places.append(place)
    places.append(link("tutorial_class.ipynb", "The notebook for a class")
                  + ", to be run in the project's folder")
    if for_teachers:
        places.append("For teachers: " + link(TEACHING, "notes")
                      + ", " + link(SOLUTIONS, "solutions"))

    items = "".join(f"<li>{place}</li>" for place in places)
    return f"{joined(parts[introduction])}\n<h2>Where to go</h2>\n<ul>{items}</ul>"


def playground():
    """The page, with a link back."""
    text = (ROOT / "playground" / "index.html").read_text(encoding="utf-8")
    before, _, after = text.rpartition("</main>")
    back = link("../index.html", "To the lessons and slides")
    return f"{before}<p>{back}</p>\n</main>{after}"


def link(address, text):
    """An HTML link."""
    return f'<a href="{address}">{html.escape(text)}</a>'


def deck_name(title):
    """`slides-1.html` for lesson 1."""
    return f"slides-{name_of(title).removeprefix('lesson-')}.html"


# ------------------------------------------------------------- the folder


def pages_of(notebook, for_teachers):
    """{file name: HTML} of all pages."""
    parts = parts_of(notebook)
    public = {title: [cell for cell in cells if "solution" not in cell.tags]
              for title, cells in parts.items()}

    first = next(iter(public))
    index = page(first, f"<main>{contents(public, for_teachers)}</main>")
    pages = {"index.html": index, "playground/index.html": playground()}
    pages |= lesson_pages(public)
    if for_teachers:
        pages |= teacher_pages(parts)
    return pages


def lesson_pages(parts):
    """{file name: HTML} of each lesson and its slides."""
    pages = {}
    _, *lessons = parts
    for title, following in zip(lessons, [*lessons[1:], None]):
        links = [link("index.html", "Contents")]
        slides = slides_of(parts[title])
        if slides:
            links.append(link(deck_name(title), "Slides"))
            pages[deck_name(title)] = slide_page(title, slides)
        if following:
            links.append(link(f"{name_of(following)}.html", f"Next: {following}"))
        pages[f"{name_of(title)}.html"] = text_page(title, joined(parts[title]), links)
    return pages


def teacher_pages(parts):
    """{file name: HTML} of what students need not see."""
    notes = markdown((HERE / "teaching.md").read_text(encoding="utf-8"))
    to_notes = [link("../index.html", "Contents")]
    to_solutions = [link("index.html", "Contents")]
    return {
        TEACHING: text_page("For teachers", notes, to_notes),
        SOLUTIONS: text_page("Solutions", solutions(parts), to_solutions),
    }


def across_pages(pages):
    """The pages, in which a link to #anchor leads to the lesson that has it."""
    owner = {}
    for name, text in pages.items():
        if not name.startswith("slides"):
            for anchor in re.findall(r'<a id="([^"]+)"', text):
                owner[anchor] = name

    def address(match):
        anchor = match[1]
        return f'href="{owner.get(anchor, "")}#{anchor}"'

    return {name: re.sub(r'href="#([^"]+)"', address, text)
            for name, text in pages.items()}


def files_linked_from(name, text, folder):
    """Yield the project's files to which a page links, or which it shows."""
    for address in re.findall(r'(?:href|src)="([^"#:]+)', text):
        target = (folder / name).parent / address
        path = target.resolve().relative_to(folder)
        if (ROOT / path).is_file():
            yield path


def build(folder, for_teachers=True):
    """Write the site."""
    folder = Path(folder).resolve()
    notebook = nbformat.read(ROOT / "tutorial.ipynb", as_version=4)
    pages = across_pages(pages_of(notebook, for_teachers))

    for name in (TEACHING, SOLUTIONS):
        (folder / name).unlink(missing_ok=True)  # of an earlier site, for teachers
    for name, text in pages.items():
        for path in files_linked_from(name, text, folder):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, folder / path)
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    nbformat.write(class_copy(notebook), folder / "tutorial_class.ipynb")


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description="Write the lessons as a web site.")
    parser.add_argument("folder", nargs="?", default="site", help="where (site)")
    parser.add_argument("--no-teacher", action="store_true",
                        help="leave out the solutions and the notes for teachers")
    args = parser.parse_args()
    build(args.folder, for_teachers=not args.no_teacher)
    print(f"Open {Path(args.folder) / 'index.html'} in a browser.")


if __name__ == "__main__":
    main()
