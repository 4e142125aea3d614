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
    W       W                (T, P)            weights after the inner loop; where the
                                               paper also writes φ̃
    α, ε    alpha, epsilon                     inner and outer step size
    g_i     grads[i - 1]     (T, P)            gradient at inner step i = 1 ... k
    φ_i     phis[i - 1]      (T, P)            weights at step i; φ_1 = φ, φ_{k+1} = W
            x, y             (k, T, B, ...)    inputs and targets, B examples per step
"""

from copy import deepcopy

import numpy as np


def train(net, phi, sample, rng, update=None, *, alpha, epsilon, iterations,
          meta_batch=1, inner=None, outer=None):
    """Meta-train φ, (P,): a generator of (iteration, phi).

    sample        the task distribution: sample(rng, T) draws x and y of T tasks
    update        None for Reptile, or a relative: joint, fomaml, maml
    epsilon       the first ε, from which it falls linearly towards 0; or a function of
                  i = 0, 1, ...
    meta_batch    T, tasks per iteration: all start from φ, and their mean W moves it
    inner, outer  None, or an Adam0(): the optimisers of the inner loop and of φ
    errors        as in `inner_loop`
    """
    check_shape("phi", phi, (net.num_params,))
    update = update or inner_loop
    if not callable(epsilon):
        epsilon = falling(epsilon, iterations)

    for i in range(iterations):
        # 1. draw T tasks
        x, y = sample(rng, meta_batch)

        # 2. take k steps on each, from φ to W
        W = update(net, phi, x, y, alpha, inner)
        check_shape("W", W, (meta_batch, net.num_params))

        # 3. move φ a little towards W, their mean
        W = W.mean(axis=0)
        if outer is None:
            phi = phi + epsilon(i) * (W - phi)
        else:
            phi = outer.step(phi, phi - W, epsilon(i))  # φ − W serves as the gradient

        yield i + 1, phi


def falling(epsilon, iterations):
    """The schedule i -> ε that falls linearly from `epsilon` towards 0."""
    return lambda i: epsilon * (1 - i / iterations)


def inner_loop(net, phi, x, y, alpha, inner=None):
    """k steps of gradient descent on each of T tasks, from φ to W: returns W, (T, P).

    phi     (P,), one start for all tasks, or (T, P), one for each
    x, y    k mini-batches, k the first axis: (k, T, B, n_in); (k, T, B, n_out), or
            labels (k, T, B)
    inner   None for plain steps, or an Adam0(): its state goes on from call to call
    errors  FloatingPointError if it diverges, ValueError for shapes that do not fit
    """
    for weights, _ in inner_steps(net, phi, x, y, alpha, inner):
        pass
    return weights


def inner_steps(net, phi, x, y, alpha, inner=None):
    """The steps of the inner loop: yields φ_{i+1} and g_i, (T, P) each, i = 1 ... k.

    These two arrays are the same ones in each step, and the next step overwrites them.
    """
    phi, x, y = check_batches(net, phi, x, y)
    networks = Networks(net, phi, x[0])  # T of them, which start from φ
    weights = networks.weights  # changing these in place changes the networks

    with np.errstate(over="ignore", invalid="ignore"):  # the error below says it
        for x_i, y_i in zip(x, y):
            out = networks.forward(x_i)
            grad = networks.backward(out, y_i)

            if inner is None:
                weights -= alpha * grad  # W ← W − α g
            else:
                weights[...] = inner.step(weights, grad, alpha)
            yield weights, grad

    if inner is not None:
        inner.average_tasks()
    if not np.isfinite(weights).all():
        raise FloatingPointError(
            f"diverged: lower alpha = {alpha:g}, or epsilon, or check the data")


def trajectory(net, phi, x, y, alpha, inner=None):
    """The inner loop, step by step: phis, (k + 1, T, P), and grads, (k, T, P)."""
    k, tasks = len(x), np.shape(x)[1:-2]  # (T,), or () for one task
    phis = np.empty((k + 1, *tasks, net.num_params), phi.dtype)
    grads = np.empty_like(phis[1:])

    phis[0] = phi
    for i, (weights, grad) in enumerate(inner_steps(net, phi, x, y, alpha, inner)):
        phis[i + 1] = weights
        grads[i] = grad
    return phis, grads


def adapt(net, phi, x, y, alpha, steps, inner=None):
    """Learn new tasks: W, (T, P), after `steps` steps on *all* of their data.

    x is (T, B, n_in), y (T, B, n_out) or labels (T, B). All else is as in `inner_loop`,
    but `inner` is left as it was: the next new task begins with the same state.
    """
    x, y = every_step(x, y, steps)
    return inner_loop(net, phi, x, y, alpha, deepcopy(inner))


def every_step(x, y, steps):
    """The same data at each of `steps` inner steps: x and y with a first axis k."""
    check(steps >= 1, f"steps must be 1 or more, not {steps}")
    x = np.broadcast_to(x, (steps, *np.shape(x)))
    y = np.broadcast_to(y, (steps, *np.shape(y)))
    return x, y


# Reptile's relatives. Like `inner_loop` they return a W, (T, P), for φ to move towards:
# φ − α g, where g is the paper's meta-gradient. (Reptile's own is g_1 + ... + g_k.)


def joint(net, phi, x, y, alpha, inner=None):
    """Joint training, g = g_1: Reptile with k = 1, on the first mini-batch alone."""
    return inner_loop(net, phi, x[:1], y[:1], alpha, inner)


def fomaml(net, phi, x, y, alpha, inner=None):
    """First-order MAML (Finn et al. 2017, arXiv:1703.03400), g = g_k: the last one."""
    for _, grad in inner_steps(net, phi, x, y, alpha, inner):
        pass
    return phi - alpha * grad


def maml(net, phi, x, y, alpha, inner=None):
    """MAML (Finn et al. 2017): g is the derivative of L_k(φ_k) by φ, exact.

    L_k is the loss of the last mini-batch, the query set, and φ_k the weights after
    k − 1 steps on the others. By the chain rule through these steps the derivative is
    (I − α H_1) ... (I − α H_{k−1}) g_k, where H_j is mini-batch j's Hessian at φ_j.
    """
    check(inner is None, "MAML differentiates through plain steps, not through Adam")
    phis, grads = trajectory(net, phi, x, y, alpha)

    g = grads[-1]  # g_k
    for i in reversed(range(len(grads) - 1)):  # H_{k−1} first, H_1 last
        Hg = net.hessian_vector_product(phis[i], x[i], y[i], g)
        g = g - alpha * Hg
    return phi - alpha * g


class MLP:
    """A multi-layer perceptron of tanh units, whose parameters are one vector.

    M is the matrix of one layer, (n_in + 1, n_out). A layer's input ends in a constant
    1, so that the last row of M is the bias: z = [h 1] M (Bishop 2006, section 5.1).
    The next layer's input is h = tanh z; the network's outputs are the last z.

    layer_sizes  units of each layer, inputs and outputs included: [1, 64, 64, 1]
    loss         "mse", or "cross-entropy" for integer labels

    Its methods take `weights`, biases included: (P,), one network for all of x, or
    (T, P), one for each task in x, (T, B, n_in). They raise a ValueError for shapes,
    dtypes and labels that do not fit.
    """

    def __init__(self, layer_sizes, loss="mse"):
        self.layer_sizes = tuple(layer_sizes)
        self.loss_function, self.loss_derivative = LOSSES[loss]
        self.classifies = loss == "cross-entropy"

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
        weights, x = check_inputs(self, weights, x)
        out = Networks(self, weights, x).forward(x)
        return np.exp(log_softmax(out)) if self.classifies else out

    def loss(self, weights, x, y):
        """Each task's loss, the mean over its B examples: (T,)."""
        weights, x = check_inputs(self, weights, x)
        y = check_y(self, x, y, weights)
        out = Networks(self, weights, x).forward(x)
        return self.loss_function(out, y)

    def loss_and_gradient(self, weights, x, y):
        """Each task's loss, (T,), and its gradient by the task's weights, (T, P)."""
        weights, x = check_inputs(self, weights, x)
        y = check_y(self, x, y, weights)
        networks = Networks(self, weights, x)
        out = networks.forward(x)
        return self.loss_function(out, y), networks.backward(out, y)

    def hessian_vector_product(self, weights, x, y, v):
        """H v, (T, P), where H is the Hessian of each task's loss: exact to rounding.

        From g(w + jδv) = g(w) + jδ H v + O(δ²), where j is the imaginary unit: nothing
        is subtracted, so δ can be as small as 1e-20 (Squire & Trapp 1998). It costs one
        complex gradient.
        """
        delta = 1e-20
        v = check_weights(self, v, np.shape(x)[:-2], "v")
        _, grad = self.loss_and_gradient(weights + 1j * delta * v, x, y)
        return grad.imag / delta


