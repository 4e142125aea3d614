"""Reptile on Omniglot: learn to tell new handwritten characters apart from one or five examples of each.

A task is N characters ("N-way") with K drawings of each to learn from ("K-shot", the support set) and other drawings
to be judged by (the query set). φ is trained on the characters of some alphabets, and evaluated on those of alphabets
that it has never seen, beside four baselines on the very same tasks.

    python omniglot_demo.py                                train 5-way, evaluate, draw figures: about two minutes
    python omniglot_demo.py --inputs edges                 shown edges: more accurate, but Reptile has less to do
    python omniglot_demo.py --train small2 --test small1   the opposite split
    python omniglot_demo.py --gradient-combinations        which sums of inner gradients learn? (section 6.2)
    python omniglot_demo.py --help                         everything else

Follows: section 6.1 of arXiv:1803.02999, with the data of Lake, Salakhutdinov, Tenenbaum (Science 350:1332, 2015).
But: an MLP where the paper has a convolutional network, and 136 characters where it has 1200, so that part of what a
convolution would learn is done by hand: see `prepare`. Not transductive: each query is judged by itself. The inner
loop and the meta-update are those of reptile.py; there is none here.
"""

import argparse
import hashlib
import http.client
import io
import os
import re
import sys
import time
import urllib.request
import zipfile
from pathlib import Path

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.patches import Rectangle

from reptile import MLP, SGD, Adam, check_count, inner_loop, load, minibatches, read, save, train, whole

# Meta-training as in the paper's Omniglot experiments, but SGD inside is the default, which does as well as Adam here.
K_STEPS, B = 5, 10  # inner steps k, examples in a mini-batch
SHOTS = 10  # drawings of each class in training tasks, so that in 5-way ones k = 5 mini-batches use each once
META_BATCH = 5  # T
EPSILON = 1.0  # outer step size at the start
INNER = {"sgd": (SGD(), 0.1), "adam": (Adam(), 0.001)}  # inner optimiser and its step size α
HIDDEN = (96, 128)
TEST_STEPS, QUERIES = 50, 5  # in evaluation: inner steps on the support set, query drawings of each class

SOURCE = "https://github.com/brendenlake/omniglot/raw/master/python/"
ZIPS = {  # name on the command line: file, bytes, SHA-256
    "small1": ("images_background_small1.zip", 1_319_022,
               "f38eb80f801274ac2b4dff5b24289016bfaba4a7d5bb50deebf27104ad6cb8a4"),
    "small2": ("images_background_small2.zip", 1_580_917,
               "3ccaa407515a8778e5d0861875af38b17e418f301ad5bb3b5a6b65d901a41c7f"),
    "background": ("images_background.zip", 9_464_212,
                   "ad41ab679c8b5d90b271ef46be6987cc81211774a695c29dcc5367b2b26ee640"),
    "evaluation": ("images_evaluation.zip", 6_462_886,
                   "1f61a8f3366785b057fc117d9228e78a16e3d976c8953b2a10fcc74cf0609cee"),
}
STALL, PATIENCE = 20, 300  # seconds without a byte, and in all, after which a download is given up
DRAWERS = 20  # people who drew each character, once each
ENTRY = re.compile(r"[\w-]+/([^/\\]+)/(character\d\d)/\d{4}_\d\d\.png")
MOST_BYTES, MOST_PIXELS = 20_000, 4 * 10**8  # of one drawing's file, and of all drawings: what is larger is refused


def find_zip(name, folder=None):
    """The path of an Omniglot zip, verified: in `folder`, or else in OMNIGLOT_DIR, or the user's cache, or fetched.

    Raises ValueError, with what to do about it, if there is no such folder, or the file is not the official one.
    """
    file, size, sha256 = ZIPS[name]
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    for place, where in ("--data", folder), ("OMNIGLOT_DIR", os.environ.get("OMNIGLOT_DIR")):
        if where and not Path(where).is_dir():
            raise ValueError(f"{place}: there is no folder {where}")
        if where and (Path(where) / file).exists():
            return verified(Path(where) / file, size, sha256)
    path = Path(cache) / "reptile-omniglot" / file
    if not path.exists():
        download(path, size, sha256)
    return verified(path, size, sha256)


def verified(path, size, sha256):
    """`path`, or ValueError if its size or its SHA-256 is not the official one."""
    if path.stat().st_size != size:
        fault = f"has {path.stat().st_size:,} bytes, not {size:,}"
    elif hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        fault = "has another SHA-256 than the official file"
    else:
        return path
    raise ValueError(f"{path} {fault}: remove it, to have it fetched anew, or name another folder with --data")


