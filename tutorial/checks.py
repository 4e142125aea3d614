"""Checks for the exercises of tutorial.ipynb: each names the mistake it finds.

    check_step(answer)       lesson 1   Reptile's outer step
    check_waves(draw)        lesson 4   a task distribution of square waves
    check_updates(answer)    lesson 2   Reptile, FOMAML and MAML
    check_expansion(answer)  lesson 3   Reptile's meta-gradient to first order

Each returns one line (one for each update, in lesson 2): "right", "not written yet", or
"not yet: " and what to do. An answer is compared with the right one and with mistakes
that people make. Only its numbers count: any way to compute them will do, and a list
is as good as an array.
"""

import functools
import traceback

import numpy as np

from reptile import MLP, inner_loop
from sine_demo import NETWORK, sample_sines


class NotYet(Exception):
    """What is wrong with an answer, in one line that says what to do."""


def in_one_line(check):
    """A check that returns the line of a NotYet, instead of raising it."""
    @functools.wraps(check)
    def returns_a_line(*arguments):
        try:
            return check(*arguments)
        except NotYet as line:
            return str(line)

    return returns_a_line


# ------------------------------------------------------------- any answer, any mistake


def call(answer, *arguments, names=("phi", "x", "y")):
    """answer(*arguments), where the arrays, in order, have `names`.

    The answer is handed copies of the arrays. Raises NotYet if it is not a function,
    stops with an error, returns nothing, or changes an array in place.
    """
    if not callable(answer):
        kind = type(answer).__name__
        raise NotYet(f"not yet: hand in the function itself; this is of type {kind}")

    copies = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
    try:
        result = answer(*copies)
    except NotImplementedError:
        result = None
    except Exception as error:  # whatever a student's code may raise
        raise NotYet(f"not yet: it stops {in_words(error)}") from None

    arrays = [i for i, a in enumerate(arguments) if isinstance(a, np.ndarray)]
    for name, i in zip(names, arrays):
        if not np.array_equal(arguments[i], copies[i]):
            raise NotYet(f"not yet: it changes {name} in place; write "
                         f"{name} = {name} + ..., or work on {name}.copy()")
    if result is None:
        raise NotYet("not written yet")
    return result


def in_words(error):
    """The error, and the line of the answer at which it was raised, if there is one."""
    text = f"with {type(error).__name__}: {error}".split("\n")[0]
    frames = traceback.extract_tb(error.__traceback__)[1:]  # without `call` itself
    return f"{text}, at the line '{frames[0].line}'" if frames else text


def as_array(result, shape, mean_over=None):
    """The numbers of `result`, in the shape (P,) or (T, P) that is wanted."""
    if result is None:
        raise NotYet("not written yet")

    kind = type(result).__name__
    try:
        array = np.asarray(result, dtype=float)
    except (TypeError, ValueError):
        raise NotYet(f"not yet: it returns a {kind}, not an array of numbers; "
                     f"return an array of shape {shape}") from None

    if array.size != np.prod(shape):
        found = f"has the shape {array.shape}" if array.ndim else f"is of type {kind}"
        advice = f"it should have the shape {shape}"
        if mean_over and array.size == np.prod(mean_over):
            advice = "that is a row for each task; take the mean over them, axis=0"
        elif len(shape) == 2 and array.shape == shape[1:]:
            advice = f"return a row for each task, {shape}, not their sum or mean"
        raise NotYet(f"not yet: what it returns {found}; {advice}")
    if not np.isfinite(array).all():
        raise NotYet("not yet: it contains nan or inf; look for a division by zero "
                     "or for steps with the wrong sign")
    return array.reshape(shape)


def verdict(mine, known, when_changed):
    """The line about `mine`, an array.

    known         {line: array}: "right" first, then wrong ones and what to do
    when_changed  {argument: mine if that argument is another number}
    """
    right = known["right"]
    tolerance = 1e-4 * np.linalg.norm(right)
    for line, array in known.items():
        if np.linalg.norm(mine - array) < tolerance:
            return line if line == "right" else f"not yet: {line}"

    for argument, other in when_changed.items():
        if np.allclose(mine, other):
            return (f"not yet: {argument} changes nothing; use the argument, "
                    "not a number in its place")

    factor = np.vdot(mine, right) / np.vdot(right, right)
    if np.linalg.norm(mine - factor * right) < tolerance * abs(factor):
        return (f"not yet: it is {factor:.3g} times what it should be; "
                "look for a factor too many or too few")
    return ("not yet, and the mistake is not known here; with two inner steps, compare "
            "each gradient with one that you work out by hand")


