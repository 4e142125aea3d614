"""Checks for the exercises of tutorial.ipynb: each names the mistake that it finds.

    check_step(answer)         lesson 1   Reptile's outer step
    check_updates(answer)      lesson 2   Reptile, FOMAML and MAML
    check_expansion(answer)    lesson 3   Reptile's meta-gradient to first order
    check_slopes(answer)       lesson 4   how far to trust what a few points say

Each returns "right", "not written yet", or "not yet: " and what to do; in lesson 2, a
line for each update. Only numbers count: an answer is compared with the right one, then
with the mistakes that people really make; for any other, both values are shown. The
step sizes are such that no mistake looks like another.
"""

import numpy as np

from reptile import MLP, fomaml, inner_loop, joint, trajectory
from sine_demo import NETWORK, sample_sines

ALPHA, EPSILON = 0.03, 0.05  # of the lessons' values, and of 1/10, neither


def problem(net, k, T):
    """φ (P,), and x, y (k, T, 10, 1) of T sines."""
    rng = np.random.default_rng(5)
    phi = net.init(rng, float)
    x, y = sample_sines(rng, T)
    return phi, x[:k], y[:k]


def call(answer, *arguments):
    """answer(*arguments) with copies of the arrays, and None; or None and a line.

    The line says so if the answer stops with an error, reads a global in place of an
    argument, changes an array in place, or forgets its `return`.
    """
    copies = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
    try:
        result = answer(*copies)
    except Exception as error:  # whatever a student's code may raise
        return None, f"not yet: it stops with {type(error).__name__}: {error}"

    used = answer.__code__.co_names  # globals and attributes
    for name in "ALPHA", "EPSILON":
        if name in used:
            return None, (f"not yet: it uses the lesson's {name}; write "
                          f"{name.lower()}, its own argument")
    for before, after in zip(arguments, copies):
        if isinstance(before, np.ndarray) and not np.array_equal(before, after):
            return None, ("not yet: it changes one of its arguments in place; write "
                          "a = a + ..., not a += ...")
    if result is None and used:
        return None, "not yet: it returns nothing; end with `return ...`"
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
    phi, x, y = problem(NETWORK, k=4, T=3)
    mine, line = call(answer, phi, x, y, ALPHA, EPSILON)
    if line:
        return line

    def g(weights, i):
        return NETWORK.loss_and_gradient(weights, x[i], y[i])[1]

    def moved(update, x=x, y=y, alpha=ALPHA, epsilon=EPSILON):
        W = update(NETWORK, phi, x, y, alpha)
        return phi + epsilon * (W - phi).mean(axis=0)

    right = moved(inner_loop)
    W = inner_loop(NETWORK, phi, x, y, ALPHA)

    at_phi = sum(g(phi, i) for i in range(4)).mean(axis=0)
    one_by_one = phi  # each task starts from the φ that the last one has moved
    carried, moves = phi, []  # each task starts from the W of the last one
    for x_t, y_t in zip(x.swapaxes(0, 1), y.swapaxes(0, 1)):  # (4, 10, 1) each
        W_t = inner_loop(NETWORK, one_by_one, x_t, y_t, ALPHA)
        one_by_one = one_by_one + EPSILON * (W_t - one_by_one)
        carried = inner_loop(NETWORK, carried, x_t, y_t, ALPHA)
        moves.append(carried - phi)

    each_step = shared = phi  # φ, or one W for all tasks, moves by the mean gradient
    for i in range(4):
        each_step = each_step - EPSILON * ALPHA * g(each_step, i).mean(axis=0)
        shared = shared - ALPHA * g(shared, i).mean(axis=0)

    wrong = {
        "a row for each task; take the mean over the tasks, axis=0":
            phi + EPSILON * (W - phi),
        "this is one number; the mean over the tasks needs axis=0":
            phi + EPSILON * (W - phi).mean(),
        "the tasks' steps are added; take their mean": phi + 3 * (right - phi),
        "this is W, as if epsilon were 1": moved(inner_loop, epsilon=1),
        "the outer step is alpha long; it should be epsilon":
            moved(inner_loop, epsilon=ALPHA),
        "it moves away from W; write W - phi": moved(inner_loop, epsilon=-EPSILON),
        "this is the step alone; add it to phi": right - phi,
        "it climbs; subtract alpha times the gradient": moved(inner_loop, alpha=-ALPHA),
        "it takes one inner step; go through all k mini-batches": moved(joint),
        "every inner step uses mini-batch 1; use x[i] and y[i] in step i":
            moved(inner_loop, x[[0] * 4], y[[0] * 4]),
        "all gradients are taken at phi, which is joint training; take each at the "
        "weights that the steps before it have reached": phi - EPSILON * ALPHA * at_phi,
        "only the last gradient counts, which is FOMAML; use all of W - phi":
            moved(fomaml),
        "each task starts from the W of the one before it; start all from phi":
            phi + EPSILON * np.mean(moves, axis=0),
        "each task starts from the phi that the one before it has moved; start all "
        "from the same phi": one_by_one,
        "all tasks share one W; give each task a row of its own":
            phi + EPSILON * (shared - phi),
        "phi moves in every inner step; move it once, after the inner loop": each_step,
    }
    return verdict(mine, right, wrong, size=np.linalg.norm(right - phi))


