"""Reptile (Nichol, Achiam, Schulman 2018, arXiv:1803.02999v3) in NumPy.

Meta-learning looks for an initialisation φ of a neural network from which a new task
is learnt from a few examples in a few steps. Reptile finds one by repeating this:

    1. draw a task
    2. take k > 1 steps of gradient descent on it, from φ to W (k = 1: joint training)
    3. move φ a little towards W:  φ ← φ + ε (W − φ)

The one idea of this module: the P parameters of a network are *one vector*, as φ is in
the paper. A leading axis adapts T tasks at once; a single task may go without it.

    paper   code             shape             meaning
    φ       phi              (P,)              the initialisation: what is meta-learnt
    W, φ̃    weights          (T, P)            weights in the inner loop, and after it
    α, ε    alpha, epsilon                     inner and outer step size
    g_i     grads[i - 1]     (T, P)            gradient at inner step i = 1 ... k
    φ_i     phis[i - 1]      (T, P)            weights at step i; φ_1 = φ, φ_{k+1} = W
            x, y             (k, T, B, ...)    inputs and targets, B examples per step
"""

import numpy as np


@np.errstate(over="ignore", invalid="ignore")  # divergence is reported below, in words
def inner_loop(net, phi, x, y, alpha, optimiser=None, trajectory=False):
    """k steps of gradient descent on each of T tasks, from φ to W: returns W, (T, P).

    phi         (P,), one start for all tasks, or (T, P), one for each
    x, y        k mini-batches: (k, T, B, n_in); (k, T, B, n_out), or labels (k, T, B)
    optimiser   None for plain steps, or Adam, whose state begins afresh in each call
    trajectory  if True, return phis, (k + 1, T, P), and grads, (k, T, P), instead
    errors      FloatingPointError if it diverges, ValueError for unfit arguments
    """
    phi, x, y = check_batches(net, phi, x, y)
    optimiser = optimiser() if optimiser else None

    k, *tasks = x.shape[:-2]
    weights, grad = two_arrays([*tasks, net.num_params], phi.dtype)
    weights[...] = phi  # every task starts from φ
    layers, layer_grads = net.unpack(weights), net.unpack(grad)  # views into both
    h = net.layer_inputs(weights, x[0])
    if trajectory:
        phis, grads = two_arrays([k + 1, *weights.shape], phi.dtype)

    for i in range(k):
        out = net.forward(layers, h, x[i])
        net.backward(layers, h, out, y[i], layer_grads)  # fills grad with g_i

        if trajectory:
            phis[i] = weights
            grads[i] = grad

        if optimiser is None:
            weights -= alpha * grad  # W ← W − α g
        else:
            weights[...] = optimiser.step(weights, grad, alpha)

    if not np.isfinite(weights).all():
        raise FloatingPointError(f"diverged: lower alpha = {alpha:g} or check the data")

    if trajectory:
        phis[-1] = weights
        return phis, grads[:-1]
    return weights


def reptile(net, phi, x, y, alpha, inner=None):
    """Reptile's meta-gradient, (φ − W) / α = g_1 + ... + g_k, one for each task."""
    return (phi - inner_loop(net, phi, x, y, alpha, inner)) / alpha


def train(net, phi, sample, rng, meta_gradient=reptile, *, alpha, epsilon, iterations,
          meta_batch=1, inner=None, outer=None):
    """Meta-train φ, (P,): a generator of (iteration, phi). Raises as `inner_loop` does.

    sample         the task distribution: sample(rng, T) draws x and y of T tasks
    meta_gradient  reptile, or one of its relatives below
    epsilon        a number, which falls linearly to zero, or a function of i = 0, 1 ...
    meta_batch     T, tasks per iteration: all start from φ, which moves by their mean
    inner, outer   None, or Adam: the optimisers of the inner loop and of φ
    """
    alpha = float(alpha)  # NumPy's float64 would turn a float32 φ into float64
    outer = outer() if outer else None

    for i in range(iterations):
        x, y = sample(rng, meta_batch)  # 1. draw T tasks
        check_train(phi, x, meta_batch)

        try:  # 2. take k steps on each, from φ to W; here their mean, (P,)
            W = mean_W(net, phi, x, y, alpha, inner, meta_gradient)
        except FloatingPointError as error:
            raise FloatingPointError(f"iteration {i + 1}: {error}") from None

        epsilon_i = schedule(epsilon, i, iterations)
        if outer is None:
            phi = phi + epsilon_i * (W - phi)  # 3. φ ← φ + ε (W − φ)
        else:
            phi = outer.step(phi, phi - W, epsilon_i)  # φ − W serves as the gradient

        if not np.isfinite(phi).all():
            raise FloatingPointError(f"iteration {i + 1}: diverged: lower epsilon")
        yield i + 1, phi.copy()  # changing the copy does not change the training


