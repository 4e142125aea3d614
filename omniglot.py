"""Omniglot for few-shot learning: the images, their preparation, the drawing of tasks.

Omniglot has 1,623 handwritten characters of 50 alphabets, each drawn once by 20 people.
A task is N of these characters ("N-way") and a few drawings of each. What is done to the
images before an MLP sees them, and why, is said in `views` and `augment`.

Source: Lake, Salakhutdinov, Tenenbaum, Science 350:1332 (2015); images (c) 2015 Brenden
Lake, MIT licence. The two small files suffice for a laptop, 136 and 156 characters.
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
STALL = 20  # seconds without a byte after which a download is given up


def find_zip(name, folder=None):
    """The path of an Omniglot file, verified: in `folder`, else in OMNIGLOT_DIR.

    If neither is given, in the user's cache, where it is downloaded if need be. Raises
    ValueError if a given folder lacks the file, or the file is not the official one.
    """
    file, size, sha256 = ZIPS[name]
    places = {"--data": folder, "OMNIGLOT_DIR": os.environ.get("OMNIGLOT_DIR")}
    places = {source: Path(place) for source, place in places.items() if place}
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    cached = Path(cache) / "reptile-omniglot" / file
    for path in [place / file for place in places.values()] or [cached]:
        if path.is_file():
            verify(path, path.read_bytes(), size, sha256)
            return path
    if places:
        looked = " nor in ".join(f"{place} ({source})" for source, place in places.items())
        raise ValueError(f"no {file} in {looked}: put the zip there as it is, not "
                         "unpacked, or name no folder, to have it downloaded")
    download(cached, size, sha256)
    return cached


def verify(path, data, size, sha256):
    """ValueError unless the bytes of the file at `path` are the official ones."""
    if len(data) != size or hashlib.sha256(data).hexdigest() != sha256:
        raise ValueError(f"{path} is not the official file of {size:,} bytes: remove it")


def download(path, size, sha256):
    """Fetch an official file to `path`, whole and verified or not at all."""
    url, data = SOURCE + path.name, b""
    try:
        with urllib.request.urlopen(url, timeout=STALL) as answer:
            while len(data) <= size and (chunk := answer.read1(2**16)):
                data += chunk
                print(f"\rfetching {path.name}: {len(data):,} of {size:,} bytes", end="",
                      flush=True, file=sys.stderr)
        print(file=sys.stderr)
        verify("what came", data, size, sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as part:
            part.write_bytes(data)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ValueError(f"cannot fetch {url} to {path.parent}: {error}; fetch it by other "
                         "means, and name its folder with --data or OMNIGLOT_DIR") from None


@contextmanager
def whole(path):
    """A path to write to, which then becomes `path`: whole, or not at all on an error.

    It has one fixed name, so that what a kill leaves behind, the next attempt replaces.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        yield part
        part.replace(path)
    except OSError as error:
        raise OSError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)


def read_zip(path):
    """(alphabets, drawings): each character's alphabet, and its ink, 1 where it is.

    drawings  (characters, 20, 105, 105) uint8; characters in the order of their names
    """
    characters = {}
    with zipfile.ZipFile(path) as archive:
        for entry in sorted(archive.namelist()):
            if entry.endswith(".png"):  # <zip>/<alphabet>/characterNN/NNNN_DD.png
                with Image.open(io.BytesIO(archive.read(entry))) as image:
                    ink = ~np.asarray(image, dtype=bool)  # black on white
                characters.setdefault(entry.rsplit("/", 1)[0], []).append(ink)
    alphabets = [character.split("/")[1] for character in characters]
    return alphabets, np.array(list(characters.values())).astype(np.uint8)


def load_split(train, test, folder=None):
    """(alphabets, drawings) to train on, and the same to test on, as `read_zip` has them.

    Some files share alphabets: one that is trained on is left out of the test.
    """
    train_path, test_path = find_zip(train, folder), find_zip(test, folder)
    alphabets, drawings = read_zip(train_path)
    test_alphabets, test_drawings = read_zip(test_path)
    new = [i for i, alphabet in enumerate(test_alphabets) if alphabet not in alphabets]
    if not new:
        raise ValueError(f"--test {test} has no alphabet that --train {train} lacks")
    return (alphabets, drawings), ([test_alphabets[i] for i in new], test_drawings[new])


SIDE, SPREAD = 20, 6  # pixels of an image; of its ink from the centre, root mean square
# The symmetries of the square: 0 to 3 quarter-turns, and the same mirrored. (8, 2, 2)
TURNS = np.array([np.linalg.matrix_power([[0, -1], [1, 0]], q) @ np.diag([1, m])
                  for m in (1, -1) for q in range(4)])


