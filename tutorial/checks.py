"""Checks for the exercises of tutorial.ipynb: each names the mistake that it finds.

    check_step(answer)         lesson 1   Reptile's outer step
    check_updates(answer)      lesson 2   Reptile, FOMAML and MAML
    check_expansion(answer)    lesson 3   Reptile's meta-gradient to first order
    check_kernel_step(answer)  lesson 4   a step on ten points, from the tangent kernel

Each returns "right", "not written yet", or "not yet: " and what to do; in lesson 2, a
line for each update. Only numbers count: an answer is compared with the right one, then
with the mistakes that people really make; for any other, both values are shown.
"""

import numpy as np

from reptile import MLP, inner_loop, trajectory
from sine_demo import NETWORK, sample_sines


def problem(net, k, T):
    """φ (P,), and x, y (k, T, 10, 1) of T sines."""
    rng = np.random.default_rng(5)
    phi = net.init(rng, float)
    x, y = sample_sines(rng, T)
    return phi, x[:k], y[:k]


def call(answer, *arguments):
    """answer(*arguments) with copies of the arrays, and None; or None and a line.

    The line says so if the answer stops with an error or changes an array in place.
    """
    copies = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
    try:
        result = answer(*copies)
    except Exception as error:  # whatever a student's code may raise
        return None, f"not yet: it stops with {type(error).__name__}: {error}"

    for before, after in zip(arguments, copies):
        if isinstance(before, np.ndarray) and not np.array_equal(before, after):
            return None, ("not yet: it changes one of its arguments in place; write "
                          "a = a + ..., not a += ...")
    if result is None:
        return None, "not written yet"
    return result, None


def verdict(mine, right, mistakes, size=None):
    """The line about one array.

    mistakes  {what to do: the array that this mistake gives}
    size      what counts as large, if it is not the norm of `right`
    """
    if not isinstance(mine, np.ndarray) or mine.dtype.kind not in "fiu":
        return (f"not yet: it is of type {type(mine).__name__}; return an array of "
                f"numbers of shape {right.shape}")

    def same(array):
        near = 1e-4 * (size or np.linalg.norm(right))
        return mine.shape == np.shape(array) and np.linalg.norm(mine - array) < near

    if same(right):
        return "right"
    for line, wrong in mistakes.items():
        if same(wrong):
            return f"not yet: {line}"
    if mine.shape != right.shape:
        return f"not yet: its shape is {mine.shape}; it should be {right.shape}"
    return (f"not yet, and not a mistake known here: it begins {first(mine)}, and "
            f"should begin {first(right)}")


def first(array):
    """The first numbers of an array, as text."""
    return ", ".join(f"{number:.4g}" for number in array.ravel()[:3])


def check_step(answer):
    """Lesson 1: answer(phi, x, y, alpha, epsilon) is φ, (P,), after an outer step."""
    net, alpha, epsilon = NETWORK, 0.02, 0.05
    phi, x, y = problem(net, k=4, T=3)
    mine, line = call(answer, phi, x, y, alpha, epsilon)
    if line:
        return line

    def W(x, y, alpha=alpha):
        return inner_loop(net, phi, x, y, alpha)

    def new_phi(W, epsilon=epsilon):
        return phi + epsilon * (W - phi).mean(axis=0)

    right = new_phi(W(x, y))
    step = right - phi
    wrong = {
        "a row for each task; take the mean over the tasks, axis=0":
            phi + epsilon * (W(x, y) - phi),
        "this is one number; the mean over the tasks needs axis=0":
            phi + epsilon * (W(x, y) - phi).mean(),
        "the tasks' steps are added; take their mean": phi + 3 * step,
        "phi has not moved; return the new phi": phi,
        "this is W, as if epsilon were 1": new_phi(W(x, y), epsilon=1),
        "it moves away from W; write W - phi": phi - step,
        "this is the step alone; add it to phi": step,
        "it climbs; subtract alpha times the gradient": new_phi(W(x, y, -alpha)),
        "alpha and epsilon are swapped": new_phi(W(x, y, epsilon), epsilon=alpha),
        "it takes one inner step; go through all k mini-batches":
            new_phi(W(x[:1], y[:1])),
        "the last mini-batch is left out": new_phi(W(x[:-1], y[:-1])),
        "it takes one step too many": new_phi(W(*twice_the_last(x, y))),
        "every inner step uses mini-batch 1; use x[i] and y[i] in step i":
            new_phi(W(x[[0] * 4], y[[0] * 4])),
        "all mini-batches are joined into one; take a step on each":
            new_phi(W(*joined(x, y))),
        **wrong_loops(net, phi, x, y, alpha, epsilon),
    }
    return verdict(mine, right, wrong, size=np.linalg.norm(step))


