"""Reptile, a first-order meta-learning algorithm, in NumPy.

Meta-learning looks for an initialisation φ of a network from which a new task is learnt in a few steps on a few
examples. Reptile finds one by repeating three lines:

    1. draw a task, and take k > 1 steps of gradient descent on it, from φ to W
    2. move φ a little towards W:  φ ← φ + ε (W − φ)
    3. let ε fall linearly to zero

Why k > 1? The k gradients of a task are met one after another, each where the last one led. On average, and to first
order in α, their sum is k times the mean gradient *minus*, for each pair of mini-batches, α/2 times the gradient of the
inner product of the pair's two gradients. So a step of Reptile lowers the loss, and it turns the gradients of a task's
mini-batches towards each other: what lowers the loss on some examples then lowers it on the others, which is what
learning from few examples needs. With k = 1 there is no pair, and Reptile is joint training on all tasks.

The one idea of this module: a network's parameters are *one vector*, as φ is in the paper. Every formula is then one
line, and T tasks are learnt at once by giving the vector a leading task axis: `weights` of shape (T, P).

    paper   code            shape            meaning
    φ       phi             (P,)             initialisation: what meta-training learns
    W, φ̃    weights         (T, P) or (P,)   weights after the inner loop, or on the way there
    α       alpha                            inner step size
    ε       epsilon                          outer step size
    k       k                                steps of the inner loop, one mini-batch each
    g_i     grads[i - 1]    (T, P) or (P,)   gradient met at inner step i = 1 ... k
    φ_i     points[i - 1]   (T, P) or (P,)   the weights, a point in parameter space, at which g_i was met; φ_1 = φ
            T, B, P                          tasks in a meta-batch, examples in a mini-batch, parameters
            x               (k, T, B, n_in)  inputs of k mini-batches of T tasks
            y               (k, T, B, n_out) targets, or for cross-entropy integer labels (k, T, B)

The file reads from top to bottom: network, optimisers, inner loop, meta-updates, training, saving.

Follows: A. Nichol, J. Achiam, J. Schulman, "On First-Order Meta-Learning Algorithms", arXiv:1803.02999 (v3).
But: no convolution, no batch normalisation (so nothing leaks between the examples of a mini-batch, and no result is
transductive), no GPU, and exact MAML only for tanh networks that learn by SGD.
"""

import json
import math
import os
from contextlib import contextmanager
from pathlib import Path

import numpy as np


def mse(out, y):
    """Squared error, the mean over the B examples and n_out outputs: one number a task."""
    error = out - y
    return (error * error).mean(axis=(-2, -1))


def mse_slope(out, y):
    """∂ mse / ∂ out, (T, B, n_out)."""
    return (out - y) * (2 / (out.shape[-2] * out.shape[-1]))


def log_softmax(out):
    """Log-probabilities of the classes, (T, B, n_out)."""
    # Subtracting the largest logit changes nothing but keeps exp from overflowing; .real, for complex steps.
    out = out - out.real.max(axis=-1, keepdims=True)
    return out - np.log(np.exp(out).sum(axis=-1, keepdims=True))


def cross_entropy(out, y):
    """−log p(label), the mean over the B examples: one number a task."""
    return -np.take_along_axis(log_softmax(out), y[..., None], axis=-1).mean(axis=(-2, -1))


def cross_entropy_slope(out, y):
    """∂ cross_entropy / ∂ out, (T, B, n_out): probabilities less the one-hot labels."""
    slope = np.exp(log_softmax(out))
    slope -= y[..., None] == np.arange(out.shape[-1])
    slope /= out.shape[-2]
    return slope


def tanh(z):
    """tanh z, in place."""
    if z.dtype.kind == "c":
        # The addition theorem, because NumPy's own tanh of complex numbers can be ten times slower.
        real, imag = np.tanh(z.real), np.tan(z.imag)
        z[...] = (real + 1j * imag) / (1 + 1j * real * imag)
    else:
        np.tanh(z, out=z)


def relu(z):
    """max(z, 0), in place."""
    np.maximum(z, 0, out=z)


