"""Build playground.html: train the sines' initialisations, put all parts in one file.

    python playground/build.py          about a minute, with seed 0
    python playground/build.py --keep   train nothing: only the text has changed

The φ of the drawings is omniglot_3way.npz, whose training takes Omniglot's images and
some minutes: omniglot_demo.py --ways 3 --phi omniglot_3way.npz

Each φ is stored as float16, two bytes a parameter. Rounding moves Reptile's error after
8 steps, the mean of `sine_demo.evaluate(..., seed=0)`, from 0.11214 to 0.11215.
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
PAGE = SOURCE.with_name("playground.html")
OMNIGLOT = SOURCE.with_name("omniglot_3way.npz")
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


def assemble(phis):
    """The page: page.html, with {{name}} replaced by the file, or by the φs."""
    def part(match):
        if match[1] == "phi":
            return json.dumps({name: encode(phi) for name, phi in phis.items()})
        return (SOURCE / match[1]).read_text(encoding="utf-8").rstrip()

    template = (SOURCE / "page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(.+?)\}\}", part, template)


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Build playground.html.")
    parser.add_argument("--keep", action="store_true",
                        help="train nothing: take the sines' φs from the present page")
    keep = parser.parse_args().keep
    phis = read_phis(PAGE.read_text(encoding="utf-8")) if keep else train_sines()
    with np.load(OMNIGLOT) as file:
        phis["drawing"] = file["phi"]
    page = assemble(phis)
    PAGE.write_text(page, encoding="utf-8")
    print(f"{PAGE.name}: {len(page.encode()):,} bytes")


if __name__ == "__main__":
    main()
