from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call

from mlp_lab.networks import ACTIVATIONS, MLP, NORMALIZATIONS, count_parameters, describe

units = st.integers(1, 6)


def by_hand(network: MLP, x: torch.Tensor) -> np.ndarray:
    """max(0, x W' + b) for each hidden layer, and x W' + b for the last."""
    *hidden, last = [
        (m.weight.detach().numpy(), m.bias.detach().numpy())
        for m in network
        if isinstance(m, nn.Linear)
    ]
    h = x.numpy()
    for weight, bias in hidden:
        h = np.maximum(0, h @ weight.T + bias)
    return h @ last[0].T + last[1]


@given(units, units, units, st.integers(0, 2))
def test_forward_is_a_product_of_matrices(inputs, outputs, width, depth):
    network = MLP(inputs, outputs, width=width, depth=depth).double()
    x = torch.randn(4, inputs, dtype=torch.float64)
    assert sum(isinstance(m, nn.Linear) for m in network) == depth + 1
    np.testing.assert_allclose(network(x).detach(), by_hand(network, x), atol=1e-12)


@given(units, units, st.lists(units, max_size=3))
def test_widths_go_before_width_and_depth(inputs, outputs, widths):
    network = MLP(inputs, outputs, width=99, depth=9, widths=widths).double()
    x = torch.randn(4, inputs, dtype=torch.float64)
    shapes = [m.weight.shape for m in network if isinstance(m, nn.Linear)]
    assert shapes == list(zip([*widths, outputs], [inputs, *widths], strict=True))
    np.testing.assert_allclose(network(x).detach(), by_hand(network, x), atol=1e-12)


@given(units, units, units, st.integers(0, 4))
def test_number_of_parameters(inputs, outputs, width, depth):
    sizes = [inputs, *[width] * depth, outputs]
    expected = sum((a + 1) * b for a, b in pairwise(sizes))
    assert count_parameters(MLP(inputs, outputs, width=width, depth=depth)) == expected


@pytest.mark.parametrize(("width", "parameters"), [(64, 50_890), (256, 203_530)])
def test_published_numbers_of_parameters(width, parameters):
    network = MLP(784, 10, width=width)
    assert count_parameters(network) == parameters
    assert describe(network) == f"784-{width}-10, {parameters:,} parameters"


def test_describe():
    assert describe(MLP(2, 3, depth=0)) == "2-3, 9 parameters"
    assert describe(MLP(2, 1, widths=[5, 4])) == "2-5-4-1, 44 parameters"


def test_count_leaves_frozen_parameters_out():
    network = MLP(2, 1, width=3)
    network[0].requires_grad_(False)
    assert count_parameters(network) == 4


@pytest.mark.parametrize(("name", "kind"), NORMALIZATIONS.items())
def test_order_within_a_hidden_layer(name, kind):
    network = MLP(2, 3, width=4, depth=2, activation="tanh", dropout=0.5, normalization=name)
    hidden = [nn.Linear, kind, nn.Tanh, nn.Dropout]
    assert [type(m) for m in network] == [*hidden, *hidden, nn.Linear]


def test_layer_normalization_comes_before_the_activation():
    network = MLP(3, 2, width=5, activation="tanh", normalization="layer").double()
    x = torch.randn(4, 3, dtype=torch.float64)
    first, last = network[0], network[-1]
    h = x @ first.weight.T + first.bias
    h = (h - h.mean(1, keepdim=True)) / (h.var(1, keepdim=True, correction=0) + 1e-5).sqrt()
    torch.testing.assert_close(network(x), h.tanh() @ last.weight.T + last.bias)


def test_dropout_acts_in_training_only_and_keeps_the_mean():
    torch.manual_seed(0)
    network = MLP(1, 1, width=20_000, activation="identity", dropout=0.25)
    x = torch.ones(1, 1)
    torch.testing.assert_close(network.eval()(x), MLP.forward(network, x))
    hidden = nn.Sequential(*list(network)[:-1])
    before, after = hidden[0](x), hidden.train()(x)
    kept = after != 0
    torch.testing.assert_close(after[kept], before[kept] / 0.75)
    # The number of kept units is binomial: five standard deviations.
    assert abs(kept.float().mean() - 0.75) < 5 * (0.25 * 0.75 / 20_000) ** 0.5


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradient_equals_finite_differences(activation):
    torch.manual_seed(1)
    network = MLP(3, 2, width=4, depth=2, activation=activation).double()
    x = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    names, parameters = zip(*network.named_parameters(), strict=True)

    def output(x, *values):
        return functional_call(network, dict(zip(names, values, strict=True)), x)

    assert torch.autograd.gradcheck(output, (x, *parameters))


@pytest.mark.parametrize(
    ("name", "formula"),
    {
        "identity": lambda a: a,
        "sigmoid": lambda a: 1 / (1 + np.exp(-a)),
        "tanh": np.tanh,
        "relu": lambda a: np.maximum(a, 0),
        "leaky_relu": lambda a: np.where(a > 0, a, 0.01 * a),
        "elu": lambda a: np.where(a > 0, a, np.exp(a) - 1),
        "silu": lambda a: a / (1 + np.exp(-a)),
        "softplus": lambda a: np.log(1 + np.exp(a)),
    }.items(),
)
def test_activations(name, formula):
    a = np.linspace(-4, 4, 9)
    np.testing.assert_allclose(ACTIVATIONS[name]()(torch.from_numpy(a)), formula(a), atol=1e-12)


@pytest.mark.parametrize("wrong", [{"activation": "rleu"}, {"normalization": "group"}])
def test_unknown_names(wrong):
    with pytest.raises(KeyError):
        MLP(2, 1, **wrong)
