"""Reptile on sine waves: the demo of OpenAI's announcement, number for number.

A task is a sine f(x) = a sin(x + b) on 50 points of [−5, 5], with random a and b. After
meta-training, the network learns a new sine from 10 points in a few steps.
Follows the gist of https://openai.com/research/reptile, whose losses it prints for the
same seed, and arXiv:1803.02999, section 4. As there, plotted points may coincide.
"""

import argparse
import os
import signal
import sys
from pathlib import Path

if __name__ == "__main__":  # a mistake, or Ctrl-C, is one line and not a traceback
    sys.excepthook = lambda *e: print(str(e[1]) or "stopped", file=sys.stderr)
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # more do not pay for so small a net

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter

from reptile import MLP, adapt, fomaml, joint, maml, reptile, train

METHODS = {"reptile": reptile, "fomaml": fomaml, "joint": joint, "maml": maml}
NAMES = dict(zip(METHODS, ["Reptile", "FOMAML", "joint training", "MAML"]))
NETWORK, B = MLP([1, 64, 64, 1]), 10  # B points in a mini-batch
ALPHA, EPSILON = 0.02, 0.1  # inner and outer step size
LOWEST, RANGE = np.array([0, 0.1]), np.array([2 * np.pi, 5 - 0.1])  # of b and of a
X = np.linspace(-5, 5, 50)[:, None]  # (50, 1): k = 5 disjoint mini-batches


def draw_sine(rng):
    """Phase b ~ U[0, 2π] and amplitude a ~ U[0.1, 5] of a task, in the gist's order."""
    return LOWEST + RANGE * rng.random(2)


def sine(task, x):
    """a sin(x + b) for task (b, a)."""
    return task[1] * np.sin(x + task[0])


def sample_sines(rng, T):
    """T tasks, each with its 50 points in random order: x and y, both (5, T, 10, 1)."""
    tasks, orders = np.empty((2, T, 1, 1)), np.empty((T, len(X)), int)
    for t in range(T):  # in turns, as this is the order of the gist's stream
        tasks[:, t, 0, 0] = draw_sine(rng)
        orders[t] = rng.permutation(len(X))
    x = X[orders].reshape(T, -1, B, 1).swapaxes(0, 1)
    return x, sine(tasks, x)


def pytorch_init(net, seed):
    """The φ, (P,) float32, of PyTorch's nn.Linear after torch.manual_seed(seed)."""
    # The generator is RandomState's, MT19937; weights (n_out, n_in) come before biases.
    rng, phi = np.random.RandomState(seed), np.empty(net.num_params, np.float32)
    for W in net.unpack(phi):
        bound, n_out = np.float32(1 / np.sqrt(len(W) - 1)), W.shape[1]
        words = rng.randint(0, 2**32, size=W.size, dtype=np.uint32) & 0xFFFFFF
        uniform = words.astype(np.float32) / np.float32(2**24) * (2 * bound) - bound
        W[:-1], W[-1] = uniform[:-n_out].reshape(n_out, -1).T, uniform[-n_out:]
    return phi


def predictions(net, phi, task, x_train, alpha, steps):
    """The curves, (len(steps), 50, 1), after each of `steps` on x_train (10, 1)."""
    path, _ = adapt(net, phi, x_train, sine(task, x_train), alpha, max(*steps, 1),
                    trajectory=True)  # (k + 1, P)
    return net.predict(path[list(steps)], np.broadcast_to(X, (len(steps), *X.shape)))


def evaluate(net, phi, alpha, seed, T=1000, steps=(0, 1, 8, 16, 32)):
    """Squared error on T new sines, (len(steps), T), after each number of steps."""
    rng = np.random.default_rng([seed, T])  # another generator than the training's
    task = rng.uniform(0, 2 * np.pi, (T, 1, 1)), rng.uniform(0.1, 5, (T, 1, 1))
    x_train = X[rng.random((T, len(X))).argsort()[:, :B]]  # (T, 10, 1), all different
    x, weights, errors = np.tile(X, (T, 1, 1)), phi, []
    for done, k in zip((0, *steps), steps):
        if k > done:
            weights = adapt(net, weights, x_train, sine(task, x_train), alpha, k - done)
        errors.append(net.loss(weights, x, sine(task, x)))
    return np.array(errors)


def table(net, phis, alpha, seed, T=1000, steps=(0, 1, 8, 16, 32)):
    """`evaluate` as text, for {name: phi}: means and 95 % intervals over T sines."""
    text = f"\nmean squared error, 95 % interval, {T:,} new sines of {B} points\nsteps"
    text += "".join(f"{name:>24}" for name in phis)
    errors = (evaluate(net, phi, alpha, seed, T, steps) for phi in phis.values())
    for k, *row in zip(steps, *errors):
        cells = (f"{e.mean():.3f} +- {1.96 * e.std(ddof=1) / T**0.5:.3f}" for e in row)
        text += f"\n{k:5}" + "".join(f"{cell:>24}" for cell in cells)
    return text


