"""Reptile (Nichol, Achiam, Schulman 2018, arXiv:1803.02999v3) in NumPy.

Meta-learning looks for an initialisation φ of a neural network from which a new task
is learnt from a few examples in a few steps. Reptile finds one by repeating this:

    1. draw a task
    2. take k > 1 steps of gradient descent on it, from φ to W (k = 1: joint training)
    3. move φ a little towards W:  φ ← φ + ε (W − φ)

The one idea of this code: the P parameters of a network are *one vector*, as φ is in
the paper. An axis T holds tasks that are adapted at once; a single task may omit it.

    paper   code             shape             meaning
    φ       phi              (P,)              the initialisation: what is meta-learnt
    W       weights          (T, P)            weights in the inner loop, and after it,
                                               where the paper also writes φ̃
    α, ε    alpha, epsilon                     inner and outer step size
    g_i     grads[i - 1]     (T, P)            gradient at inner step i = 1 ... k
    φ_i     phis[i - 1]      (T, P)            weights at step i; φ_1 = φ, φ_{k+1} = W
            x, y             (k, T, B, ...)    inputs and targets, B examples per step
"""

from contextlib import contextmanager
from copy import copy

import numpy as np


def inner_loop(net, phi, x, y, alpha, optimiser=None, trajectory=False):
    """k steps of gradient descent on each of T tasks, from φ to W: returns W, (T, P).

    phi         (P,), one start for all tasks, or (T, P), one for each
    x, y        k mini-batches, k the first axis: (k, T, B, n_in); (k, T, B, n_out), or
                labels (k, T, B)
    optimiser   None for plain steps, or an Adam(): its state goes on from call to call
    trajectory  if True, return phis, (k + 1, T, P), and grads, (k, T, P), instead
    errors      FloatingPointError if it diverges, ValueError for shapes that do not fit
    """
    phi, x, y = check_batches(net, phi, x, y)
    k = len(x)
    networks = Networks(net, phi, x[0])  # T of them, each starts from φ
    weights = networks.weights  # (T, P): what is done to them is done to the networks
    if trajectory:
        phis = np.empty((k + 1, *weights.shape), phi.dtype)
        grads = np.empty((k, *weights.shape), phi.dtype)

    for i in range(k):  # the paper counts from 1
        out = networks.forward(x[i])
        grad = networks.backward(out, y[i])  # (T, P)

        if trajectory:
            phis[i] = weights
            grads[i] = grad

        if optimiser is None:
            weights -= alpha * grad  # W ← W − α g, in place
        else:
            weights[...] = optimiser.step(weights, grad, alpha)

    if optimiser is not None:
        optimiser.average_tasks()
    if not np.isfinite(weights).all():  # NumPy's warnings are off: see the last lines
        raise FloatingPointError(f"diverged: lower alpha = {alpha:g} or check the data")

    if trajectory:
        phis[k] = weights
        return phis, grads
    return weights


def reptile(net, phi, x, y, alpha, inner=None):
    """Reptile's meta-gradient, (φ − W) / α, one for each task: (T, P).

    With plain steps it is the sum of the inner gradients, g_1 + ... + g_k.
    """
    return (phi - inner_loop(net, phi, x, y, alpha, inner)) / alpha


def train(net, phi, sample, rng, meta_gradient=reptile, *, alpha, epsilon, iterations,
          meta_batch=1, inner=None, outer=None):
    """Meta-train φ, (P,): a generator of (iteration, phi).

    sample         the task distribution: sample(rng, T) draws x and y of T tasks
    meta_gradient  reptile, or one of its relatives below
    epsilon        the first ε, from which it falls linearly towards 0; or a function of
                   i = 0, 1, ...
    meta_batch     T, tasks per iteration: all start from φ, and their mean W moves it
    inner, outer   None, or an Adam(): the optimisers of the inner loop and of φ
    errors         as in `inner_loop`, with the iteration
    """
    check_start(net, phi, inner, outer)
    alpha = float(alpha)  # NumPy's float64 would turn a float32 φ into float64

    for i in range(iterations):
        if callable(epsilon):
            epsilon_i = float(epsilon(i))
        else:
            epsilon_i = float(epsilon) * (1 - i / iterations)

        with divergence_in(f"iteration {i + 1}"):
            # 1. draw T tasks
            x, y = sample(rng, meta_batch)
            check_tasks(x, meta_batch)

            # 2. take k steps on each, from φ to W, here the mean over the tasks
            g = meta_gradient(net, phi, x, y, alpha, inner)  # Reptile's is (φ − W) / α
            check_shape("the meta-gradient", g, (meta_batch, net.num_params))
            W = phi - alpha * g.mean(axis=0)  # (P,)

            # 3. move φ a little towards W
            if outer is None:
                phi = phi + epsilon_i * (W - phi)
            else:
                phi = outer.step(phi, phi - W, epsilon_i)  # φ − W serves as gradient

            if not np.isfinite(phi).all():
                raise FloatingPointError("diverged: lower epsilon or alpha")
        yield i + 1, phi.copy()  # changing the copy does not change the training


