"""Milliseconds an iteration of the sine demo's training: PyTorch, as in the gist, against this project's NumPy.

    pip install -e . && pip install torch --index-url https://download.pytorch.org/whl/cpu
    python benchmarks/versus_pytorch.py

The two take turns within one run, with one BLAS thread each, so that the ratio holds on a busy machine too. PyTorch
learns one task after another, as the gist does; NumPy learns the T tasks of a meta-batch at once. The floor is what
the bare products and tanh of one iteration take in NumPy, with nothing around them.
"""

import os

for name in ("OPENBLAS", "OMP", "MKL", "VECLIB_MAXIMUM"):  # read when NumPy is imported
    os.environ[f"{name}_NUM_THREADS"] = "1"

import copy
import sys
import time

import numpy as np

from reptile import train
from sine_demo import ALPHA, EPSILON, NETWORK, B, X, draw_sine, pytorch_init, sample_sines, sine

try:
    import torch
except ImportError:
    sys.exit("this benchmark needs PyTorch: pip install torch --index-url https://download.pytorch.org/whl/cpu")

META_BATCHES = (1, 5, 20, 100)
ROUNDS = 7


def torch_network(seed):
    """The gist's network, 1-64-64-1, with PyTorch's own initialisation."""
    torch.manual_seed(seed)
    layers = []
    for n_in, n_out in zip(NETWORK.sizes, NETWORK.sizes[1:]):
        layers += [torch.nn.Linear(n_in, n_out), torch.nn.Tanh()]
    return torch.nn.Sequential(*layers[:-1])


def torch_iteration(network, rng, epsilon):
    """One outer step on one task: five steps of SGD, then φ ← φ + ε (W − φ)."""
    phi = copy.deepcopy(network.state_dict())
    task = draw_sine(rng)
    order = rng.permutation(len(X))
    y_all = sine(task, X)
    for start in range(0, len(X), B):
        batch = order[start : start + B]
        x, y = torch.Tensor(X[batch]), torch.Tensor(y_all[batch])
        network.zero_grad()
        torch.square(network(x) - y).mean().backward()
        for parameter in network.parameters():
            parameter.data -= ALPHA * parameter.grad.data
    weights = network.state_dict()
    network.load_state_dict({name: phi[name] + epsilon * (weights[name] - phi[name]) for name in phi})


def numpy_run(T, iterations):
    """The project's training, T tasks an iteration."""
    phi = pytorch_init(NETWORK, seed=0)
    for _ in train(NETWORK, phi, sample_sines, np.random.RandomState(0), alpha=ALPHA, epsilon=EPSILON,
                   iterations=iterations, meta_batch=T):
        pass


def torch_run(iterations):
    """The gist's training."""
    network, rng = torch_network(seed=0), np.random.RandomState(0)
    for iteration in range(iterations):
        torch_iteration(network, rng, EPSILON * (1 - iteration / iterations))


def floor_run(T, iterations):
    """Only the matrix products and tanh of the five inner steps of T tasks."""
    x = np.ones((T, B, 2), np.float32)
    layers = NETWORK.layers(np.repeat(pytorch_init(NETWORK, 0)[None], T, axis=0))
    h = [x, *(np.ones((T, B, 65), np.float32) for _ in range(2))]
    grads = NETWORK.layers(np.empty((T, NETWORK.P), np.float32))
    out = np.ones((T, B, 1), np.float32)
    for _ in range(5 * iterations):
        for Wb, h_in, h_out in zip(layers, h, h[1:]):
            np.matmul(h_in, Wb, out=h_out[..., :-1])
            np.tanh(h_out, out=h_out)
        np.matmul(h[-1], layers[-1])
        dz = out
        for Wb, h_in, grad in zip(layers[::-1], h[::-1], grads[::-1]):
            np.matmul(h_in.swapaxes(-1, -2), dz, out=grad)
            if h_in is not x:
                WbT = Wb.swapaxes(-1, -2)
                dz = (dz * WbT if dz is out else dz @ WbT)[..., :-1]


def milliseconds(run, iterations, *settings):
    """Time of one iteration."""
    start = time.perf_counter()
    run(*settings, iterations)
    return 1000 * (time.perf_counter() - start) / iterations


def main():
    """Measure in turns, and print the medians."""
    torch.set_num_threads(1)
    times = {key: [] for key in ["torch", *META_BATCHES, *(("floor", T) for T in META_BATCHES)]}
    for _ in range(ROUNDS):
        times["torch"].append(milliseconds(torch_run, 200))
        for T in META_BATCHES:
            times[T].append(milliseconds(numpy_run, max(20, 1000 // T), T) / T)
            times["floor", T].append(milliseconds(floor_run, max(20, 1000 // T), T) / T)
    median = {key: np.median(values) for key, values in times.items()}
    print(f"Python {sys.version.split()[0]}, NumPy {np.__version__}, PyTorch {torch.__version__}, one thread each")
    print(f"medians of {ROUNDS} rounds, in milliseconds an iteration and task")
    print(f"meta-batch {'PyTorch':>10} {'NumPy':>10} {'ratio':>10} {'floor':>10} {'ratio':>10}")
    for T in META_BATCHES:
        ours, floor, theirs = median[T], median["floor", T], median["torch"]
        print(f"{T:10} {theirs:10.3f} {ours:10.4f} {theirs / ours:9.1f}x {floor:10.4f} {theirs / floor:9.1f}x")


if __name__ == "__main__":
    main()
