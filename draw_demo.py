"""Reptile by hand: draw one example of each of three characters, then a fourth drawing, and see which of them it is.

The network has never met these characters. From φ, meta-trained on Omniglot, it takes 50 inner steps on the three
examples, anew after each stroke of the mouse; a slider goes through the steps, and beside it an untrained network
takes the same ones.

    python draw_demo.py                    in a window, with a stored drawing to begin with
    MPLBACKEND=WebAgg python draw_demo.py  in a browser (needs the package tornado)
    python draw_demo.py --load FILE.npz    with another φ, made by: omniglot_demo.py --ways 3 --run FILE.npz
    python draw_demo.py --figure FILE.png  no window: the first picture, in a file

In a notebook, with ipympl:

    %matplotlib widget
    DrawingBoard(plt.figure(figsize=FIGSIZE), NETWORK, *load_phi(SHIPPED, NETWORK))

Follows: the drawing demo of OpenAI's announcement, https://openai.com/research/reptile.
But: what is drawn is a picture of 105 x 105 pixels, as in Omniglot, and goes through the preparation of omniglot_demo;
and the announcement has neither the steps one by one, nor the untrained network, nor an undo.
"""

import argparse
import sys
from collections import deque
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backend_bases import FigureManagerBase
from matplotlib.figure import Figure
from matplotlib.widgets import Button, Slider

from omniglot_demo import HIDDEN, SIDE, TEST_STEPS, prepare, shrink, write
from reptile import MLP, inner_loop, read

WAYS = 3
NETWORK = MLP([SIDE**2, *HIDDEN, WAYS], loss="cross-entropy")
SHIPPED = Path(__file__).with_name("omniglot_3way.npz")
BLUE, GREY = "#0072B2", "#888888"  # Reptile, random start
PAPER, PEN = 105, 5  # pixels: Omniglot's images, and the thickness of their strokes (upright ones are exactly 5 wide)
UNDOS = 100
FIGSIZE = (11, 6.2)  # inches of 100 pixels: what fits on a projector with room to spare
# To begin with: a drawing of each class, and an input, chosen so that the random start is unsure. A drawing is a list
# of strokes, a stroke one of points (x, y).
STORED = (
    [[(36, 16), (35, 40), (35, 66), (33, 92)], [(35, 24), (50, 17), (64, 21), (71, 33), (66, 46), (52, 54), (36, 54)]],
    [[(66, 30), (56, 20), (42, 22), (33, 34), (34, 48), (44, 56), (56, 52), (65, 40), (67, 26), (68, 50), (66, 72),
      (58, 87), (44, 92), (32, 86)]],
    [[(30, 20), (34, 36), (44, 48), (58, 46), (68, 34)], [(72, 18), (70, 40), (64, 64), (54, 82), (38, 90), (26, 84)]],
    [[(78, 30), (70, 20), (56, 20), (44, 30), (42, 44), (50, 52), (62, 48), (74, 36), (78, 26), (70, 52), (58, 74),
      (42, 86), (28, 84)]],
)  # fmt: skip


def line(a, b):
    """The pixels, (side, side), under a round pen drawn from a to b, points (x, y): those within PEN / 2 of the way."""
    x, y = np.arange(PAPER) - a[0], np.arange(PAPER)[:, None] - a[1]
    dx, dy = b[0] - a[0], b[1] - a[1]
    # The nearest point of the way is a + t (b − a); where a = b, any t will do.
    t = np.clip((x * dx + y * dy) / (dx * dx + dy * dy or 1), 0, 1)
    return (x - t * dx) ** 2 + (y - t * dy) ** 2 <= (PEN / 2) ** 2


def rasterise(drawing):
    """The ink, (side, side) bool, of a list of strokes."""
    ink = np.zeros((PAPER, PAPER), bool)
    for points in drawing:
        for a, b in pairwise([points[0], *points]):  # the first point twice, so that a lone one is a dot
            ink |= line(a, b)
    return ink


def learn(net, starts, alpha, ink):
    """Probabilities of the classes after 0 ... 50 inner steps from each of `starts` (T, P): (51, T, ways).

    ink is (ways + 1, side, side): one drawing of each class, the support set, and the query, last.
    """
    x = np.broadcast_to(prepare(shrink(ink)), (len(starts), len(ink), net.sizes[0]))
    support, query = x[None, :, :-1], x[:, -1:]  # (1, T, ways, n_in), (T, 1, n_in)
    labels = np.broadcast_to(np.arange(len(ink) - 1), support.shape[:-1])
    weights, probabilities = starts, []
    for _ in range(TEST_STEPS):
        probabilities.append(net.predict(weights, query)[:, 0])
        # One step at a time: a single loop with trace=True would take longer, to store 130 MB of weights and gradients.
        weights = inner_loop(net, weights, support, labels, alpha)
    return np.array([*probabilities, net.predict(weights, query)[:, 0]])