def check_updates(answer):
    """Lesson 2: answer(net, phi, x, y, alpha) is Reptile, FOMAML, MAML for k = 3."""
    net = MLP([1, 6, 5, 1])
    phi, x, y = problem(net, k=3, T=2)
    mine, line = call(answer, net, phi, x, y, ALPHA)
    if line:
        return line
    if not isinstance(mine, tuple | list) or len(mine) != 3:
        return "not yet: return three arrays, Reptile's, FOMAML's and MAML's"

    path, (g1, g2, g3) = trajectory(net, phi, x, y, ALPHA)
    at_phi = [net.loss_and_gradient(phi, x_i, y_i)[1] for x_i, y_i in zip(x, y)]

    def H(i, v, at=path, batch=(0, 1, 2)):
        return net.hessian_vector_product(at[i], x[batch[i]], y[batch[i]], v)

    def factors(*steps, alpha=ALPHA, **where):
        """g3 times I − α H for each of `steps` (0 is the first), in that order."""
        v = g3
        for i in steps:
            v = v - alpha * H(i, v, **where)
        return v

    total = g1 + g2 + g3
    right = {"Reptile": total, "FOMAML": g3, "MAML": factors(1, 0)}
    order = "return Reptile, FOMAML, MAML in this order"
    wrong = {
        "Reptile": {
            "this is the mean of the gradients; take their sum": total / 3,
            "this is phi - W; divide by alpha": ALPHA * total,
            "this is W - phi; it is (phi - W) / alpha": -ALPHA * total,
            "the sign is wrong; it is (phi - W) / alpha": -total,
            "all gradients are taken at phi, which is joint training": sum(at_phi),
            f"this is FOMAML; {order}": g3,
            f"this is MAML; {order}": factors(1, 0),
        },
        "FOMAML": {
            "this is g1; take the last gradient, g3": g1,
            "this gradient is taken at phi; take it after two steps": at_phi[2],
            "this gradient is taken at W, after three steps; take it after two":
                net.loss_and_gradient(path[-1], x[2], y[2])[1],
            f"this is MAML; {order}": factors(1, 0),
            f"this is Reptile; {order}": total,
        },
        "MAML": {
            "this is FOMAML: the factors I - alpha H are missing": g3,
            "this is (I - alpha H1 - alpha H2) g3; multiply by one factor after the "
            "other": g3 - ALPHA * (H(0, g3) + H(1, g3)),
            "the factors are in the wrong order; multiply by the second step's first":
                factors(0, 1),
            "the factor of the first step is missing": factors(1),
            "there is a factor for the third step; only the steps before g3 have one":
                factors(2, 1, 0),
            "it multiplies by I + alpha H; write I - alpha H":
                factors(1, 0, alpha=-ALPHA),
            "alpha is missing; multiply by I - alpha H": factors(1, 0, alpha=1),
            "all Hessians are taken at phi; take each at the weights of its own step":
                factors(1, 0, at=[phi] * 3),
            "the Hessians are those of the query batch; step i's is that of x[i]":
                factors(1, 0, batch=(2, 2, 2)),
            f"this is Reptile; {order}": total,
        },
    }
    lines = [f"{name}: {verdict(one, right[name], wrong[name])}"
             for name, one in zip(right, mine)]
    return "\n".join(lines)


