"""Watch Reptile find φ on sine waves: the demo of OpenAI's announcement.

A task is a sine f(x) = a sin(x + b) on 50 points of [−5, 5], with random a and b. After
meta-training, the network learns a new sine from 10 points in a few steps.

Follows the gist of https://openai.com/research/reptile and arXiv:1803.02999v3, section
4. For the same seed it prints the losses of the gist. As there, the ten points of the
plotted sine are drawn with replacement.
"""

import argparse
import copy
import os
import signal
import sys
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # for so small a net, one is fastest

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import PillowWriter
from matplotlib.figure import Figure

from reptile import MLP, adapt, fomaml, inner_loop, joint, maml, reptile, train

NETWORK = MLP([1, 64, 64, 1])
ALPHA, EPSILON = 0.02, 0.1  # inner and outer step size
B = 10  # points in a mini-batch
X = np.linspace(-5, 5, 50)[:, None]  # (50, 1): k = 5 disjoint mini-batches

METHODS = {  # --update: meta-gradient, name, colour
    "reptile": (reptile, "Reptile", "#0072B2"),
    "fomaml": (fomaml, "FOMAML", "#009E73"),
    "joint": (joint, "joint training", "#E69F00"),
    "maml": (maml, "MAML", "#D55E00"),
}
THIS_TASK = "#6A3D9A"  # the colour of the task that is being learnt
SIZE = 12, 6.4  # of the picture, in inches


# The tasks, in the gist's order of random numbers


def draw_sine(rng):
    """A task (b, a): phase b ~ U[0, 2π] and amplitude a ~ U[0.1, 5]."""
    b = 2 * np.pi * rng.random()
    a = 0.1 + (5 - 0.1) * rng.random()
    return b, a


def sine(task, x):
    """a sin(x + b) for task (b, a)."""
    b, a = task
    return a * np.sin(x + b)


def sample_sines(rng, T):
    """T tasks, each with its 50 points in random order: x and y, both (5, T, 10, 1)."""
    tasks, orders = [], []
    for _ in range(T):
        tasks.append(draw_sine(rng))
        orders.append(rng.permutation(len(X)))

    b, a = np.array(tasks).reshape(T, 2, 1, 1).swapaxes(0, 1)  # (T, 1, 1) each
    x = X[np.array(orders)]  # (T, 50, 1)
    x = x.reshape(T, 5, B, 1).swapaxes(0, 1)  # five mini-batches of each task
    return x, sine((b, a), x)


def support_and_query(rng, T):
    """T sines as MAML is tested: x and y, (5, T, 10, 1), of which four are one batch.

    Four steps are taken on the same ten points, the support set; the last mini-batch,
    the query set, has ten other points.
    """
    x, y = sample_sines(rng, T)
    order = [0, 0, 0, 0, 1]
    return x[order], y[order]


def pytorch_init(net, seed):
    """The φ, (P,) float32, of PyTorch's nn.Linear layers after torch.manual_seed(seed).

    Its generator is MT19937, like RandomState's. Each number is made from the last 24
    bits of a word, and a layer's weights, (n_out, n_in), come before its biases.
    """
    rng = np.random.RandomState(seed)
    phi = np.empty(net.num_params, np.float32)

    for W in net.unpack(phi):
        n_in, n_out = len(W) - 1, W.shape[1]
        bound = np.float32(1 / np.sqrt(n_in))
        words = rng.randint(0, 2**32, size=W.size, dtype=np.uint32) & 0xFFFFFF
        uniform = words.astype(np.float32) / np.float32(2**24) * (2 * bound) - bound

        weights, biases = uniform[:-n_out], uniform[-n_out:]
        W[:-1] = weights.reshape(n_out, n_in).T
        W[-1] = biases
    return phi


# What a network has learnt


def functions(net, weights):
    """The outputs on the 50 points of networks with weights (..., P): (..., 50, 1)."""
    networks = weights.reshape(-1, net.num_params)
    x = np.broadcast_to(X, (len(networks), *X.shape))
    return net.predict(networks, x).reshape(*weights.shape[:-1], *X.shape)


def plane(outputs):
    """Functions as points (p, q) of a plane: (..., 50, 1) -> (..., 2).

    p sin x + q cos x is the least-squares fit to the outputs on the 50 points. The sine
    a sin(x + b) = a cos b sin x + a sin b cos x is at distance a, in the direction b.
    """
    basis = np.hstack([np.sin(X), np.cos(X)])  # (50, 2)
    return outputs[..., 0] @ np.linalg.pinv(basis).T