def mean_W(net, phi, x, y, alpha, inner, meta_gradient):
    """The mean over the tasks of W, (P,); of φ − α g for another meta-gradient g."""
    if meta_gradient is reptile:  # φ − α (φ − W) / α is W: no need to go there and back
        return inner_loop(net, phi, x, y, alpha, inner).mean(axis=0)

    g = meta_gradient(net, phi, x, y, alpha, inner)
    check_meta_gradient(g, len(x[0]), len(phi))
    return phi - alpha * g.mean(axis=0)


def schedule(epsilon, i, iterations):
    """ε for iteration i = 0, 1, ...: a number falls linearly to zero."""
    if callable(epsilon):
        return float(epsilon(i))
    return float(epsilon * (1 - i / iterations))


def two_arrays(shape, dtype):
    """Memory for two arrays, in one block.

    The system takes small blocks back when they are free, and hands them out again,
    page by page: with separate arrays FOMAML took five times as long.
    """
    return np.empty((2, *shape), dtype)


def adapt(net, phi, x, y, alpha, steps, optimiser=None, trajectory=False):
    """Learn new tasks: W after `steps` steps on *all* of their data.

    x is (T, B, n_in), y (T, B, n_out) or labels (T, B). All else is as in `inner_loop`.
    """
    if steps < 1:
        raise ValueError(f"steps must be 1 or more, not {steps}")

    x = np.broadcast_to(x, (steps, *np.shape(x)))
    y = np.broadcast_to(y, (steps, *np.shape(y)))
    return inner_loop(net, phi, x, y, alpha, optimiser, trajectory)


