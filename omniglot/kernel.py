"""What has been found on characters: which drawings belong together.

One gradient step on a drawing x' moves the outputs at x by as much as the tangent
kernel K(x, x') says. So K is a similarity of drawings, and one step of learning a new
task answers much as the nearest neighbour in this similarity does.
"""

import numpy as np

from omniglot.data import QUERIES, draw_tasks

TASKS = 40  # to judge a kernel by


def tangent_kernel(net, phi, x):
    """K(x, x'), (n, n), of inputs (n, n_in): how far the outputs move together.

    K(x, x') = Σ_c ∂z_c(x)/∂φ · ∂z_c(x')/∂φ, where z_c is output c less the mean of the
    outputs, on which no probability depends (Jacot, Gabriel, Hongler 2018).
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


def judge(kernel, pictures, N, seed, classify=None):
    """What a kernel says of N-way 1-shot tasks: four means over the tasks, (4,).

    1. K(x, x') where x, a query, and x', a support drawing, are of one character;
    2. K(x, x') where they are of different characters;
    3. the accuracy (%) of the nearest neighbour in K;
    4. in how many queries (%) it gives the same answer as `classify`, a function as in
       `accuracy`.
    """
    rng = np.random.default_rng(seed)
    same = np.eye(N, dtype=bool).repeat(QUERIES, axis=0)  # (queries, N)
    rows = []
    for x in draw_tasks(rng, pictures, TASKS, N, 1 + QUERIES):
        support = x[:, 0]
        query = x[:, 1:].reshape(N * QUERIES, -1)
        K = kernel(np.concatenate([support, query]))[N:, :N]
        nearest = K.argmax(axis=1)
        right = same[np.arange(len(nearest)), nearest]

        agree = np.nan
        if classify:
            answers = classify(support[None, :, None], query[None])[0]
            agree = np.mean(nearest == answers)
        rows.append([K[same].mean(), K[~same].mean(), 100 * right.mean(), 100 * agree])
    return np.mean(rows, axis=0)