class Networks:
    """T networks at work: their weights, their gradients, and each layer's inputs.

    start  (P,) or (T, P): the weights that the networks begin with
    x      (T, B, n_in), any mini-batch: the memory is made for its shape
    """

    def __init__(self, net, start, x):
        self.loss_derivative = net.loss_derivative

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
            inputs[l + 1][..., :-1] = tanh(z)
        return inputs[-1] @ layers[-1]

    def backward(self, out, y):
        """Backpropagation: ∂L/∂weights, (T, P), of the outputs that `forward` returned.

        The chain rule, from the last layer, where z = out, down to the first:

            ∂L/∂M = [h 1]ᵀ ∂L/∂z      ∂L/∂[h 1] = ∂L/∂z Mᵀ      ∂L/∂z = ∂L/∂h tanh'(z)

        The last formula leads to the layer below, whose output is h = tanh z. Nothing
        is conjugated, so that the complex step of `hessian_vector_product` works. The
        result is written to `grad`, the same array at each call.
        """
        dz = self.loss_derivative(out, y)  # ∂L/∂z, (T, B, n_out)

        for l in reversed(range(len(self.layers))):
            h1 = self.inputs[l]  # [h 1], (T, B, n_in + 1)
            np.matmul(h1.swapaxes(-1, -2), dz, out=self.layer_grads[l])

            if l > 0:
                M_transposed = self.layers[l].swapaxes(-1, -2)
                if dz.shape[-1] == 1:  # the same product, and training 5 % faster
                    dh1 = dz * M_transposed
                else:
                    dh1 = dz @ M_transposed  # (T, B, n_in + 1)
                dh1 *= tanh_derivative(h1)
                dz = dh1[..., :-1]  # without the constant 1, which depends on nothing
        return self.grad