# Of hidden layers, h = f(z): f, in place, and its slope f'(z) written in terms of h.
ACTIVATIONS = {
    "tanh": (tanh, lambda h: 1 - h * h),
    "relu": (relu, lambda h: h > 0),
}

# Loss: its value, its slope, and what the network's last layer `out` stands for.
LOSSES = {
    "mse": (mse, mse_slope, lambda out: out),
    "cross-entropy": (cross_entropy, cross_entropy_slope, lambda out: np.exp(log_softmax(out))),
}


class MLP:
    """A multi-layer perceptron whose parameters are one vector: layer l computes h_l = f(h_{l-1} W_l + b_l).

    sizes       units of each layer, inputs first: [1, 64, 64, 1]
    activation  of the hidden layers, "tanh" or "relu"; the last layer is linear
    loss        "mse", or "cross-entropy" (softmax) for integer labels 0 ... n_out - 1

    The network holds no parameters. Its methods are given them, as (P,), or as (T, P) together with x of shape
    (T, B, n_in): float32, float64, or complex for derivatives by a complex step. Raises ValueError for sizes,
    activations and losses that do not exist, and in each method for data that do not fit.

    >>> net = MLP([1, 64, 64, 1])
    >>> phi = net.init(np.random.default_rng(0))
    >>> phi.shape, net.predict(phi, np.zeros((10, 1))).shape
    ((4353,), (10, 1))
    """

    def __init__(self, sizes, activation="tanh", loss="mse"):
        self.sizes = tuple(sizes) if np.iterable(sizes) else ()
        if len(self.sizes) < 2:
            raise ValueError(f"sizes must list at least the inputs and the outputs, as [1, 64, 1] does, not {sizes!r}")
        self.sizes = tuple(check_count("a layer's size", size) for size in self.sizes)
        for name, value, known in ("activation", activation, ACTIVATIONS), ("loss", loss, LOSSES):
            if value not in list(known):
                raise ValueError(f"{name} must be one of {', '.join(known)}, not {value!r}")
        self.activation, self.loss_name = activation, loss
        self.f, self.f_slope = ACTIVATIONS[activation]
        self.loss_value, self.loss_slope, self.link = LOSSES[loss]
        self.P = sum((n_in + 1) * n_out for n_in, n_out in zip(self.sizes, self.sizes[1:]))
        check_count("the number of parameters", self.P)

    def __repr__(self):
        return f"MLP({list(self.sizes)}, {self.activation!r}, {self.loss_name!r})"

    def init(self, rng, dtype=np.float32):
        """A random φ, (P,): all weights and biases uniform in ±1/√n_in, drawn from the generator `rng`."""
        phi = np.empty(self.P, dtype)
        if phi.dtype.kind != "f":
            raise ValueError(f"dtype must be a floating-point one, as float32 is, not {phi.dtype}")
        for Wb in self.layers(phi):
            bound = 1 / math.sqrt(Wb.shape[0] - 1)
            Wb[...] = rng.uniform(-bound, bound, Wb.shape)
        return phi

    def layers(self, weights):
        """[W over b, ...], one matrix (T, n_in + 1, n_out) a layer: its rows but the last are W, its last row is b.

        They are views: to write to them is to write to `weights`.
        """
        matrices, end = [], 0
        for n_in, n_out in zip(self.sizes, self.sizes[1:]):
            start, end = end, end + (n_in + 1) * n_out
            matrices.append(weights[..., start:end].reshape(weights.shape[:-1] + (n_in + 1, n_out)))
        return matrices

    def units(self, x1, dtype):
        """[x1, h_1, h_2, ...], (T, B, n + 1) each, for `forward` to fill: the last unit of each is 1, and carries b."""
        return [x1] + [np.ones(x1.shape[:-1] + (n + 1,), dtype) for n in self.sizes[1:-1]]

    def forward(self, layers, h):
        """Fill in h_1, h_2, ... of h = [x1, h_1, h_2, ...] and return the outputs, (T, B, n_out).

        The bias is the weight of a unit that is always 1:  z = h W + b = [h 1] [W over b], one product.
        """
        for Wb, h_in, h_out in zip(layers, h, h[1:]):
            np.matmul(h_in, Wb, out=h_out[..., :-1])  # z, (T, B, n_out)
            self.f(h_out)  # the 1 too, as a whole array is quicker than all of it but a column; hence the next line
            h_out[..., -1] = 1
        return h[-1] @ layers[-1]

    def backward(self, layers, h, out, y, grads):
        """Backpropagation: write ∂L/∂[W over b] of each layer into `grads`, which is laid out as `layers`.

        With dz standing for ∂L/∂z and h for a layer's inputs, the chain rule gives, from the last layer down (which is
        linear: its z is out),
            ∂L/∂[W over b] = [h 1]ᵀ dz      ∂L/∂[h 1] = dz [W over b]ᵀ      ∂L/∂z of the layer below = ∂L/∂h f'(z)
        where the last product is elementwise.
        """
        dz = self.loss_slope(out, y)  # (T, B, n_out)
        for l in reversed(range(len(layers))):
            # h[l] is what goes *into* layer l. Transposed, never conjugated: complex steps go through this too.
            np.matmul(h[l].swapaxes(-1, -2), dz, out=grads[l])  # (T, n_in + 1, n_out)
            if l > 0:
                WbT = layers[l].swapaxes(-1, -2)
                # With a single output this is an outer product, which NumPy's matmul does three times slower than *.
                dh = dz * WbT if dz.shape[-1] == 1 else dz @ WbT  # (T, B, n_in + 1)
                dh *= self.f_slope(h[l])
                dz = dh[..., :-1]  # nothing flows back through the unit that is always 1

    def predict(self, weights, x):
        """The network's outputs, (T, B, n_out); for cross-entropy, the classes' probabilities."""
        weights, x1, _ = self.check(weights, x)
        return self.link(self.forward(self.layers(weights), self.units(x1, weights.dtype)))

    def loss(self, weights, x, y):
        """The mean loss over the B examples: (T,), or a scalar for weights (P,)."""
        weights, x1, y = self.check(weights, x, y)
        return self.loss_value(self.forward(self.layers(weights), self.units(x1, weights.dtype)), y)

    def loss_and_gradient(self, weights, x, y):
        """The loss, (T,), and its gradient, (T, P): each task's own, as tasks share nothing."""
        weights, x1, y = self.check(weights, x, y)
        grad = np.empty_like(weights)
        layers, h = self.layers(weights), self.units(x1, weights.dtype)
        out = self.forward(layers, h)
        self.backward(layers, h, out, y, self.layers(grad))
        return self.loss_value(out, y), grad

    def hessian_vector_product(self, weights, x, y, v):
        """H v, (T, P), exact to rounding, for the price of one gradient in complex numbers; v as weights.

        The gradient is an analytic function, so with the imaginary unit j, g(w + jδv) = g(w) + jδ H v + O(δ²): the
        imaginary part is δ H v, without a difference of near-equal numbers, so that δ may be as small as 1e-20 (Squire
        & Trapp 1998). It needs an analytic activation: tanh, not relu.
        """
        weights = np.asarray(weights)
        v = check_array("v", v, weights.shape, np.float64)
        if weights.dtype.kind != "f":
            raise ValueError(f"weights must be real floating-point numbers, not {weights.dtype}")
        _, grad = self.loss_and_gradient(weights + 1e-20j * v, x, y)
        return (grad.imag / 1e-20).astype(weights.dtype)

    def check(self, weights, x, *y, tasks=None):
        """(weights, x1, y) as arrays, data in the weights' precision, or a ValueError that says what is wrong.

        x1 is [x 1], (T, B, n_in + 1): x and a last unit that is 1 for all examples. Without y, what returns is None.
        tasks is the data's leading shape where that is not the weights': (k, T) in the inner loop.
        """
        weights = np.asarray(weights)
        if weights.ndim not in (1, 2) or weights.shape[-1] != self.P:
            raise ValueError(f"{self} takes phi or weights of shape ({self.P},) or (T, {self.P}), not {weights.shape}")
        if weights.dtype.kind not in "fc":
            raise ValueError(f"phi or weights must be floating-point numbers, not {weights.dtype}")
        if not np.isfinite(weights).all():
            raise ValueError("phi or weights must be finite, but hold NaN or infinity")
        if weights.dtype.kind == "c" and self.activation == "relu":
            raise ValueError("second derivatives and MAML take a complex step, which relu has not: use tanh")
        precision = weights.real.dtype
        x = check_array("x", x, (weights.shape[:-1] if tasks is None else tasks) + (-1, self.sizes[0]), precision)
        x1 = np.ones(x.shape[:-1] + (self.sizes[0] + 1,), precision)
        x1[..., :-1] = x
        if not y:
            return weights, x1, None
        if self.loss_name == "mse":
            return weights, x1, check_array("y", *y, x.shape[:-1] + (self.sizes[-1],), precision)
        y = check_array("y", *y, x.shape[:-1], np.intp)
        if y.min() < 0 or y.max() >= self.sizes[-1]:
            raise ValueError(f"labels y must lie in 0 ... {self.sizes[-1] - 1}, not in {y.min()} ... {y.max()}")
        return weights, x1, y


