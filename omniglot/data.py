"""Omniglot for few-shot learning: the images, their preparation, the drawing of tasks.

Handwritten characters of many alphabets, each drawn once by 20 people. A task is N of
them ("N-way") and a few drawings of each. What is done to the images before an MLP sees
them, and why, is said in `views` and `augment`.

Source: Lake, Salakhutdinov, Tenenbaum, Science 350:1332 (2015); (c) 2015 Brenden Lake.
"""

import hashlib
import http.client
import io
import os
import sys
import urllib.request
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

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
STALL, QUERIES = 20, 5  # seconds without a byte; drawings of each class to judge by


def find_zip(name, folder=None):
    """The path of an Omniglot file, verified: in `folder`, or else in OMNIGLOT_DIR.

    If neither is given, in the user's cache, where it is downloaded if need be. Raises
    ValueError if the folder lacks it, or if it is not the official file.
    """
    file, size, sha256 = ZIPS[name]
    folder = folder or os.environ.get("OMNIGLOT_DIR")
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(folder or Path(cache) / "reptile-omniglot") / file
    if path.is_file():
        verify(path, path.read_bytes(), size, sha256)
    elif folder:
        raise ValueError(f"no {file} in {folder}: put it there, not unpacked; without "
                         "--data and OMNIGLOT_DIR it is downloaded")
    else:
        download(path, size, sha256)
    return path


def verify(path, data, size, sha256):
    """ValueError unless the bytes `data` of `path` are those of the official file."""
    if len(data) != size or hashlib.sha256(data).hexdigest() != sha256:
        raise ValueError(f"{path} is not the official file, {size:,} bytes: remove it")


def download(path, size, sha256):
    """Fetch an official file to `path`, whole and verified or not at all."""
    url, data = SOURCE + path.name, b""
    try:
        with urllib.request.urlopen(url, timeout=STALL) as answer:
            while len(data) <= size and (chunk := answer.read1(2**16)):
                data += chunk
                print(f"\r{path.name}: {len(data):,} of {size:,} bytes", end="",
                      file=sys.stderr, flush=True)
        print(file=sys.stderr)
        verify("what came", data, size, sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as part:
            part.write_bytes(data)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ValueError(f"cannot fetch {url} to {path.parent} ({error}): fetch it by "
                         "other means, and name its folder with --data") from None


@contextmanager
def whole(path):
    """A path to write to, which then becomes `path`: whole, or not at all on error."""
    # One fixed name: should a kill leave it behind, the next attempt replaces it.
    part = path.with_name(f"{path.name}.part")
    try:
        yield part
        part.replace(path)
    except OSError as error:
        raise OSError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)


def read_zip(path):
    """Each character's alphabet, and drawings, (classes, 20, 105, 105): 1 is ink."""
    characters = {}
    with zipfile.ZipFile(path) as archive:
        for entry in sorted(archive.namelist()):
            if entry.endswith(".png"):  # <zip>/<alphabet>/characterNN/NNNN_DD.png
                with Image.open(io.BytesIO(archive.read(entry))) as image:
                    ink = ~np.asarray(image, dtype=bool)  # black on white
                characters.setdefault(tuple(entry.split("/")[1:3]), []).append(ink)
    return [alphabet for alphabet, _ in characters], np.uint8([*characters.values()])


def load_split(train, test, folder=None):
    """What `read_zip` returns, to train on and to test on: no alphabet is in both."""
    paths = [find_zip(name, folder) for name in (train, test)]
    (seen, drawings), (alphabets, test_drawings) = map(read_zip, paths)
    new = [i for i, alphabet in enumerate(alphabets) if alphabet not in seen]
    if not new:
        raise ValueError(f"--test {test} has no alphabet that --train {train} lacks")
    return (seen, drawings), ([alphabets[i] for i in new], test_drawings[new])


SIDE, SPREAD = 20, 6  # pixels: of an image; of its ink from the middle, r.m.s.
# The symmetries of the square: 0 to 3 quarter-turns, and the same mirrored. (8, 2, 2)
TURNS = np.array([np.linalg.matrix_power([[0, -1], [1, 0]], q) @ np.diag([1, m])
                  for m in (1, -1) for q in range(4)])