def twice_the_last(*arrays):
    """Each with its last mini-batch once more."""
    return [np.concatenate([a, a[-1:]]) for a in arrays]


def joined(*arrays):
    """Each with one mini-batch, of all its examples."""
    return [np.concatenate(list(a), axis=1)[None] for a in arrays]


def wrong_loops(net, phi, x, y, alpha, epsilon):
    """Outer steps from loops over tasks or mini-batches that are not Reptile's."""
    def gradients(weights, i):
        return net.loss_and_gradient(weights, x[i], y[i])[1]

    _, grads = trajectory(net, phi, x, y, alpha)
    at_phi = sum(gradients(phi, i) for i in range(len(x)))

    one_by_one = phi
    for t in range(x.shape[1]):
        W = inner_loop(net, one_by_one, x[:, t], y[:, t], alpha)
        one_by_one = one_by_one + epsilon * (W - one_by_one)

    each_step = phi
    shared = phi
    for i in range(len(x)):
        each_step = each_step - epsilon * alpha * gradients(each_step, i).mean(axis=0)
        shared = shared - alpha * gradients(shared, i).mean(axis=0)

    return {
        "all gradients are taken at phi, which is joint training; take each at the "
        "weights that the steps before it have reached":
            phi - epsilon * alpha * at_phi.mean(axis=0),
        "only the last gradient counts, which is FOMAML; use all of W - phi":
            phi - epsilon * alpha * grads[-1].mean(axis=0),
        "each task starts from the phi that the one before it has moved; start all "
        "from the same phi": one_by_one,
        "all tasks share one W; give each task a row of its own":
            phi + epsilon * (shared - phi),
        "phi moves in every inner step; move it once, after the inner loop": each_step,
    }


def check_updates(answer):
    """Lesson 2: answer(net, phi, x, y, alpha) is Reptile, FOMAML, MAML for k = 3."""
    net, alpha = MLP([1, 6, 5, 1]), 0.1
    phi, x, y = problem(net, k=3, T=2)
    mine, line = call(answer, net, phi, x, y, alpha)
    if line:
        return line
    if not isinstance(mine, tuple | list) or len(mine) != 3:
        return "not yet: return three arrays, Reptile's, FOMAML's and MAML's"

    path, (g1, g2, g3) = trajectory(net, phi, x, y, alpha)
    at_phi = [net.loss_and_gradient(phi, x_i, y_i)[1] for x_i, y_i in zip(x, y)]

    def factors(*steps, v=g3, at=path, batch=(0, 1, 2), alpha=alpha):
        """v times I − α H for each of `steps` (0 is the first), in that order."""
        for j in steps:
            i = batch[j]
            v = v - alpha * net.hessian_vector_product(at[j], x[i], y[i], v)
        return v

    right = {"Reptile": g1 + g2 + g3, "FOMAML": g3, "MAML": factors(1, 0)}
    wrong = {
        "Reptile": {
            "this is the mean of the gradients; take their sum": (g1 + g2 + g3) / 3,
            "this is phi - W; divide by alpha": alpha * (g1 + g2 + g3),
            "the sign is wrong; it is (phi - W) / alpha": -(g1 + g2 + g3),
            "g3 is missing; take a third step": g1 + g2,
            "all gradients are taken at phi, which is joint training": sum(at_phi),
            "this is FOMAML; return Reptile, FOMAML, MAML in this order": g3,
            "this is MAML; return Reptile, FOMAML, MAML in this order": factors(1, 0),
        },
        "FOMAML": {
            "this is g1; take the last gradient, g3": g1,
            "this is g2; take the last gradient, g3": g2,
            "this gradient is taken at phi; take it after two steps": at_phi[2],
            "this gradient is taken at W, after three steps; take it after two":
                net.loss_and_gradient(path[-1], x[2], y[2])[1],
            "this is MAML; FOMAML leaves the Hessians out": factors(1, 0),
            "this is Reptile; FOMAML is the last gradient alone": g1 + g2 + g3,
        },
        "MAML": {
            "this is FOMAML: the factors I - alpha H are missing": g3,
            "the factors are in the wrong order; multiply by the second step's first":
                factors(0, 1),
            "the factor of the first step is missing": factors(1),
            "the factor of the second step is missing": factors(0),
            "there is a factor for the third step; only the steps before g3 have one":
                factors(2, 1, 0),
            "it multiplies by I + alpha H; write I - alpha H":
                factors(1, 0, alpha=-alpha),
            "alpha is missing; multiply by I - alpha H": factors(1, 0, alpha=1),
            "all Hessians are taken at phi; take each at the weights of its own step":
                factors(1, 0, at=[phi] * 3),
            "the Hessians are those of the query batch; step i's is that of x[i]":
                factors(1, 0, batch=(2, 2, 2)),
            "this is Reptile; return Reptile, FOMAML, MAML in this order":
                g1 + g2 + g3,
        },
    }
    lines = [f"{name}: {verdict(one, right[name], wrong[name])}"
             for name, one in zip(right, mine)]
    return "\n".join(lines)


