"""Omniglot for few-shot learning: the images, their preparation, the drawing of tasks.

Handwritten characters of many alphabets, each drawn once by 20 people. A task is N of
them ("N-way") and a few drawings of each ("K-shot"). The file goes the way of the data:

    1. find a file of Omniglot, or download it, and read it      load_split
    2. bring each drawing to one place and one size              views, standardise
    3. make more characters and more drawings to train on        augment
    4. draw tasks from the images                                draw_tasks, ...
    5. judge a classifier by tasks of new characters             accuracy

Source: Lake, Salakhutdinov, Tenenbaum, Science 350:1332 (2015); (c) 2015 Brenden Lake.
"""

import hashlib
import http.client
import io
import os
import urllib.request
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

SOURCE = "https://github.com/brendenlake/omniglot/raw/master/python/"
ZIPS = {  # name on the command line: file, bytes, SHA-256
    "small1": (
        "images_background_small1.zip", 1_319_022,
        "f38eb80f801274ac2b4dff5b24289016bfaba4a7d5bb50deebf27104ad6cb8a4"),
    "small2": (
        "images_background_small2.zip", 1_580_917,
        "3ccaa407515a8778e5d0861875af38b17e418f301ad5bb3b5a6b65d901a41c7f"),
    "background": (
        "images_background.zip", 9_464_212,
        "ad41ab679c8b5d90b271ef46be6987cc81211774a695c29dcc5367b2b26ee640"),
    "evaluation": (
        "images_evaluation.zip", 6_462_886,
        "1f61a8f3366785b057fc117d9228e78a16e3d976c8953b2a10fcc74cf0609cee"),
}


# 1. The files

def find_zip(name, folder=None):
    """The path of an Omniglot file, verified: in `folder`, or else in OMNIGLOT_DIR.

    If neither is given, in the user's cache, where it is downloaded if need be. Raises
    FileNotFoundError if the folder lacks it, ConnectionError if it cannot be fetched,
    ValueError if it is not the official file.
    """
    file, size, sha256 = ZIPS[name]
    folder = folder or os.environ.get("OMNIGLOT_DIR")

    if folder:
        path = Path(folder) / file
        if not path.is_file():
            raise FileNotFoundError(
                f"no {file} in {folder}: put it there, not unpacked; without --data "
                "and OMNIGLOT_DIR it is downloaded")
    else:
        path = cache_folder() / file
        if not path.is_file():
            download(SOURCE + file, path, size, sha256)

    if not is_official(path.read_bytes(), size, sha256):
        raise ValueError(
            f"{path} is not the official file of {size:,} bytes: remove it, and start "
            "again")
    return path


def cache_folder():
    """Where downloads are kept: in the user's cache, by the XDG convention."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "reptile-omniglot"


def is_official(content, size, sha256):
    """Whether the bytes `content` are those of the official file."""
    found = hashlib.sha256(content).hexdigest()
    return len(content) == size and found == sha256


def download(url, path, size, sha256):
    """Fetch an official file to `path`, whole and verified or not at all."""
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            content = answer.read()
        problem = "" if is_official(content, size, sha256) else "it is another file"
    except http.client.IncompleteRead:
        problem = "the connection ended early"
    except (OSError, http.client.HTTPException) as error:
        problem = str(error)

    if problem:
        raise ConnectionError(
            f"cannot fetch {url} ({problem}): try again, or fetch it by other means "
            "and name its folder with --data")

    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as part:
        part.write_bytes(content)


@contextmanager
def whole(path):
    """A path to write to, which then becomes `path`: whole, or not at all on error."""
    path = Path(path).resolve()  # where a link points to, so that the link stays
    # Named after the process, as two of them may write the same file.
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read_zip(path):
    """Each character's alphabet, and drawings, (classes, 20, 105, 105): 1 is ink."""
    drawings = {}  # (alphabet, character): [(105, 105), ...]
    with zipfile.ZipFile(path) as archive:
        for entry in sorted(archive.namelist()):
            if not entry.endswith(".png"):
                continue
            # <zip>/<alphabet>/characterNN/NNNN_DD.png
            _, alphabet, character, _ = entry.split("/")
            with Image.open(io.BytesIO(archive.read(entry))) as image:
                paper = np.asarray(image, dtype=bool)  # black on white
            drawings.setdefault((alphabet, character), []).append(~paper)

    alphabets = [alphabet for alphabet, _ in drawings]
    return alphabets, np.uint8(list(drawings.values()))