def download(path, size, sha256):
    """Fetch an official file to `path`, whole and verified or not at all; ValueError says what went wrong."""
    url, deadline = SOURCE + path.name, time.monotonic() + PATIENCE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as part, open(part, "wb") as out, urllib.request.urlopen(url, timeout=STALL) as answer:
            while chunk := answer.read1(2**16):  # read1 returns with what there is, so that the deadline is looked at
                out.write(chunk)
                print(f"\rfetching {path.name}: {out.tell():,} of {size:,} bytes", end="", flush=True, file=sys.stderr)
                if out.tell() > size or time.monotonic() > deadline:
                    break
            print(file=sys.stderr)
            if time.monotonic() > deadline:
                raise TimeoutError(f"not done after {PATIENCE} seconds")
            out.flush()
            verified(part, size, sha256)
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = "it is not the official file" if isinstance(error, ValueError) else error
        raise ValueError(f"cannot fetch {path.name} from {url} to {path.parent}: {reason}; "
                         "fetch it by other means, and name its folder with --data or OMNIGLOT_DIR") from None


def read_zip(path):
    """(names, drawings) of an Omniglot zip, which is read in place: nothing of it is ever written to the disk.

    names     the classes' (alphabet, character), sorted
    drawings  their ink, (classes, 20, side, side) uint8: 1 where there is ink

    Raises ValueError if the zip is not whole, or holds anything but Omniglot's files: in doubt it is refused.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            characters = list_drawings(archive.infolist())
            side = png_side(archive.read(next(iter(characters.values()))[0]))
            if len(characters) * DRAWERS * side**2 > MOST_PIXELS:
                raise ValueError(f"{len(characters):,} characters of {side} x {side} pixels are too many")
            drawings = np.empty((len(characters), DRAWERS, side, side), np.uint8)
            for images, entries in zip(drawings, characters.values()):
                for image, entry in zip(images, entries):
                    image[...] = read_png(archive.read(entry), side)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from None
    except Exception as error:  # a foreign file can fail in any way that a parser knows
        raise ValueError(f"{path} is not a whole zip of Omniglot drawings: {error}") from None
    return list(characters), drawings


def list_drawings(entries):
    """{(alphabet, character): its 20 zip entries}, sorted, or ValueError if there is anything else in the zip."""
    characters = {}
    for entry in sorted((entry for entry in entries if not entry.is_dir()), key=lambda entry: entry.filename):
        match = ENTRY.fullmatch(entry.filename)
        if not match or entry.file_size > MOST_BYTES:
            raise ValueError(f"what is {entry.filename[:80]!r}, of {entry.file_size:,} bytes, doing there?")
        characters.setdefault(match.groups(), []).append(entry)
    for name, drawings in characters.items():
        if len(drawings) != DRAWERS:
            raise ValueError(f"{'/'.join(name)} has {len(drawings)} drawings, not {DRAWERS}")
    if not characters:
        raise ValueError("it holds no drawings")
    return characters


def png_side(data):
    """The height of a PNG, from its first 24 bytes: known before a pixel is decoded, and refused beyond 512."""
    side = int.from_bytes(data[20:24], "big")
    if data[:8] != b"\x89PNG\r\n\x1a\n" or not 8 <= side <= 512:
        raise ValueError("its images are not PNGs of a plausible size")
    return side


def read_png(data, side):
    """The ink of one drawing, (side, side) bool: Omniglot's ink is black, 0, and its paper 1."""
    if png_side(data) != side or data[16:20] != data[20:24]:
        raise ValueError("its images are not squares of one size")
    paper = imread(io.BytesIO(data), format="png")
    if paper.shape != (side, side) or (paper > 0.5).all():
        raise ValueError("its images are not black ink on white paper")
    return paper < 0.5


def load_split(train_name, test_name, folder=None):
    """((names, drawings) to train on, (names, drawings) to test on), as `read_zip` returns them.

    Some zips share alphabets. An alphabet that is trained on is never tested on, so it is left out of the second part.
    """
    names, drawings = read_zip(find_zip(train_name, folder))
    test_names, test_drawings = read_zip(find_zip(test_name, folder))
    seen = {alphabet for alphabet, _ in names}
    unseen = [i for i, (alphabet, _) in enumerate(test_names) if alphabet not in seen]
    if not unseen:
        raise ValueError(f"all alphabets of --test {test_name} are in --train {train_name} too: nothing to test on")
    return (names, drawings), ([test_names[i] for i in unseen], test_drawings[unseen])


# Whatever the network sees has gone through shrink and prepare: drawings of Omniglot and those of a user alike.