def views(ink, matrices=(np.eye(2),)):
    """One drawing, (105, 105), seen through each of n matrices: (n, 20, 20) in 0 ... 1.

    Where a character stands, how large it is, and much of its proportions, do not say
    which it is: its centre of mass goes to the middle, its width and height half-way to
    a spread of SPREAD pixels. Then p shows what was at A p, both from the middle. Means
    of 5 x 5 pixels come first: a slight blur, so that strokes overlap. ValueError if
    there is no ink.
    """
    image = Image.fromarray(np.asarray(ink, np.float32)).reduce(5)
    mass = np.asarray(image, np.float64)
    if not mass.sum() > 0:
        raise ValueError("a drawing without ink has no centre")
    mass, xy = mass / mass.sum(), np.indices(mass.shape)[::-1] + 0.5
    centre = (mass * xy).sum(axis=(1, 2))
    sigma = np.sqrt((mass * (xy - centre[:, None, None]) ** 2).sum(axis=(1, 2)))
    size = np.maximum(np.hypot(*sigma) / 2 + sigma / 2**0.5, 1) / SPREAD  # of a dot, 1
    pictures = np.empty((len(matrices), SIDE, SIDE), np.float32)
    for picture, A in zip(pictures, matrices):
        A = size[:, None] * A
        (a, b), (d, e), (c, f) = *A, centre - A @ [SIDE / 2, SIDE / 2]
        picture[...] = image.transform((SIDE, SIDE), Image.Transform.AFFINE,
                                       (a, b, c, d, e, f), Image.Resampling.BILINEAR)
    return pictures


def standardise(images):
    """Inputs (..., n_in) float32, of mean 0 and deviation 1 whatever the pen."""
    x = np.asarray(images, np.float32)
    x = x - x.mean(axis=-1, keepdims=True)
    return x / (x.std(axis=-1, keepdims=True) + 1e-6)


def prepare(ink):
    """The network's inputs, (400,) float32, for one drawing's ink, (105, 105)."""
    return standardise(views(ink).reshape(-1))


def augment(drawings, rng, variants):
    """Images to train on, (8 · classes, 20 · variants, 400): bytes, as they are many.

    A character turned or mirrored is another character: eight classes for one. Slightly
    deformed, by a matrix near the identity, it is the same: more drawings of it.
    """
    images = np.empty((len(drawings), 8, 20, variants, SIDE**2), np.uint8)
    for c, d in np.ndindex(drawings.shape[:2]):
        A = TURNS[:, None] @ (np.eye(2) + rng.uniform(-0.1, 0.1, (8, variants, 2, 2)))
        pictures = np.round(255 * views(drawings[c, d], A.reshape(-1, 2, 2)))
        images[c, :, d] = pictures.reshape(8, variants, -1)
    return images.reshape(len(drawings) * 8, 20 * variants, -1)


def draw_tasks(rng, images, T, N, S):
    """T tasks of N classes, S drawings of each: (T, N, S, n_in), no drawing twice."""
    classes, drawings = images.shape[:2]
    chosen = [rng.choice(classes, N, replace=False) for _ in range(T)]  # (T, N)
    which = rng.random((T, N, drawings)).argsort(axis=2)[:, :, :S]  # (T, N, S)
    return standardise(images[np.array(chosen)[:, :, None], which])


def task_distribution(images, N, k, S):
    """`sample` for `train`: tasks dealt out to k disjoint mini-batches of N S / k."""
    def sample(rng, T):
        x = draw_tasks(rng, images, T, N, S).reshape(T, N * S, -1)
        order = rng.random((T, N * S)).argsort(axis=1).reshape(T, k, -1).swapaxes(0, 1)
        return x[np.arange(T)[:, None], order], order // S  # (k, T, B, n_in), (k, T, B)
    return sample


def accuracy(classify, images, N, K, T, seed):
    """Right answers (%) in each of T N-way K-shot tasks, (T,), which the seed fixes."""
    rng, found = np.random.default_rng([seed, N, K]), []
    for start in range(0, T, 10):  # ten at a time, so that their weights fit the cache
        x = draw_tasks(rng, images, min(10, T - start), N, K + QUERIES)
        labels = classify(x[:, :, :K], x[:, :, K:].reshape(len(x), N * QUERIES, -1))
        found.append(100 * (labels == np.arange(N).repeat(QUERIES)).mean(axis=1))
    return np.concatenate(found)