def load_split(train, test, folder=None):
    """What `read_zip` returns, to train on and to test on: no alphabet is in both.

    Raises what `find_zip` does, and ValueError if no alphabet is left to test on.
    """
    seen, drawings = read_zip(find_zip(train, folder))
    alphabets, test_drawings = read_zip(find_zip(test, folder))

    new = [i for i, alphabet in enumerate(alphabets) if alphabet not in seen]
    if not new:
        raise ValueError(f"--test {test} has no alphabet that --train {train} lacks")
    return (seen, drawings), ([alphabets[i] for i in new], test_drawings[new])


# 2. One place, one size

SIDE = 20    # pixels of an image, in width and in height
SPREAD = 6   # pixels: r.m.s. distance of a character's ink from its middle

# The symmetries of the square, (8, 2, 2): 0 to 3 quarter-turns, and the same mirrored.
QUARTER_TURN = np.array([[0, -1], [1, 0]])
MIRROR = np.diag([1, -1])
TURNS = [np.linalg.matrix_power(QUARTER_TURN, q) for q in range(4)]
TURNS += [turn @ MIRROR for turn in TURNS]


def views(ink, matrices=(np.eye(2),)):
    """One drawing, (105, 105), seen through each of n matrices: (n, 20, 20) in 0 ... 1.

    Where a character stands, how large it is, and much of its proportions, do not say
    which it is. Its centre of mass goes to the middle, its width and height half-way to
    a spread of SPREAD pixels. Then p shows what was at A p, both from the middle, for
    each matrix A. ValueError if there is no ink.
    """
    # Means of 5 x 5 pixels first: a slight blur, so that strokes overlap.
    image = Image.fromarray(np.asarray(ink, np.float32)).reduce(5)
    centre, sigma = centre_and_sigma(np.asarray(image, np.float64))

    # A character as wide as high has a spread of √2 σ, where σ is either of its two.
    spread = np.hypot(*sigma)
    half_way = (spread + 2**0.5 * sigma) / 2
    scale = np.maximum(half_way, 1) / SPREAD  # a dot stays a dot

    pictures = np.empty((len(matrices), SIDE, SIDE), np.float32)
    for picture, A in zip(pictures, matrices):
        A = scale[:, None] * A
        offset = centre - A @ [SIDE / 2, SIDE / 2]
        affine = np.column_stack([A, offset]).ravel()  # as Pillow wants it
        picture[...] = image.transform(
            (SIDE, SIDE), Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR)
    return pictures


def centre_and_sigma(mass):
    """Mean and standard deviation of the ink's x and y, in pixels: (2,) each."""
    total = mass.sum()
    if not total > 0:
        raise ValueError("a drawing without ink has no centre")
    xy = np.indices(mass.shape)[::-1] + 0.5  # middles of the pixels, (2, rows, columns)
    centre = (mass * xy).sum(axis=(1, 2)) / total
    from_centre = xy - centre[:, None, None]
    variance = (mass * from_centre**2).sum(axis=(1, 2)) / total
    return centre, np.sqrt(variance)


def standardise(images):
    """Inputs (..., n_in) float32, of mean 0 and deviation 1 whatever the pen."""
    x = np.asarray(images, np.float32)
    x = x - x.mean(axis=-1, keepdims=True)
    return x / (x.std(axis=-1, keepdims=True) + 1e-6)


def prepare(ink):
    """The network's inputs, (400,) float32, for one drawing's ink, (105, 105)."""
    return standardise(views(ink).reshape(-1))


