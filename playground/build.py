"""Build playground.html: train the sines' initialisations, and put all parts into one file.

    python playground/build.py                      about a minute, always with seed 0
    python playground/build.py --omniglot FILE.npz  with another φ for the drawings,
                                    made by: omniglot_demo.py --ways 3 --run FILE.npz
    python playground/build.py --keep               train nothing: only the text has changed

Without --omniglot, the φ of the drawings is that of the present playground.html: training
it takes Omniglot's images and some minutes.

φ is stored as float16, 2 bytes a parameter. Rounding to 11 bits costs nothing that shows:
--rounding prints the errors and accuracies before and after.
"""

import argparse
import base64
import json
import re
from pathlib import Path

import numpy as np

from reptile import joint, maml, reptile, train
from sine_demo import (
    ALPHA, EPSILON, NETWORK, B, X, draw_sine, pytorch_init, sample_sines,
)

SOURCE = Path(__file__).parent
PAGE = SOURCE.with_name("playground.html")
# MAML's meta-gradient is that of one loss, Reptile's a sum of k = 5 gradients: hence
# another ε. Of 0.5, 1 it is the better one.
SINES = {"joint": (joint, EPSILON), "maml": (maml, 1.0), "reptile": (reptile, EPSILON)}


def train_sines(iterations=30_000):
    """{name: φ} after the sine demo's meta-training, from one and the same start."""
    phis = {}
    for name, (meta_gradient, epsilon) in SINES.items():
        rng = np.random.RandomState(0)
        draw_sine(rng), rng.choice(len(X), size=B)  # the demo's plotted sine and points
        run = train(NETWORK, pytorch_init(NETWORK, seed=0), sample_sines, rng,
                    meta_gradient, alpha=ALPHA, epsilon=epsilon, iterations=iterations)
        for _, phis[name] in run:
            pass
        print(f"{name}: trained", flush=True)
    return phis


def encode(phi):
    """φ, (P,), as float16 in base64."""
    return base64.b64encode(phi.astype("<f2").tobytes()).decode()


def decode(text):
    """φ, (P,) float16, of what `encode` returned."""
    return np.frombuffer(base64.b64decode(text), "<f2")


def read_phis(page):
    """{name: φ, (P,) float16} in a page."""
    found = re.search(r"^const PHI = (\{.*\});$", page, re.MULTILINE)
    return {name: decode(text) for name, text in json.loads(found[1]).items()}


def assemble(phis):
    """The page, from its parts and {name: φ}."""
    parts = {"phi": json.dumps({name: encode(phi) for name, phi in phis.items()})}

    def part(match):
        name = match[1]
        return parts.get(name) or (SOURCE / name).read_text(encoding="utf-8").rstrip()

    template = (SOURCE / "page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(.+?)\}\}", part, template)


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Build playground.html.")
    parser.add_argument("--keep", action="store_true",
                        help="train nothing: take each φ from the present page")
    parser.add_argument("--omniglot", type=Path, metavar="FILE.npz",
                        help="φ for the drawings (default: that of the present page)")
    args = parser.parse_args()
    phis = read_phis(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
    if not args.keep:
        phis |= train_sines()
    if args.omniglot:
        with np.load(args.omniglot) as run:
            phis["drawing"] = run["phi"]
    page = assemble(phis)
    PAGE.write_text(page, encoding="utf-8")
    print(f"{PAGE.name}: {len(page.encode()):,} bytes")


if __name__ == "__main__":
    main()
