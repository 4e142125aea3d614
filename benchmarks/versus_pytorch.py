"""The sine demo's training in PyTorch, as in the gist, in JAX, and in NumPy, as here.

    pip install -e ".[benchmark]" && python benchmarks/versus_pytorch.py

They take turns within one run, with one thread each, so that the ratios hold on a busy
machine too. PyTorch learns one task after another, as the gist does; JAX compiles the
whole training, with its drawing of tasks, into one `lax.scan`. First milliseconds an
iteration and task, compilation excluded; then seconds for a whole process of 30,000
iterations at one task, with its imports and compilation.
"""

import os

for name in ("OPENBLAS", "OMP", "MKL", "VECLIB_MAXIMUM"):  # read when NumPy is imported
    os.environ[f"{name}_NUM_THREADS"] = "1"
os.environ["XLA_FLAGS"] = (
    "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)

import subprocess
import sys
import time
from importlib.metadata import version

import numpy as np

SIZES, ALPHA, EPSILON, B = [1, 64, 64, 1], 0.02, 0.1, 10
META_BATCHES, ROUNDS = (1, 5, 20, 100), 9


def numpy_run(T, iterations):
    """This project's training."""
    from reptile import train
    from sine_demo import NETWORK, pytorch_init, sample_sines

    rng = np.random.RandomState(0)
    for _ in train(NETWORK, pytorch_init(NETWORK, 0), sample_sines, rng, alpha=ALPHA,
                   epsilon=EPSILON, iterations=iterations, meta_batch=T):  # fmt: skip
        pass


def torch_run(T, iterations):
    """The gist's training: five SGD steps on one sine, then φ ← φ + ε (W − φ)."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    layers = [torch.nn.Linear(1, 64), torch.nn.Tanh(), torch.nn.Linear(64, 64)]
    net = torch.nn.Sequential(*layers, torch.nn.Tanh(), torch.nn.Linear(64, 1))
    rng, x_all = np.random.RandomState(0), np.linspace(-5, 5, 50)[:, None]
    for iteration in range(iterations):
        phi = {name: p.clone() for name, p in net.state_dict().items()}
        phase, amplitude = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 5)
        order = rng.permutation(50)
        for start in range(0, 50, B):
            x = x_all[order[start : start + B]]
            x, y = torch.Tensor(x), torch.Tensor(amplitude * np.sin(x + phase))
            net.zero_grad()
            (net(x) - y).pow(2).mean().backward()
            for p in net.parameters():
                p.data -= ALPHA * p.grad.data
        epsilon = EPSILON * (1 - iteration / iterations)
        W = net.state_dict()
        outer = {name: phi[name] + epsilon * (W[name] - phi[name]) for name in W}
        net.load_state_dict(outer)


def jax_training(T, iterations):
    """A compiled function that trains from a random key, T tasks an iteration."""
    import jax
    import jax.numpy as jnp

    def loss(weights, x, y):
        for W, b in weights[:-1]:
            x = jnp.tanh(x @ W + b)
        W, b = weights[-1]
        return jnp.mean((x @ W + b - y) ** 2)

    def learn(phi, key):  # one task: from φ to W
        x_all, keys = jnp.linspace(-5, 5, 50)[:, None], jax.random.split(key, 3)
        phase = jax.random.uniform(keys[0], maxval=2 * jnp.pi)
        amplitude = jax.random.uniform(keys[1], minval=0.1, maxval=5)
        x = jax.random.permutation(keys[2], x_all).reshape(5, B, 1)

        def step(weights, x):
            grad = jax.grad(loss)(weights, x, amplitude * jnp.sin(x + phase))
            return jax.tree.map(lambda w, g: w - ALPHA * g, weights, grad), None

        return jax.lax.scan(step, phi, x, unroll=5)[0]

    def outer_step(phi, at):
        key, epsilon = at
        W = jax.vmap(learn, (None, 0))(phi, jax.random.split(key, T))
        phi = jax.tree.map(lambda p, w: p + epsilon * (w.mean(axis=0) - p), phi, W)
        return phi, None

    @jax.jit
    def training(key):
        phi = []
        for n_in, n_out in zip(SIZES, SIZES[1:]):
            key, *keys = jax.random.split(key, 3)
            bound = {"minval": -(n_in**-0.5), "maxval": n_in**-0.5}
            phi.append((jax.random.uniform(keys[0], (n_in, n_out), **bound),
                        jax.random.uniform(keys[1], (n_out,), **bound)))  # fmt: skip
        epsilons = EPSILON * (1 - jnp.arange(iterations) / iterations)
        keys = jax.random.split(key, iterations)
        return jax.lax.scan(outer_step, phi, (keys, epsilons))[0]

    return lambda: jax.block_until_ready(training(jax.random.key(0)))


def seconds(run, *settings):
    """Wall time of a call."""
    start = time.perf_counter()
    run(*settings)
    return time.perf_counter() - start


def main():
    """Measure in turns, and print the best: on a shared machine, noise only adds."""
    print(", ".join(f"{name} {version(name)}" for name in ("numpy", "torch", "jax")))
    print(f"ms an iteration and task, best of {ROUNDS} rounds")
    print("  T   PyTorch    JAX  NumPy")
    for T in META_BATCHES:
        n = max(20, 2000 // T)
        compiled, times = jax_training(T, n), []
        compiled(), numpy_run(T, 5), torch_run(1, 5)
        for _ in range(ROUNDS):
            times.append([seconds(torch_run, 1, 100) / 100, seconds(compiled) / n / T,
                          seconds(numpy_run, T, n) / n / T])  # fmt: skip
        torch_ms, jax_ms, numpy_ms = 1000 * np.min(times, axis=0)
        print(f"{T:3} {torch_ms:9.3f} {jax_ms:6.3f} {numpy_ms:6.3f}", flush=True)
    print("seconds for a whole process of 30,000 iterations, one task each, best of 3")
    for name in "numpy", "jax", "torch":
        rounds = 1 if name == "torch" else 3
        command = [sys.executable, __file__, name]
        best = min(seconds(subprocess.run, command) for _ in range(rounds))
        print(f"{name:>6} {best:6.1f}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["jax"]:
        jax_training(1, 30_000)()
    elif sys.argv[1:]:
        {"numpy": numpy_run, "torch": torch_run}[sys.argv[1]](1, 30_000)
    else:
        main()