# ------------------------------------------------------------- lesson 1: the outer step


@in_one_line
def check_step(answer, net=NETWORK):
    """Lesson 1: answer(phi, x, y, alpha, epsilon) is φ, (P,), after an outer step.

    x and y (k, T, B, 1) are the mini-batches of T tasks, phi (P,) is where all begin.
    """
    rng = np.random.default_rng(5)
    phi = net.init(rng, float)
    x, y = sample_sines(rng, 3)
    x, y = x[:4], y[:4]  # k = 4 and T = 3: neither is the other, nor the notebook's

    def new_phi(alpha, epsilon):
        result = call(answer, phi, x, y, alpha, epsilon)
        return as_array(result, phi.shape, mean_over=(x.shape[1], len(phi)))

    step = new_phi(0.03, 0.4) - phi
    known = outer_steps(net, phi, x, y, 0.03, 0.4)
    when_changed = {
        "alpha": new_phi(0.01, 0.4) - phi,
        "epsilon": new_phi(0.03, 0.8) - phi,
    }
    return verdict(step, known, when_changed)


def outer_steps(net, phi, x, y, alpha, epsilon):
    """{line: new φ − φ}: the right outer step, and wrong ones."""
    right = epsilon * (inner_loop(net, phi, x, y, alpha) - phi).mean(axis=0)
    arguments = net, phi, x, y, alpha, epsilon
    return {
        "right": right,
        **wrong_formulas(phi, right, alpha, epsilon, T=x.shape[1]),
        **wrong_inner_loops(*arguments),
        **wrong_tasks(*arguments),
    }


def wrong_formulas(phi, right, alpha, epsilon, T):
    """Outer steps with the right W, put together wrongly."""
    move = right / epsilon  # the mean of W − φ
    return {
        "phi has not moved; return the new phi": 0 * phi,
        "this is the sum over the tasks; take the mean": T * right,
        "epsilon is missing; move phi by epsilon times (W - phi)": move,
        "it moves away from W; write W - phi, not phi - W": -right,
        "this is the step alone; add it to phi": right - phi,
        "this is W - phi alone; return phi + epsilon times that": move - phi,
        "W - phi is divided by alpha; leave that out": right / alpha,
    }


def wrong_inner_loops(net, phi, x, y, alpha, epsilon):
    """Outer steps in which the inner loop uses other mini-batches or gradients."""
    def step(x, y):
        return epsilon * (inner_loop(net, phi, x, y, alpha) - phi).mean(axis=0)

    k = len(x)
    first = [0] * k
    _, gradients = inner_loop(net, phi, x, y, alpha, trajectory=True)
    at_phi = [net.loss_and_gradient(phi, x_i, y_i)[1] for x_i, y_i in zip(x, y)]
    return {
        "all gradients are taken at phi, which is joint training; take each at the "
        "weights that the steps before it have reached":
            -epsilon * alpha * sum(at_phi).mean(axis=0),
        "only the last gradient counts, which is FOMAML; use all of W - phi":
            -epsilon * alpha * gradients[-1].mean(axis=0),
        "every inner step uses mini-batch 1; use x[i] and y[i] in step i":
            step(x[first], y[first]),
        "it takes one inner step; go through all k mini-batches": step(x[:1], y[:1]),
        "it takes k - 1 inner steps; the last mini-batch is left out":
            step(x[:-1], y[:-1]),
        "it takes k - 1 inner steps; the first mini-batch is left out":
            step(x[1:], y[1:]),
    }


