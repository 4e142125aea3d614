"""What Reptile has found: the README's figure.

    python -m tutorial.found

meta-trains on sines for a few seconds and writes figures/found.png. Above: one gradient
step on one point, from a random φ and from Reptile's. Below: the tangent kernel of
each, which says how far the output at x moves when one step pulls at x₀.
"""

import matplotlib.pyplot as plt
import numpy as np

from reptile import train
from sine_demo import ALPHA, NETWORK, pytorch_init, sample_sines, tangent_kernel
from tutorial import figures

POINT = -2.0, 2.5  # (x₀, y₀)


def main():
    """Meta-train, and draw."""
    start = pytorch_init(NETWORK, seed=1)
    for _, phi in train(NETWORK, start, sample_sines, np.random.default_rng(1),
                        alpha=ALPHA, epsilon=0.5, iterations=6000):
        pass

    plt.rcParams.update(figures.STYLE | {"font.size": 27, "axes.titlesize": 30,
                                         "legend.fontsize": 25, "lines.linewidth": 5})
    figure, axes = plt.subplots(2, 2, figsize=(16, 11), dpi=100, sharex=True,
                                sharey="row", layout="constrained")
    phis = {"random φ": start, "Reptile": phi}
    for column, (name, phi) in zip(axes.T, phis.items()):
        figures.draw_step(column[0], NETWORK, phi, POINT, ALPHA, figures.COLOURS[name])
        image = figures.draw_kernel(column[1], tangent_kernel(NETWORK, phi), ALPHA,
                                    x_0=POINT[0])

    axes[0, 0].set(title="One step from a random φ", ylabel="f(x)", ylim=(-4.6, 4.6))
    axes[0, 1].set(title="One step from Reptile's φ")
    axes[1, 0].set(xlabel="x", ylabel="x′")
    axes[1, 1].set(xlabel="x")
    figure.colorbar(image, ax=axes[1], label="2α K(x, x′)", ticks=[-2, -1, 0, 1, 2])
    figure.legend(*axes[0, 1].get_legend_handles_labels(), ncols=4, frameon=False,
                  loc="outside lower center")
    figure.savefig(figures.ROOT / "figures" / "found.png")


if __name__ == "__main__":
    main()
