"""Omniglot for few-shot learning: the drawings, their preparation, and tasks of them.

Handwritten characters of many alphabets, each drawn once by 20 people. A task is N of
them ("N-way") and a few drawings of each ("K-shot"). The file goes the way of the data:

    1. find a set of drawings, or download it, and read it   find_set, read_drawings
    2. bring each drawing to one place and one size          views, standardise
    3. choose what a network sees of a drawing               pixels, edges
    4. prepare a set, and choose what to train on            load_set, load_split
    5. draw tasks                                            draw_tasks, ...
    6. judge a classifier by tasks of new characters         accuracy

Source: Lake, Salakhutdinov, Tenenbaum, Science 350:1332 (2015); (c) 2015 Brenden Lake.
"""

import hashlib
import http.client
import io
import os
import urllib.request
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

SOURCE = "https://github.com/brendenlake/omniglot/raw/master/python/"
CACHE = Path.home() / ".cache" / "reptile-omniglot"  # where downloads are kept
SETS = {  # name: file, characters, SHA-256 of the official zip
    "small1": (
        "images_background_small1", 136,
        "f38eb80f801274ac2b4dff5b24289016bfaba4a7d5bb50deebf27104ad6cb8a4"),
    "small2": (
        "images_background_small2", 156,
        "3ccaa407515a8778e5d0861875af38b17e418f301ad5bb3b5a6b65d901a41c7f"),
    "background": (
        "images_background", 964,
        "ad41ab679c8b5d90b271ef46be6987cc81211774a695c29dcc5367b2b26ee640"),
    "evaluation": (
        "images_evaluation", 659,
        "1f61a8f3366785b057fc117d9228e78a16e3d976c8953b2a10fcc74cf0609cee"),
}


# 1. The drawings

def find_set(name, folder=None):
    """The path of a set, zipped or unpacked: in `folder`, or else in OMNIGLOT_DIR.

    If neither is given, in CACHE, where it is downloaded if need be. Raises
    FileNotFoundError if the folder lacks it, ConnectionError if it cannot be fetched.
    """
    file, _, sha256 = SETS[name]
    folder = folder or os.environ.get("OMNIGLOT_DIR")

    if not folder:
        path = CACHE / f"{file}.zip"
        if not path.exists():
            download(SOURCE + path.name, path, sha256)
        return path

    for path in Path(folder) / f"{file}.zip", Path(folder) / file:
        if path.exists():
            return path
    raise FileNotFoundError(
        f"neither {file}.zip nor a folder {file} is in {folder}; without --data and "
        "OMNIGLOT_DIR it is downloaded")


def download(url, path, sha256):
    """Fetch an official zip to `path`, if it is whole and the right one."""
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            content = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise ConnectionError(f"cannot fetch {url}: {error}") from None

    if hashlib.sha256(content).hexdigest() != sha256:
        raise ConnectionError(f"{url} is not the official file")

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}")
    part.write_bytes(content)
    part.replace(path)  # so that `path` is never half a file


def read_drawings(path):
    """Yield alphabet, character and ink, (105, 105), of each drawing, in their order.

    ValueError if a file is damaged, or shows no dark ink on white paper.
    """
    for name, content in read_files(path):
        folders = name.split("/")
        if folders[-1].startswith("."):  # macOS adds such files to what it packs
            continue
        if len(folders) < 3:
            raise ValueError(f"{name} in {path} is not in a folder of a character, in "
                             "a folder of an alphabet")
        alphabet, character = folders[-3:-1]

        try:
            with Image.open(io.BytesIO(content)) as image:
                ink = np.asarray(image.convert("L")) < 128
        except (OSError, SyntaxError) as error:  # what Pillow raises
            raise ValueError(f"{name} in {path} is damaged: {error}") from None
        if ink.shape != (105, 105) or not 0 < ink.mean() < 0.5:
            raise ValueError(f"{name} in {path} is not 105 x 105 pixels of dark ink on "
                             "white paper")
        yield alphabet, character, ink


def read_files(path):
    """Yield name and content of each picture in a zip or in a folder, sorted by name.

    A name ends in alphabet/character/drawing.png, whatever folders are above.
    """
    if path.is_dir():
        names = [file.as_posix() for file in path.glob("**/*/*/*.png")]
        for name in sorted(names):
            yield name, Path(name).read_bytes()
        return

    try:
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                if name.endswith(".png"):
                    yield name, archive.read(name)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} is damaged: {error}") from None


# 2. One place, one size

SIDE = 20   # pixels of a picture, in width and in height
RADIUS = 6  # pixels: r.m.s. distance of a character's ink from its middle