def wrong_tasks(net, phi, x, y, alpha, epsilon):
    """Outer steps that take some tasks only, or in which tasks disturb each other."""
    moves = inner_loop(net, phi, x, y, alpha) - phi

    updated = phi  # after each task
    W = phi
    carried_on = []  # each W starts where the last has ended
    for t in range(x.shape[1]):
        task = x[:, [t]], y[:, [t]]
        adapted = inner_loop(net, updated, *task, alpha)[0]
        updated = updated + epsilon * (adapted - updated)
        W = inner_loop(net, W, *task, alpha)[0]
        carried_on.append(W - phi)

    shared = phi
    for x_i, y_i in zip(x, y):
        gradients = net.loss_and_gradient(shared, x_i, y_i)[1]
        shared = shared - alpha * gradients.mean(axis=0)

    return {
        "only the first task counts; take the mean over all": epsilon * moves[0],
        "only the last task counts; take the mean over all": epsilon * moves[-1],
        "each task starts from the phi that the one before it has updated; start all "
        "from the same phi": updated - phi,
        "each task starts from the last W; start all from phi":
            epsilon * np.mean(carried_on, axis=0),
        "each task starts from the last W, and only the last W counts; start all from "
        "phi, and take the mean": epsilon * carried_on[-1],
        "all tasks share one W; give each task a row of its own":
            epsilon * (shared - phi),
    }


# ------------------------------------------------------------- lesson 4: square waves


@in_one_line
def check_waves(draw):
    """Lesson 4: draw(rng) is a task f, f(x) = a sign(sin(x + b)), as a function of x.

    a ~ U[1, 2] and b ~ U[0, 2π] must come from `rng`, when the task is drawn.
    """
    x = np.linspace(-5, 5, 400)[:, None]  # without 0, where sin x has no sign
    y = waves(draw, x, seed=0, tasks=1000)

    y_again = waves(draw, x, seed=0, tasks=50)
    if not np.array_equal(y_again, y[:50]):
        return ("not yet: the same seed gives other waves; take all random numbers "
                "from rng, when the task is drawn, and none when f(x) is called")

    a = abs(y).max(axis=1)
    if not np.allclose(abs(y), a[:, None]):
        return "not yet: a square wave is a or -a everywhere; use np.sign"
    b = np.array([phase(wave, x[:, 0]) for wave in y])
    if np.isnan(b).any():
        return ("not yet: it has another frequency; a sign(sin(x + b)) changes sign "
                "whenever x grows by pi")
    return uniform(a, 1, 2) or uniform(b, 0, 2 * np.pi, name="b") or "right"