SIDE, SPREAD = 28, 8.0  # pixels: of an image, and from its centre to its ink, root mean square
CELLS, REACH = 7, 2.0  # the grid of the features, and the standard deviation, in pixels, of what a cell looks at
ANGLES = np.arange(8) * np.pi / 4
DIRECTIONS = np.stack([np.sin(ANGLES), np.cos(ANGLES)], axis=1).astype(np.float32)  # (8, 2): down, right
# The symmetries of the square: a quarter-turn 0 to 3 times, and the same mirrored. (8, 2, 2)
TURNS = np.array([np.linalg.matrix_power([[0, -1], [1, 0]], q) @ np.diag([1, m]) for m in (1, -1) for q in range(4)])


def area_means(n, m):
    """The matrix (m, n) that reduces n pixels to m: each becomes the mean of what it covers, fractions included."""
    borders, pixel = np.arange(m + 1) * n / m, np.arange(n)
    overlap = np.minimum(borders[1:, None], pixel + 1) - np.maximum(borders[:-1, None], pixel)
    return (np.maximum(overlap, 0) * m / n).astype(np.float32)


def shrink(drawings):
    """Ink of any resolution, (classes, drawings, h, w), as images (classes, drawings, 28, 28) float32."""
    rows, columns = (area_means(n, SIDE) for n in drawings.shape[-2:])
    # One class at a time, because as floats the drawings take four times the memory.
    return np.array([rows @ drawing.astype(np.float32) @ columns.T for drawing in drawings])


def centre_and_spread(images):
    """The ink's centre of mass, (n, 2), and its root mean square distance from it, (n,), in images (n, side, side)."""
    profiles = np.stack([images.sum(axis=2), images.sum(axis=1)], axis=1)  # (n, 2, side): ink in each row, each column
    ink = profiles.sum(axis=2, keepdims=True)
    if not (ink > 0).all():
        raise ValueError("an image without ink has no centre")
    profiles /= ink
    position = np.arange(images.shape[-1], dtype=np.float32)
    centre = profiles @ position  # (n, 2)
    return centre, np.sqrt((profiles * (position - centre[..., None]) ** 2).sum(axis=(1, 2)))


def warp(images, A):
    """Images (n, side, side) drawn anew: pixel p, counted from the middle, shows what was at the ink's centre + A p.

    A is (n, 2, 2) and, being linear, cannot move. Where a character stands and how large it is says little about what
    it is: its centre of mass goes to the middle, and its ink is scaled to a common spread.
    """
    n, side, _ = images.shape
    centre, spread = centre_and_spread(images)
    A = A * (np.maximum(spread, 1) / SPREAD)[:, None, None]  # at least 1, as the size of a lone dot says nothing
    p = np.indices((side, side)).reshape(2, -1) - (side - 1) / 2  # (2, side²)
    source = A.astype(np.float32) @ p.astype(np.float32) + centre[..., None]  # (n, 2, side²)
    # Bilinear interpolation in an image with a margin of paper, to which all points outside are moved.
    padded = np.pad(images, ((0, 0), (1, 2), (1, 2))).ravel()
    source = np.clip(source + 1, 0, side + 0.999)
    corner = source.astype(np.int32)
    down, right = np.moveaxis(source - corner, 1, 0)  # (n, side²) each
    row = side + 3
    at = (np.arange(n, dtype=np.int32) * row * row)[:, None] + corner[:, 0] * row + corner[:, 1]
    above = padded[at] * (1 - right) + padded[at + 1] * right
    below = padded[at + row] * (1 - right) + padded[at + row + 1] * right
    return (above * (1 - down) + below * down).reshape(images.shape)


def edges(images):
    """How strong the strokes' edges are in each of 8 directions around each point of a 7 x 7 grid: (n, 8, 7, 7).

    Histograms of gradients (Dalal & Triggs, CVPR 2005): in today's words, one layer of convolution with fixed filters,
    and mean pooling. The pixels of two drawings hardly ever coincide; strokes of one direction in one place do.
    """
    n, side, _ = images.shape
    gradient = np.stack(np.gradient(images, axis=(1, 2)), axis=1).reshape(n, 2, -1)  # (n, 2, side²)
    strength = np.sqrt((gradient * gradient).sum(axis=1, keepdims=True)) + 1e-6
    part = np.maximum(DIRECTIONS @ gradient, 0) / strength  # (n, 8, side²): cosine of the angle to each direction
    # cos⁴, because cos would say nearly the same in neighbouring directions.
    part = (strength * np.square(np.square(part))).reshape(n, len(DIRECTIONS), side, side)
    distance = (np.arange(CELLS)[:, None] + 0.5) * side / CELLS - (np.arange(side) + 0.5)
    pool = np.exp(-((distance / REACH) ** 2) / 2).astype(np.float32)
    return pool @ part @ pool.T