def views(ink, matrices=(np.eye(2),)):
    """One drawing, (105, 105), seen through each of n matrices: (n, 400) in 0 ... 1.

    Where a character stands, how large it is, and much of its proportions, do not say
    which it is. Its centre of mass goes to the middle. Its size becomes RADIUS, and
    width and height come half-way to each other. Then the pixel at p shows what was at
    A p, both counted from the middle, for each matrix A. ValueError without ink.
    """
    # Means of 5 x 5 pixels first: a slight blur, so that strokes overlap.
    image = Image.fromarray(np.asarray(ink, np.float32)).reduce(5)
    centre, sigma = centre_and_sigma(np.asarray(image, np.float64))

    # A character as wide as high has the radius √2 σ, where σ is either of its two.
    radius = np.hypot(*sigma)
    half_way = (radius + 2**0.5 * sigma) / 2
    scale = np.maximum(half_way, 1) / RADIUS  # a dot stays a dot

    pictures = np.empty((len(matrices), SIDE, SIDE), np.float32)
    for picture, A in zip(pictures, matrices):
        to_sheet = scale[:, None] * A
        offset = centre - to_sheet @ [SIDE / 2, SIDE / 2]
        affine = np.column_stack([to_sheet, offset]).ravel()  # as Pillow wants it
        picture[...] = image.transform(
            (SIDE, SIDE), Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR)
    return pictures.reshape(len(matrices), SIDE**2)


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


def standardise(pictures):
    """Inputs (..., n_in) float32, of mean 0 and deviation 1 whatever the pen."""
    x = np.asarray(pictures, np.float32)
    x = x - x.mean(axis=-1, keepdims=True)
    return x / (x.std(axis=-1, keepdims=True) + 1e-6)


def prepare(ink):
    """A standardised picture, (400,) float32, of one drawing's ink, (105, 105)."""
    return standardise(views(ink)[0])


# 3. What a network sees of a drawing

def pixels(x):
    """The pictures as they are."""
    return x


