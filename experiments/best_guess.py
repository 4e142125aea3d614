"""From one point, in one step: how close does each method come to the best guess?

    python -m experiments.best_guess

takes about three minutes on one core; its table is in results/best_guess.txt.

The methods are trained as in the race: the outer step that its rule chose (race.json),
6,000 iterations of five tasks, FOMAML and MAML on a support and a query set. Joint
training has Reptile's outer step. Three seeds, which the race does not use.

The step is scaled to land on the point, to first order: alpha = 1 / 2 K(x0, x0). As a
control, the second column takes for each start the one alpha that is best for all
points, chosen on other sines.
"""

import argparse
import json

import numpy as np

from experiments.race import RESULTS, TASKS
from reptile import Adam0, fomaml, inner_loop, joint, maml, train
from sine_demo import ALPHA, NETWORK, sample_sines, support_and_query
from tutorial.found import (
    SINES,
    error_after_one_pull,
    errors_without_a_network,
    mean_and_range,
)

SEEDS = 31, 32, 33
METHODS = {  # update, tasks, whose outer step
    "joint training": (joint, sample_sines, "Reptile"),
    "Reptile": (inner_loop, sample_sines, "Reptile"),
    "FOMAML": (fomaml, support_and_query, "FOMAML"),
    "MAML": (maml, support_and_query, "MAML"),
}
ALPHAS = np.geomspace(0.0005, 0.2, 25)  # neighbours differ by 28 %


def meta_train(method, seed, iterations):
    """A φ, trained by the race's rule."""
    update, sample, whose = METHODS[method]
    recorded = json.loads(RESULTS.read_text("utf-8"))[whose]
    epsilon = recorded["epsilon"]
    schedule = epsilon if "falling" in recorded["outer step"] else lambda i: epsilon
    rng = np.random.default_rng(seed)
    for _, phi in train(NETWORK, NETWORK.init(rng), sample, rng, update, alpha=ALPHA,
                        epsilon=schedule, iterations=iterations, meta_batch=TASKS,
                        outer=Adam0()):
        pass
    return phi


def main(argv=None):
    """Train, and print the table."""
    p = argparse.ArgumentParser(prog="python -m experiments.best_guess",
                                description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--iterations", type=int, default=6000,
                   help="of each training (default: 6000)")
    args = p.parse_args(argv)

    names = "predicting zero", "random phi", *METHODS, "the best guess"
    landing = {name: [] for name in names}
    best = {name: [] for name in names}
    for seed in SEEDS:
        zero, guess = errors_without_a_network(seed)
        landing["predicting zero"].append(zero)
        landing["the best guess"].append(guess)
        for name in ("random phi", *METHODS):
            try:
                if name == "random phi":
                    phi = NETWORK.init(np.random.default_rng(seed))
                else:
                    phi = meta_train(name, seed, args.iterations)
            except FloatingPointError as error:
                print(name, seed, error)
                continue
            landing[name].append(error_after_one_pull(NETWORK, phi, seed))
            tried = [error_after_one_pull(NETWORK, phi, seed + 100, alpha)
                     for alpha in ALPHAS]
            alpha = ALPHAS[np.argmin(tried)]
            best[name].append(error_after_one_pull(NETWORK, phi, seed, alpha))

    print(f"squared error after one step on one point, {SINES:,} new sines, mean and\n"
          f"range of seeds {SEEDS}\n")
    print(f"{'':16} {'a step that lands':20} its own best alpha")
    for name in names:
        print(f"{name:16} {mean_and_range(landing[name]):20} "
              f"{mean_and_range(best[name])}".rstrip())


if __name__ == "__main__":
    main()
