"""Clipped gradients of a stack, compared with torch's functions for each member."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from mlp_lab.nn.gradient_clipping import GradientClipping

FUNCTIONS = {"norm": clip_grad_norm_, "value": clip_grad_value_}
SHAPES = [(3, 4), (3,), (2, 3), (2,)]


@pytest.mark.parametrize("algorithm", FUNCTIONS)
@given(
    value=st.sampled_from([1e-3, 0.5, 2.0, 100.0]),
    members=st.integers(1, 4),
    seed=st.integers(0, 99),
    transposed=st.booleans(),
)
def test_each_member_is_clipped_as_by_torch(
    algorithm: str, value: float, members: int, seed: int, transposed: bool
) -> None:
    generator = torch.Generator().manual_seed(seed)
    parameters = [
        [torch.zeros(shape, dtype=torch.float64, requires_grad=True) for shape in SHAPES]
        for _ in range(members)
    ]
    for member, size in zip(parameters, torch.logspace(-2, 2, members).tolist(), strict=True):
        for p in member:
            p.grad = size * torch.randn(p.shape, dtype=torch.float64, generator=generator)
    stacked = [torch.cat([p.grad for p in layer]) for layer in zip(*parameters, strict=True)]
    if transposed:
        stacked = [g.mT.contiguous().mT if g.ndim > 1 else g for g in stacked]
    GradientClipping(value, algorithm)(stacked, members)
    for member in parameters:
        FUNCTIONS[algorithm](member, value)
    for actual, layer in zip(stacked, zip(*parameters, strict=True), strict=True):
        torch.testing.assert_close(actual, torch.cat([p.grad for p in layer]))
