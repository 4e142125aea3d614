"""Watch Reptile find φ on sine waves: the demo of OpenAI's announcement.

A task is a sine f(x) = a sin(x + b) on 50 points of [−5, 5], with random a and b. After
meta-training, the network learns a new sine from 10 points in a few steps.

Follows the gist of https://openai.com/research/reptile and arXiv:1803.02999v3, section
4. For the same seed it prints the losses of the gist. As there, the ten points of the
plotted sine are drawn with replacement.
"""

import argparse
import os
import signal
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # for so small a net, one is fastest

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.figure import Figure

from reptile import (
    MLP,
    adapt,
    every_step,
    fomaml,
    inner_loop,
    joint,
    maml,
    train,
    trajectory,
)

NETWORK = MLP([1, 64, 64, 1])
ALPHA, EPSILON = 0.02, 0.1  # inner and outer step size
B = 10  # points in a mini-batch
X = np.linspace(-5, 5, 50)[:, None]  # (50, 1): k = 5 disjoint mini-batches

METHODS = {  # --update: where φ moves to, name, colour
    "reptile": (inner_loop, "Reptile", "#0072B2"),
    "fomaml": (fomaml, "FOMAML", "#009E73"),
    "joint": (joint, "joint training", "#E69F00"),
    "maml": (maml, "MAML", "#D55E00"),
}
SIZE = 12, 6.4  # of the picture, in inches


# The tasks, in the gist's order of random numbers


def draw_sine(rng):
    """A task (a, b): amplitude a ~ U[0.1, 5] and phase b ~ U[0, 2π], drawn first."""
    b = 2 * np.pi * rng.random()
    a = 0.1 + (5 - 0.1) * rng.random()
    return a, b


def sine(task, x):
    """a sin(x + b) for task (a, b)."""
    a, b = task
    return a * np.sin(x + b)


def sample_sines(rng, T):
    """T tasks, each with its 50 points in random order: x and y, both (5, T, 10, 1)."""
    x = np.empty((5, T, B, 1))
    y = np.empty((5, T, B, 1))
    for t in range(T):
        task = draw_sine(rng)
        x[:, t] = rng.permutation(X).reshape(5, B, 1)  # five mini-batches
        y[:, t] = sine(task, x[:, t])
    return x, y


def support_and_query(rng, T):
    """T tasks in another form, for MAML: x and y, both (5, T, 10, 1).

    The first four mini-batches are the same ten points, the support set, as at test;
    the last one is the query set, ten other points. (For lessons and experiments.)
    """
    x, y = sample_sines(rng, T)
    order = [0, 0, 0, 0, 1]
    return x[order], y[order]


def pytorch_init(net, seed):
    """The φ, (P,) float32, of PyTorch's nn.Linear layers after torch.manual_seed(seed).

    Its generator is MT19937, like RandomState's. Each number is made from the last 24
    of 32 random bits, and a layer's weights, (n_out, n_in), come before its biases.
    """
    rng = np.random.RandomState(seed)
    phi = np.empty(net.num_params, np.float32)

    for M in net.unpack(phi):
        n_in, n_out = len(M) - 1, M.shape[1]
        bits = rng.randint(0, 2**32, size=M.size, dtype=np.uint32) & 0xFFFFFF
        fraction = bits.astype(np.float32) / np.float32(2**24)  # from 0 to 1
        bound = np.float32(1 / np.sqrt(n_in))
        uniform = fraction * (2 * bound) - bound

        weights, biases = uniform[:-n_out], uniform[-n_out:]
        M[:-1] = weights.reshape(n_out, n_in).T
        M[-1] = biases
    return phi


# What a network has learnt


def curves(net, weights):
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
    x, y = every_step(x_train, sine(task, x_train), max(steps))
    phis, _ = trajectory(net, phi, x, y, alpha)
    return curves(net, phis[list(steps)])