FEATURES = {"pixels": lambda images: images, "edges": edges}


def prepare(images, A=np.eye(2), features="pixels"):
    """The network's inputs, (..., n_in) float32, for images (..., 28, 28), each seen through its A, (..., 2, 2).

    Each example's inputs are brought to mean 0 and standard deviation 1, so that neither pen nor contrast matters.
    """
    lead = np.broadcast_shapes(images.shape[:-2], A.shape[:-2])
    images = np.broadcast_to(images, lead + images.shape[-2:]).reshape(-1, *images.shape[-2:])
    A = np.broadcast_to(A, lead + (2, 2)).reshape(-1, 2, 2)
    pieces = []
    for i in range(0, len(images), 64):  # few enough to stay in the processor's cache
        x = FEATURES[features](warp(images[i : i + 64], A[i : i + 64])).reshape(len(images[i : i + 64]), -1)
        x -= x.mean(axis=1, keepdims=True)
        pieces.append(x / (x.std(axis=1, keepdims=True) + 1e-6))
    return np.concatenate(pieces).reshape(*lead, -1)


def small_affine(rng, shape):
    """Random A, shape + (2, 2): turned by up to 12°, sheared by up to 0.2, scaled by 0.85 to 1.2, as if drawn again."""
    angle, shear = np.radians(rng.uniform(-12, 12, shape)), rng.uniform(-0.2, 0.2, shape)
    scale = np.exp(rng.uniform(np.log(0.85), np.log(1.2), shape))
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    # [[c, −s], [s, c]] [[1, 0], [shear, 1]]
    return np.moveaxis(np.array([[c - s * shear, -s], [s + c * shear, c]]), (0, 1), (-2, -1))


def augment(images, rng, variants, features="pixels"):
    """Training inputs (8 · classes, 20 · variants, n_in) of images (classes, 20, 28, 28).

    A character turned or mirrored is another character: eight classes for one. A character slightly deformed is the
    same: more drawings of it. With few characters, memorising them would otherwise be easier than learning to learn.
    """
    A = TURNS[:, None, None] @ small_affine(rng, (len(images), len(TURNS), images.shape[1], variants))
    x = np.array([prepare(drawings[None, :, None], A_class, features) for drawings, A_class in zip(images, A)])
    return x.reshape(len(images) * len(TURNS), images.shape[1] * variants, -1)



def draw_tasks(rng, T, N, S, classes, drawings):
    """T tasks as indices: N different classes, (T, N, 1), and S different drawings of each, (T, N, S)."""
    if N > classes or S > drawings:
        raise ValueError(f"{N} classes with {S} drawings each, out of {classes} classes with {drawings} drawings?")
    # The first N of a random order: without replacement, so that no query is in the support set. One row of random
    # numbers a task, so that T tasks drawn together are those that would be drawn one by one.
    order = rng.random((T, classes + N * drawings))
    chosen = order[:, :classes].argsort(axis=1)[:, :N, None]
    return chosen, order[:, classes:].reshape(T, N, drawings).argsort(axis=2)[..., :S]


def shuffle(rng, support, k, b):
    """k mini-batches of b from the support sets (T, N, S, n_in): x (k, T, b, n_in) and labels (k, T, b)."""
    T, N, S = support.shape[:3]
    index = minibatches(rng, T, N * S, k, b)  # (k, T, b)
    return support.reshape(T, N * S, -1)[np.arange(T)[:, None], index], index // S


def task_distribution(data, N, shots=SHOTS, k=K_STEPS, b=B):
    """The function `sample` that reptile.train asks for: N-way tasks out of data (classes, drawings, n_in)."""

    def sample(rng, T):
        return shuffle(rng, data[draw_tasks(rng, T, N, shots, *data.shape[:2])], k, b)

    return sample


class Learner:
    """A network that starts from phi and learns each task's support set in a number of inner steps."""

    def __init__(self, net, phi, inner, steps=TEST_STEPS):
        self.net, self.phi, self.steps, (self.optimiser, self.alpha) = net, phi, steps, INNER[inner]

    def adapt(self, support):
        """The weights, (T, P), that have learnt the support sets (T, N, K, n_in)."""
        rng = np.random.default_rng(0)  # for whoever learns these tasks, the mini-batches are the same
        x, y = shuffle(rng, support, self.steps, min(B, support.shape[1] * support.shape[2]))
        return inner_loop(self.net, self.phi, x, y, self.alpha, self.optimiser)

    def __call__(self, support, query):
        """The labels, (T, M), that the adapted network finds most probable for query (T, M, n_in)."""
        return self.net.predict(self.adapt(support), query).argmax(axis=-1)


