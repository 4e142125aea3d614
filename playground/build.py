"""Build index.html: train the sines' initialisations, put all parts in one file.

    python playground/build.py          about a minute, with seed 0
    python playground/build.py --keep   train nothing: only the text has changed

The φ of the drawings is in omniglot_3way.npz, as training it takes Omniglot's images:
python -m omniglot.demo --ways 3 --hidden 96 64 --run playground/omniglot_3way.npz

Each φ is stored as float16, two bytes a parameter. Rounding moves Reptile's error after
8 steps, the mean of `sine_demo.evaluate(..., seed=0)`, from 0.11214 to 0.11215, and its
accuracy after 1 step on 1,000 tasks, `omniglot.accuracy`, from 90.753 to 90.747 %.

The README's picture: chromium --headless --hide-scrollbars --window-size=1280,1870
--screenshot=figures/playground.png playground/index.html
"""

import argparse
import base64
import json
import re
from pathlib import Path

import numpy as np

import sine_demo
from reptile import joint, maml, reptile, train

SOURCE = Path(__file__).parent
PAGE = SOURCE / "index.html"
OMNIGLOT = SOURCE / "omniglot_3way.npz"
# Each method's meta-gradient and ε. Reptile's sums up k = 5 gradients, MAML's does not.
METHODS = {"joint": (joint, 0.1), "maml": (maml, 1.0), "reptile": (reptile, 0.1)}


def train_sines(iterations=30_000):
    """{name: φ} after the sine demo's meta-training, from one φ, on the same tasks."""
    phis = {}
    for name, (meta_gradient, epsilon) in METHODS.items():
        net, rng = sine_demo.NETWORK, np.random.RandomState(0)
        sine_demo.draw_sine(rng)  # as the demo does for its plot, and then its points
        rng.choice(len(sine_demo.X), size=sine_demo.B)
        phi = sine_demo.pytorch_init(net, seed=0)
        run = train(net, phi, sine_demo.sample_sines, rng, meta_gradient,
                    alpha=sine_demo.ALPHA, epsilon=epsilon, iterations=iterations)
        for _, phis[name] in run:
            pass
        print(f"{name}: trained", flush=True)
    return phis


def encode(phi):
    """φ, (P,), rounded to float16, in base64."""
    return base64.b64encode(phi.astype("<f2").tobytes()).decode()


def read_phis(page):
    """{name: φ, (P,) float16} in a page."""
    [found] = re.findall(r"^const PHI = (.*);$", page, re.MULTILINE)
    return {name: np.frombuffer(base64.b64decode(text), "<f2")
            for name, text in json.loads(found).items()}


def read_omniglot():
    """(φ, {"layer_sizes": ..., "alpha": ...}) of a finished run, omniglot_3way.npz."""
    with np.load(OMNIGLOT) as run:
        iterations = json.loads(str(run["settings"]))["--iterations"]
        if run["iteration"] != iterations:
            raise SystemExit(f"{OMNIGLOT.name}: not trained to the end; run it again")
        settings = {name: run[name].tolist() for name in ("layer_sizes", "alpha")}
        return run["phi"], settings


def assemble(sines):
    """The page, from {name: φ} of the sines: page.html, each {{name}} filled in."""
    drawing, settings = read_omniglot()
    phis = {name: encode(phi) for name, phi in {**sines, "drawing": drawing}.items()}
    parts = {"phi": json.dumps(phis), "omniglot": json.dumps(settings)}

    def part(match):
        name = match[1]
        return parts.get(name) or (SOURCE / name).read_text(encoding="utf-8").rstrip()

    template = (SOURCE / "page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(.+?)\}\}", part, template)


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Build playground/index.html.")
    parser.add_argument("--keep", action="store_true",
                        help="train nothing: take the sines' φs from the present page")
    keep = parser.parse_args().keep
    sines = read_phis(PAGE.read_text(encoding="utf-8")) if keep else train_sines()
    page = assemble(sines)
    PAGE.write_text(page, encoding="utf-8")
    print(f"{PAGE.name}: {len(page.encode()):,} bytes")


if __name__ == "__main__":
    main()
