"""A network with closed-form gradients as one operation of autograd; autograd is the oracle."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from mlp_lab.nn import closed_form_network as module
from mlp_lab.nn.closed_form import BoundLayers
from mlp_lab.nn.closed_form_layers import NoClosedFormError
from mlp_lab.nn.closed_form_network import ClosedFormNetwork
from mlp_lab.nn.hash_grid import HashGrid
from mlp_lab.nn.mlp import MLP


def loss(network: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Use the network twice; each output has its own derivative."""
    weights = torch.linspace(-1, 1, x[..., 0].numel(), dtype=x.dtype).view(*x.shape[:-1], 1)
    return (network(x).sin() * weights).sum() + network(1 - x).square().mean()


@given(
    shape=st.sampled_from([(1,), (9,), (2, 4), (3, 1, 5)]),
    points=st.integers(1, 5),
    kept=st.sampled_from([0, 80, 2**28]),
    depth=st.integers(0, 2),
    activation=st.sampled_from(["relu", "tanh", "gelu"]),
    normalization=st.sampled_from(["none", "layer"]),
    residual=st.booleans(),
)
def test_outputs_and_gradients_are_those_of_the_network(
    shape: tuple[int, ...],
    points: int,
    kept: int,
    depth: int,
    activation: str,
    normalization: str,
    residual: bool,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CPU_POINTS", points)
        patch.setattr(module, "MAX_ACTIVATIONS", kept)
        torch.manual_seed(0)
        settings = {"activation": activation, "normalization": normalization, "residual": residual}
        network = MLP(3, 2, width=4, depth=depth, **settings).double()
        in_closed_form = ClosedFormNetwork(network)
        for _ in range(2):  # the second time with buffers that were used before
            x = torch.rand(*shape, 3, dtype=torch.float64)
            torch.testing.assert_close(in_closed_form(x), network(x))
            pairs = [
                torch.autograd.grad(loss(function, x), list(network.parameters()))
                for function in (in_closed_form, network)
            ]
            for gradient, expected in zip(*pairs, strict=True):
                torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize(("kept", "calls"), [(2**28, 3), (48, 4), (24, 5), (0, 5)])
def test_activations_that_do_not_fit_are_computed_again(
    kept: int, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CPU_POINTS", 4)
    monkeypatch.setattr(module, "MAX_ACTIVATIONS", kept)
    forward, parts = BoundLayers.forward, []

    def counted(layers: BoundLayers, x: Tensor) -> Tensor:
        parts.append(x)
        return forward(layers, x)

    monkeypatch.setattr(BoundLayers, "forward", counted)
    network = MLP(3, 1, width=5)
    ClosedFormNetwork(network)(torch.rand(12, 3)).sum().backward()
    assert len(parts) == calls


def test_gradients_of_several_losses_are_added() -> None:
    network = MLP(3, 1)
    in_closed_form = ClosedFormNetwork(network)
    x = torch.rand(5, 3)
    for part in (x[:2], x[2:]):
        in_closed_form(part).sum().backward()
    for parameter in network.parameters():
        assert parameter.grad is not None
        [expected] = torch.autograd.grad(network(x).sum(), parameter)
        torch.testing.assert_close(parameter.grad, expected)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (MLP(3, 1, dropout=0.5), "network: dropout and batch normalization"),
        (MLP(3, 1, normalization="batch"), "network: dropout and batch normalization"),
        (nn.Sequential(*[nn.Linear(3, 3)] * 2), "network: layers share parameters"),
        (
            nn.Sequential(
                HashGrid(3, levels=1, features_per_level=2, table_size=9, coarsest=2, finest=2),
                nn.Linear(2, 1),
            ),
            "network: HashGrid has no stacked form",
        ),
    ],
)
def test_networks_whose_outputs_differ_by_part_are_refused(
    network: nn.Module, message: str
) -> None:
    with pytest.raises(NoClosedFormError, match=message):
        ClosedFormNetwork(network)
