"""Build index.html: train the sines' initialisations, put all parts in one file.

    python playground/build.py            under a minute, one thread
    python playground/build.py --keep     train nothing: only the text has changed
    python playground/build.py --picture  draw the README's figures/playground.png

Each method is trained for the page's network and number of iterations, with the same
outer step sizes and from the same seeds; what is kept is the φ with the smallest error
after 8 steps on 1,000 validation sines. That one rule chose, of its 15 runs each:

    Reptile         ε = 0.8, seed 0   error 0.123
    MAML            ε = 0.8, seed 1         0.255
    joint training  ε = 0.1, seed 0         3.998

Each φ is stored as float16, two bytes a parameter, which leaves these digits alone.
The φ of the drawings is in omniglot_3way.npz, as training it takes Omniglot's images:
python -m omniglot.demo --ways 3 --hidden 96 64 --save playground/omniglot_3way.npz
"""

import argparse
import base64
import json
import re
import shutil
from pathlib import Path

import numpy as np

from reptile import MLP, inner_loop, joint, maml, train
from sine_demo import evaluate, sample_sines, support_and_query

SOURCE = Path(__file__).parent
PAGE = SOURCE / "index.html"
PICTURE = SOURCE.parent / "figures" / "playground.png"
OMNIGLOT = SOURCE / "omniglot_3way.npz"

DESCRIPTION = ("Reptile is meta-learning. Train a network on sines, pull one point, "
               "and it draws a whole sine, in one step. In your browser, offline.")

# As in watch.js.
NETWORK = MLP([1, 32, 32, 1])
ALPHA = 0.04
ITERATIONS = 3000

EPSILONS = (0.1, 0.2, 0.4, 0.8, 1.6)
SEEDS = (0, 1, 2)


# For each method its meta-gradient, and how its mini-batches are drawn: MAML's as it is
# tested, with all steps but the last on the same ten points.
METHODS = {
    "joint": (joint, sample_sines),
    "maml": (maml, support_and_query),
    "reptile": (inner_loop, sample_sines),
}


def train_once(update, sample, epsilon, seed):
    """φ, (P,), after one run; None if it diverged."""
    rng = np.random.default_rng(seed)
    phi = NETWORK.init(rng)
    run = train(NETWORK, phi, sample, rng, update, alpha=ALPHA, epsilon=epsilon,
                iterations=ITERATIONS)
    try:
        for _, phi in run:
            pass
    except FloatingPointError:
        return None
    return phi


def validation_error(phi):
    """The mean squared error on 1,000 sines after 8 steps; infinite without φ."""
    if phi is None:
        return np.inf
    try:
        return evaluate(NETWORK, phi, ALPHA, seed=1, T=1000, steps=(8,)).mean()
    except FloatingPointError:
        return np.inf


def train_best(update, sample):
    """(error, ε, seed, φ) of the run with the smallest validation error."""
    runs = []
    for epsilon in EPSILONS:
        for seed in SEEDS:
            phi = train_once(update, sample, epsilon, seed)
            runs.append((validation_error(phi), epsilon, seed, phi))
    return min(runs, key=lambda run: run[0])


def train_sines():
    """{name: φ}, the best of each method."""
    phis = {}
    for name, (update, sample) in METHODS.items():
        error, epsilon, seed, phi = train_best(update, sample)
        phis[name] = phi
        print(f"{name}: epsilon {epsilon}, seed {seed}, validation error {error:.3f}",
              flush=True)
    return phis


def encode(phi):
    """φ, (P,), rounded to float16, in base64."""
    return base64.b64encode(phi.astype("<f2").tobytes()).decode()


def decode(text):
    """φ, (P,) float16, from what `encode` returned."""
    return np.frombuffer(base64.b64decode(text), "<f2")


def read_phis(page):
    """{name: φ, (P,) float16} in a page."""
    [found] = re.findall(r"^const PHI = (.*);$", page, re.MULTILINE)
    return {name: decode(text) for name, text in json.loads(found).items()}


def read_omniglot():
    """(φ, {"layer_sizes": ..., "alpha": ...}) of omniglot_3way.npz."""
    with np.load(OMNIGLOT) as file:
        settings = {name: file[name].tolist() for name in ("layer_sizes", "alpha")}
        return file["phi"], settings


def assemble(sines):
    """The page, from {name: φ} of the sines: page.html, each {{name}} filled in."""
    drawing, settings = read_omniglot()
    phis = {name: encode(phi) for name, phi in {**sines, "drawing": drawing}.items()}
    parts = {"phi": json.dumps(phis), "omniglot": json.dumps(settings),
             "description": DESCRIPTION}

    def part(match):
        name = match[1]
        return parts.get(name) or (SOURCE / name).read_text(encoding="utf-8").rstrip()

    template = (SOURCE / "page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(.+?)\}\}", part, template)


def draw_picture():
    """The first section with the star open, as Chromium shows it, for the README."""
    from playwright.sync_api import sync_playwright  # which only this needs

    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.goto(PAGE.as_uri() + "#pace=fast&view=kernel")
        page.locator("#play").click()
        page.wait_for_function("run.finished && !run.star_is_old", timeout=120_000)
        page.locator("#question").wait_for()
        page.screenshot(path=PICTURE)
        browser.close()


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Build playground/index.html.")
    parser.add_argument("--keep", action="store_true",
                        help="train nothing: take the sines' φs from the present page")
    parser.add_argument("--picture", action="store_true",
                        help="only draw figures/playground.png from the present page")
    args = parser.parse_args()
    if args.picture:
        return draw_picture()

    sines = read_phis(PAGE.read_text(encoding="utf-8")) if args.keep else train_sines()
    page = assemble(sines)
    PAGE.write_text(page, encoding="utf-8")
    print(f"{PAGE.name}: {len(page.encode()):,} bytes")


if __name__ == "__main__":
    main()
