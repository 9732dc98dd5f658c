"""Networks that can't be stacked give the reason; test_stacks.py tests those that can."""

import pytest
from torch import nn

from mlp_lab.nn.mlp import MLP
from mlp_lab.nn.stacking import UnstackableError, shape


def test_residual_links_separate_stacks() -> None:
    linked, plain = (MLP(2, 2, width=3, depth=2, residual=residual) for residual in (True, False))
    assert shape(linked) != shape(plain)
    first, *block = plain
    nested = nn.Sequential(first, nn.Sequential(*block[:2]), *block[2:])
    assert shape(linked) != shape(nested)


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (nn.Sequential(nn.Linear(2, 3, bias=False)), "Linear without bias"),
        (nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3, affine=False)), "BatchNorm1d without"),
        (nn.Sequential(nn.LayerNorm(2), nn.Linear(2, 3)), "first layer is LayerNorm"),
        (nn.Sequential(nn.ReLU(), nn.Dropout(0.5), nn.Linear(2, 3)), "first layer is Dropout"),
        (nn.Sequential(nn.Linear(2, 3), nn.Bilinear(3, 3, 3)), "Bilinear has no stacked form"),
    ],
)
def test_networks_without_a_stacked_form_give_the_reason(network: nn.Module, reason: str) -> None:
    with pytest.raises(UnstackableError, match=reason):
        shape(network)