class SGD:
    """Gradient descent: weights ← weights − step_size · grad."""

    state = ()

    def __repr__(self):
        return "SGD()"

    def reset(self, weights):
        """Forget the past: there is none."""

    def step(self, weights, grad, step_size):
        """Move `weights` in place; `grad` is overwritten, as a temporary array would take longer than the step."""
        grad *= step_size
        weights -= grad


class Adam:
    """Adam (Kingma & Ba, arXiv:1412.6980, algorithm 1), digit for digit PyTorch's.

    β1 = 0 by default, as in the paper's experiments: momentum would carry one mini-batch into later steps, where
    Reptile wants the *different* mini-batches of a task to act one by one.
    """

    state = ("m", "v", "t")

    def __init__(self, *, beta1=0.0, beta2=0.999, eps=1e-8):
        if not (0 <= beta1 < 1 and 0 <= beta2 < 1 and 0 < eps < math.inf):
            raise ValueError(f"Adam needs 0 <= beta1, beta2 < 1 and eps > 0, not {beta1}, {beta2}, {eps}")
        self.beta1, self.beta2, self.eps = beta1, beta2, eps

    def __repr__(self):
        return f"Adam(beta1={self.beta1}, beta2={self.beta2}, eps={self.eps})"

    def reset(self, weights):
        """Forget the past: the running means of the gradient and of its square are zero again."""
        self.m, self.v, self.t = np.zeros_like(weights), np.zeros_like(weights), 0

    def step(self, weights, grad, step_size):
        """Move `weights` in place."""
        self.t += 1
        self.m += (1 - self.beta1) * (grad - self.m)
        self.v += (1 - self.beta2) * (grad * grad - self.v)
        # Both means began at zero. In the t-th, the gradients' weights sum to 1 − β^t: divide by that sum.
        m_hat = self.m / (1 - self.beta1**self.t)
        v_hat = self.v / (1 - self.beta2**self.t)
        weights -= step_size * m_hat / (np.sqrt(v_hat) + self.eps)