# Reptile's relatives: other meta-gradients, (T, P), one for each task. Their arguments
# are those of `reptile`.


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

    By the chain rule through the k − 1 steps before, it is
    (I − α H_1) ... (I − α H_{k−1}) g_k, where H_j is mini-batch j's Hessian at φ_j.
    """
    check_second_derivatives(net, inner)
    phis, grads = inner_loop(net, phi, x, y, alpha, trajectory=True)

    v = grads[-1]  # g_k
    for i in reversed(range(len(grads) - 1)):  # H_{k−1} first, H_1 last
        Hv = net.hessian_vector_product(phis[i], x[i], y[i], v)
        v = v - alpha * Hv
    return v


def weighted_sum(c):
    """A meta-gradient: c_1 g_1 + ... + c_k g_k, for k numbers c (section 6.2)."""
    def meta_gradient(net, phi, x, y, alpha, inner=None):
        check_coefficients(c, len(x))
        _, grads = inner_loop(net, phi, x, y, alpha, inner, trajectory=True)
        return np.tensordot(np.asarray(c, grads.dtype), grads, axes=1)

    return meta_gradient


class MLP:
    """A multi-layer perceptron whose parameters are one vector.

    In this class W is the matrix of one layer, (n_in + 1, n_out). A layer's input ends
    in a constant 1, so that the last row of W is the bias: z = [h 1] W (Bishop 2006,
    section 5.1). The next layer's input is f(z); the network's outputs are the last z.

    layer_sizes  units of each layer, inputs and outputs included: [1, 64, 64, 1]
    activation   f: "tanh" or "relu"
    loss         "mse", or "cross-entropy" for integer labels

    Its methods take `weights`, biases included: (P,), one network for all of x, or
    (T, P), one for each task in x, (T, B, n_in). ValueError for unfit arguments.
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
        for W in self.unpack(phi):
            n_in = len(W) - 1
            W[...] = rng.uniform(-1, 1, W.shape) / np.sqrt(n_in)
        return phi

    def unpack(self, weights):
        """[W, ...], (T, n_in + 1, n_out) each: views, so writing to W writes there."""
        tasks = weights.shape[:-1]
        layers = []
        start = 0
        for rows, columns in self.shapes:
            end = start + rows * columns
            W = weights[..., start:end].reshape(*tasks, rows, columns)
            layers.append(W)
            start = end
        return layers

    def layer_inputs(self, weights, x):
        """Memory for each layer's input [h 1], (T, B, n + 1), filled with 1."""
        examples = x.shape[:-1]
        sizes = [n + 1 for n in self.layer_sizes[:-1]]
        return [np.ones((*examples, n), weights.dtype) for n in sizes]

    def forward(self, layers, h, x):
        """The outputs, (T, B, n_out). `backward` finds each layer's input in h."""
        h[0][..., :-1] = x  # all but the constant 1
        for W, h_in, h_out in zip(layers[:-1], h[:-1], h[1:]):
            z = h_in @ W
            h_out[..., :-1] = self.f(z)
        return h[-1] @ layers[-1]

    def backward(self, layers, h, out, y, layer_grads):
        """Backpropagation: write each layer's ∂L/∂W into layer_grads.

        The chain rule, from the last layer, where z = out, down to the first:

            ∂L/∂W = [h 1]ᵀ ∂L/∂z      ∂L/∂[h 1] = ∂L/∂z Wᵀ      ∂L/∂z = ∂L/∂h f'(z)

        The last formula is for the layer below, whose output h is. Nothing is
        conjugated, so that the complex step of `hessian_vector_product` works.
        """
        dz = self.loss_grad(out, y)  # ∂L/∂z, (T, B, n_out)

        for l in reversed(range(len(layers))):
            h_transposed = h[l].swapaxes(-1, -2)
            np.matmul(h_transposed, dz, out=layer_grads[l])

            if l > 0:
                W_transposed = layers[l].swapaxes(-1, -2)
                if dz.shape[-1] == 1:  # the same product, in 5 % less of the whole time
                    dh = dz * W_transposed
                else:
                    dh = dz @ W_transposed  # (T, B, n_in + 1)
                dh *= self.f_grad(h[l])
                dz = dh[..., :-1]  # without the constant 1, which depends on nothing

    def predict(self, weights, x):
        """The outputs, (T, B, n_out); of a classifier, the classes' probabilities."""
        x = check_x(self, x, "T, B")
        weights = check_weights(self, weights, x.shape[:-2])
        layers, h = self.unpack(weights), self.layer_inputs(weights, x)
        out = self.forward(layers, h, x)
        return out if self.loss_name == "mse" else np.exp(log_softmax(out))

    def loss(self, weights, x, y):
        """Each task's loss, the mean over its B examples: (T,)."""
        weights, x, y = check_examples(self, weights, x, y)
        layers, h = self.unpack(weights), self.layer_inputs(weights, x)
        out = self.forward(layers, h, x)
        return self.loss_value(out, y)

    def loss_and_gradient(self, weights, x, y):
        """Each task's loss, (T,), and its gradient by the task's weights, (T, P)."""
        weights, x, y = check_examples(self, weights, x, y)
        grad = np.empty((*x.shape[:-2], self.num_params), weights.dtype)
        layers, h = self.unpack(weights), self.layer_inputs(weights, x)
        out = self.forward(layers, h, x)
        self.backward(layers, h, out, y, self.unpack(grad))
        return self.loss_value(out, y), grad

    def hessian_vector_product(self, weights, x, y, v):
        """H v, (T, P), where H is the Hessian of each task's loss: exact to rounding.

        From g(w + jδu) = g(w) + jδ H u + O(δ²), where j is the imaginary unit: nothing
        is subtracted, so δ can be as small as one likes (Squire & Trapp 1998). It costs
        one complex gradient.
        """
        check_second_derivatives(self)
        tasks = np.shape(x)[:-2]
        weights = check_weights(self, weights, tasks)
        v = check_weights(self, v, tasks, "v")

        size = abs(v).max() or 1.0  # 1 for v = 0
        u = v / size  # neither huge nor tiny, whatever v is
        delta = 1e-20
        _, grad = self.loss_and_gradient(weights + 1j * delta * u, x, y)
        return grad.imag / delta * size


# Activations f and losses L. Each has its derivative beside it: f'(z) in terms of
# h = f(z), and ∂L/∂out.


def tanh(z):
    """tanh z, for real z and for the complex step."""
    if not np.iscomplexobj(z):
        return np.tanh(z)

    # With NumPy's complex tanh MAML takes 1.5 to 2 times as long. So by the addition
    # theorem: tanh(a + jb) = (t + js) / (1 + jts), with t = tanh a and s = tan b.
    t = np.tanh(z.real)
    s = np.tan(z.imag)
    scale = 1 + (t * s) ** 2

    h = np.empty_like(z)
    h.real = t * (1 + s * s) / scale
    h.imag = s * (1 - t * t) / scale
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
    """Adam (Kingma & Ba, arXiv:1412.6980); β1 = 0, no momentum, as in Reptile."""

    def __init__(self, beta1=0.0, beta2=0.999, eps=1e-8):
        self.beta1, self.beta2, self.eps = beta1, beta2, eps
        self.m = 0  # running mean of the gradient
        self.v = 0  # running mean of its square
        self.t = 0  # steps taken

    def step(self, weights, grad, step_size):
        """The new weights, as a new array; all three arrays have one shape."""
        self.t += 1
        self.m = self.beta1 * self.m + (1 - self.beta1) * grad
        self.v = self.beta2 * self.v + (1 - self.beta2) * grad * grad

        m_hat = self.m / (1 - self.beta1**self.t)  # both means start at zero
        v_hat = self.v / (1 - self.beta2**self.t)
        return weights - step_size * m_hat / (np.sqrt(v_hat) + self.eps)


