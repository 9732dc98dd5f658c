"""Gradient norms and sparsity of layers, compared with closed forms and plain autograd."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mlp_lab.nn.convolutional import Convolutional
from mlp_lab.nn.mlp import MLP
from mlp_lab.nn.probes import inspect_layers

weights = st.lists(st.floats(-2, 2).filter(lambda w: abs(w) > 0.1), min_size=1, max_size=6)


@given(weights, st.floats(-2, 2), st.floats(-2, 2))
def test_a_chain_of_linear_units(w: list[float], x: float, y: float) -> None:
    network = MLP(1, 1, width=1, depth=len(w) - 1, activation="identity").double()
    with torch.no_grad():
        for value, layer in zip(w, (m for m in network if isinstance(m, nn.Linear)), strict=True):
            layer.weight.fill_(value)
            layer.bias.zero_()
    inputs = torch.tensor([[x]], dtype=torch.float64)
    layers = inspect_layers(network, inputs, lambda f: ((f - y) ** 2).sum())
    # E = (w1 w2 ... x - y)^2: the derivative by a weight omits this weight.
    f = math.prod(w) * x
    for value, layer in zip(w, layers, strict=True):
        expected = abs(2 * (f - y) * math.prod(w) / value * x)
        assert layer.gradient_norm == pytest.approx(expected, rel=1e-9, abs=1e-12)
        assert layer.sparsity is None


def plain_loop(
    network: nn.Sequential, x: torch.Tensor, y: torch.Tensor
) -> tuple[list[torch.Tensor], list[float]]:
    """Return the gradient of each layer's weights and the sparsity of each ReLU."""
    reference, h, sparsity = copy.deepcopy(network).eval(), x, []
    for module in reference:
        h = module(h)
        if isinstance(module, nn.ReLU):
            sparsity.append(sum(v == 0 for v in h.flatten().tolist()) / h.numel())
    F.cross_entropy(h, y).backward()
    weights = [module.weight for module in reference if isinstance(module, nn.Linear | nn.Conv2d)]
    return [weight.grad for weight in weights], sparsity


@given(
    st.lists(st.integers(1, 5), max_size=3),
    st.sampled_from(["relu", "tanh", "identity"]),
    st.integers(0, 2**32 - 1),
)
def test_gradients_equal_a_plain_loop(widths: list[int], activation: str, seed: int) -> None:
    torch.manual_seed(seed)
    network = MLP(4, 3, widths=widths, activation=activation)
    x, y = torch.randn(6, 4), torch.randint(3, (6,))
    layers = inspect_layers(network, x, lambda output: F.cross_entropy(output, y))
    gradients, sparsity = plain_loop(network, x, y)
    assert len(layers) == len(gradients) == len(widths) + 1
    for layer, gradient in zip(layers, gradients, strict=True):
        torch.testing.assert_close(layer.gradient, gradient)
        squares = sum(g * g for g in gradient.flatten().tolist())
        assert layer.gradient_norm == pytest.approx(math.sqrt(squares), rel=1e-5, abs=1e-12)
    expected = sparsity if activation == "relu" else [None] * len(widths)
    assert [layer.sparsity for layer in layers] == pytest.approx([*expected, None])


def test_convolutions_are_layers_too() -> None:
    torch.manual_seed(0)
    network = Convolutional(64, 3, channels=[4, 5], dropout=0.5)
    x, y = torch.randn(6, 64), torch.randint(3, (6,))
    layers = inspect_layers(network, x, lambda output: F.cross_entropy(output, y))
    gradients, sparsity = plain_loop(network, x, y)
    assert [layer.sparsity for layer in layers] == pytest.approx([*sparsity, None])
    for layer, gradient in zip(layers, gradients, strict=True):
        torch.testing.assert_close(layer.gradient, gradient)
        assert layer.gradient_norm == pytest.approx(float(gradient.square().sum().sqrt()))


@pytest.mark.parametrize("training", [True, False])
def test_the_probe_leaves_the_network_unchanged(training: bool) -> None:
    torch.manual_seed(0)
    network = MLP(4, 3, depth=2, dropout=0.5, normalization="batch").train(training)
    state, random = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    first, second = (inspect_layers(network, torch.ones(5, 4), torch.Tensor.sum) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), random)
    assert all(module.training == training for module in network.modules())
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert all(p.grad is None for p in network.parameters())
    assert not any(module._forward_hooks for module in network.modules())
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one.gradient, other.gradient)


def test_the_probe_leaves_a_failing_network_unchanged() -> None:
    network = MLP(4, 3)
    with pytest.raises(RuntimeError):
        inspect_layers(network, torch.ones(5, 7), torch.Tensor.sum)
    assert network.training
    assert not any(module._forward_hooks for module in network.modules())
