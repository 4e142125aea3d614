"""Reptile on sine waves: the demonstration of OpenAI's announcement, number for number, without PyTorch.

A task is a sine f(x) = a sin(x + b) on 50 points of [−5, 5], with amplitude a and phase b drawn at random. After
meta-training on one sine after another, the network learns a new one from 10 points in a few steps.

    python sine_demo.py                      train and watch, a few seconds
    python sine_demo.py --update joint       see joint training fail
    python sine_demo.py --help               everything else

Follows: the gist that goes with https://openai.com/research/reptile, and section 4 of arXiv:1803.02999. It prints the
losses that the gist prints for the same seed, to one unit of the last digit.
But: the gist draws its ten plotted points with replacement, so that some may coincide. That is kept here, for the
same numbers; the evaluation over many tasks draws without.
"""

import argparse
import sys
import tempfile
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import colormaps
from matplotlib.animation import PillowWriter
from matplotlib.figure import Figure

from reptile import MLP, check_count, inner_loop, train, whole

ALPHA, EPSILON = 0.02, 0.1  # inner step size, outer step size at the start
B = 10  # points in a mini-batch; the 50 points make k = 5 disjoint mini-batches
X = np.linspace(-5, 5, 50)[:, None]  # (50, 1)
PAGE = {"figsize": (9, 5), "layout": "constrained"}
SHOWN = (0, 8, 16, 24, 32)  # inner steps after which the plotted sine is drawn
TABLE = (0, 1, 8, 16, 32)  # inner steps after which the error over many sines is measured
NETWORK = MLP([1, 64, 64, 1])
UPDATES = {"reptile": "Reptile", "fomaml": "FOMAML", "joint": "joint training", "maml": "MAML"}


def draw_sine(rng):
    """Phase b and amplitude a of one task, in the gist's order: b ~ U[0, 2π], a ~ U[0.1, 5]."""
    return rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 5)


def sine(task, x):
    """a sin(x + b) for task (b, a)."""
    phase, amplitude = task
    return amplitude * np.sin(x + phase)


def sample_sines(rng, T):
    """T tasks, each with its 50 points in random order as k = 5 mini-batches of 10: x and y, both (5, T, 10, 1)."""
    # For each task phase, amplitude and order are drawn in turn, because this is the order of the gist's stream.
    phases, amplitudes, orders = zip(*((*draw_sine(rng), rng.permutation(len(X))) for _ in range(T)))
    x = X[np.array(orders), 0].T  # (50, T)
    y = sine((np.array(phases), np.array(amplitudes)), x)
    return x.reshape(-1, B, T, 1).swapaxes(1, 2), y.reshape(-1, B, T, 1).swapaxes(1, 2)


def pytorch_init(net, seed):
    """The φ, (P,) float32, that PyTorch gives the same layers after torch.manual_seed(seed).

    PyTorch and NumPy's RandomState share the generator, MT19937. nn.Linear draws W, stored as (n_out, n_in), and then
    b, each number from the low 24 bits of one 32-bit word, uniform in ±1/√n_in.
    """
    rng = np.random.RandomState(seed)
    phi = np.empty(net.P, np.float32)
    for Wb in net.layers(phi):
        n_in, n_out = Wb.shape[0] - 1, Wb.shape[1]
        bound = np.float32(1 / np.sqrt(n_in))
        words = rng.randint(0, 2**32, size=Wb.size, dtype=np.uint32)
        uniform = (words & 0xFFFFFF).astype(np.float32) / np.float32(2**24) * (2 * bound) - bound
        Wb[:-1] = uniform[:-n_out].reshape(n_out, n_in).T
        Wb[-1] = uniform[-n_out:]
    return phi


def predictions(phi, task, x_train, steps=SHOWN):
    """Predictions on the 50 points, (len(steps), 50, 1), after each number of inner steps on x_train (10, 1)."""
    k = max(steps)
    x, y = (np.broadcast_to(a, (k, *a.shape)) for a in (x_train, sine(task, x_train)))
    weights, _, points = inner_loop(NETWORK, phi, x, y, ALPHA, trace=True)
    weights = np.concatenate([points, weights[None]])[list(steps)]  # points[i] are the weights after i steps
    return NETWORK.predict(weights, np.broadcast_to(X, (len(steps), *X.shape)))


def draw_test_tasks(seed, T):
    """T new sines and 10 different points of each, (T, 10, 1), to learn it from: they depend on seed and T only."""
    rng = np.random.default_rng([seed, T])  # another generator than the training's
    tasks = rng.uniform(0, 2 * np.pi, (T, 1, 1)), rng.uniform(0.1, 5, (T, 1, 1))
    return tasks, X[rng.random((T, len(X))).argsort()[:, :B]]