def new_sines(seed, T):
    """T new tasks (a, b), (T, 1, 1) each, and x, ten different points of each.

    They have a generator of their own, so that the training's draws stay as they are.
    """
    rng = np.random.default_rng([seed, T])
    b = rng.uniform(0, 2 * np.pi, (T, 1, 1))
    a = rng.uniform(0.1, 5, (T, 1, 1))
    order = rng.random((T, len(X))).argsort()
    return (a, b), X[order[:, :B]]


def evaluate(net, phi, alpha, seed, T=1000, steps=(0, 1, 8, 16, 32)):
    """Squared error on T new sines, (len(steps), T), after each of the rising steps."""
    task, x_train = new_sines(seed, T)
    x = np.tile(X, (T, 1, 1))
    weights = phi
    errors = []
    done = 0  # steps taken: in stages, as the trajectory of 1,000 tasks takes 1.1 GB

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


class Picture:
    """Left, φ and new tasks in the plane of functions; right, one sine and its curves.

    update         a key of METHODS
    task, x_train  the sine on the right, and its ten points, (10, 1)
    seed           of the T new tasks in the plane
    """

    def __init__(self, figure, update, task, x_train, seed, T=24, steps=8):
        _, self.name, self.colour = METHODS[update]
        self.task, self.x_train = task, x_train
        self.new_tasks, self.x_new = new_sines(seed, T)
        self.steps = steps
        self.figure = figure
        self.left = figure.add_axes([0.07, 0.21, 0.35, 0.66])
        self.right = figure.add_axes([0.5, 0.21, 0.48, 0.66])

    def draw(self, frame):
        """Draw what φ can do after some iterations of meta-training."""
        iteration, phi = frame
        self.left.clear()
        self.right.clear()
        error = self.draw_star(self.left, phi)
        self.draw_curves(self.right, phi)

        self.left.set(xlim=(-5.5, 5.5), ylim=(-5.5, 5.5), aspect="equal", xlabel="p",
                      ylabel="q", title="Plane of functions: p sin x + q cos x")
        self.right.set(xlim=(-5.2, 5.2), ylim=(-5.5, 5.5), xlabel="x", ylabel="f(x)",
                       title="One sine, learnt from ten points")
        for axes in self.left, self.right:
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=3,
                        columnspacing=1, frameon=False, fontsize="small")
        self.figure.suptitle(f"{self.name}, iteration {iteration:,}: squared error "
                             f"{error:.2f} on {len(self.x_new)} new sines "
                             f"after {self.steps} steps")

    def draw_star(self, axes, phi):
        """New tasks, and the way from φ towards each. Returns their mean error."""
        x, y = every_step(self.x_new, sine(self.new_tasks, self.x_new), self.steps)
        phis, _ = trajectory(NETWORK, phi, x, y, ALPHA)
        outputs = curves(NETWORK, phis)  # (steps + 1, T, 50, 1)
        targets = sine(self.new_tasks, X)  # (T, 50, 1)

        p, q = np.moveaxis(plane(outputs), -1, 0)  # (steps + 1, T) each
        axes.plot(p, q, color=self.colour, linewidth=1.5)
        axes.plot(p[-1], q[-1], "o", color=self.colour,
                  label=f"{self.steps} steps from φ")
        axes.plot(p[0, 0], q[0, 0], "ko", markersize=10, label="φ")

        p_new, q_new = plane(targets).T  # (T,) each
        axes.plot(p_new, q_new, "kx", markersize=9, label="new tasks")
        axes.plot([p[-1], p_new], [q[-1], q_new], "k:", linewidth=1)  # what is missing
        return np.square(outputs[-1] - targets).mean()

    def draw_curves(self, axes, phi, steps=(0, 1, 2, 8)):
        """One sine, its ten points, and the curves after some of the steps."""
        axes.plot(X, sine(self.task, X), "k--", linewidth=2, label="the sine")
        axes.plot(self.x_train, sine(self.task, self.x_train), "ko", markersize=8,
                  zorder=3, label="ten points")

        after = predictions(NETWORK, phi, self.task, self.x_train, ALPHA, steps)
        for k, curve in zip(steps, after):
            darkness = 0.15 + np.log2(k + 1) / 4
            label = "after 1 step" if k == 1 else f"after {k} steps"
            axes.plot(X, curve, color=plt.cm.plasma_r(darkness), linewidth=3,
                      label=label)