def tangent_kernel(net, phi, x=X):
    """K(x, x') = Σ ∂f(x)/∂φ ∂f(x')/∂φ for all pairs of the n points x, (n, 1): (n, n).

    One step of size α on one point x' moves f(x) by −2α (f(x') − y') K(x, x'), to first
    order (Jacot, Gabriel, Hongler 2018, arXiv:1806.07572).
    """
    x = x[:, None]  # n tasks of one point each
    half_below = net.predict(phi, x) - 0.5  # so that the derivative of the loss is f's
    _, jacobian = net.loss_and_gradient(phi, x, half_below)  # (n, P)
    return jacobian @ jacobian.T


def predictions(net, phi, task, x_train, alpha, steps):
    """The curves, (len(steps), 50, 1), after each of `steps` on x_train (10, 1)."""
    y_train = sine(task, x_train)
    phis, _ = adapt(net, phi, x_train, y_train, alpha, max(steps), trajectory=True)
    return functions(net, phis[list(steps)])


def new_sines(seed, T):
    """T new tasks (b, a), (T, 1, 1) each, and x, ten different points of each.

    They have a generator of their own, so that the training's draws stay as they are.
    """
    rng = np.random.default_rng([seed, T])
    b = rng.uniform(0, 2 * np.pi, (T, 1, 1))
    a = rng.uniform(0.1, 5, (T, 1, 1))
    order = rng.random((T, len(X))).argsort()
    return (b, a), X[order[:, :B]]


def evaluate(net, phi, alpha, seed, T=1000, steps=(0, 1, 8, 16, 32)):
    """Squared error on T new sines, (len(steps), T), after each number of steps."""
    task, x_train = new_sines(seed, T)
    x = np.tile(X, (T, 1, 1))
    weights = phi
    errors = []
    done = 0  # steps taken: in stages, as the trajectory of 1,000 tasks takes 0.6 GB

    for k in steps:
        if k > done:
            weights = adapt(net, weights, x_train, sine(task, x_train), alpha, k - done)
            done = k
        errors.append(net.loss(weights, x, sine(task, x)))
    return np.array(errors)


def table(net, phis, alpha, seed, T=1000, steps=(0, 1, 8, 16, 32)):
    """`evaluate` as text, for {name: phi}: means and 95 % intervals over T sines."""
    text = f"\nmean squared error, 95 % interval, {T:,} new sines of {B} points\nsteps"
    for name in phis:
        text += f"{name:>24}"

    errors = [evaluate(net, phi, alpha, seed, T, steps) for phi in phis.values()]
    for i, k in enumerate(steps):
        text += f"\n{k:5}"
        for e in errors:
            interval = 1.96 * e[i].std(ddof=1) / np.sqrt(T)
            cell = f"{e[i].mean():.3f} +- {interval:.3f}"
            text += f"{cell:>24}"
    return text


# The picture


class Frame(NamedTuple):
    """What the picture shows after an iteration: φ, and what will move it next."""

    iteration: int
    phi: np.ndarray  # (P,)
    epsilon: float
    x: np.ndarray  # of the next T tasks, (5, T, 10, 1)
    y: np.ndarray