def draw(figure, net, phis, task, x_train, alpha, steps=(0, 1, 2, 8)):
    """A panel for each of {name: phi}: one sine, learnt from ten points in `steps`."""
    figure.clear()
    for axes, (name, phi) in zip(figure.subplots(1, 2, sharey=True), phis.items()):
        axes.plot(X, sine(task, X), "k--", linewidth=2, label="the sine")
        for k, y in zip(steps, predictions(net, phi, task, x_train, alpha, steps)):
            colour = plt.cm.plasma_r(0.15 + np.log2(k + 1) / 4)
            axes.plot(X, y, color=colour, linewidth=3, label=f"step {k}")
        axes.plot(x_train, sine(task, x_train), "ko", markersize=8, zorder=3)
        error = np.square(y - sine(task, X)).mean()
        axes.set(xlabel="x", ylabel="f(x)", ylim=(-5.5, 5.5),
                 title=f"{name}\nerror {error:.2f} after {k} steps")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)


def write(path, save):
    """Let `save` write a file, whole or not at all."""
    part = (path := path.resolve()).with_name(f".{os.getpid()}-{path.name[-99:]}")
    try:
        save(part)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OSError(f"cannot write {path}: {error.strerror or error}") from None


def say(text):
    """Print; where that fails, as behind `| head`, say so and go on to the files."""
    try:
        print(text, flush=True)
    except OSError as error:
        print(f"sine_demo.py: cannot print: {error.strerror}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def parse(argv):
    """The command line, or one line about what is wrong with it."""
    parser = argparse.ArgumentParser("sine_demo.py", allow_abbrev=False)
    parser.error = lambda message: parser.exit(2, f"{parser.prog}: {message}\n")
    add = parser.add_argument
    add("--iterations", type=int, default=30_000, help="outer steps (30000)")
    add("--seed", type=int, default=0, help="of the network and the tasks (0)")
    add("--meta-batch", type=int, default=1, help="tasks an iteration (1)")
    add("--update", choices=METHODS, default="reptile", help="meta-gradient (reptile)")
    add("--figure", type=Path, help="save the picture in this .png, .pdf or .svg")
    add("--animation", type=Path, help="save the inner steps in this .gif")
    add("--no-plot", action="store_true", help="open no window")
    args = parser.parse_args(argv)
    if min(args.iterations, args.meta_batch) < 1 or not 0 <= args.seed < 2**32:
        parser.error("--iterations, --meta-batch start at 1; --seed is 0 to 4294967295")
    for path, kinds in (args.figure, "png pdf svg"), (args.animation, "gif"):
        if path and not (path.suffix.lower()[1:] in kinds.split()
                         and os.access(path.parent, os.W_OK)):
            parser.error(f"cannot write {path}: name a .{' or .'.join(kinds.split())}")
    return args


def main(argv=None):
    """Run the command line; return the exit code."""
    args, iteration, code = parse(argv), 0, 0
    plt.rcParams.update({"font.size": 14, "toolbar": "None", "figure.raise_window": 0})
    rng = np.random.RandomState(args.seed)  # the gist's generator and order of draws
    task, x_train = draw_sine(rng), X[rng.choice(len(X), size=B)]
    name, phi = NAMES[args.update], pytorch_init(NETWORK, args.seed)
    phis = {"random initialisation": phi, name: phi}
    picture = NETWORK, phis, task, x_train, ALPHA
    plt.switch_backend("agg" if args.no_plot else plt.get_backend())
    figure = plt.figure("Reptile", figsize=(12, 5), layout="constrained")
    figure.canvas.mpl_disconnect(figure.canvas.manager.key_press_handler_id)
    window = figure.canvas.required_interactive_framework
    run = train(NETWORK, phi, sample_sines, rng, METHODS[args.update], alpha=ALPHA,
                epsilon=EPSILON, iterations=args.iterations, meta_batch=args.meta_batch)
    try:
        for iteration, phi in run:
            phis[name] = phi
            if iteration % 1000 and iteration not in (1, args.iterations):
                continue
            y = predictions(NETWORK, phi, task, x_train, ALPHA, [32])
            loss = np.square(y - sine(task, X)).mean()
            say(f"iteration {iteration:<6} loss on plotted curve {loss:.3f}")
            if window:
                draw(figure, *picture)
                plt.pause(0.01)
                if not plt.fignum_exists("Reptile"):
                    break
    except KeyboardInterrupt:
        code = 130
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # impatience must not cost the files
    done = iteration == args.iterations
    say(table(NETWORK, phis, ALPHA, args.seed) if done else f"stopped at {iteration:,}")
    if args.figure:
        draw(figure, *picture)
        write(args.figure, figure.savefig)
    if args.animation:  # a second a frame, three for the last
        frames = [(0, 1, 2, 4, 8)[:n] for n in (1, 2, 3, 4, 5, 5, 5)]
        film = FuncAnimation(figure, lambda k: draw(figure, *picture, steps=k), frames)
        write(args.animation, lambda part: film.save(part, PillowWriter(fps=1), dpi=72))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if window and done:
        plt.show()
    return code


if __name__ == "__main__":
    sys.exit(main())