def inner_loop(net, phi, x, y, alpha, optimiser=SGD(), trace=False):
    """k steps on each of T tasks, all tasks at once: the adapted weights W, (T, P). phi stays as it is.

    phi        (P,), where every task starts, or (T, P), each task's own start
    x, y       (k, T, B, n_in), (k, T, B, n_out) or labels (k, T, B): mini-batch i of each task is for step i;
               without the axis T, one task, and W is (P,)
    alpha      inner step size
    optimiser  SGD() or Adam(), a black box to Reptile. It starts afresh: no task sees another's past
    trace      also return grads and points, (k, T, P): the gradients met, and the weights at which they were met

    Raises ValueError for data that do not fit, FloatingPointError if the weights run off to infinity.
    """
    check_positive("alpha", alpha)
    check_optimiser("optimiser", optimiser)
    if np.ndim(x) not in (3, 4):
        raise ValueError(f"x must be (k, T, B, n_in), or (k, B, n_in) for one task, not {np.shape(x)}")
    lead = np.shape(x)[:-2]  # (k, T), or (k,) for one task
    phi, x1, y = net.check(phi, x, y, tasks=lead)
    if phi.ndim > 1 and phi.shape[:-1] != lead[1:]:
        raise ValueError(f"phi must be ({net.P},) or one for each task, {lead[1:] + (net.P,)}, not {phi.shape}")
    weights, grad = np.empty((2,) + lead[1:] + phi.shape[-1:], phi.dtype)  # (T, P) each
    weights[...] = phi
    if trace:
        grads, points = np.empty((2, len(x1)) + weights.shape, weights.dtype)  # (k, T, P) each
    one_task = [Ellipsis]  # has no task axis to cut: [...] takes all of it
    for piece in pieces(len(weights), 2 * weights[0].nbytes) if weights.ndim > 1 else one_task:
        w, g = weights[piece], grad[piece]
        layers, layer_grads, h = net.layers(w), net.layers(g), net.units(x1[0, piece], w.dtype)
        optimiser.reset(w)
        with np.errstate(over="ignore", invalid="ignore"):  # divergence is reported below, in words
            for i in range(len(x1)):
                h[0] = x1[i, piece]
                net.backward(layers, h, net.forward(layers, h), y[i, piece], layer_grads)
                if trace:
                    grads[i, piece], points[i, piece] = g, w
                optimiser.step(w, g, alpha)
    if not np.isfinite(weights).all():
        raise FloatingPointError(f"the inner loop diverged within {len(x1)} steps: try a smaller alpha (now {alpha:g})")
    return (weights, grads, points) if trace else weights