def views(ink, matrices=(np.eye(2),)):
    """One drawing, (105, 105), seen through each of n matrices: (n, 20, 20) in 0 ... 1.

    Where a character stands on the paper, and how large, says little about which it is:
    its centre of mass goes to the middle, its spread becomes SPREAD pixels. Pixel p,
    counted from the middle, shows what was at A p from the centre of mass; beyond the
    paper there is no ink. Reduced to means of 5 x 5 pixels first, which also blurs it a
    little: strokes of two drawings then overlap more. ValueError if there is no ink.
    """
    image = Image.fromarray(np.asarray(ink, np.float32)).reduce(5)
    mass = np.asarray(image, np.float64)
    if not mass.sum() > 0:
        raise ValueError("a drawing without ink has no centre of mass")
    y, x = np.indices(mass.shape) + 0.5  # centres of the pixels, as Pillow counts them
    centre = np.array([(mass * x).sum(), (mass * y).sum()]) / mass.sum()
    variance = (mass * ((x - centre[0]) ** 2 + (y - centre[1]) ** 2)).sum() / mass.sum()
    scale = max(np.sqrt(variance), 1) / SPREAD  # at least 1: a dot has no size
    pictures = np.empty((len(matrices), SIDE, SIDE), np.float32)
    for picture, A in zip(pictures, scale * np.asarray(matrices)):
        corner = centre - A @ [SIDE / 2, SIDE / 2]
        affine = (*A[0], corner[0], *A[1], corner[1])
        picture[...] = image.transform((SIDE, SIDE), Image.Transform.AFFINE, affine,
                                       Image.Resampling.BILINEAR)
    return pictures


def standardise(images):
    """Inputs (..., n_in) float32 of mean 0 and standard deviation 1, whatever the pen."""
    x = np.asarray(images, np.float32)
    x = x - x.mean(axis=-1, keepdims=True)
    return x / (x.std(axis=-1, keepdims=True) + 1e-6)


def prepare(ink):
    """The network's inputs, (400,) float32, for one drawing's ink, (105, 105)."""
    return standardise(views(ink).reshape(-1))


def small_affine(rng, n):
    """n random matrices near the identity, (n, 2, 2): as if the same hand drew again."""
    angle, shear = np.radians(rng.uniform(-6, 6, n)), rng.uniform(-0.1, 0.1, n)
    scale = np.exp(rng.uniform(-0.08, 0.08, n))
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    # Rotation times shear: [[c, −s], [s, c]] [[1, 0], [shear, 1]]
    return np.array([[c - s * shear, -s], [s + c * shear, c]]).transpose(2, 0, 1)


def augment(drawings, rng, variants):
    """More to train on: images (8 · classes, 20 · variants, 400) of drawings, uint8.

    A character turned or mirrored is another character: eight classes for one. Slightly
    deformed it is the same: more drawings of it. As bytes, to fit into the memory.
    """
    images = np.empty((len(drawings), 8, drawings.shape[1], variants, SIDE**2), np.uint8)
    for c, d in np.ndindex(drawings.shape[:2]):
        A = TURNS[:, None] @ small_affine(rng, 8 * variants).reshape(8, variants, 2, 2)
        pictures = views(drawings[c, d], A.reshape(-1, 2, 2))
        images[c, :, d] = np.round(255 * pictures).reshape(8, variants, -1)
    return images.reshape(len(drawings) * 8, -1, SIDE**2)


def draw_tasks(rng, images, T, N, S):
    """T tasks of N classes with S drawings of each: inputs (T, N, S, n_in).

    Of images (classes, drawings, n_in), without replacement: a task's classes differ,
    and what is drawn for the query set is not in the support set.
    """
    classes, drawings = images.shape[:2]
    chosen = [rng.choice(classes, N, replace=False) for _ in range(T)]  # (T, N)
    which = rng.random((T, N, drawings)).argsort(axis=2)[:, :, :S]  # (T, N, S)
    return standardise(images[np.array(chosen)[:, :, None], which])


def task_distribution(images, N, k, S):
    """The `sample` for `reptile.train`: N-way tasks with S drawings of each class.

    They are dealt out to k mini-batches, so each drawing is met once: B = N S / k.
    """
    def sample(rng, T):
        x = draw_tasks(rng, images, T, N, S).reshape(T, N * S, -1)
        order = rng.random((T, N * S)).argsort(axis=1)  # (T, N S)
        order = order.reshape(T, k, -1).swapaxes(0, 1)  # (k, T, B)
        return x[np.arange(T)[:, None], order], order // S  # (k, T, B, n_in), (k, T, B)
    return sample