# What is refused: each function raises ValueError, and says what does not fit.


def check_network(layer_sizes, activation, loss):
    """Two or more layers of positive size; known names."""
    if np.ndim(layer_sizes) != 1 or len(layer_sizes) < 2:
        raise ValueError("layer_sizes must be a list of two numbers or more, such as "
                         f"[1, 64, 64, 1]; it is {layer_sizes!r}")
    for n in layer_sizes:
        if not isinstance(n, int | np.integer) or n < 1:
            raise ValueError(f"layer_sizes must be whole numbers above 0, not {n!r}")
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation must be tanh or relu, not {activation!r}")
    if loss not in LOSSES:
        raise ValueError(f"loss must be mse or cross-entropy, not {loss!r}")


def check_x(net, x, axes):
    """x as an array of axes "k, T, B" or "T, B", and n_in; T may be missing."""
    x = np.asarray(x)
    n_in = net.layer_sizes[0]
    ndim = 4 if axes == "k, T, B" else 3
    fits = x.ndim in (ndim - 1, ndim) and x.shape[-1] == n_in
    if not fits or x.size == 0:
        raise ValueError(f"x must be ({axes}, {n_in}), T only for several tasks, "
                         f"and not empty; it is {x.shape}")
    return x


def check_y(net, x, y, weights):
    """y as an array: labels, or targets of the weights' dtype, one for each example."""
    y = np.asarray(y)
    n_out = net.layer_sizes[-1]
    labels = net.loss_name == "cross-entropy"

    shape = x.shape[:-1] if labels else (*x.shape[:-1], n_out)
    if y.shape != shape:
        raise ValueError(f"y must be {shape}; it is {y.shape}")
    if not labels:
        return y.astype(weights.real.dtype)

    if y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= n_out:
        raise ValueError(f"labels y must be integers from 0 to {n_out - 1}")
    return y


def check_weights(net, weights, tasks, name="weights"):
    """weights as an array, (P,), or (T, P) where `tasks` is (T,)."""
    weights = np.asarray(weights)
    one, each = (net.num_params,), (*tasks, net.num_params)
    if weights.shape not in (one, each):
        allowed = f"{one}" if one == each else f"{one} or {each}"
        raise ValueError(f"{name} must be {allowed}; it is {weights.shape}")
    if weights.dtype.char not in "fdFD":  # "FD": complex, for the complex step
        raise ValueError(f"{name} must be float32 or float64, not {weights.dtype}")
    return weights


def check_examples(net, weights, x, y):
    """What a loss is computed from, as arrays."""
    x = check_x(net, x, "T, B")
    weights = check_weights(net, weights, x.shape[:-2])
    return weights, x, check_y(net, x, y, weights)


def check_batches(net, phi, x, y):
    """What the inner loop is given, as arrays."""
    x = check_x(net, x, "k, T, B")
    phi = check_weights(net, phi, x.shape[1:-2], "phi")
    return phi, x, check_y(net, x, y, phi)


def check_train(phi, x, T):
    """φ is one vector, and x has the T tasks that `train` asked for."""
    if np.ndim(phi) != 1:
        raise ValueError(f"phi must be one vector, (P,); it is {np.shape(phi)}")

    shape = np.shape(x)
    if len(shape) != 4 or shape[1] != T:
        raise ValueError(f"sample(rng, {T}) must draw {T} tasks, x (k, {T}, B, n_in) "
                         f"and y; its x is {shape}")


def check_meta_gradient(g, T, P):
    """A row for each of T tasks."""
    if np.shape(g) != (T, P):
        raise ValueError(f"the meta-gradient must be (T, P) = {(T, P)}, "
                         f"one row a task; it is {np.shape(g)}")


def check_coefficients(c, k):
    """A number for each of k inner gradients."""
    if np.shape(c) != (k,):
        raise ValueError(f"weighted_sum needs {k} numbers, one for each inner step; "
                         f"it has {c}")


def check_second_derivatives(net, inner=None):
    """tanh and plain steps: relu has no second derivative at its kink."""
    if net.activation != "tanh":
        raise ValueError("second derivatives need tanh, not relu")
    if inner is not None:
        raise ValueError("MAML differentiates through plain steps, not through Adam")