def check_expansion(answer):
    """Lesson 3: answer(net, phi, x, y, alpha) is ḡ_1 + ḡ_2 − α H̄_2 ḡ_1, (T, P)."""
    net = MLP([1, 6, 5, 1])
    phi, x, y = problem(net, k=2, T=2)
    mine, line = call(answer, net, phi, x, y, ALPHA)
    if line:
        return line

    path, g = trajectory(net, phi, x, y, ALPHA)
    g1, g2 = (net.loss_and_gradient(phi, x[i], y[i])[1] for i in range(2))

    def aH(i, v, at=phi):
        return ALPHA * net.hessian_vector_product(at, x[i], y[i], v)

    both = g1 + g2
    right = both - aH(1, g1)
    wrong = {
        "this is the exact meta-gradient, along the path; take both gradients and the "
        "Hessian at phi": g.sum(axis=0),
        "the Hessian term is missing: subtract alpha H2 g1": both,
        "the sign of the Hessian term is wrong; subtract it": both + aH(1, g1),
        "alpha is missing before the Hessian term": both - aH(1, g1) / ALPHA,
        "this has 2 g1, which is right in the mean only; take g1 + g2":
            2 * g1 - aH(1, g1),
        "this is H1 g2; the second gradient moves, so write H2 g1": both - aH(0, g2),
        "this is H2 g2; the first step is along g1": both - aH(1, g2),
        "there are two Hessian terms, as in MAML; Reptile has H2 g1 alone":
            both - aH(1, g1) - aH(0, g2),
        "this is FOMAML's expansion; add g1": g2 - aH(1, g1),
        "the Hessian is taken after the first step; take it at phi":
            both - aH(1, g1, at=path[1]),
    }
    return verdict(mine, right, wrong)


def check_slopes(answer):
    """Lesson 4: answer(e, y, places) is the slope of c by ĉ, (n,), for n patterns."""
    rng = np.random.default_rng(5)
    e = np.linalg.qr(rng.normal(size=(50, 3)))[0] * 50**0.5
    y = rng.normal(size=(200, 3)) * [3, 2, 1] @ e.T
    places = rng.integers(50, size=(200, 4))
    mine, line = call(answer, e, y, places)
    if line:
        return line

    given = np.take_along_axis(y, places, axis=1)  # (T, B)
    terms = given[..., None] * e[places]  # (T, B, n)
    c = y @ e / 50
    same_points = (y[:, places[0], None] * e[places[0]]).mean(axis=1)

    def slope(c, estimate, intercept=False):
        if intercept:
            c, estimate = c - c.mean(axis=0), estimate - estimate.mean(axis=0)
        return (c * estimate).sum(axis=0) / np.square(estimate).sum(axis=0)

    estimate = terms.mean(axis=1)
    right = slope(c, estimate)
    if verdict(mine, slope(c, estimate, intercept=True), {}) == "right":
        return "right"
    product, squares = (c * estimate).sum(axis=0), np.square(c).sum(axis=0)
    wrong = {
        "this is the sum over the B points; the estimate is their mean":
            slope(c, terms.sum(axis=1)),
        "c is the mean of e y over all 50 points, not their sum":
            slope(c * 50, estimate),
        "the axes are swapped: divide by the mean of the squared estimate":
            product / squares,
        "this is the correlation; the slope divides by the squared estimate alone":
            product / np.sqrt(squares * np.square(estimate).sum(axis=0)),
        "the estimate is the mean of y alone; multiply by e at the same places":
            slope(c, given.mean(axis=1)[:, None]),
        "every task gets the first one's places; row t of places belongs to task t":
            slope(c, same_points),
        "this is one slope for all patterns; sum over the tasks alone, axis=0":
            np.sum(product) / np.square(estimate).sum(),
        "this is c / estimate for each task; fit one line through all of them":
            (c / estimate).mean(axis=0),
    }
    if np.ndim(mine) == 0 and isinstance(mine, float):
        mine = np.array(mine)
    return verdict(mine, right, wrong)