class DrawingBoard:
    """Four cells to draw in and the probabilities, on any matplotlib figure: a window's, a browser's, a notebook's.

    net, phi, alpha  a 3-way network, its initialisation (P,), and the inner step size
    drawings         what the cells hold to begin with, as STORED

    Keys have no meaning: matplotlib's shortcuts would change the axes under the drawing.

    Attributes: ink (4, side, side) bool, what is drawn; probabilities (51, 2, 3) after each number of steps from φ and
    from a random start, or None while a cell is empty.
    """

    def __init__(self, figure, net, phi, alpha, drawings=STORED):
        self.figure, self.net, self.alpha = figure, net, alpha
        self.starts = np.array([phi, net.init(np.random.default_rng(0), phi.dtype)])  # (2, P)
        self.ink = np.array([rasterise(drawing) for drawing in drawings])
        self.history = deque(maxlen=UNDOS)  # the ink before each stroke and each clearing
        self.cell, self.point = None, None  # where the pen is, while it is down
        with plt.rc_context({"font.size": 15, "axes.titlesize": 18}):
            self.add_cells()
            self.add_bars()
            self.add_controls()
        for event, react in (("button_press_event", self.press), ("motion_notify_event", self.move),
                             ("button_release_event", self.release), ("figure_leave_event", self.leave)):
            figure.canvas.mpl_connect(event, react)
        figure.canvas.mpl_disconnect(getattr(figure.canvas.manager, "key_press_handler_id", None))
        figure.board = self  # matplotlib's references to the callbacks are weak: without a strong one they would end
        self.update()

    # What there is to see

    def add_cells(self):
        """What to do, and the four cells, side by side, with a button below each that clears it."""
        self.figure.text(0.5, 0.965, "draw with the mouse: one example of each class, and an input", ha="center")
        self.cells, self.images, self.buttons = [], [], []
        for i, title in enumerate(["class 1", "class 2", "class 3", "input"]):
            axes = self.figure.add_axes((0.03 + 0.24 * i, 0.53, 0.22, 0.36), xticks=[], yticks=[], title=title)
            self.images.append(axes.imshow(self.ink[i], cmap="gray_r", vmin=0, vmax=1, interpolation="nearest"))
            self.cells.append(axes)
            self.add_button((0.09 + 0.24 * i, 0.455, 0.1, 0.055), "clear", lambda event, i=i: self.clear([i]))

    def add_button(self, place, text, react):
        """A button at `place` that calls react(event)."""
        self.buttons.append(Button(self.figure.add_axes(place), text))
        self.buttons[-1].on_clicked(react)

    def add_bars(self):
        """Two bars for each class, in a row below the cells of the classes."""
        axes = self.figure.add_axes((0.02, 0.14, 0.72, 0.28), xlim=(-0.5, WAYS - 0.5), ylim=(0, 1.2))
        axes.set(xticks=[], yticks=[])
        axes.spines[["left", "right", "top"]].set_visible(False)
        at = np.add.outer([-0.2, 0.2], np.arange(WAYS))  # (2, 3)
        self.bars = [axes.bar(x, 0, 0.38, color=color) for x, color in zip(at, (BLUE, GREY))]
        self.numbers = [[axes.text(x, 0, "", ha="center", va="bottom") for x in row] for row in at]
        self.hint = axes.text(WAYS / 2 - 0.5, 0.5, "a cell is empty", ha="center")
        self.figure.legend([bars[0] for bars in self.bars], ["Reptile", "random start"],
                           loc="center", bbox_to_anchor=(0.86, 0.38), frameon=False)

    def add_controls(self):
        """The slider and the buttons that concern all cells."""
        axes = self.figure.add_axes((0.2, 0.055, 0.46, 0.045))
        self.slider = Slider(axes, "inner steps k  ", 0, TEST_STEPS, valinit=TEST_STEPS, valstep=1, color=BLUE)
        self.slider.on_changed(lambda k: self.show())
        self.add_button((0.79, 0.215, 0.14, 0.07), "undo", self.undo)
        self.add_button((0.79, 0.125, 0.14, 0.07), "clear all", lambda event: self.clear(range(WAYS + 1)))

    def update(self):
        """Learn the drawings as they are now, if no cell is empty, and show what comes of it."""
        complete = self.ink.any(axis=(1, 2)).all()
        self.probabilities = learn(self.net, self.starts, self.alpha, self.ink) if complete else None
        for image, ink in zip(self.images, self.ink):
            image.set_data(ink)
        self.show()

    def show(self):
        """The probabilities after as many steps as the slider says, and a frame around the class that Reptile finds."""
        known = self.probabilities is not None
        p = self.probabilities[int(self.slider.val)] if known else np.zeros((2, WAYS))
        for bars, numbers, row in zip(self.bars, self.numbers, p):
            for bar, number, height in zip(bars, numbers, row):
                bar.set_height(height)
                number.set(y=height + 0.02, text=f"{100 * height:.0f} %", visible=known)
        for i, axes in enumerate(self.cells):
            found = known and self.slider.val > 0 and i == p[0].argmax()  # before the first step there is only chance
            for spine in axes.spines.values():
                spine.set(color=BLUE if found else "black", linewidth=5 if found else 1)
        self.hint.set_visible(not known)
        self.figure.canvas.draw_idle()

    # What the mouse does

    def press(self, event):
        """The pen goes down, with the left button, in a cell, unless a tool of matplotlib's own has the mouse."""
        if event.button != 1 or event.inaxes not in self.cells or not event.canvas.widgetlock.available(self):
            return
        self.history.append(self.ink.copy())
        self.cell, self.point = self.cells.index(event.inaxes), None
        self.move(event)

    def move(self, event):
        """The pen moves: ink from where it was to where it is, and only that cell drawn anew, not to lag behind."""
        if self.cell is None:
            return
        # Not event.xdata, which belongs to whatever axes is below: outside its cell, a stroke goes on unseen.
        axes, canvas = self.cells[self.cell], self.figure.canvas
        point = axes.transData.inverted().transform((event.x, event.y))
        self.ink[self.cell] |= line(point if self.point is None else self.point, point)
        self.point = point
        self.images[self.cell].set_data(self.ink[self.cell])
        if canvas.supports_blit:
            for artist in (self.images[self.cell], *axes.spines.values()):
                axes.draw_artist(artist)
            canvas.blit(axes.bbox)
        else:
            canvas.draw_idle()

    def release(self, event):
        """The pen goes up: the stroke is finished."""
        if event.button == 1:
            self.leave(event)

    def leave(self, event):
        """The mouse leaves the figure, which may never hear of the button's release: this, too, finishes a stroke."""
        if self.cell is not None:
            self.cell = None
            self.update()

    def clear(self, cells):
        """Empty some cells."""
        self.history.append(self.ink.copy())
        self.ink[list(cells)] = False
        self.update()

    def undo(self, event=None):
        """Take the last stroke back, or the last clearing."""
        if self.history:
            self.ink = self.history.pop()
            self.update()


