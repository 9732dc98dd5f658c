"""What the project is compared with in every benchmark, and the config that it runs itself."""

import io
import statistics
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mlp_lab.benchmark.timing import Contestant
from mlp_lab.config.compose import compose
from mlp_lab.runs.train import train
from mlp_lab.storage.run_folder import Run

NETWORKS = ((64, 256), (30, 10))  # width and batch size
LEARNING_RATE = 0.1

Splits = dict[str, tuple[Tensor, Tensor]]


def seconds_of(folder: str | Path) -> float:
    """The time of an epoch in a run.

    The first one warms up; a row's seconds end before what its epoch leaves is kept, so that those
    from the second on hold exactly one of everything. Only the checkpoint that is written each
    second, in 2 ms, is in few of them.
    """
    return statistics.median(row["seconds"] for row in Run(folder).history[1:])


def this_project(*words: str) -> Contestant:
    """An epoch of a run with these overrides, all but the bar and the final picture."""

    def run() -> float:
        with tempfile.TemporaryDirectory() as logs, redirect_stdout(io.StringIO()):
            usual = ["callbacks=none", "trainer.max_epochs=4", f"logs='{logs}'"]
            return seconds_of(train(compose([*words, *usual])).folder)

    return run


def training_step(steps: int, *words: str) -> Contestant:
    """A step of a run with these overrides, which make epochs of ``steps`` steps."""
    # The last epoch alone is followed by a validation, which is no part of a step.
    epoch = this_project(*words, "trainer.check_val_every_n_epoch=4")
    return lambda: epoch() / steps


def plain_loop(width: int, batch_size: int, splits: Splits) -> Contestant:
    """A loop by hand: tensors in memory, a fused optimizer, metrics without synchronization."""
    (x, y), (x_validation, y_validation) = splits["train"], splits["validation"]
    network = nn.Sequential(nn.Linear(784, width), nn.ReLU(), nn.Linear(width, 10))
    optimizer = torch.optim.SGD(network.parameters(), LEARNING_RATE, fused=True)

    def run() -> float:
        start = time.perf_counter()
        losses, scores = [], []
        order = torch.randperm(len(x))
        for rows in order.split(batch_size):
            inputs, targets = x.index_select(0, rows), y.index_select(0, rows)
            outputs = network(inputs)
            loss = F.cross_entropy(outputs, targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
            scores.append(outputs.detach())
        torch.stack(losses).mean().item()
        torch.cat(scores).argmax(1).eq(y.index_select(0, order)).sum().item()
        with torch.inference_mode():
            for inputs, targets in zip(
                x_validation.split(2000), y_validation.split(2000), strict=True
            ):
                outputs = network(inputs)
                F.cross_entropy(outputs, targets).item()
                outputs.argmax(1).eq(targets).sum().item()
        return time.perf_counter() - start

    return run


def matrix_products(width: int, batch_size: int, splits: Splits, members: int = 1) -> Contestant:
    """The arithmetic limit: the matrix products of a stack of networks, and nothing else."""
    x, x_validation = splits["train"][0], splits["validation"][0]
    w1, w2 = torch.randn(members * width, 784), torch.randn(members, 10, width)
    hidden = torch.randn(members, batch_size, width)
    delta, back = torch.randn(members, batch_size, 10), torch.randn(batch_size, members * width)

    def run() -> float:
        start = time.perf_counter()
        for inputs in x.split(batch_size):
            n = len(inputs)
            inputs @ w1.T  # forward
            hidden[:, :n] @ w2.mT
            delta[:, :n] @ w2  # backward
            delta[:, :n].mT @ hidden[:, :n]
            back[:n].T @ inputs
        for inputs in x_validation.split(2000):
            (inputs @ w1.T).view(-1, members, width).transpose(0, 1) @ w2.mT
        return time.perf_counter() - start

    return run
