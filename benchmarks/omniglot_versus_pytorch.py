"""One meta-iteration of omniglot_demo.py's default setting, here and in PyTorch: same network, batches and optimiser.

    python benchmarks/omniglot_versus_pytorch.py    (for PyTorch see versus_pytorch.py)

Both run on one BLAS thread, in turns, in one process, on the same mini-batches, so that the machine's moods meet both
alike. PyTorch is written as its public Reptile implementations are: modules and torch.optim.SGD, a loop over tasks, a
deep copy's worth of parameters loaded for each. Both end at the same φ, which is asserted; then the times are compared.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import itertools
import statistics
import time

import numpy as np
import torch
from torch import nn

import omniglot_demo as demo
from reptile import MLP, train

WAYS, ALPHA, ROUNDS, ITERATIONS = 5, demo.INNER["sgd"][1], 15, 20
SIZES = [demo.SIDE**2, *demo.HIDDEN, WAYS]


def draw_batches(rng, count):
    """`count` meta-batches of the demo's shape: x (k, T, B, n_in), y (k, T, B). Their values do not matter here."""
    data = rng.normal(size=(40, 20, SIZES[0])).astype(np.float32)
    sample = demo.task_distribution(data, WAYS)
    return [sample(rng, demo.META_BATCH) for _ in range(count)]


def numpy_run(net, phi, batches):
    """φ after one meta-iteration for each of the batches, by reptile.train."""
    stored = iter(batches)
    for _, phi in train(net, phi, lambda rng, T: next(stored), None, alpha=ALPHA, epsilon=demo.EPSILON,
                        iterations=len(batches), meta_batch=demo.META_BATCH):
        pass
    return phi


def torch_network(net, phi):
    """The same network as a torch module, with the parameters phi."""
    linear = [nn.Linear(n_in, n_out) for n_in, n_out in itertools.pairwise(SIZES)]
    for layer, Wb in zip(linear, net.layers(phi)):
        layer.weight.data = torch.from_numpy(Wb[:-1].T.copy())
        layer.bias.data = torch.from_numpy(Wb[-1].copy())
    return nn.Sequential(linear[0], nn.Tanh(), linear[1], nn.Tanh(), linear[2])


def torch_run(model, batches):
    """The same iterations in PyTorch: `model` ends with the parameters φ."""
    loss = nn.CrossEntropyLoss()
    optimiser = torch.optim.SGD(model.parameters(), lr=ALPHA)
    for iteration, (x, y) in enumerate(batches):
        phi = [p.detach().clone() for p in model.parameters()]
        mean = [torch.zeros_like(p) for p in phi]
        for task in range(demo.META_BATCH):
            with torch.no_grad():
                for p, start in zip(model.parameters(), phi):
                    p.copy_(start)
            for step in range(len(x)):
                optimiser.zero_grad()
                loss(model(x[step, task]), y[step, task]).backward()
                optimiser.step()
            with torch.no_grad():
                for m, p in zip(mean, model.parameters()):
                    m += p / demo.META_BATCH
        epsilon = demo.EPSILON * (1 - iteration / len(batches))
        with torch.no_grad():
            for p, start, m in zip(model.parameters(), phi, mean):
                p.copy_(start + epsilon * (m - start))


def main():
    """Check that both agree, time them in turns, and print the medians."""
    torch.set_num_threads(1)
    rng, net = np.random.default_rng(0), MLP(SIZES, loss="cross-entropy")
    phi, batches = net.init(rng), draw_batches(rng, ITERATIONS)
    torch_batches = [(torch.from_numpy(x), torch.from_numpy(y)) for x, y in batches]
    model = torch_network(net, phi)
    torch_run(model, torch_batches)
    ours = [array for Wb in net.layers(numpy_run(net, phi, batches)) for array in (Wb[:-1].T, Wb[-1])]
    difference = max(np.abs(a - p.detach().numpy()).max() for a, p in zip(ours, model.parameters()))
    assert difference < 1e-3, difference
    times = {numpy_run: [], torch_run: []}
    for _ in range(ROUNDS):
        for run, arguments in (numpy_run, (net, phi, batches)), (torch_run, (model, torch_batches)):
            start = time.perf_counter()
            run(*arguments)
            times[run].append((time.perf_counter() - start) / ITERATIONS * 1e3)
    ours, theirs = (statistics.median(t) for t in times.values())
    sizes = f"{demo.META_BATCH} tasks x {demo.K_STEPS} steps x {demo.B} images"
    print(f"one meta-iteration, {sizes}, MLP {SIZES}, one thread")
    versions = f"NumPy {np.__version__} {ours:.2f} ms, PyTorch {torch.__version__} {theirs:.2f} ms"
    print(f"{versions}: ratio {theirs / ours:.1f}")
    print(f"medians of {ROUNDS} rounds of {ITERATIONS}; the two φ differ by {difference:.0e}")


if __name__ == "__main__":
    main()