def load_phi(path, net):
    """(phi, alpha) of a file that reptile.save wrote for `net`; ValueError says in one line why it will not do."""
    arrays, settings, _ = read(path)
    for name, here in ("net", str(net)), ("inner", "SGD()"), ("data", "pixels"):
        found = settings.get(name, "nothing")
        if not found.startswith(here):
            raise ValueError(f"{path} holds a φ for {found}, but this demo has {here}; "
                             "omniglot_demo.py --ways 3 --run FILE.npz makes one that fits")
    phi = arrays["phi"].astype(np.float32)
    if phi.shape != (net.P,) or not np.isfinite(phi).all():
        raise ValueError(f"{path} does not hold {net.P:,} finite numbers as φ")
    return phi, float(settings["alpha"])


def open_window():
    """A figure in a window or a browser; ValueError, with what to do, without either."""
    try:
        figure = plt.figure("Reptile: draw your own characters", figsize=FIGSIZE)
    except (ImportError, RuntimeError) as error:  # the toolkit that MPLBACKEND names does not run here
        raise ValueError(f"cannot open a window: {error}") from None
    if type(figure.canvas.manager) is FigureManagerBase:
        raise ValueError("cannot open a window without a display; for a browser, pip install tornado and set "
                         "MPLBACKEND=WebAgg; for a picture, --figure")
    return figure


def parse(argv):
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Draw one example of each of three characters, then a fourth drawing, and see which of them it is.",
        epilog="The left mouse button draws. Closing the window ends it.",
        allow_abbrev=False,
    )
    parser.add_argument("--load", type=Path, default=SHIPPED, metavar="FILE.npz",
                        help="φ to start from, of omniglot_demo.py --ways 3 --run FILE.npz (default: the shipped one)")
    parser.add_argument("--figure", type=Path, metavar="FILE.png", help="open no window, but save the first picture")
    parser.error = lambda message: parser.exit(2, f"{parser.prog}: {message} (see --help)\n")
    args = parser.parse_args(argv)
    if args.figure and args.figure.suffix != ".png":
        parser.error(f"--figure must end in .png, not {args.figure}")
    return args


def main(argv=None):
    """Run the command line; return the exit code."""
    args = parse(argv)
    plt.rcParams.update({"toolbar": "None", "figure.raise_window": False})
    try:
        phi, alpha = load_phi(args.load, NETWORK)
        board = DrawingBoard(Figure(FIGSIZE) if args.figure else open_window(), NETWORK, phi, alpha)
        if args.figure:
            write(board.figure, args.figure)
        else:
            plt.show()
    except KeyboardInterrupt:
        print("stopped")
        return 130
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"{Path(__file__).name}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