def centred(drawings):
    """Images to test on, (classes, 20, 400), of drawings (classes, 20, 105, 105)."""
    images = np.empty((*drawings.shape[:2], SIDE**2), np.float32)
    for c, d in np.ndindex(drawings.shape[:2]):
        images[c, d] = views(drawings[c, d]).reshape(-1)
    return images


# 3. More to train on

def augment(drawings, rng, variants):
    """Images to train on, (8 · classes, 20 · variants, 400): bytes, as they are many.

    A character turned or mirrored is another character: eight classes for one. Slightly
    deformed, by a matrix near the identity, it is the same: more drawings of it.
    """
    images = np.empty((len(drawings), 8, 20, variants, SIDE**2), np.uint8)
    for c, d in np.ndindex(drawings.shape[:2]):
        near_identity = np.eye(2) + rng.uniform(-0.1, 0.1, (8, variants, 2, 2))
        matrices = np.array(TURNS)[:, None] @ near_identity
        pictures = views(drawings[c, d], matrices.reshape(-1, 2, 2))
        images[c, :, d] = np.round(255 * pictures).reshape(8, variants, -1)
    return images.reshape(len(drawings) * 8, 20 * variants, -1)


# 4. Tasks

def draw_tasks(rng, images, T, N, S):
    """T tasks of N classes, S drawings of each: (T, N, S, n_in), no drawing twice."""
    classes, drawings = images.shape[:2]
    chosen = [rng.choice(classes, N, replace=False) for _ in range(T)]
    chosen = np.array(chosen)[:, :, None]  # (T, N, 1)
    shuffled = rng.random((T, N, drawings)).argsort(axis=2)
    return standardise(images[chosen, shuffled[:, :, :S]])


def task_distribution(images, N, k, S):
    """`sample` for `train`: all N S drawings of a task, in k disjoint mini-batches."""

    def sample(rng, T):
        x = draw_tasks(rng, images, T, N, S).reshape(T, N * S, -1)
        order = rng.random((T, N * S)).argsort(axis=1)  # a shuffle of each task
        order = order.reshape(T, k, -1).swapaxes(0, 1)  # (k, T, B)
        labels = order // S  # each class has S drawings, one after another
        return x[np.arange(T)[:, None], order], labels

    return sample


def support_and_query(images, N, k, S, K):
    """`sample` for `train` as MAML is tested: k − 1 steps on one support set, of K
    drawings a class, and for the last gradient the other S − K drawings, the query set.

    A mini-batch has the query set's size at each step: the support set fills it by
    being repeated, which changes no mean. ValueError if S − K is no multiple of K.
    """
    if (S - K) % K:
        raise ValueError(f"a support set of {K} does not fill {S - K} places evenly")

    def sample(rng, T):
        x = draw_tasks(rng, images, T, N, S)
        support = np.repeat(x[:, :, :K], (S - K) // K, axis=2)
        query = x[:, :, K:]
        steps = [support] * (k - 1) + [query]
        x = np.array(steps).reshape(k, T, N * (S - K), -1)
        labels = np.arange(N).repeat(S - K)
        return x, np.broadcast_to(labels, x.shape[:-1])  # (k, T, B, n_in), (k, T, B)

    return sample


# 5. How good a classifier is

QUERIES = 5  # drawings of each class to judge by


def accuracy(classify, images, N, K, T, seed):
    """Right answers (%) in each of T N-way K-shot tasks, (T,), which the seed fixes.

    classify(support, query), of shapes (t, N, K, n_in) and (t, M, n_in), returns the
    labels (t, M) for t tasks at once.
    """
    rng = np.random.default_rng([seed, N, K])
    labels = np.arange(N).repeat(QUERIES)
    found = []
    for start in range(0, T, 10):  # ten at a time, so that their weights fit the cache
        t = min(10, T - start)
        x = draw_tasks(rng, images, t, N, K + QUERIES)
        support = x[:, :, :K]
        query = x[:, :, K:].reshape(t, N * QUERIES, -1)
        right = classify(support, query) == labels
        found.append(100 * right.mean(axis=1))
    return np.concatenate(found)