CACHE = 2**20  # bytes


def pieces(T, task_bytes):
    """Slices that cut T tasks of task_bytes each into pieces that fit into CACHE.

    The inner loop goes over its weights and gradients again and again. If they stay in the processor's cache, 100
    tasks take no longer a task than 20; fetched from main memory at every step, they would.
    """
    size = math.ceil(T / math.ceil(T * task_bytes / CACHE))
    return [slice(start, start + size) for start in range(0, T, size)]


def coefficients(update, k):
    """c_1 ... c_k, (k,), of the meta-gradient Σ c_i g_i: of "joint", "fomaml" or "reptile", or the numbers given."""
    named = {"joint": [1] + [0] * (k - 1), "fomaml": [0] * (k - 1) + [1], "reptile": [1] * k}
    if isinstance(update, str):
        if update not in named:
            raise ValueError(f"update must be joint, fomaml, reptile, maml or k numbers, not {update!r}")
        return np.array(named[update])
    c = np.asarray(update, np.float64)
    if c.shape != (k,) or not np.isfinite(c).all():
        raise ValueError(f"update must hold {k} finite numbers, one for each inner step, not {update!r}")
    return c


def meta_gradient(net, phi, x, y, alpha, update="reptile", optimiser=SGD()):
    """α times the paper's meta-gradient, the mean over the T tasks, (P,): what the outer step subtracts ε times.

    Times α, because then it is φ − W for Reptile, whatever the optimiser inside (and not W − φ, as optimisers
    subtract). All updates come from the same inner loop, with x (k, T, B, n_in) and y as it takes them (section 5.1):

        update       meta-gradient of a task
        "joint"      g_1                            gradient at φ: joint training on all tasks
        "fomaml"     g_k                            gradient at the adapted weights, of the last mini-batch
        "reptile"    g_1 + ... + g_k = (φ − W)/α    with any optimiser; so α times it is φ − W
        c, (k,)      c_1 g_1 + ... + c_k g_k        any weighted sum
        "maml"       Π_{j<k} (I − α H_j) g_k        exact: the derivative by φ of loss k after k − 1 steps; SGD, tanh

    Raises ValueError, and FloatingPointError on divergence, as inner_loop does.
    """
    phi, x, y = np.asarray(phi), np.asarray(x), np.asarray(y)
    if phi.ndim != 1 or x.ndim != 4 or x.size == 0 or y.shape[:2] != x.shape[:2]:
        shapes = f"{phi.shape}, {x.shape}, {y.shape}"
        raise ValueError(f"a meta-update takes phi (P,), x (k, T, B, n_in) and y (k, T, B, ...), not {shapes}")
    T = x.shape[1]
    if isinstance(update, str) and update == "reptile":
        return phi - inner_loop(net, phi, x, y, alpha, optimiser).sum(axis=0) / T
    total = np.zeros_like(phi)
    for piece in pieces(T, 2 * phi.nbytes):  # here too, because the trace of many tasks is large
        total += task_gradients(net, phi, x[:, piece], y[:, piece], alpha, update, optimiser).sum(axis=0)
    return alpha * total / T