def adapt(net, phi, x, y, alpha, steps, optimiser=None, trajectory=False):
    """Learn new tasks: W after `steps` steps on *all* of their data.

    x is (T, B, n_in), y (T, B, n_out) or labels (T, B). All else is as in `inner_loop`,
    but the optimiser is left as it was: the next new task begins with the same state.
    """
    check(steps >= 1, f"steps must be 1 or more, not {steps}")
    x = np.broadcast_to(x, (steps, *np.shape(x)))
    y = np.broadcast_to(y, (steps, *np.shape(y)))
    optimiser = copy(optimiser)  # a step binds m and v anew, and leaves the old arrays
    return inner_loop(net, phi, x, y, alpha, optimiser, trajectory)


# Reptile's relatives: other meta-gradients, (T, P), one for each task. Their arguments
# are those of `reptile`; in `train` their W is φ − α g.


def joint(net, phi, x, y, alpha, inner=None):
    """Joint training: g_1, the gradient of one mini-batch's loss at φ."""
    _, grad = net.loss_and_gradient(phi, x[0], y[0])
    return grad


def fomaml(net, phi, x, y, alpha, inner=None):
    """First-order MAML (Finn et al. 2017, arXiv:1703.03400): g_k, the last gradient."""
    _, grads = inner_loop(net, phi, x, y, alpha, inner, trajectory=True)
    return grads[-1]


def maml(net, phi, x, y, alpha, inner=None):
    """MAML (Finn et al. 2017): the derivative of L_k(φ_k) with respect to φ, exact.

    L_k is the loss of the last mini-batch, the query set, and φ_k the weights after
    k − 1 steps on the others. By the chain rule through these steps the derivative is
    (I − α H_1) ... (I − α H_{k−1}) g_k, where H_j is mini-batch j's Hessian at φ_j.
    """
    check(inner is None, "MAML differentiates through plain steps, not through Adam")
    phis, grads = inner_loop(net, phi, x, y, alpha, trajectory=True)

    v = grads[-1]  # g_k
    for i in reversed(range(len(grads) - 1)):  # H_{k−1} first, H_1 last
        Hv = net.hessian_vector_product(phis[i], x[i], y[i], v)
        v = v - alpha * Hv
    return v


def weighted_sum(c):
    """A meta-gradient: c_1 g_1 + ... + c_k g_k, for k numbers c (section 6.2)."""
    def meta_gradient(net, phi, x, y, alpha, inner=None):
        check_shape("the c of weighted_sum", c, (len(x),))
        _, grads = inner_loop(net, phi, x, y, alpha, inner, trajectory=True)
        return sum(float(c_i) * g_i for c_i, g_i in zip(c, grads))

    return meta_gradient