def waves(draw, x, seed, tasks):
    """Tasks drawn from one generator, as rows (tasks, len(x)); each is called twice."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(tasks):
        f = call(draw, rng)
        if not callable(f):
            kind = type(f).__name__
            raise NotYet("not yet: return a function of x, as `return lambda x: ...` "
                         f"does; this is of type {kind}")
        values = as_array(call(f, x, names=["x"]), x.shape)
        again = as_array(call(f, x, names=["x"]), x.shape)
        if not np.array_equal(values, again):
            raise NotYet("not yet: f(x) changes from call to call; draw a and b before "
                         "f is defined")
        rows.append(values[:, 0])
    return np.array(rows)


def phase(wave, x):
    """b in [0, 2π) for which `wave` has the sign of sin(x + b), or nan."""
    up = wave > 0
    rises = np.flatnonzero(up[1:] & ~up[:-1])
    if rises.size == 0:
        return np.nan

    i = rises[0]
    zero = (x[i] + x[i + 1]) / 2
    b = -zero % (2 * np.pi)
    agrees = up == (np.sin(x + b) > 0)
    return b if agrees.mean() > 0.98 else np.nan


def uniform(values, low, high, name="a"):
    """None, or a line that says that `values` are not uniform in [low, high]."""
    n = len(values)
    found = np.sort((values - low) / (high - low))
    expected = (np.arange(n) + 0.5) / n
    distance = abs(found - expected).max()  # Kolmogorov and Smirnov's
    inside = found[0] >= 0 and found[-1] <= 1
    if inside and distance < 0.07:  # 0.01 % of fair draws are further away
        return None

    return (f"not yet: {name} is not uniform in [{low:g}, {high:.3g}]; it lies between "
            f"{values.min():.2f} and {values.max():.2f}; use rng.uniform")


# ---------------------------------------------------------- lesson 2: the three updates


@in_one_line
def check_updates(answer):
    """Lesson 2: answer(net, phi, x, y, alpha) is Reptile, FOMAML, MAML for k = 3.

    Three meta-gradients, (T, P) each; x and y (3, T, B, 1), phi (P,).
    """
    net, phi, x, y = small_problem(k=3)
    known = meta_gradients(net, phi, x, y, 0.1)
    results = three_of(call(answer, net, phi, x, y, 0.1))
    others = three_of(call(answer, net, phi, x, y, 0.05))

    lines = []
    rights = {name: arrays["right"] for name, arrays in known.items()}
    for name, mine, other in zip(known, results, others):
        taken_for = {
            f"this is {other_name}; return Reptile, FOMAML, MAML in this order": right
            for other_name, right in rights.items() if other_name != name
        }
        line = verdict_on(mine, other, known[name] | taken_for)
        lines.append(f"{name}: {line}")
    return "\n".join(lines)


def small_problem(k):
    """A small network, φ (P,), and x, y (k, 2, 10, 1) of two sines."""
    rng = np.random.default_rng(5)
    net = MLP([1, 6, 5, 1])
    phi = net.init(rng, float)
    x, y = sample_sines(rng, 2)
    return net, phi, x[:k], y[:k]


def three_of(result):
    """The three meta-gradients of an answer, as a list."""
    if not isinstance(result, (tuple, list, np.ndarray)) or len(result) != 3:
        raise NotYet("not yet: return three arrays, Reptile's, FOMAML's and MAML's "
                     f"meta-gradient; this is of type {type(result).__name__}")
    return list(result)


def verdict_on(mine, other, known):
    """The line about one meta-gradient; `other` is the same at another alpha."""
    shape = known["right"].shape
    try:
        mine = as_array(mine, shape)
        other = as_array(other, shape)
    except NotYet as line:
        return str(line)
    return verdict(mine, known, {"alpha": other})


def meta_gradients(*arguments):
    """{name: {line: meta-gradient}}: for each of the three, the right and the wrong."""
    return {
        "Reptile": reptile_lines(*arguments),
        "FOMAML": fomaml_lines(*arguments),
        "MAML": maml_lines(*arguments),
    }


def reptile_lines(net, phi, x, y, alpha):
    """{line: meta-gradient}: Reptile's, and what is taken for it."""
    _, (g1, g2, g3) = inner_loop(net, phi, x, y, alpha, trajectory=True)
    at_phi = [net.loss_and_gradient(phi, x_i, y_i)[1] for x_i, y_i in zip(x, y)]
    total = g1 + g2 + g3
    return {
        "right": total,
        "this is the mean of the gradients; take their sum": total / 3,
        "this is phi - W; divide by alpha": alpha * total,
        "this is W - phi; a meta-gradient is (phi - W) / alpha": -alpha * total,
        "the sign is wrong; a meta-gradient is (phi - W) / alpha": -total,
        "g1 is missing; add all three gradients": g2 + g3,
        "g3 is missing; take a third step": g1 + g2,
        "all gradients are taken at phi, which is joint training; take each at the "
        "weights that the steps before it have reached": sum(at_phi),
    }


def fomaml_lines(net, phi, x, y, alpha):
    """{line: meta-gradient}: FOMAML's, and what is taken for it."""
    path, (g1, g2, g3) = inner_loop(net, phi, x, y, alpha, trajectory=True)
    W = path[-1]
    return {
        "right": g3,
        "this is g1; take the last gradient, g3": g1,
        "this is g2; take the last gradient, g3": g2,
        "this is the last mini-batch's gradient at phi; take it at the weights after "
        "two steps": net.loss_and_gradient(phi, x[2], y[2])[1],
        "this is the last mini-batch's gradient at W, after three steps; take it after "
        "two": net.loss_and_gradient(W, x[2], y[2])[1],
        "the sign is wrong; this is minus g3": -g3,
        "this is alpha times g3; a meta-gradient has no step size": alpha * g3,
    }