def tanh(z):
    """tanh z for real z; for complex z, to first order in its imaginary part.

    tanh(a + jb) = tanh a + jb (1 − tanh² a) is exact for the complex step, where b² is
    below rounding, and several times as fast as NumPy's complex tanh.
    """
    h = np.tanh(z.real)
    if np.iscomplexobj(z):
        return h + 1j * z.imag * tanh_derivative(h)
    return h


def tanh_derivative(h):
    """tanh' z, in terms of h = tanh z."""
    return 1 - h * h


# Losses L, and their derivatives ∂L/∂out, (T, B, n_out).


def mse(out, y):
    """Squared error, the mean over the B examples and n_out outputs: (T,)."""
    return np.square(out - y).mean(axis=(-2, -1))


def mse_derivative(out, y):
    """The mean's share of each output: 2 (out − y) / (B n_out)."""
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


def cross_entropy_derivative(out, y):
    """Probabilities minus one-hot labels, / B."""
    B, n_out = out.shape[-2:]
    one_hot = y[..., None] == np.arange(n_out)
    return (np.exp(log_softmax(out)) - one_hot) / B


LOSSES = {
    "mse": (mse, mse_derivative),
    "cross-entropy": (cross_entropy, cross_entropy_derivative),
}


class Adam0:
    """Adam (Kingma & Ba, arXiv:1412.6980) with β1 = 0, no momentum, as in the paper.

    An Adam0() lives as long as a training. Inside, its state is carried from task to
    task, as in OpenAI's code, where only the weights return to φ; after T tasks at once
    the states are averaged. With a fresh state for each task the first step would be ±α
    in every weight, however small its gradient.
    """

    def __init__(self):
        self.v = 0  # running mean of the squared gradient, (P,) or (T, P)
        self.t = 0  # steps taken

    def step(self, weights, grad, step_size):
        """The new weights, as a new array; weights and grad are (P,) or (T, P)."""
        self.t += 1
        self.v = 0.999 * self.v + 0.001 * grad * grad
        v_hat = self.v / (1 - 0.999**self.t)  # as the mean starts at zero
        return weights - step_size * grad / (np.sqrt(v_hat) + 1e-8)

    def average_tasks(self):
        """After an inner loop: v, (T, P), becomes its mean, (P,)."""
        self.v = np.atleast_2d(self.v).mean(axis=0)


# What is refused, with a ValueError, as it would be wrong without a word. In the checks
# that every inner loop passes, the message is put together only where it is needed.


def check(fits, message):
    """Raise ValueError(message) unless it fits."""
    if not fits:
        raise ValueError(message)


def check_shape(name, array, *shapes):
    """Raise ValueError unless the array has one of the shapes."""
    if np.shape(array) not in shapes:
        wanted = " or ".join(dict.fromkeys(map(str, shapes)))  # each once
        raise ValueError(f"{name} must be {wanted}; it is {np.shape(array)}")


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
    if not net.classifies:
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


def check_inputs(net, weights, x):
    """What outputs are computed from, as arrays."""
    x = check_x(net, x, "T", "B")
    return check_weights(net, weights, x.shape[:-2]), x


def check_batches(net, phi, x, y):
    """What the inner loop is given, as arrays."""
    x = check_x(net, x, "k", "T", "B")
    phi = check_weights(net, phi, x.shape[1:-2], "phi")
    return phi, x, check_y(net, x, y, phi)


# On Linux (glibc) the memory of a large array goes back to the system as soon as it is
# free, and new memory is slow at its first use. Once an array of 30 MB has been freed,
# all smaller ones are kept for the next: up to twice as fast from 20 tasks at once on.
np.empty(30 * 2**20, np.uint8)