def task_gradients(net, phi, x, y, alpha, update, optimiser=SGD()):
    """The meta-gradient of each task by itself, (T, P), out of the gradients met in the inner loop."""
    maml = isinstance(update, str) and update == "maml"
    if maml and not isinstance(optimiser, SGD):
        raise ValueError("exact MAML differentiates through inner steps of SGD only")
    c = None if maml else coefficients(update, len(x))
    _, grads, points = inner_loop(net, phi, x, y, alpha, optimiser, trace=True)
    if not maml:
        return np.tensordot(c.astype(phi.dtype), grads, axes=1)
    # Backwards through the steps: step j maps φ_j to φ_j − α g_j, so its derivative is I − α H_j, which is symmetric.
    v = grads[-1]  # (T, P)
    for j in reversed(range(len(x) - 1)):
        v = v - alpha * net.hessian_vector_product(points[j], x[j], y[j], v)
    return v


def train(net, phi, sample, rng, *, alpha, epsilon, iterations, meta_batch=1,
          update="reptile", inner=SGD(), outer=SGD(), start=0):
    """Meta-train: a generator that yields (iteration, phi) after each of `iterations` outer steps.

    phi         (P,), where meta-training starts; it stays as it is. The yielded phi is the live one: copy it to keep it
    sample      the task distribution: sample(rng, T) draws T tasks and returns their mini-batches, x (k, T, B, n_in)
                and y (k, T, B, n_out), or labels (k, T, B)
    rng         the generator handed to `sample`, the only source of chance
    alpha       inner step size;  inner: SGD() or Adam()
    epsilon     outer step size at the start, falling linearly to zero;  outer: SGD(), or Adam(), another object than
                inner. It is handed what meta_gradient returns, and keeps its state from iteration to iteration
    meta_batch  T, tasks in a meta-batch: each starts from the same φ, and the outer step is their mean
    update      as in meta_gradient
    start       iterations already done, by a run that `load` brought back

    Raises, from the first iteration on, ValueError for impossible settings or data, before anything has moved, and
    FloatingPointError with the iteration if training diverges to what is not a finite number. A φ that grows, but stays
    finite, is for the caller to see.
    """
    check_optimiser("inner", inner)
    check_optimiser("outer", outer)
    if inner is outer:
        raise ValueError("inner and outer must be two optimisers: the inner one starts afresh with every task")
    check_positive("epsilon", epsilon)
    check_count("iterations", iterations)
    check_count("meta_batch", meta_batch)
    check_count("meta_batch times the number of parameters", meta_batch * net.P)
    if not isinstance(start, (int, np.integer)) or not 0 <= start <= iterations:
        raise ValueError(f"start must be a whole number from 0 to iterations = {iterations}, not {start!r}")
    phi = np.array(phi)
    if phi.dtype.kind != "f":
        raise ValueError(f"phi must be real floating-point numbers, not {phi.dtype}")
    if start == 0:
        outer.reset(phi)
    elif any(not hasattr(outer, name) or np.shape(getattr(outer, name)) not in ((), phi.shape) for name in outer.state):
        raise ValueError("a run that goes on needs the outer optimiser that load() has put back")
    for iteration in range(start, iterations):
        batch = sample(rng, meta_batch)
        if not isinstance(batch, (tuple, list)) or len(batch) != 2:
            raise ValueError(f"sample must return a pair of arrays, x and y, not {type(batch).__name__}")
        x, y = batch
        if np.ndim(x) < 4 or np.shape(x)[1] != meta_batch:
            raise ValueError(f"sample must return x (k, {meta_batch}, B, n_in), not {np.shape(x)}")
        try:
            gradient = meta_gradient(net, phi, x, y, alpha, update, inner)
        except FloatingPointError as error:
            raise FloatingPointError(f"iteration {iteration + 1}: {error} or epsilon (now {epsilon:g})") from None
        with np.errstate(over="ignore", invalid="ignore"):
            # With SGD outside and Reptile's gradient φ − W this is φ ← φ + ε (W − φ).
            outer.step(phi, gradient, epsilon * (1 - iteration / iterations))
        if not np.isfinite(phi).all():
            raise FloatingPointError(f"iteration {iteration + 1}: φ diverged: try a smaller epsilon (now {epsilon:g})")
        yield iteration + 1, phi