def evaluate(phi, seed, T=1000, steps=TABLE):
    """Mean squared error on all 50 points of T new sines, (len(steps), T), after each number of inner steps."""
    tasks, x_train = draw_test_tasks(seed, T)
    x, y = np.broadcast_to(X, (T, *X.shape)), sine(tasks, X)  # (T, 50, 1)
    weights, done, errors = np.broadcast_to(phi, (T, NETWORK.P)), 0, []
    for step in steps:
        if step > done:
            x_k, y_k = (np.broadcast_to(a, (step - done, *a.shape)) for a in (x_train, sine(tasks, x_train)))
            weights, done = inner_loop(NETWORK, weights, x_k, y_k, ALPHA), step
        errors.append(NETWORK.loss(weights, x, y))
    return np.array(errors)


def print_table(initialisations, seed, T=1000):
    """Print the error after each number of steps, mean and 95 % interval over T tasks, for {name: phi}."""
    errors = {name: evaluate(phi, seed, T) for name, phi in initialisations.items()}
    print(f"\nmean squared error on {T:,} new sines, each learnt from {B} points; mean and 95 % interval")
    print("steps" + "".join(f"{name:>18}" for name in errors))
    for i, step in enumerate(TABLE):
        cells = (f"{e[i].mean():.3f} ± {1.96 * e[i].std(ddof=1) / np.sqrt(T):.3f}" for e in errors.values())
        print(f"{step:5}" + "".join(f"{cell:>18}" for cell in cells))


class Picture:
    """The gist's picture on a matplotlib figure: one sine, its ten points, the predictions after 0 ... 32 steps."""

    def __init__(self, figure, task, x_train):
        self.figure, self.task, self.x_train = figure, task, x_train
        self.axes = figure.subplots()
        self.axes.plot(X, sine(task, X), "k--", linewidth=2, label="truth")
        ramp = colormaps["plasma_r"](np.linspace(0.15, 0.95, len(SHOWN)))
        self.curves = [self.axes.plot(X, 0 * X, color=color, linewidth=2.5)[0] for color in ramp]
        for curve, step in zip(self.curves, SHOWN):
            curve.set_label(f"after {step} steps")
        self.axes.plot(x_train, sine(task, x_train), "ko", markersize=9, label="training points", zorder=3)
        self.axes.set(xlabel="x", ylabel="f(x)", ylim=(-5.5, 5.5))
        self.axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)

    def draw(self, phi, iteration):
        """Show what the network makes of the task when it starts from phi."""
        for curve, y in zip(self.curves, predictions(phi, self.task, self.x_train)):
            curve.set_ydata(y)
        self.axes.set_title(f"One sine, learnt from φ after iteration {iteration:,}")


class Window(Picture):
    """The picture in a window, drawn anew as often as costs no more than a tenth of the time."""

    def __init__(self, task, x_train):
        super().__init__(plt.figure("Reptile on sine waves", **PAGE), task, x_train)
        self.closed, self.due = False, 0.0
        # matplotlib's shortcuts would change the axes: the key l, say, would make them logarithmic.
        self.figure.canvas.mpl_disconnect(self.figure.canvas.manager.key_press_handler_id)
        self.figure.canvas.mpl_connect("close_event", lambda event: setattr(self, "closed", True))
        plt.show(block=False)

    def follow(self, phi, iteration, last):
        """Draw if it is time to, or the last iteration, and let the window answer its user."""
        start = time.perf_counter()
        if start < self.due and not last:
            return
        self.draw(phi, iteration)
        self.figure.canvas.draw_idle()
        self.figure.canvas.start_event_loop(0.001)
        now = time.perf_counter()
        self.due = now + 9 * (now - start)


def can_open_windows():
    """Whether matplotlib has a display and a toolkit for a window."""
    try:
        framework = plt.figure().canvas.required_interactive_framework
    except (ImportError, RuntimeError):  # the toolkit that MPLBACKEND names does not run here
        return False
    plt.close()
    return framework is not None


@contextmanager
def animation(path, figure):
    """A context that yields a function which adds the figure as it is now to the animated .gif at `path`."""
    writer = PillowWriter(fps=10)
    with whole(path) as part, writer.saving(figure, part, dpi=80):
        yield writer.grab_frame