def check_expansion(answer):
    """Lesson 3: answer(net, phi, x, y, alpha) is ḡ_1 + ḡ_2 − α H̄_2 ḡ_1, (T, P)."""
    net, alpha = MLP([1, 6, 5, 1]), 0.1
    phi, x, y = problem(net, k=2, T=2)
    mine, line = call(answer, net, phi, x, y, alpha)
    if line:
        return line

    path, g = trajectory(net, phi, x, y, alpha)
    g1, g2 = (net.loss_and_gradient(phi, x[i], y[i])[1] for i in range(2))

    def H(i, v, at=phi):
        return net.hessian_vector_product(at, x[i], y[i], v)

    both = g1 + g2
    right = both - alpha * H(1, g1)
    wrong = {
        "this is the exact meta-gradient, along the path; take both gradients and the "
        "Hessian at phi": g.sum(axis=0),
        "the Hessian term is missing: subtract alpha H2 g1": both,
        "the sign of the Hessian term is wrong; subtract it": both + alpha * H(1, g1),
        "alpha is missing before the Hessian term": both - H(1, g1),
        "this is H1 g2; the second gradient moves, so write H2 g1":
            both - alpha * H(0, g2),
        "this is H2 g2; the first step is along g1": both - alpha * H(1, g2),
        "this is H1 g1; the second mini-batch has the Hessian H2":
            both - alpha * H(0, g1),
        "there are two Hessian terms, as in MAML; Reptile has H2 g1 alone":
            both - alpha * (H(1, g1) + H(0, g2)),
        "the Hessian term is halved; subtract all of it": both - alpha * H(1, g1) / 2,
        "this is FOMAML's expansion; add g1": g2 - alpha * H(1, g1),
        "the Hessian is taken after the first step; take it at phi":
            both - alpha * H(1, g1, at=path[1]),
    }
    return verdict(mine, right, wrong)


def check_kernel_step(answer):
    """Lesson 4: answer(K, f, given, y, alpha) is f − (2α/B) Σ K(·, xᵢ) (f(xᵢ) − yᵢ)."""
    rng = np.random.default_rng(5)
    features = rng.normal(size=(50, 3))
    K = features @ features.T
    f = rng.normal(size=50)
    given = rng.permutation(50)[:10]
    y = rng.normal(size=10)
    alpha = 0.1
    mine, line = call(answer, K, f, given, y, alpha)
    if line:
        return line

    moved = 2 * alpha * K[:, given] @ (f[given] - y) / 10
    wrong = {
        "this is the change alone; add it to f": -moved,
        "it moves away from the targets; subtract": f + moved,
        "a factor 2 is missing: the derivative of r² is 2 r": f - moved / 2,
        "the loss is a mean over ten points; divide by 10": f - 10 * moved,
        "alpha is missing": f - moved / alpha,
        "the residual is f[given] - y; here f itself was used":
            f - 2 * alpha * K[:, given] @ f[given] / 10,
        "these are the ten given outputs; return all 50": (f - moved)[given],
    }
    return verdict(mine, f - moved, wrong)