def minibatches(rng, T, N, k, B, tail="shared"):
    """Indices (k, T, B): k mini-batches of B from the N examples of each of T tasks.

    An example returns only when all others have been used (so that where one round ends and the next begins, inside a
    mini-batch, it may hold an example twice). The last mini-batch is the tail, by which FOMAML and MAML judge the
    adapted weights: tail="shared" draws all k from the same N examples; tail="separate" sets B of them aside for
    mini-batch k alone, so that the inner loop has not seen them (section 6.3).

    >>> x = np.arange(24).reshape(3, 8, 1)  # T = 3 tasks of N = 8 examples
    >>> i = minibatches(np.random.default_rng(0), T=3, N=8, k=5, B=2)
    >>> x[np.arange(3)[:, None], i].shape
    (5, 3, 2, 1)
    """
    for name, value in ("T", T), ("N", N), ("k", k), ("B", B):
        check_count(name, value)
    if tail not in ("shared", "separate"):
        raise ValueError(f"tail must be shared or separate, not {tail!r}")
    pool, draws = (N, k * B) if tail == "shared" else (N - B, (k - 1) * B)
    if B > pool or draws == 0:
        raise ValueError(f"cannot draw k = {k} mini-batches of {B} from {N} examples with a {tail} tail")
    order = rng.random((T, N)).argsort()  # (T, N): a random order of each task's examples
    cycles = -(-draws // pool)
    turns = rng.random((T, cycles, pool)).argsort().reshape(T, -1)[:, :draws]  # (T, draws): a new order for each cycle
    indices = np.take_along_axis(order, turns, axis=1)
    if tail == "separate":
        indices = np.concatenate([indices, order[:, pool:]], axis=1)
    return indices.reshape(T, k, B).swapaxes(0, 1)


def save(path, net, phi, iteration, rng, outer=SGD(), **settings):
    """Write all that a run needs to go on later to `path`, an .npz without pickle, whole or not at all.

    settings are those of `train`, and whatever else must be the same when the run goes on; `load` compares them, as
    text. The number of iterations is one of them, because ε depends on it. Raises ValueError if φ, the iteration or the
    state of `outer` is not what a run could go on from.

    >>> for iteration, phi in train(net, phi, sample, rng, **settings):  # doctest: +SKIP
    ...     if iteration % 1000 == 0:
    ...         save("run.npz", net, phi, iteration, rng, **settings)
    """
    check_array("phi", phi, (net.P,), np.float64)
    if iteration != 0:
        check_count("iteration", iteration)
    if not all(hasattr(outer, name) for name in outer.state):
        raise ValueError(f"{outer} has not taken a step yet: it has no state to save")
    rng_state = rng.get_state(legacy=False) if isinstance(rng, np.random.RandomState) else rng.bit_generator.state
    with whole(path) as part, open(part, "wb") as file:
        np.savez(
            file,
            phi=phi,
            iteration=iteration,
            rng=json.dumps(rng_state, default=np.ndarray.tolist),
            settings=json.dumps(describe(net, outer, settings)),
            **{f"outer_{name}": getattr(outer, name) for name in outer.state},
        )


def load(path, net, rng, outer=SGD(), **settings):
    """(phi, iteration) of a saved run, with `rng` and `outer` put back to where they were.

    >>> phi, iteration = load("run.npz", net, rng, **settings)  # doctest: +SKIP
    >>> run = train(net, phi, sample, rng, start=iteration, **settings)  # doctest: +SKIP

    The run then ends bit for bit where it would have ended without the interruption. Raises ValueError, and changes
    nothing, if the file is not one that `save` wrote whole, or if its network or settings are not those given.
    """
    arrays, settings_there, rng_state = read(path)
    settings_here = describe(net, outer, settings)
    for name in sorted(settings_here.keys() | settings_there.keys()):
        here, there = settings_here.get(name, "unset"), settings_there.get(name, "unset")
        if here != there:
            raise ValueError(f"{path} was saved with {name} = {there}, but this run has {name} = {here}")
    phi, outer_state = arrays["phi"], {name: arrays.get(f"outer_{name}") for name in outer.state}
    if phi.shape != (net.P,) or not np.isfinite(phi).all() or any(value is None for value in outer_state.values()):
        raise ValueError(f"{path} does not hold what a run of {net} needs")
    try:
        if isinstance(rng, np.random.RandomState):
            rng.set_state(rng_state)
        else:
            rng.bit_generator.state = rng_state
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} was saved with another kind of random generator than {rng}") from error
    for name, value in outer_state.items():
        setattr(outer, name, value if value.ndim else value.item())
    return phi, int(arrays["iteration"])


