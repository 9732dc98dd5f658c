"""Minibatches that are drawn anew for each step."""

from collections.abc import Sequence

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor, nn

from mlp_lab.data.batches import Buffers, EpochOrder
from mlp_lab.data.fresh_batches import FreshLoader
from mlp_lab.nn.seeds import epoch_seed

SIZE = 6


def draw(generator: Generator) -> tuple[Tensor, Tensor]:
    x = torch.rand(SIZE, 2, generator=generator)
    return x, x.sum(1, keepdim=True)


class BothSigns(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, -x], -1)


def loader(seed: int | Sequence[int], epoch: int, passes: int, limit: int | None = None):
    sampler = EpochOrder(SIZE, seed)
    sampler.set_epoch(epoch)
    fixed = torch.zeros(9, 4), torch.zeros(9, 1)
    return FreshLoader(draw, BothSigns(), fixed, SIZE, sampler, limit, passes)


def expected(seed: int, epoch: int, number: int) -> tuple[Tensor, Tensor]:
    entropy = epoch_seed(seed, epoch, f"minibatch {number}")
    x, y = draw(Generator().manual_seed(entropy))
    return torch.cat([x, -x], 1), y


@given(st.integers(0, 9), st.integers(0, 9), st.integers(1, 120), st.none() | st.integers(1, 99))
def test_minibatches_depend_on_seed_epoch_and_number(seed, epoch, passes, limit):
    made = loader(seed, epoch, passes, limit)
    actual = [minibatch for chunk in made for minibatch in chunk]
    assert len(actual) == made.batches == min(passes, limit or passes)
    for number, (x, y) in enumerate(actual):
        for one, other in zip((x, y), expected(seed, epoch, number), strict=True):
            assert torch.equal(one, other)


def test_each_run_of_a_stack_has_the_minibatches_of_its_seed():
    [chunk] = loader([3, 5], 2, 4)
    targets = chunk.targets().split(chunk.sizes, 1)
    for number, (x, y) in enumerate(zip(chunk.inputs(Buffers()), targets, strict=True)):
        for place, seed in enumerate((3, 5)):
            assert torch.equal(x[place], expected(seed, 2, number)[0])
            assert torch.equal(y[place], expected(seed, 2, number)[1])


def test_a_single_run_has_one_order():
    [chunk] = loader(3, 2, 4)
    assert chunk.targets().shape == (1, 4 * SIZE, 1)
    for number, x in enumerate(chunk.first(2).inputs(Buffers())):
        assert torch.equal(x[0], expected(3, 2, number)[0])


@given(st.integers(1, SIZE))
def test_processes_share_each_minibatch_evenly(shares):
    parts = [list(loader(1, 0, 3).share(rank, shares)) for rank in range(shares)]
    for number in range(3):
        x = torch.stack([list(chunk)[number][0] for [chunk] in parts], 1).flatten(0, 1)
        used = SIZE // shares * shares
        assert torch.equal(x, expected(1, 0, number)[0][:used])
        assert all(len(list(c)[number][0]) == loader(1, 0, 3).share(0, shares).smallest
                   for [c] in parts)  # fmt: skip