class Picture:
    """Left, φ and new tasks in the plane of functions; right, one sine and its curves.

    update         a key of METHODS
    task, x_train  the sine on the right, and its ten points, (10, 1)
    seed           of the new tasks in the plane
    """

    def __init__(self, update, task, x_train, seed, T=24, steps=8):
        self.meta_gradient, self.name, self.colour = METHODS[update]
        self.task, self.x_train = task, x_train
        self.new_tasks, self.x_new = new_sines(seed, T)
        self.steps = steps

    def draw(self, figure, frame):
        """Draw a frame."""
        figure.clear()
        left = figure.add_axes([0.07, 0.21, 0.35, 0.66])
        right = figure.add_axes([0.5, 0.21, 0.48, 0.66])
        error = self.draw_rays(left, frame.phi)
        self.draw_next_step(left, frame)
        self.draw_curves(right, frame.phi)

        left.set(xlim=(-5.5, 5.5), ylim=(-5.5, 5.5), aspect="equal",
                 xlabel="p", ylabel="q", title="Plane of functions: p sin x + q cos x")
        right.set(xlim=(-5.2, 5.2), ylim=(-5.5, 5.5), xlabel="x", ylabel="f(x)",
                  title="One sine, learnt from ten points")
        for axes, ncols in (left, 2), (right, 3):
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=ncols,
                        columnspacing=1, frameon=False, fontsize="small")
        figure.suptitle(f"{self.name}, iteration {frame.iteration:,}: squared error "
                        f"{error:.2f} on {len(self.x_new)} new sines, after "
                        f"{self.steps} steps on ten points of each")

    def draw_rays(self, axes, phi):
        """New tasks, and the way from φ towards each. Returns their mean error."""
        y_new = sine(self.new_tasks, self.x_new)
        phis, _ = adapt(NETWORK, phi, self.x_new, y_new, ALPHA, self.steps,
                        trajectory=True)
        outputs = functions(NETWORK, phis)  # (steps + 1, T, 50, 1)
        targets = sine(self.new_tasks, X)  # (T, 50, 1)

        p, q = np.moveaxis(plane(outputs), -1, 0)  # (steps + 1, T) each
        axes.plot(p, q, color=self.colour, linewidth=1.5)
        axes.plot(p[-1], q[-1], "o", color=self.colour,
                  label=f"{self.steps} steps from φ towards each")
        axes.plot(*plane(targets).T, "kx", markersize=9, label="new tasks")
        return np.square(outputs[-1] - targets).mean()

    def draw_next_step(self, axes, frame):
        """The next tasks' inner loops, φ to W, and how far φ will follow."""
        phi, x, y = frame.phi, frame.x, frame.y
        phis, _ = inner_loop(NETWORK, phi, x, y, ALPHA, trajectory=True)
        p, q = np.moveaxis(plane(functions(NETWORK, phis)), -1, 0)  # (6, T) each
        axes.plot(p, q, "s-", color=THIS_TASK, markersize=5, linewidth=2)
        axes.plot([], [], "s-", color=THIS_TASK,  # one legend entry for all T tasks
                  label="this task: φ to W in 5 steps")

        g = self.meta_gradient(NETWORK, phi, x, y, ALPHA).mean(axis=0)
        moved = phi - frame.epsilon * ALPHA * g
        p, q = plane(functions(NETWORK, np.array([phi, moved]))).T
        axes.plot(p, q, "k-", linewidth=4, label="φ, and its step ε (W − φ)")
        axes.plot(p[0], q[0], "ko", markersize=10)

    def draw_curves(self, axes, phi, steps=(0, 1, 2, 8)):
        """One sine, its ten points, and the curves after some of the steps."""
        axes.plot(X, sine(self.task, X), "k--", linewidth=2, label="the sine")
        axes.plot(self.x_train, sine(self.task, self.x_train), "ko", markersize=8,
                  zorder=3, label="ten points")

        curves = predictions(NETWORK, phi, self.task, self.x_train, ALPHA, steps)
        for k, curve in zip(steps, curves):
            darkness = 0.15 + np.log2(k + 1) / 4
            label = "after 1 step" if k == 1 else f"after {k} steps"
            axes.plot(X, curve, color=plt.cm.plasma_r(darkness), linewidth=3,
                      label=label)


def iterations_to_show(iterations, count):
    """The iterations to show: one by one at first, then ever faster, then the last."""
    ever_faster = np.linspace(0, 1, count + 1) ** 3
    return {1, 2, 3, *np.rint(iterations * ever_faster).astype(int)}


class Window:
    """The picture on the screen. Its close button and Ctrl-C end the demo."""

    def __init__(self):
        self.figure = plt.figure("Reptile", SIZE)
        self.open = True
        self.figure.canvas.mpl_connect("close_event", self.on_close)
        # Toolkits swallow an exception in their callbacks, KeyboardInterrupt too. So
        # Ctrl-C only sets a flag, until the end of `stay`.
        self.handler = signal.signal(signal.SIGINT, self.on_close)

    def on_close(self, *event):
        """Someone has closed the window or pressed Ctrl-C."""
        self.open = False

    def show(self, picture, frame):
        """Draw a frame, and leave a second to look at each of the first ones."""
        picture.draw(self.figure, frame)
        plt.pause(1 if frame.iteration <= 3 else 0.01)

    def stay(self, wait):
        """Wait until someone closes the window; then give Ctrl-C back."""
        while wait and self.open:
            self.figure.canvas.start_event_loop(0.1)
        plt.close(self.figure)
        signal.signal(signal.SIGINT, self.handler)


def save_figure(path, picture, frame):
    """Write the picture of one frame."""
    figure = Figure(SIZE)
    picture.draw(figure, frame)
    figure.savefig(path)


def save_animation(path, picture, frames):
    """Write a .gif: the first frames last twice as long, the last ten times as long."""
    figure = Figure(SIZE)
    writer = PillowWriter(fps=2.5)
    with writer.saving(figure, path, dpi=72):
        for frame in frames:
            picture.draw(figure, frame)
            writer.grab_frame()
            if frame.iteration <= 3:
                writer.grab_frame()

        for _ in range(9):
            writer.grab_frame()


# The command line


class Parser(argparse.ArgumentParser):
    """A parser that answers a mistake in one line."""

    def error(self, message):
        """Say what is wrong, and stop."""
        self.exit(2, f"{self.prog}: {message}\n")


def writable_file(*suffixes):
    """A type for argparse: a file that can be written, with one of the suffixes."""
    def check(text):
        path = Path(text)
        if path.suffix.lower() not in suffixes:
            raise argparse.ArgumentTypeError(
                f"cannot write {text}: its name must end in {' or '.join(suffixes)}")
        if path.is_dir() or not os.access(path.parent, os.W_OK):
            raise argparse.ArgumentTypeError(
                f"cannot write {text}: name a file in a folder that is there")
        return path

    return check


