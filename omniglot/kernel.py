"""What has been found on characters: which drawings belong together.

One gradient step on a drawing x' moves the outputs at another drawing x by as much as
the tangent kernel of the two says. So the kernel is a similarity of drawings, and one
step of learning a new task answers much as the nearest neighbour in it does.
"""

from typing import NamedTuple

import numpy as np

from omniglot.data import QUERIES, draw_tasks

TASKS = 40  # to judge a kernel by


def tangent_kernel(net, phi, x):
    """How far the outputs move together: (n, n), of inputs (n, n_in).

    For x and x' it is Σ_c ∂z_c(x)/∂φ · ∂z_c(x')/∂φ, where z_c is output c less the mean
    of the outputs, on which no probability depends (Jacot, Gabriel, Hongler 2018).
    """
    n, N = len(x), net.layer_sizes[-1]
    products = np.zeros((n, n), phi.dtype)
    total = np.zeros((n, len(phi)), phi.dtype)
    for c in range(N):
        # The loss for label c has the gradient Σ_c' p_c' ∂z_c'/∂φ − ∂z_c/∂φ. Its first
        # term is the same for all c, and goes with their mean, in the last line.
        label = np.full((n, 1), c)
        _, g = net.loss_and_gradient(phi, x[:, None], label)  # (n, P)
        products += g @ g.T
        total += g
    return products - total @ total.T / N


def correlation(x):
    """The correlation of inputs, (n, n_in), which are standardised."""
    return x @ x.T / x.shape[-1]


class Found(NamedTuple):
    """What a kernel says of 1-shot tasks: means over the tasks."""

    same: float    # the kernel of a query and a support drawing of one character
    others: float  # and of different characters
    right: float   # % of the queries that the nearest in the kernel tells right
    agree: float   # % of the queries in which `classify` gives the same answer


def judge(kernel, drawings, N, seed, classify=None):
    """A Found: what a kernel, a function of inputs (n, n_in), says of N-way tasks.

    classify  as in `accuracy`
    """
    rng = np.random.default_rng(seed)
    same = np.eye(N, dtype=bool).repeat(QUERIES, axis=0)  # (queries, N)
    rows = []
    for x in draw_tasks(rng, drawings, TASKS, N, 1 + QUERIES):
        support = x[:, 0]
        query = x[:, 1:].reshape(N * QUERIES, -1)
        both = np.concatenate([support, query])
        similarity = kernel(both)[N:, :N]  # (queries, N)
        nearest = similarity.argmax(axis=1)
        right = same[np.arange(len(nearest)), nearest]

        agree = np.nan
        if classify:
            answers = classify(support[None, :, None], query[None])[0]
            agree = np.mean(nearest == answers)
        rows.append([similarity[same].mean(), similarity[~same].mean(),
                     100 * right.mean(), 100 * agree])
    return Found(*np.mean(rows, axis=0))