class MLP:
    """A multi-layer perceptron whose parameters are one vector.

    M is the matrix of one layer, (n_in + 1, n_out). A layer's input ends in a constant
    1, so that the last row of M is the bias: z = [h 1] M (Bishop 2006, section 5.1).
    The next layer's input is h = f(z); the network's outputs are the last z.

    layer_sizes  units of each layer, inputs and outputs included: [1, 64, 64, 1]
    activation   f: "tanh" or "relu"
    loss         "mse", or "cross-entropy" for integer labels

    Its methods take `weights`, biases included: (P,), one network for all of x, or
    (T, P), one for each task in x, (T, B, n_in). They raise a ValueError for shapes,
    dtypes and labels that do not fit.
    """

    def __init__(self, layer_sizes, activation="tanh", loss="mse"):
        check_network(layer_sizes, activation, loss)
        self.layer_sizes = tuple(layer_sizes)
        self.activation, self.loss_name = activation, loss
        self.f, self.f_grad = ACTIVATIONS[activation]
        self.loss_value, self.loss_grad = LOSSES[loss]

        sizes = self.layer_sizes
        self.shapes = [(n_in + 1, n_out) for n_in, n_out in zip(sizes, sizes[1:])]
        self.num_params = sum(rows * columns for rows, columns in self.shapes)  # P

    def init(self, rng, dtype=np.float32):
        """A random φ, (P,): uniform in ±1/√n_in, as PyTorch's linear layers are."""
        phi = np.empty(self.num_params, dtype)
        for M in self.unpack(phi):
            n_in = len(M) - 1
            M[...] = rng.uniform(-1, 1, M.shape) / np.sqrt(n_in)
        return phi

    def unpack(self, weights):
        """[M, ...], (T, n_in + 1, n_out) each: views, to write to `weights`."""
        tasks = weights.shape[:-1]
        layers = []
        start = 0
        for rows, columns in self.shapes:
            end = start + rows * columns
            M = weights[..., start:end].reshape(*tasks, rows, columns)
            layers.append(M)
            start = end
        return layers

    def predict(self, weights, x):
        """The outputs, (T, B, n_out); of a classifier, the classes' probabilities."""
        x = check_x(self, x, "T", "B")
        weights = check_weights(self, weights, x.shape[:-2])
        out = Networks(self, weights, x).forward(x)
        return out if self.loss_name == "mse" else np.exp(log_softmax(out))

    def loss(self, weights, x, y):
        """Each task's loss, the mean over its B examples: (T,)."""
        weights, x, y = check_examples(self, weights, x, y)
        out = Networks(self, weights, x).forward(x)
        return self.loss_value(out, y)

    def loss_and_gradient(self, weights, x, y):
        """Each task's loss, (T,), and its gradient by the task's weights, (T, P)."""
        weights, x, y = check_examples(self, weights, x, y)
        networks = Networks(self, weights, x)
        out = networks.forward(x)
        return self.loss_value(out, y), networks.backward(out, y)

    def hessian_vector_product(self, weights, x, y, v):
        """H v, (T, P), where H is the Hessian of each task's loss: exact to rounding.

        From g(w + jδv) = g(w) + jδ H v + O(δ²), where j is the imaginary unit: nothing
        is subtracted, so δ can be as small as 1e-20 (Squire & Trapp 1998). It costs one
        complex gradient.
        """
        check(self.activation == "tanh", "second derivatives need tanh, not relu")
        tasks = np.shape(x)[:-2]
        weights = check_weights(self, weights, tasks)
        v = check_weights(self, v, tasks, "v")

        delta = 1e-20
        _, grad = self.loss_and_gradient(weights + 1j * delta * v, x, y)
        return grad.imag / delta


class Networks:
    """T networks at work: their weights, their gradients, and each layer's inputs.

    start  (P,) or (T, P): the weights that the networks begin with
    x      (T, B, n_in), any mini-batch: the memory is made for its shape
    """

    def __init__(self, net, start, x):
        self.f, self.f_grad, self.loss_grad = net.f, net.f_grad, net.loss_grad

        shape = *x.shape[:-2], net.num_params  # (T, P)
        self.weights = np.empty(shape, start.dtype)
        self.weights[...] = start
        self.grad = np.empty(shape, start.dtype)
        self.layers = net.unpack(self.weights)  # views: they follow the weights
        self.layer_grads = net.unpack(self.grad)

        sizes = [n + 1 for n in net.layer_sizes[:-1]]  # of [h 1]
        self.inputs = [np.ones((*x.shape[:-1], n), start.dtype) for n in sizes]

    def forward(self, x):
        """The outputs, (T, B, n_out), for x. Each layer's input stays in `inputs`."""
        inputs, layers = self.inputs, self.layers

        inputs[0][..., :-1] = x  # all but the constant 1
        for l in range(len(layers) - 1):
            z = inputs[l] @ layers[l]
            inputs[l + 1][..., :-1] = self.f(z)
        return inputs[-1] @ layers[-1]

    def backward(self, out, y):
        """Backpropagation: ∂L/∂weights, (T, P), of the outputs that `forward` returned.

        The chain rule, from the last layer, where z = out, down to the first:

            ∂L/∂M = [h 1]ᵀ ∂L/∂z      ∂L/∂[h 1] = ∂L/∂z Mᵀ      ∂L/∂z = ∂L/∂h f'(z)

        The last formula leads to the layer below, whose output is h = f(z). Nothing is
        conjugated, so that the complex step of `hessian_vector_product` works. The
        result is written to `grad`, the same array at each call.
        """
        dz = self.loss_grad(out, y)  # ∂L/∂z, (T, B, n_out)

        for l in reversed(range(len(self.layers))):
            h1 = self.inputs[l]  # [h 1], (T, B, n_in + 1)
            np.matmul(h1.swapaxes(-1, -2), dz, out=self.layer_grads[l])

            if l > 0:
                M_transposed = self.layers[l].swapaxes(-1, -2)
                if dz.shape[-1] == 1:  # the same product, and training 5 % faster
                    dh1 = dz * M_transposed
                else:
                    dh1 = dz @ M_transposed  # (T, B, n_in + 1)
                dh1 *= self.f_grad(h1)
                dz = dh1[..., :-1]  # without the constant 1, which depends on nothing
        return self.grad


