"""Time of a training step of a plain loop with torch's settings from the environment.

python -m mlp_lab.benchmark.plain_steps

prints the microseconds per step for 784-64-10 with batch 256 and for 784-30-10 with batch 10.
"""

import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn


def time_steps(width: int, batch_size: int, steps: int) -> float:
    """Return the mean microseconds per step on random images.

    The first fifth of the steps is a warm-up and does not count.

    Args:
        width: width of the hidden layer.
        batch_size: examples per minibatch.
        steps: number of steps.
    """
    x, y = torch.rand(20_000, 784), torch.randint(0, 10, (20_000,))
    network = nn.Sequential(nn.Linear(784, width), nn.ReLU(), nn.Linear(width, 10))
    optimizer = torch.optim.SGD(network.parameters(), 0.1, fused=True)
    times = []
    for _ in range(steps):
        rows = torch.randint(0, 20_000, (batch_size,))
        start = time.perf_counter()
        loss = F.cross_entropy(network(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        times.append(time.perf_counter() - start)
    return 1e6 * statistics.mean(times[steps // 5 :])


if __name__ == "__main__":
    print(time_steps(64, 256, 300), time_steps(30, 10, 600))