def nearest_neighbour(support, query):
    """The labels, (T, M), of the closest of support (T, N, K, n_in) to each of query (T, M, n_in)."""
    T, N, K, n_in = support.shape
    support = support.reshape(T, N * K, n_in)
    # |q − s|² = |q|² − 2 q·s + |s|², and |q|² is the same for all s.
    distance = (support * support).sum(axis=2)[:, None] - 2 * query @ support.swapaxes(1, 2)
    return distance.argmin(axis=2) // K


def accuracy(learner, data, N, K, T, seed):
    """The share of correct queries in each of T N-way K-shot tasks, (T,): the seed alone says which tasks they are."""
    classes, drawings = draw_tasks(np.random.default_rng([seed, N, K]), T, N, K + QUERIES, *data.shape[:2])
    labels = np.repeat(np.arange(N), QUERIES)
    correct = []
    for i in range(0, T, 50):  # adapted in pieces of 50 tasks, for the memory's sake
        x = data[classes[i : i + 50], drawings[i : i + 50]]  # (50, N, K + QUERIES, n_in)
        support, query = x[:, :, :K], x[:, :, K:].reshape(len(x), N * QUERIES, -1)
        correct.append((learner(support, query) == labels).mean(axis=1))
    return np.concatenate(correct)


def print_table(entrants, N, shots, T, seed):
    """Print the accuracy of each of entrants, {name: (learner, data)}, on the very same tasks."""
    print(f"\n{N}-way accuracy (%) after k inner steps: mean and 95 % interval over {T:,} tasks of new characters,"
          f" {QUERIES} queries a class")
    print(" " * 30 + "".join(f"{K:>8}-shot" for K in shots))
    for name, (learner, data) in entrants.items():
        results = [100 * accuracy(learner, data, N, K, T, seed) for K in shots]
        cells = (f"{a.mean():.1f} ± {1.96 * a.std(ddof=1) / np.sqrt(T):.1f}" for a in results)
        print(f"{name:30}" + "".join(f"{cell:>13}" for cell in cells), flush=True)