def parse(argv):
    """The command line, checked: whatever is wrong with it is said in one line before any work starts."""
    parser = argparse.ArgumentParser(
        description="Reptile on sine waves: meta-train, watch it learn one sine, and measure it on 1,000 new ones.",
        epilog="Without a display, or with --no-plot, no window opens. Closing the window or Ctrl-C ends the training.",
        allow_abbrev=False,
    )
    parser.add_argument("--iterations", type=int, default=30_000, metavar="N", help="outer steps (default: 30000)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the network and the tasks (default: 0)")
    parser.add_argument("--meta-batch", type=int, default=1, metavar="T", help="tasks an iteration (default: 1)")
    parser.add_argument("--update", choices=UPDATES, default="reptile",
                        help="reptile: the sum of the inner gradients (default); fomaml: the last; maml: the exact "
                             "derivative; joint: the first, which is joint training")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="save the last picture: .png, .pdf or .svg")
    parser.add_argument("--animation", type=Path, metavar="FILE.gif", help="save the training as an animation")
    parser.add_argument("--no-plot", action="store_true", help="open no window")
    parser.error = lambda message: parser.exit(2, f"{parser.prog}: {message} (see --help)\n")
    args = parser.parse_args(argv)
    try:
        check_count("--iterations", args.iterations)
        check_count("--meta-batch", args.meta_batch, most=10_000)
        if not 0 <= args.seed < 2**32:
            raise ValueError(f"--seed must be a whole number from 0 to {2**32 - 1:,}, not {args.seed}")
        check_output("--figure", args.figure, (".png", ".pdf", ".svg"))
        check_output("--animation", args.animation, (".gif",))
    except ValueError as error:
        parser.error(str(error))
    return args


def check_output(name, path, suffixes):
    """ValueError unless a file could be written to `path`: better now than after the training."""
    if path is None:
        return
    if path.suffix.lower() not in suffixes:
        raise ValueError(f"{name} must end in {' or '.join(suffixes)}, not {path}")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            if path.is_dir():
                raise IsADirectoryError(21, "is a folder")
    except OSError as error:
        raise ValueError(f"{name}: cannot write {path}: {error.strerror}") from None


def follow_training(args, rng, phi, window, picture, add_frame):
    """Train to the end, or until the user stops it, with a line every 1000 iterations or 10 s; (phi, iteration)."""
    iteration, frame_every, told = 0, max(1, args.iterations // 60), 0.0
    run = train(NETWORK, phi, sample_sines, rng, alpha=ALPHA, epsilon=EPSILON, iterations=args.iterations,
                meta_batch=args.meta_batch, update=args.update)
    try:
        for iteration, phi in run:
            last = iteration == args.iterations
            if iteration == 1 or iteration % 1000 == 0 or last or time.monotonic() - told > 10:
                told = time.monotonic()
                error = predictions(phi, picture.task, picture.x_train)[-1] - sine(picture.task, X)
                print(f"iteration {iteration:<6} loss on plotted curve {np.square(error).mean():.3f}", flush=True)
            if add_frame and (iteration == 1 or iteration % frame_every == 0):
                picture.draw(phi, iteration)
                add_frame()
            if window:
                window.follow(phi, iteration, last)
                if window.closed:
                    break
    except KeyboardInterrupt:
        pass
    return phi, iteration


def demonstrate(args):
    """The whole demonstration, for a checked command line; return the exit code."""
    rng = np.random.RandomState(args.seed)  # the gist's generator, of which NumPy keeps the very stream
    task = draw_sine(rng)  # the gist draws the plotted sine and its points before it trains
    x_train = X[rng.choice(len(X), size=B)]  # (10, 1)
    start = pytorch_init(NETWORK, args.seed)
    window = None if args.no_plot or not can_open_windows() else Window(task, x_train)
    picture = Picture(Figure(**PAGE), task, x_train)
    with animation(args.animation, picture.figure) if args.animation else nullcontext() as add_frame:
        phi, iteration = follow_training(args, rng, start, window, picture, add_frame)
        picture.draw(phi, iteration)
        if add_frame:
            add_frame()
    if args.figure:
        with whole(args.figure) as part:
            picture.figure.savefig(part, dpi=150)
    if iteration < args.iterations:
        print(f"stopped after iteration {iteration:,} of {args.iterations:,}")
        return 0 if window and window.closed else 130
    print_table({UPDATES[args.update]: phi, "random start": start}, args.seed)
    if window:
        print("\nclose the window to end", flush=True)
        plt.show()
    return 0


def main(argv=None):
    """Run the command line; return the exit code."""
    args = parse(argv)
    plt.rcParams.update({"font.size": 14, "figure.raise_window": False})
    sys.stdout.reconfigure(errors="replace")  # a terminal that lacks ± still gets its table
    try:
        return demonstrate(args)
    except KeyboardInterrupt:
        print("stopped")
        return 130
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"{Path(__file__).name}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