# Activations f and losses L. Each has its derivative beside it: f'(z) in terms of
# h = f(z), and ∂L/∂out.


def tanh(z):
    """tanh z for real z; for complex z, to first order in its imaginary part.

    tanh(a + jb) = tanh a + jb (1 − tanh² a) is exact for the complex step, where b² is
    below rounding, and several times as fast as NumPy's complex tanh.
    """
    h = np.tanh(z.real)
    if np.iscomplexobj(z):
        return h + 1j * z.imag * tanh_grad(h)
    return h


def tanh_grad(h):
    """tanh' z = 1 − tanh² z."""
    return 1 - h * h


def relu(z):
    """max(z, 0)."""
    return np.maximum(z, 0)


def relu_grad(h):
    """1 where the unit is active, 0 elsewhere."""
    return h > 0


def mse(out, y):
    """Squared error, the mean over the B examples and n_out outputs: (T,)."""
    return np.square(out - y).mean(axis=(-2, -1))


def mse_grad(out, y):
    """∂ mse / ∂ out, (T, B, n_out)."""
    B, n_out = out.shape[-2:]
    return (out - y) * (2 / (B * n_out))


def log_softmax(out):
    """Log-probabilities of the classes, (T, B, n_out)."""
    out = out - out.max(axis=-1, keepdims=True)  # so that exp does not overflow
    return out - np.log(np.exp(out).sum(axis=-1, keepdims=True))


def cross_entropy(out, y):
    """−log p(label), the mean over the B examples: (T,)."""
    log_p = np.take_along_axis(log_softmax(out), y[..., None], axis=-1)  # (T, B, 1)
    return -log_p.mean(axis=(-2, -1))


def cross_entropy_grad(out, y):
    """∂ cross_entropy / ∂ out, (T, B, n_out): probabilities minus one-hot labels."""
    B, n_out = out.shape[-2:]
    one_hot = y[..., None] == np.arange(n_out)
    return (np.exp(log_softmax(out)) - one_hot) / B


ACTIVATIONS = {"tanh": (tanh, tanh_grad), "relu": (relu, relu_grad)}
LOSSES = {"mse": (mse, mse_grad), "cross-entropy": (cross_entropy, cross_entropy_grad)}


class Adam:
    """Adam (Kingma & Ba, arXiv:1412.6980); β1 = 0, no momentum, as in Reptile.

    An Adam() lives as long as a training. Inside, its state is carried from task to
    task, as in OpenAI's code, where only the weights return to φ; after T tasks at once
    the states are averaged. With a fresh state for each task the first step would be ±α
    in every weight, however small its gradient.
    """

    def __init__(self, beta1=0.0, beta2=0.999, eps=1e-8):
        self.beta1, self.beta2, self.eps = beta1, beta2, eps
        self.m = 0  # running mean of the gradient
        self.v = 0  # running mean of its square
        self.t = 0  # steps taken

    def step(self, weights, grad, step_size):
        """The new weights, as a new array; weights and grad are (P,) or (T, P)."""
        self.t += 1
        self.m = self.beta1 * self.m + (1 - self.beta1) * grad
        self.v = self.beta2 * self.v + (1 - self.beta2) * grad * grad

        m_hat = self.m / (1 - self.beta1**self.t)  # both means start at zero
        v_hat = self.v / (1 - self.beta2**self.t)
        return weights - step_size * m_hat / (np.sqrt(v_hat) + self.eps)

    def average_tasks(self):
        """After an inner loop: m and v, (T, P), become their means, (P,)."""
        self.m = np.atleast_2d(self.m).mean(axis=0)
        self.v = np.atleast_2d(self.v).mean(axis=0)


# What is refused, with a ValueError. In the checks that every inner loop passes, the
# message is put together only where it is needed.