def maml_lines(net, phi, x, y, alpha):
    """{line: meta-gradient}: MAML's, and what is taken for it."""
    path, (_, _, g3) = inner_loop(net, phi, x, y, alpha, trajectory=True)
    all_at_phi = [phi] * 4
    query_batch = [2] * 3
    gradient_at_phi = net.loss_and_gradient(phi, x[2], y[2])[1]

    def factors(*steps, v=g3, at=path, batch=(0, 1, 2), alpha=alpha):
        """v times I − α H for each of `steps` (0 is the first), in that order."""
        for j in steps:
            i = batch[j]
            v = v - alpha * net.hessian_vector_product(at[j], x[i], y[i], v)
        return v

    return {
        "right": factors(1, 0),
        "the factors are in the wrong order; multiply by the second step's first":
            factors(0, 1),
        "the factor of the first step is missing": factors(1),
        "the factor of the second step is missing": factors(0),
        "there is a factor for the third step; only the steps before g3 have one":
            factors(2, 1, 0),
        "it multiplies by I + alpha H; write I - alpha H": factors(1, 0, alpha=-alpha),
        "alpha is missing; multiply by I - alpha H": factors(1, 0, alpha=1),
        "all Hessians are taken at phi; take each at the weights of its own step":
            factors(1, 0, at=all_at_phi),
        "all gradients and Hessians are taken at phi; take each at the weights of its "
        "own step": factors(1, 0, at=all_at_phi, v=gradient_at_phi),
        "each Hessian is taken one step too late; the first step's is at phi":
            factors(1, 0, at=path[1:]),
        "the Hessians are those of the query batch, x[2]; step i's is that of x[i]":
            factors(1, 0, batch=query_batch),
        "both Hessians multiply g3 itself; multiply what the factor before has given":
            factors(0) + factors(1) - g3,
        "this is the expansion to first order; multiply the exact factors I - alpha H":
            maml_expansion(net, phi, x, y, alpha),
        "this is alpha times MAML; a meta-gradient has no step size":
            alpha * factors(1, 0),
    }


def maml_expansion(net, phi, x, y, alpha):
    """MAML's meta-gradient for k = 3 to first order in α (section 5.1)."""
    g1, g2, g3 = (net.loss_and_gradient(phi, x[i], y[i])[1] for i in range(3))

    def H(i, v):
        return net.hessian_vector_product(phi, x[i], y[i], v)

    return g3 - alpha * H(2, g1 + g2) - alpha * (H(0, g3) + H(1, g3))


# ------------------------------------------------------------- lesson 3: the expansion


@in_one_line
def check_expansion(answer):
    """Lesson 3: answer(net, phi, x, y, alpha), (T, P), is Reptile's meta-gradient for
    k = 2 to first order in alpha: ḡ_1 + ḡ_2 − α H̄_2 ḡ_1 (section 5.1 of the paper).
    """
    net, phi, x, y = small_problem(k=2)
    mine = call(answer, net, phi, x, y, 0.1)
    other = call(answer, net, phi, x, y, 0.05)
    return verdict_on(mine, other, expansions(net, phi, x, y, alpha=0.1))


def expansions(net, phi, x, y, alpha):
    """{line: meta-gradient}: the right expansion, and wrong ones."""
    path, g = inner_loop(net, phi, x, y, alpha, trajectory=True)
    g1, g2 = (net.loss_and_gradient(phi, x[i], y[i])[1] for i in range(2))

    def H(i, v, at=phi):
        return net.hessian_vector_product(at, x[i], y[i], v)

    both = g1 + g2
    right = both - alpha * H(1, g1)
    return {
        "right": right,
        "this is the exact meta-gradient, g1 + g2 along the path; take both gradients "
        "and the Hessian at phi": g.sum(axis=0),
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
        "this is the mean over both orders; here mini-batch 1 comes first: H2 g1":
            both - alpha * (H(1, g1) + H(0, g2)) / 2,
        "the Hessian term is halved; subtract all of it": both - alpha * H(1, g1) / 2,
        "this is FOMAML's expansion; add g1": g2 - alpha * H(1, g1),
        "this is MAML's expansion; Reptile's is g1 + g2 - alpha H2 g1":
            g2 - alpha * (H(1, g1) + H(0, g2)),
        "the Hessian is taken after the first step; take it at phi":
            both - alpha * H(1, g1, at=path[1]),
        "the Hessian term alone; add g1 + g2": -alpha * H(1, g1),
        "this is the mean of the two; take the sum": right / 2,
        "this is alpha times the meta-gradient; leave out that alpha": alpha * right,
        "the sign of everything is wrong": -right,
    }