def parse(argv):
    """The command line's options, checked."""
    parser = Parser("sine_demo.py", description="Watch Reptile find phi on sine waves.",
                    allow_abbrev=False)
    parser.add_argument("--iterations", type=int, default=30_000,
                        help="outer steps (default: 30000)")
    parser.add_argument("--seed", type=int, default=0,
                        help="of the network and the tasks (default: 0)")
    parser.add_argument("--meta-batch", type=int, default=1,
                        help="tasks per iteration (default: 1)")
    parser.add_argument("--update", choices=METHODS, default="reptile",
                        help="meta-gradient (default: reptile)")
    parser.add_argument("--figure", type=writable_file(".png", ".pdf", ".svg"),
                        help="save the last picture in this file")
    parser.add_argument("--animation", type=writable_file(".gif"),
                        help="save the training in this file")
    parser.add_argument("--no-plot", action="store_true", help="open no window")
    args = parser.parse_args(argv)

    if args.iterations < 1:
        parser.error("--iterations must be 1 or more")
    if args.meta_batch < 1:
        parser.error("--meta-batch must be 1 or more")
    if not 0 <= args.seed < 2**32:
        parser.error("--seed must lie in 0 ... 4294967295")
    return args


def has_display(args):
    """True if a window is wanted, and matplotlib can open one here."""
    if args.no_plot:
        return False

    canvas = plt.figure().canvas  # only a canvas knows whether it can be on a screen
    plt.close()
    return canvas.required_interactive_framework is not None


def meta_train(args, phi, rng):
    """Meta-train on sines: a generator of the frames to show."""
    meta_gradient, *_ = METHODS[args.update]
    show = iterations_to_show(args.iterations, count=96)

    def frame(iteration, phi):
        ahead = copy.deepcopy(rng)  # a look ahead must not change the training's draws
        epsilon = EPSILON * (1 - iteration / args.iterations)
        return Frame(iteration, phi, epsilon, *sample_sines(ahead, args.meta_batch))

    yield frame(0, phi)
    for iteration, phi in train(NETWORK, phi, sample_sines, rng, meta_gradient,
                                alpha=ALPHA, epsilon=EPSILON,
                                iterations=args.iterations, meta_batch=args.meta_batch):
        if iteration in show or iteration % 1000 == 0:
            yield frame(iteration, phi)


def report(frame, picture, iterations):
    """Print the gist's lines: the loss on one sine, 32 steps from φ."""
    i = frame.iteration
    if i in (1, iterations) or (i > 0 and i % 1000 == 0):
        task, x_train = picture.task, picture.x_train
        curve = predictions(NETWORK, frame.phi, task, x_train, ALPHA, [32])
        loss = np.square(curve - sine(task, X)).mean()
        print(f"iteration {i:<6} loss on plotted curve {loss:.3f}", flush=True)


def watch(args, phi, rng, picture, window):
    """Train, print and show, until it is finished or stopped.

    Returns the frames of the animation, the latest frame last.
    """
    film, filmed = [], iterations_to_show(args.iterations, count=24)
    try:
        for frame in meta_train(args, phi, rng):
            if film and film[-1].iteration not in filmed:
                film.pop()  # it was there as the latest frame
            film.append(frame)

            report(frame, picture, args.iterations)
            if window:
                window.show(picture, frame)
                if not window.open:
                    break
    except KeyboardInterrupt:
        pass  # what there is will be saved
    return film


def main(argv=None):
    """Run the command line; return the exit code."""
    args = parse(argv)
    plt.rcParams.update({"font.size": 14, "toolbar": "None", "figure.raise_window": 0})

    # As in the gist, one generator draws the plotted sine, its points, then the tasks.
    rng = np.random.RandomState(args.seed)
    task = draw_sine(rng)
    x_train = X[rng.choice(len(X), size=B)]
    start = pytorch_init(NETWORK, args.seed)
    picture = Picture(args.update, task, x_train, args.seed)
    window = Window() if has_display(args) else None

    film = watch(args, start, rng, picture, window)
    last = film[-1]
    finished = last.iteration == args.iterations
    if finished:
        phis = {"random initialisation": start, picture.name: last.phi}
        print(table(NETWORK, phis, ALPHA, args.seed), flush=True)
    else:
        print(f"stopped: the last picture is of iteration {last.iteration:,}")

    if args.figure:
        save_figure(args.figure, picture, last)
    if args.animation:
        save_animation(args.animation, picture, film)
    if window:
        window.stay(finished)
    return 0 if finished else 130  # 130: stopped by hand, as shells report Ctrl-C


if __name__ == "__main__":
    sys.exit(main())
