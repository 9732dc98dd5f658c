"""Parts of minibatches: how large they are, and that their gradients add up to the whole one's."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mlp_lab.microbatches import microbatch_size, microbatches
from mlp_lab.networks import MLP
from mlp_lab.schedules import Constant
from mlp_lab.tasks import Classification, Perceptron, Regression, Task

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("network", "size"),
    [
        (MLP(512, 3, width=256, depth=3), 2048),
        (MLP(784, 10, width=64), 8192),
        (MLP(784, 10, widths=[32, 128]), 4096),
        (MLP(2, 3, width=3000), 2048),
        (MLP(2, 3, width=64, normalization="layer"), 8192),
        (MLP(2, 3, width=64, normalization="batch"), None),
        (nn.Identity(), None),
    ],
)
def test_two_mebibytes_leave_the_widest_layer(network: nn.Module, size: int | None) -> None:
    assert microbatch_size(network, CPU) == size
    assert microbatch_size(network, torch.device("cuda")) is None


@given(st.integers(1, 50), st.integers(1, 60), st.integers(0, 1))
def test_parts_make_up_the_whole_in_its_order(examples: int, size: int, axis: int) -> None:
    x, y = torch.rand(2, examples, 2).unbind()
    x, y = (x, y) if axis == 0 else (x.T, y.T)
    parts = list(microbatches(x, y, size, axis))
    assert torch.equal(torch.cat([part for part, _, _ in parts], axis), x)
    assert torch.equal(torch.cat([truth for _, truth, _ in parts], axis), y)
    assert [share * examples for *_, share in parts[:-1]] == pytest.approx([size] * len(parts[1:]))
    assert sum(share for *_, share in parts) == pytest.approx(1)


def task(kind: Callable[..., Task], **own: str | float | None) -> Task:
    common = {"network": nn.Identity(), "optimizer": torch.optim.SGD, "schedule": Constant()}
    return kind(seed=0, **common, **own)


@pytest.mark.parametrize(
    "task",
    [
        task(Classification, output="softmax", loss="cross_entropy", label_smoothing=0.1),
        task(Classification, output="sigmoid", loss="squared_error"),
        task(Perceptron, rule="lecture"),
        task(Perceptron, rule="rosenblatt"),
        task(Regression, output="identity", loss="half_squared_error", peak=None),
        task(Regression, output="sigmoid", loss="squared_error", peak=1.0),
    ],
    ids=lambda task: f"{type(task).__name__} {task.loss_numbers}",
)
@given(st.integers(1, 50), st.integers(1, 60), st.integers(0, 99))
def test_losses_are_means_over_examples(task: Task, examples: int, size: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(examples, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    y = torch.randint(3, (examples,), generator=generator)
    if isinstance(task, Regression):
        y = torch.randn(examples, 3, generator=generator, dtype=torch.float64)
    whole = torch.autograd.grad(task.loss(x, y), x)[0]
    parts = [share * task.loss(*part) for *part, share in microbatches(x, y, size)]
    torch.testing.assert_close(torch.autograd.grad(sum(parts), x)[0], whole)