def meta_train(name, net, data, args, measure):
    """(phi, learning curve) of "Reptile", or of its baseline "joint training". The curve: (iteration, accuracies)s.

    Joint training (k = 1) sees as many images of as many tasks, each task's in one mini-batch. Reptile is saved to
    args.run at every twentieth of its iterations, and goes on from there if the file exists.
    """
    optimiser, alpha = INNER[args.inner]
    settings = {"alpha": alpha, "epsilon": EPSILON, "iterations": args.iterations, "meta_batch": META_BATCH,
                "inner": optimiser, "update": "reptile" if name == "Reptile" else "joint"}
    sampling = {} if name == "Reptile" else {"k": 1, "b": args.ways * SHOTS}
    shared = settings | {"data": f"{args.inputs} of {args.train}", "seed": args.seed}  # with the run to go on from
    rng, path = np.random.default_rng(args.seed), args.run if name == "Reptile" else None
    phi, start = net.init(rng), 0
    if path and path.exists():
        phi, start = load(path, net, rng, **shared)
        print(f"{path}: going on after iteration {start:,}" if start < args.iterations else f"{path}: already trained")
    elif path:
        save(path, net, phi, 0, rng, **shared)  # if it cannot be written, it is better to know now
    curve, sample = [(start, measure(phi, start))], task_distribution(data, args.ways, **sampling)
    for iteration, phi in train(net, phi, sample, rng, start=start, **settings):
        if path and (iteration % max(1, args.iterations // 20) == 0 or iteration == args.iterations):
            save(path, net, phi, iteration, rng, **shared)
        if iteration % max(1, args.iterations // 8) == 0 or iteration == args.iterations:
            curve.append((iteration, measure(phi, iteration)))
    return phi, curve


# Sums of the inner gradients, as in section 6.2: mini-batch 1 alone, the last of k alone (FOMAML), all k (Reptile).
COMBINATIONS = {"g1": [1], "g2": [0, 1], "g1 + g2": [1, 1], "g3": [0, 0, 1], "g1 + g2 + g3": [1, 1, 1],
                "g4": [0, 0, 0, 1], "g1 + g2 + g3 + g4": [1, 1, 1, 1]}


def compare_combinations(data, test_data, iterations=4000, seeds=3, points=8):
    """The points' iterations, and {name: 5-way 5-shot accuracies there, (seeds, points + 1)}, for each of COMBINATIONS.

    The paper's protocol, scaled down: SGD, meta-batch 1, k disjoint mini-batches of 25, so 5k drawings of each class.
    Evaluated after 4 inner steps, as many as the longest sum has: after 50, good features have made up for much.
    """
    net, alpha, results = MLP([data.shape[-1], *HIDDEN, 5], loss="cross-entropy"), INNER["sgd"][1], {}
    for name, c in COMBINATIONS.items():
        sample, curves = task_distribution(data, 5, shots=5 * len(c), k=len(c), b=25), []
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            phi = net.init(rng)
            run = train(net, phi, sample, rng, alpha=alpha, epsilon=EPSILON, iterations=iterations, update=c)
            # `train` yields the live φ, so that each is copied; φ itself is still where it started.
            reached = [(0, phi), *((i, phi.copy()) for i, phi in run if i % (iterations // points) == 0)]
            curves.append([accuracy(Learner(net, phi, "sgd", 4), test_data, 5, 5, 100, 0).mean() for _, phi in reached])
        results[name] = np.array(curves)
        print(f"{name:18} {100 * results[name][:, -1].mean():.1f} %, mean of {seeds} seeds", flush=True)
    return [i for i, _ in reached], results



def compass(x):
    """The features of one drawing, (392,), as a picture (21, 21): the grid of each direction lies in that direction."""
    picture = np.zeros((3, CELLS, 3, CELLS))
    for (down, right), grid in zip(DIRECTIONS, (x - x.min()).reshape(len(DIRECTIONS), CELLS, CELLS)):
        picture[1 + round(down), :, 1 + round(right)] = grid
    return picture.reshape(3 * CELLS, 3 * CELLS)


def preparation_figure(drawings, rng):
    """Each step of the preparation, from left to right, of each of drawings (n, side, side)."""
    images = shrink(drawings[:, None])[:, 0]
    steps = {
        f"as drawn\n{drawings.shape[1]} x {drawings.shape[2]}": drawings,
        f"area means\n{SIDE} x {SIDE}": images,
        "centre and\nsize": warp(images, np.eye(2)),
        "small affine\nvariant": warp(images, small_affine(rng, (len(images),))),
        "another:\nsame class": warp(images, small_affine(rng, (len(images),))),
        "quarter-turn:\nnew class": warp(images, TURNS[1]),
        "mirrored:\nnew class": warp(images, TURNS[4]),
        "edges in 8\ndirections": [compass(x) for x in prepare(images, features="edges")],
    }
    figure = Figure(figsize=(13, 1.7 * len(images) + 0.6), layout="constrained")
    for column, (title, pictures) in zip(figure.subplots(len(images), len(steps)).T, steps.items()):
        column[0].set_title(title)
        for axes, picture in zip(column, pictures):
            axes.imshow(picture, cmap="gray_r")
            axes.set(xticks=[], yticks=[])
    return figure


def episode_figure(learner, images, data, N, seed):
    """A 1-shot task: each query's probabilities before and after adaptation, under the support images."""
    classes, drawings = draw_tasks(np.random.default_rng(seed), 1, N, 3, *data.shape[:2])
    x, pictures = data[classes, drawings], images[classes, drawings][0]  # (1, N, 3, n_in), (N, 3, 28, 28)
    query, shown = x[:, :, 1:].reshape(1, 2 * N, -1), pictures[:, 1:].reshape(2 * N, SIDE, SIDE)
    figure = Figure(figsize=(2 + 1.6 * N, 3 + N), layout="constrained")
    panels = {"before adaptation": learner.phi, f"after {learner.steps} steps": learner.adapt(x[:, :, :1])[0]}
    for axes, (title, weights) in zip(figure.subplots(1, 2), panels.items()):
        probability = learner.net.predict(weights, query[0])  # (2N, N)
        axes.imshow(probability, cmap="Blues", vmin=0, vmax=1)
        for i, j in np.ndindex(probability.shape):
            p = probability[i, j]
            axes.text(j, i, f"{100 * p:.0f}", ha="center", va="center", color="white" if p > 0.5 else "black")
            axes.imshow(pictures[j, 0], cmap="gray_r", extent=(j - 0.5, j + 0.5, -0.7, -1.7))
        for i, image in enumerate(shown):
            axes.imshow(image, cmap="gray_r", extent=(-1.7, -0.7, i + 0.5, i - 0.5))
            axes.add_patch(Rectangle((i // 2 - 0.5, i - 0.5), 1, 1, fill=False, edgecolor="#E69F00", linewidth=3))
        axes.set(xlim=(-1.75, N - 0.5), ylim=(2 * N - 0.5, -1.75), xticks=[], yticks=[], title=title)
        axes.set_frame_on(False)
    figure.supxlabel("probability (%) of each class for each query; orange: the right class", fontsize=13)
    return figure


def curve_figure(curves, shots, title):
    """Learning curves {name: [(iteration, accuracies of each of `shots`), ...]}."""
    figure = Figure(figsize=(9, 5.5), layout="constrained")
    axes = figure.subplots()
    for (name, curve), colour in zip(curves.items(), ("#0072B2", "#D55E00")):
        iterations, accuracies = zip(*curve)
        for K, values, style in zip(shots, np.transpose(accuracies), ("o-", "s--", "^:", "v-.")):
            axes.plot(iterations, 100 * values, style, color=colour, linewidth=2.5, label=f"{name}, {K}-shot")
    axes.set(xlabel="iteration of meta-training", ylabel=f"accuracy (%) after {K_STEPS} inner steps", title=title)
    axes.legend()
    axes.grid(alpha=0.3)
    return figure


def combinations_figure(iterations, results):
    """For each combination of inner gradients the mean over the seeds, and a band from the lowest to the highest."""
    figure = Figure(figsize=(10, 5.5), layout="constrained")
    axes = figure.subplots()
    for name, accuracies in results.items():
        colour = ("#888888", "#E69F00", "#009E73", "#0072B2")[len(COMBINATIONS[name]) - 1]  # by k
        axes.plot(iterations, 100 * accuracies.mean(axis=0), "-" if "+" in name else "--", color=colour, linewidth=2.5,
                  label=name)
        low, high = 100 * accuracies.min(axis=0), 100 * accuracies.max(axis=0)
        axes.fill_between(iterations, low, high, color=colour, alpha=0.15)
    axes.set(xlabel="iteration of meta-training", ylabel="5-way 5-shot accuracy (%)",
             title="Sums of inner gradients as meta-gradients")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    axes.grid(alpha=0.3)
    return figure


def write(figure, path):
    """Save a figure as .png, whole or not at all, and say so."""
    with whole(path) as part:
        figure.savefig(part, dpi=120)
    print(f"wrote {path}", flush=True)



FREE = ("ways", "shots", "iterations", "inner", "tasks", "run")  # options that --gradient-combinations would ignore


def parse(argv):
    """The command line, checked: whatever is wrong with it is said in one line before any work starts."""
    parser = argparse.ArgumentParser(
        description="Reptile on Omniglot: meta-train, and measure on alphabets never seen, beside four baselines.",
        epilog="About two minutes. Ctrl-C ends it; with --run, the same command goes on from what was saved last.",
        allow_abbrev=False,
    )
    parser.add_argument("--ways", type=int, default=5, metavar="N", help="classes in a task, 2 or more (default: 5)")
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 5], metavar="K",
                        help="examples of each class to learn from in evaluation (default: 1 5)")
    parser.add_argument("--iterations", type=int, default=10_000, metavar="I", help="outer steps (default: 10000)")
    parser.add_argument("--inner", choices=INNER, default="sgd", help="inner optimiser (default: sgd; adam: β1 = 0)")
    parser.add_argument("--inputs", choices=FEATURES, default="pixels",
                        help="what the network sees: pixels, or the directions of edges (default: pixels)")
    parser.add_argument("--tasks", type=int, default=1000, metavar="T",
                        help="tasks of evaluation, 2 or more (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of φ and of all tasks (default: 0)")
    parser.add_argument("--train", choices=ZIPS, default="small1", help="Omniglot file to train on (default: small1)")
    parser.add_argument("--test", choices=ZIPS, default="small2",
                        help="file to evaluate on, without the alphabets trained on (default: small2)")
    parser.add_argument("--data", metavar="DIR",
                        help="folder where to look first for the zips; then in OMNIGLOT_DIR, then online")
    parser.add_argument("--run", type=Path, metavar="FILE.npz",
                        help="save the training here again and again, and go on from there if the file exists")
    parser.add_argument("--figures", type=Path, default=Path("omniglot_figures"), metavar="DIR",
                        help="folder for the figures (default: omniglot_figures)")
    parser.add_argument("--gradient-combinations", action="store_true",
                        help="compare sums of inner gradients instead, with settings of its own: a figure, in about "
                             "three minutes")
    parser.error = lambda message: parser.exit(2, f"{parser.prog}: {message} (see --help)\n")
    args = parser.parse_args(argv)
    try:
        for name, least, most in ("ways", 2, 1000), ("iterations", 1, 10**7), ("tasks", 2, 10**5):
            if check_count(f"--{name}", getattr(args, name), most) < least:
                raise ValueError(f"--{name} must be at least {least}")
        for K in args.shots:
            check_count("--shots", K, most=DRAWERS - QUERIES)
        if not 0 <= args.seed < 2**32:
            raise ValueError(f"--seed must be a whole number from 0 to {2**32 - 1:,}, not {args.seed}")
        if args.run and args.run.suffix != ".npz":
            raise ValueError(f"--run must end in .npz, not {args.run}")
        if args.run and args.run.exists():
            read(args.run)
        for name, folder in ("--run", args.run and args.run.parent), ("--figures", args.figures):
            if folder and not folder.is_dir() and (name == "--run" or folder.exists()):
                raise ValueError(f"{name}: {folder} is not a folder")
        fixed = [name for name in FREE if getattr(args, name) != parser.get_default(name)]
        if args.gradient_combinations and fixed:
            raise ValueError(f"--gradient-combinations has its own settings, the paper's: leave out --{fixed[0]}")
    except ValueError as error:
        parser.error(str(error))
    return args


def prepare_data(args):
    """(training inputs, test images, test inputs), and a figure of how they are made."""
    start = time.perf_counter()
    (names, drawings), (test_names, test_drawings) = load_split(args.train, args.test, args.data)
    for what, there in ("train", names), ("test", test_names):
        alphabets = ", ".join(sorted({alphabet for alphabet, _ in there}))
        print(f"{what}: {len(there)} characters of {alphabets}", flush=True)
    if args.ways > len(test_names):
        raise ValueError(f"--ways {args.ways}: there are only {len(test_names)} characters to test on")
    rng = np.random.default_rng([args.seed, len(names)])
    args.figures.mkdir(parents=True, exist_ok=True)
    write(preparation_figure(drawings[:: -(-len(drawings) // 5), 0], rng), args.figures / "preparation.png")
    variants = min(8, max(1, 544 // len(names)))  # more characters need fewer variants, and memory is finite
    images, test_images = shrink(drawings), shrink(test_drawings)
    data = augment(images, rng, variants, args.inputs), test_images, prepare(test_images, features=args.inputs)
    print(f"read and prepared in {time.perf_counter() - start:.0f} s; seed {args.seed}", flush=True)
    return data


def demonstrate(args):
    """The whole demonstration, for a checked command line."""
    data, images, test_data = prepare_data(args)
    if args.gradient_combinations:
        figure = combinations_figure(*compare_combinations(data, test_data))
        return write(figure, args.figures / "gradient_combinations.png")
    net, start = MLP([data.shape[-1], *HIDDEN, args.ways], loss="cross-entropy"), time.perf_counter()

    def measure(phi, iteration):
        learner = Learner(net, phi, args.inner, K_STEPS)
        accuracies = [accuracy(learner, test_data, args.ways, K, 100, args.seed + 1).mean() for K in args.shots]
        cells = ", ".join(f"{K}-shot {100 * a:.1f} %" for K, a in zip(args.shots, accuracies))
        print(f"iteration {iteration:>6,}: {cells}   ({time.perf_counter() - start:.0f} s)", flush=True)
        return accuracies

    curves, learners = {}, {"random start": Learner(net, net.init(np.random.default_rng(args.seed)), args.inner)}
    for name in "Reptile", "joint training":
        print(f"\n{name}; accuracy on 100 tasks of new characters after {K_STEPS} inner steps")
        phi, curves[name] = meta_train(name, net, data, args, measure)
        learners[name] = Learner(net, phi, args.inner)
    entrants = {"nearest neighbour, pixels": (nearest_neighbour, images.reshape(*images.shape[:2], -1)),
                "nearest neighbour, prepared": (nearest_neighbour, test_data)}
    for steps in 1, K_STEPS, TEST_STEPS:  # what meta-learning is for is seen best where there is little time to learn
        for name in "random start", "joint training", "Reptile":
            entrants[f"{name}, k = {steps}"] = Learner(net, learners[name].phi, args.inner, steps), test_data
    print_table(entrants, args.ways, args.shots, args.tasks, args.seed)
    print(f"one step sees only one mini-batch, of at most {B} drawings, however many shots there are")
    write(episode_figure(learners["Reptile"], images, test_data, args.ways, args.seed), args.figures / "episode.png")
    title = f"{args.ways}-way, trained on {args.train}, new alphabets of {args.test}"
    return write(curve_figure(curves, args.shots, title), args.figures / "learning_curve.png")


def main(argv=None):
    """Run the command line; return the exit code."""
    args = parse(argv)
    rcParams.update({"font.size": 14})
    sys.stdout.reconfigure(errors="replace")  # a terminal that lacks ± still gets its table
    try:
        demonstrate(args)
    except KeyboardInterrupt:
        saved = args.run and args.run.exists()
        print(f"\nstopped; the same command goes on from what {args.run} holds" if saved else "\nstopped")
        return 130
    except (ValueError, OSError, FloatingPointError, MemoryError) as error:
        print(f"{Path(__file__).name}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