def read(path):
    """(arrays, settings, state of the random generator) in a file that `save` wrote, or ValueError."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as saved:
            arrays = {name: saved[name] for name in saved.files}
        if arrays["phi"].dtype.kind != "f" or int(arrays["iteration"]) < 0:
            raise ValueError("phi or iteration is not what save() writes")
        return arrays, dict(json.loads(str(arrays["settings"]))), dict(json.loads(str(arrays["rng"])))
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from None
    except Exception as error:  # a foreign file can fail in any way that a parser knows
        raise ValueError(f"{path} is not a file that save() wrote, or not the whole of it: name another") from error


def describe(net, outer, settings):
    """What two runs must share for one to go on with the other's file: {name: text}."""
    return {name: str(value) for name, value in {"net": net, "outer": outer, **settings}.items()}


@contextmanager
def whole(path):
    """A context that yields a path to write to. That file then moves to `path`, whole, or on an error is removed.

    Raises ValueError if there is no folder to write into.
    """
    path = Path(path).resolve()  # the file itself where `path` is a link to it
    if not path.parent.is_dir():
        raise ValueError(f"cannot write {path}: there is no folder {path.parent}")
    part = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def check_count(name, value, most=10**9):
    """`value` as an int, or ValueError unless it is a whole number from 1 to `most`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not 1 <= value <= most:
        raise ValueError(f"{name} must be a whole number from 1 to {most:,}, not {value!r}")
    return int(value)


def check_positive(name, value):
    """ValueError unless `value` is a positive number that a computer can hold."""
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not number or not 0 < value < 1e300:
        raise ValueError(f"{name} must be a positive number, not {value!r}")


def check_optimiser(name, optimiser):
    """ValueError unless `optimiser` has the methods of SGD() and Adam(), and is not the class itself."""
    if isinstance(optimiser, type) or not hasattr(optimiser, "step") or not hasattr(optimiser, "reset"):
        raise ValueError(f"{name} must be SGD() or Adam(), not {optimiser!r}")


def check_array(name, value, shape, dtype):
    """`value` as an array of `shape` and `dtype`, or a ValueError; -1 in `shape` stands for any length, B."""
    array = np.asarray(value)
    if -1 in shape and array.ndim == len(shape):
        shape = tuple(there if n == -1 else n for n, there in zip(shape, array.shape))
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {str(shape).replace('-1', 'B')}, not {array.shape}")
    if array.size == 0:
        raise ValueError(f"{name} must not be empty; its shape is {array.shape}")
    if array.dtype.kind not in ("iu" if dtype is np.intp else "fiu"):
        raise ValueError(f"{name} must hold {'integers' if dtype is np.intp else 'real numbers'}, not {array.dtype}")
    with np.errstate(over="ignore"):  # too large for float32 is reported as infinity
        array = array.astype(dtype, copy=False)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinity")
    return array