# Four neighbours in a row of twenty pixels to one of ten, by the weights 1, 3, 3, 1.
CENTRES = 2 * np.arange(SIDE // 2) + 0.5
DISTANCES = abs(np.arange(SIDE)[:, None] - CENTRES)  # (20, 10)
BLUR = np.maximum(2 - DISTANCES, 0).astype(np.float32)


def edges(x):
    """The edges of the strokes in pictures (..., 400), as inputs, (..., 400).

    Four pictures of 10 x 10: where does it get darker downwards, to the right, upwards,
    to the left? Two people's strokes seldom cover each other. Blurred, they do; and
    with a picture for each direction, strokes that go different ways stay apart.
    """
    pictures = x.reshape(-1, SIDE, SIDE)
    down, right = np.gradient(pictures, axis=(1, 2))
    darker = np.stack([down, right, -down, -right], axis=1)  # (n, 4, 20, 20)
    darker = np.maximum(darker, 0)
    blurred = BLUR.T @ darker @ BLUR  # (n, 4, 10, 10)
    faint_and_strong = np.sqrt(blurred)  # the root brings them closer together
    return standardise(faint_and_strong.reshape(x.shape))


INPUTS = {"pixels": pixels, "edges": edges}


class Drawings(NamedTuple):
    """Drawings of many characters, and what a network sees of each."""

    pictures: np.ndarray  # (characters, 20, variants, 400), in 0 ... 255
    see: object = pixels  # from standardised pictures, (..., 400), to inputs


# 4. What to train on, and what to test on

VARIANTS = 8  # deformed copies of each drawing, to train on


def load_set(name, folder=None, variants=VARIANTS):
    """Each character's alphabet, and pictures, (characters, 20, 1 + variants, 400).

    Of each drawing first a picture as it is, then deformed a little, by matrices near
    the identity: as if more people had drawn it. Pictures are bytes, as they are many.
    Raises what `find_set` and `read_drawings` do, ValueError if the set is not whole.
    """
    path = find_set(name, folder)
    print(f"preparing {path.name} ", end="", flush=True)
    rng = np.random.default_rng(0)
    characters = {}  # (alphabet, character): pictures of its drawings
    for alphabet, character, ink in read_drawings(path):
        matrices = np.eye(2) + rng.uniform(-0.1, 0.1, (1 + variants, 2, 2))
        matrices[0] = np.eye(2)
        pictures = np.round(255 * views(ink, matrices)).astype(np.uint8)
        drawings = characters.setdefault((alphabet, character), [])
        drawings.append(pictures)
        if len(drawings) == 20 and len(characters) % 50 == 0:
            print(".", end="", flush=True)  # one for 50 characters
    print()

    expected = SETS[name][1]
    if len(characters) != expected:
        raise ValueError(f"{path} has {len(characters)} characters, not {expected}")
    if any(len(drawings) != 20 for drawings in characters.values()):
        raise ValueError(f"{path} has not 20 drawings of each character")

    alphabets = [alphabet for alphabet, _ in characters]
    return alphabets, np.array(list(characters.values()))


def load_split(train, test, see=pixels, folder=None):
    """Drawings to train on and to test on, of two sets; no alphabet is in both.

    To test on there is one picture of each drawing, as it is. Raises what `load_set`
    does, and ValueError if no alphabet is left to test on.
    """
    seen, pictures = load_set(train, folder)
    alphabets, test_pictures = load_set(test, folder, variants=0)

    new = [i for i, alphabet in enumerate(alphabets) if alphabet not in seen]
    if not new:
        raise ValueError(f"{test} has no alphabet that {train} lacks")
    return Drawings(pictures, see), Drawings(test_pictures[new], see)


def load_papers_split(seed, see=pixels, folder=None):
    """The papers' split: 1,200 random characters to train on, the other 423 to test on.

    All else is as in `load_split`, but an alphabet may be in both.
    """
    sets = [load_set(name, folder)[1] for name in ("background", "evaluation")]
    pictures = np.concatenate(sets)
    order = np.random.default_rng(seed).permutation(len(pictures))
    train, test = order[:1200], order[1200:]
    return Drawings(pictures[train], see), Drawings(pictures[test, :, :1], see)


# 5. Tasks

# The eight symmetries of the square, quarter-turns and mirrored, as orders of pixels.
PIXELS = np.arange(SIDE**2).reshape(SIDE, SIDE)
TURNS = [np.rot90(PIXELS, quarters).ravel() for quarters in range(4)]
TURNS += [np.rot90(PIXELS.T, quarters).ravel() for quarters in range(4)]


def draw_tasks(rng, drawings, T, N, S, turns=1):
    """T tasks of N classes, S drawings of each, as the network sees them.

    Returns inputs, (T, N, S, n_in). No drawing is met twice in a task; which of its
    variants is taken, is random. With turns = 8, as in training, a character that is
    turned or mirrored is another character.
    """
    pictures = drawings.pictures
    characters, people, variants, _ = pictures.shape
    classes = [rng.choice(characters * turns, N, replace=False) for _ in range(T)]
    character, turn = np.divmod(classes, turns)  # (T, N) each
    person = rng.random((T, N, people)).argsort(axis=2)[:, :, :S]
    variant = rng.integers(variants, size=person.shape)

    x = pictures[character[:, :, None], person, variant]  # (T, N, S, 400)
    for i in range(1, turns):
        x[turn == i] = x[turn == i][..., TURNS[i]]
    return drawings.see(standardise(x))


def mini_batches(drawings, N, k, S, turns=8):
    """`sample` for `train`: all N S drawings of a task, in k disjoint mini-batches."""

    def sample(rng, T):
        x = draw_tasks(rng, drawings, T, N, S, turns).reshape(T, N * S, -1)
        order = rng.random((T, N * S)).argsort(axis=1)  # a shuffle of each task
        order = order.reshape(T, k, -1).swapaxes(0, 1)  # (k, T, B)
        labels = order // S  # each class has S drawings, one after another
        return x[np.arange(T)[:, None], order], labels

    return sample


def support_and_query(drawings, N, k, S, turns=8):
    """`sample` for `train`: k − 1 steps on one drawing of each class, the support set,
    and for the last gradient the other S − 1, the query set. So a task is tested.

    All mini-batches have one size: the support set is repeated until it has the query
    set's, which changes no mean.
    """

    def sample(rng, T):
        x = draw_tasks(rng, drawings, T, N, S, turns)
        support = np.repeat(x[:, :, :1], S - 1, axis=2)
        query = x[:, :, 1:]
        steps = [support] * (k - 1) + [query]
        x = np.array(steps).reshape(k, T, N * (S - 1), -1)
        labels = np.arange(N).repeat(S - 1)
        return x, np.broadcast_to(labels, x.shape[:-1])  # (k, T, B, n_in), (k, T, B)

    return sample


# 6. How good a classifier is

QUERIES = 5  # drawings of each class to judge by


def accuracy(classify, drawings, N, K, T, seed):
    """Right answers (%) in each of T N-way K-shot tasks, (T,), which the seed fixes.

    classify(support, query), of shapes (t, N, K, n_in) and (t, M, n_in), returns the
    labels (t, M) for t tasks at once.
    """
    rng = np.random.default_rng([seed, N, K])
    labels = np.arange(N).repeat(QUERIES)
    found = []
    for start in range(0, T, 4):  # four at a time, so that their weights fit the cache
        t = min(4, T - start)
        x = draw_tasks(rng, drawings, t, N, K + QUERIES)
        support = x[:, :, :K]
        query = x[:, :, K:].reshape(t, N * QUERIES, -1)
        right = classify(support, query) == labels
        found.append(100 * right.mean(axis=1))
    return np.concatenate(found)
