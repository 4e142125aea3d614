"""Make what the pages cannot make themselves.

    python -m playground.build            omniglot_3way.js, from omniglot_3way.npz
    python -m playground.build --picture  the README's figures/playground.png
    python -m playground.build FOLDER     index.html and draw.html in one file each

The pages open from disk as they are. But a page may not read a file on disk, so that
draw.html gets its φ as a script. That φ was trained on Omniglot's images, by
`demo.meta_train` of omniglot/demo.py, for 3-way tasks with hidden layers of 96 and 64.
"""

import argparse
import base64
import json
import re
import shutil
from pathlib import Path

import numpy as np

SOURCE = Path(__file__).parent
PICTURE = SOURCE.parent / "figures" / "playground.png"


def phi_as_script():
    """omniglot_3way.js: φ in 16-bit integers, which change no printed digit."""
    with np.load(SOURCE / "omniglot_3way.npz") as file:
        phi = file["phi"]
        settings = {name: file[name].tolist() for name in ("layer_sizes", "alpha")}
    settings["scale"] = float(np.abs(phi).max() / 32767)
    whole = np.round(phi / settings["scale"]).astype("<i2")
    settings["phi"] = base64.b64encode(whole.tobytes()).decode()
    return ("/* Written by build.py from omniglot_3way.npz. */\n"
            f"const OMNIGLOT = {json.dumps(settings)};\n")


def in_one_file(name):
    """A page with its scripts and its style sheet in it."""
    def script(match):
        return f"<script>\n{(SOURCE / match[1]).read_text(encoding='utf-8')}</script>"

    def style(match):
        return f"<style>\n{(SOURCE / match[1]).read_text(encoding='utf-8')}</style>"

    page = (SOURCE / name).read_text(encoding="utf-8")
    page = re.sub(r'<link rel="stylesheet" href="(.+?)">', style, page)
    return re.sub(r'<script src="(.+?)".*?></script>', script, page, flags=re.DOTALL)


def draw_picture():
    """The page after practice, with one point pulled, as Chromium shows it."""
    from playwright.sync_api import sync_playwright  # which only this needs

    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.goto((SOURCE / "index.html").as_uri() + "#five=3000&one=3000&x=-1.6&y=3.4")
        page.wait_for_function("TRACKS.every((k) => ready(k) >= 0 && !waits(k))")
        page.evaluate("new Promise((go) => setTimeout(go, 500))")
        page.screenshot(path=PICTURE)
        browser.close()


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Make the pages' parts.")
    parser.add_argument("folder", nargs="?", type=Path, help="write both pages there")
    parser.add_argument("--picture", action="store_true", help="draw the picture only")
    args = parser.parse_args()
    if args.picture:
        draw_picture()
    elif args.folder:
        for name in ("index.html", "draw.html"):
            (args.folder / name).write_text(in_one_file(name), encoding="utf-8")
    else:
        (SOURCE / "omniglot_3way.js").write_text(phi_as_script(), encoding="utf-8")


if __name__ == "__main__":
    main()