# The demo


def meta_train(args, start, rng, task, x_train):
    """Meta-train and print the results: a generator of (iteration, φ), to be drawn.

    task, x_train  the plotted sine and its ten points
    """
    update, name, _ = METHODS[args.update]
    ever_faster = np.rint(args.iterations * np.linspace(0, 1, 25) ** 3)
    shown = {1, 2, 3, *ever_faster}

    yield 0, start
    for i, phi in train(NETWORK, start, sample_sines, rng, update, alpha=ALPHA,
                        epsilon=EPSILON, iterations=args.iterations,
                        meta_batch=args.meta_batch):
        if i in (1, args.iterations) or i % 1000 == 0:  # as the gist does
            curve = predictions(NETWORK, phi, task, x_train, ALPHA, [32])
            loss = np.square(curve - sine(task, X)).mean()
            print(f"iteration {i:<6} loss on plotted curve {loss:.3f}", flush=True)
        if i in shown:
            yield i, phi

    phis = {"random initialisation": start, name: phi}
    print(table(NETWORK, phis, ALPHA, args.seed), flush=True)
    for _ in range(8):  # the last frame stays for a while
        yield i, phi


def whole_number(least, most):
    """A type for argparse: a whole number from `least` to `most`."""
    def number(text):
        if not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text} is not in {least} ... {most}")
        return int(text)

    return number


def picture_file(text):
    """A type for argparse: a file that can be written, so no training is in vain."""
    path = Path(text)
    if path.suffix not in (".png", ".pdf", ".svg", ".gif"):
        raise argparse.ArgumentTypeError("the name must end in .png, .pdf, .svg, .gif")
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"cannot write {path}")
    return path


def parse(argv):
    """The command line's options."""
    parser = argparse.ArgumentParser(
        description="Watch Reptile find phi on sine waves.")
    parser.add_argument("--iterations", type=whole_number(1, 10**9), default=30_000,
                        help="outer steps (default: 30000; 5000 show the effect)")
    parser.add_argument("--seed", type=whole_number(0, 2**32 - 1), default=0,
                        help="of the network and the tasks (default: 0)")
    parser.add_argument("--meta-batch", type=whole_number(1, 1000), default=1,
                        help="tasks per iteration (default: 1)")
    parser.add_argument("--update", choices=METHODS, default="reptile",
                        help="how phi moves (default: reptile)")
    parser.add_argument("--no-plot", action="store_true", help="open no window")
    parser.add_argument("--save", type=picture_file, metavar="FILE",
                        help="open no window, but save the last picture (.png, .pdf, "
                             ".svg) or the training (.gif)")
    return parser.parse_args(argv)


def main(argv=None):
    """Run the command line."""
    args = parse(argv)
    plt.rcParams.update({"font.size": 14, "toolbar": "None"})
    if args.no_plot or args.save:
        figure = Figure(SIZE)
    else:
        figure = plt.figure("Reptile", SIZE)
    window = figure.canvas.required_interactive_framework  # None without a display

    # As in the gist, one generator draws the plotted sine, its points, then the tasks.
    rng = np.random.RandomState(args.seed)
    task = draw_sine(rng)
    x_train = X[rng.choice(len(X), size=B)]
    frames = meta_train(args, pytorch_init(NETWORK, args.seed), rng, task, x_train)
    picture = Picture(figure, args.update, task, x_train, args.seed)

    if window or (args.save and args.save.suffix == ".gif"):
        # An init_func, as without one FuncAnimation takes the first frame for itself.
        film = FuncAnimation(figure, picture.draw, frames, init_func=lambda: None,
                             repeat=False, save_count=100, cache_frame_data=False)
        if window:
            plt.show()
        else:
            film.save(args.save, PillowWriter(fps=2.5), dpi=72)
        return

    for last in frames:
        pass
    if args.save:
        picture.draw(last)
        figure.savefig(args.save)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C: at once, under any toolkit
    main()
