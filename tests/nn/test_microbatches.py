"""Microbatches: their sizes, and that their gradients sum to the gradient of the minibatch."""

import math
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mlp_lab.nn.microbatches import microbatch_size, microbatches
from mlp_lab.nn.mlp import MLP
from mlp_lab.nn.schedules import Constant
from mlp_lab.tasks.base import Task
from mlp_lab.tasks.classification import Classification
from mlp_lab.tasks.perceptron_rules import PerceptronRule
from mlp_lab.tasks.regression import Regression

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("network", "size"),
    [
        (MLP(512, 3, width=256, depth=3), 2048),
        (MLP(784, 10, width=64), 8192),
        (MLP(784, 10, widths=[32, 128]), 4096),
        (MLP(2, 3, width=3000), 2048),
        (MLP(2, 3, width=64, normalization="layer"), 8192),
        (MLP(2, 3, width=64, normalization="batch"), sys.maxsize),
    ],
)
def test_two_mebibytes_or_2048_examples(network: nn.Module, size: int) -> None:
    assert microbatch_size(network, CPU) == size
    assert microbatch_size(network, torch.device("cuda")) == sys.maxsize


@given(st.integers(1, 50), st.integers(1, 60), st.integers(0, 1))
def test_microbatches_partition_the_minibatch_in_order(examples: int, size: int, axis: int) -> None:
    x, y = torch.rand(2, examples, 2).unbind()
    x, y = (x, y) if axis == 0 else (x.T, y.T)
    parts = list(microbatches(x, y, size, axis))
    assert torch.equal(torch.cat([part for part, _, _ in parts], axis), x)
    assert torch.equal(torch.cat([truth for _, truth, _ in parts], axis), y)
    sizes = [part.shape[axis] for part, _, _ in parts]
    assert len(parts) == math.ceil(examples / size)
    assert max(sizes) <= size
    assert max(sizes) - min(sizes) <= 1
    assert [share * examples for *_, share in parts] == pytest.approx(sizes)


COMMON = {"optimizer": torch.optim.SGD, "schedule": Constant(), "seed": 0}
TASKS = {
    "cross entropy": (
        Classification,
        {"output": "softmax", "loss": "cross_entropy", "label_smoothing": 0.1},
    ),
    "squared error of classes": (Classification, {"output": "sigmoid", "loss": "squared_error"}),
    "lecture": (PerceptronRule, {"rule": "lecture"}),
    "sign": (PerceptronRule, {"rule": "sign"}),
    "rosenblatt": (PerceptronRule, {"rule": "rosenblatt"}),
    "half": (
        Regression,
        {"output": "identity", "loss": "half_squared_error", "peak": None, "output_bias": None},
    ),
    "squashed": (
        Regression,
        {"output": "sigmoid", "loss": "squared_error", "peak": 1.0, "output_bias": None},
    ),
}


@pytest.mark.parametrize("name", TASKS)
@given(st.integers(1, 50), st.integers(1, 60), st.integers(0, 99))
def test_losses_are_means_over_examples(name: str, examples: int, size: int, seed: int) -> None:
    kind, arguments = TASKS[name]
    task: Task = kind(network=nn.Identity(), **COMMON, **arguments)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(examples, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    y = torch.randint(3, (examples,), generator=generator)
    if kind is Regression:
        y = torch.randn(examples, 3, generator=generator, dtype=torch.float64)
    whole = torch.autograd.grad(task.loss(x, y), x)[0]
    parts = [share * task.loss(*part) for *part, share in microbatches(x, y, size)]
    torch.testing.assert_close(torch.autograd.grad(sum(parts), x)[0], whole)
