"""Implementations that several benchmarks time: mlp_lab, a plain loop, matrix products."""

import io
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mlp_lab.benchmark.timing import TimedRun
from mlp_lab.config.compose import compose
from mlp_lab.runs.train import train
from mlp_lab.storage.run_folder import RunFolder

NETWORKS = ((64, 256), (30, 10))  # width and batch size
LEARNING_RATE = 0.1

Splits = dict[str, tuple[Tensor, Tensor]]


def epoch_seconds(folder: str | Path) -> float:
    """Return the median time of an epoch of a run, in seconds.

    The first epoch is a warm-up and does not count. Each later time includes writing the results of
    one epoch. Few of the times include a checkpoint, which takes 2 ms and is written once per
    second.
    """
    return statistics.median(row["seconds"] for row in RunFolder(folder).history[1:])


def mlp_lab_epoch(*overrides: str) -> TimedRun:
    """Return a timed run of one epoch of mlp_lab, without progress bar and figures."""

    def run() -> float:
        with tempfile.TemporaryDirectory() as logs, redirect_stdout(io.StringIO()):
            common = ["callbacks=none", "trainer.max_epochs=4", "trainer.accelerator=cpu"]
            common += [f"logs='{logs}'"]
            return epoch_seconds(train(compose([*overrides, *common])).folder)

    return run


def mlp_lab_step(steps: int, *overrides: str) -> TimedRun:
    """Return a timed run of one training step of mlp_lab.

    Args:
        steps: number of steps per epoch that results from the overrides.
        overrides: config overrides.
    """
    # Validation only after the last epoch, so that it does not count as part of a step.
    epoch = mlp_lab_epoch(*overrides, "trainer.check_val_every_n_epoch=4")
    return lambda: epoch() / steps


def plain_loop(
    width: int,
    batch_size: int,
    splits: Splits,
    compiled: Callable[[nn.Module], Any] | None = None,
) -> TimedRun:
    """Return a timed run of one epoch of a plain PyTorch loop.

    The data are tensors in memory, the optimizer is fused, and the training metrics are computed
    once per epoch.

    Args:
        width: width of the hidden layer.
        batch_size: examples per minibatch.
        splits: training and validation data.
        compiled: function that compiles the network; None: it is not compiled.
    """
    (x, y), (x_validation, y_validation) = splits["train"], splits["validation"]
    network = nn.Sequential(nn.Linear(784, width), nn.ReLU(), nn.Linear(width, 10))
    optimizer = torch.optim.SGD(network.parameters(), LEARNING_RATE, fused=True)
    outputs_of = network if compiled is None else compiled(network)

    def run() -> float:
        start = time.perf_counter()
        losses, scores = [], []
        order = torch.randperm(len(x))
        for rows in order.split(batch_size):
            inputs, targets = x.index_select(0, rows), y.index_select(0, rows)
            outputs = outputs_of(inputs)
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
                outputs = outputs_of(inputs)
                F.cross_entropy(outputs, targets).item()
                outputs.argmax(1).eq(targets).sum().item()
        return time.perf_counter() - start

    return run


def matrix_products(width: int, batch_size: int, splits: Splits, members: int = 1) -> TimedRun:
    """Return a timed run of the matrix products of one epoch, a lower limit for all loops.

    Args:
        width: width of the hidden layer.
        batch_size: examples per minibatch.
        splits: training and validation data.
        members: number of stacked networks.
    """
    x, x_validation = splits["train"][0], splits["validation"][0]
    w1, w2 = torch.randn(members * width, 784), torch.randn(members, 10, width)
    hidden = torch.randn(members, batch_size, width)
    delta = torch.randn(members, batch_size, 10)
    hidden_delta = torch.randn(batch_size, members * width)

    def run() -> float:
        start = time.perf_counter()
        for inputs in x.split(batch_size):
            n = len(inputs)
            inputs @ w1.T  # forward
            hidden[:, :n] @ w2.mT
            delta[:, :n] @ w2  # backward
            delta[:, :n].mT @ hidden[:, :n]
            hidden_delta[:n].T @ inputs
        for inputs in x_validation.split(2000):
            (inputs @ w1.T).view(-1, members, width).transpose(0, 1) @ w2.mT
        return time.perf_counter() - start

    return run