def check(fits, message):
    """Raise ValueError(message) unless it fits."""
    if not fits:
        raise ValueError(message)


def check_shape(name, array, *shapes):
    """Raise ValueError unless the array has one of the shapes."""
    if np.shape(array) not in shapes:
        wanted = " or ".join(dict.fromkeys(map(str, shapes)))  # each once
        raise ValueError(f"{name} must be {wanted}; it is {np.shape(array)}")


def check_network(layer_sizes, activation, loss):
    """Two or more layers of positive size; known names."""
    check(np.ndim(layer_sizes) == 1 and len(layer_sizes) >= 2,
          f"layer_sizes must be a list such as [1, 64, 64, 1], not {layer_sizes!r}")
    for n in layer_sizes:
        check(isinstance(n, int | np.integer) and n >= 1,
              f"layer_sizes must be whole numbers above 0, not {n!r}")
    check(activation in ACTIVATIONS,
          f"activation must be tanh or relu, not {activation!r}")
    check(loss in LOSSES, f"loss must be mse or cross-entropy, not {loss!r}")


def check_x(net, x, *axes):
    """x as an array of the named axes, and n_in; the axis T may be missing."""
    x = np.asarray(x)
    n_in = net.layer_sizes[0]
    ndim = len(axes) + 1
    fits = x.ndim in (ndim - 1, ndim) and x.shape[-1] == n_in
    if not fits or x.size == 0:
        raise ValueError(f"x must be ({', '.join(axes)}, {n_in}), T only for several "
                         f"tasks, and not empty; it is {x.shape}")
    return x


def check_y(net, x, y, weights):
    """y as an array: labels, or targets of the weights' dtype, one for each example."""
    y = np.asarray(y)
    n_out = net.layer_sizes[-1]
    if net.loss_name == "mse":
        check_shape("y", y, (*x.shape[:-1], n_out))
        return y.astype(weights.real.dtype, copy=False)

    check_shape("y", y, x.shape[:-1])
    check(y.dtype.kind in "iu" and y.min() >= 0 and y.max() < n_out,
          f"labels y must be integers from 0 to {n_out - 1}")
    return y


def check_weights(net, weights, tasks, name="weights"):
    """weights as an array, (P,), or (T, P) where `tasks` is (T,)."""
    weights = np.asarray(weights)
    P = net.num_params
    check_shape(name, weights, (P,), (*tasks, P))
    real = weights.real.dtype  # complex weights are for the complex step
    if real not in (np.float32, np.float64):
        raise ValueError(f"{name} must be float32 or float64, not {weights.dtype}")
    return weights


def check_examples(net, weights, x, y):
    """What a loss is computed from, as arrays."""
    x = check_x(net, x, "T", "B")
    weights = check_weights(net, weights, x.shape[:-2])
    return weights, x, check_y(net, x, y, weights)


def check_batches(net, phi, x, y):
    """What the inner loop is given, as arrays."""
    x = check_x(net, x, "k", "T", "B")
    phi = check_weights(net, phi, x.shape[1:-2], "phi")
    return phi, x, check_y(net, x, y, phi)


def check_start(net, phi, inner, outer):
    """What `train` begins with: φ is one vector, and each optimiser is an object."""
    check_shape("phi", phi, (net.num_params,))
    for optimiser in inner, outer:
        check(not isinstance(optimiser, type), "an optimiser is an object: Adam()")
    check(inner is None or inner is not outer, "inner and outer need an Adam() each")


def check_tasks(x, T):
    """The sample has as many tasks as `train` asked for."""
    shape = np.shape(x)
    if len(shape) != 4 or shape[1] != T:
        raise ValueError(f"sample(rng, {T}) must draw {T} tasks, x (k, {T}, B, n_in) "
                         f"and y; its x is {shape}")


# Divergence and memory.


@contextmanager
def divergence_in(iteration):
    """Say in which iteration something diverged, in place of NumPy's warnings."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    except FloatingPointError as error:
        raise FloatingPointError(f"{iteration}: {error}") from None


# An inner loop that diverges ends in an error in words: NumPy need not warn as well.
inner_loop = np.errstate(over="ignore", invalid="ignore")(inner_loop)


# On Linux (glibc) the memory of a large array goes back to the system as soon as it is
# free, and new memory is slow at its first use. Once an array of 30 MB has been freed,
# all smaller ones are kept for the next: up to twice as fast from 20 tasks at once on.
np.empty(30 * 2**20, np.uint8)
