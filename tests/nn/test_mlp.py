from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call

from mlp_lab.nn.activations import ACTIVATIONS
from mlp_lab.nn.mlp import INITIALIZATIONS, MLP, NORMALIZATIONS, collapse
from mlp_lab.nn.probes import count_parameters, describe

units = st.integers(1, 6)


def by_hand(network: MLP, x: torch.Tensor) -> np.ndarray:
    """Compute max(0, x W' + b) for each hidden layer, and x W' + b for the last."""
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
def test_forward_equals_matrix_products(inputs, outputs, width, depth):
    network = MLP(inputs, outputs, width=width, depth=depth).double()
    x = torch.randn(4, inputs, dtype=torch.float64)
    assert sum(isinstance(m, nn.Linear) for m in network) == depth + 1
    np.testing.assert_allclose(network(x).detach(), by_hand(network, x), atol=1e-12)


@given(units, units, st.lists(units, max_size=3))
def test_widths_override_width_and_depth(inputs, outputs, widths):
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


def test_count_excludes_frozen_parameters():
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


# --- residual links -----------------------------------------------------------------------------


@given(units, units, st.lists(st.integers(1, 3), max_size=6), st.integers(0, 2**32 - 1))
def test_residual_links(inputs, outputs, widths, seed):
    torch.manual_seed(seed)
    network = MLP(inputs, outputs, widths=widths, activation="tanh", residual=True).double()
    x = torch.randn(4, inputs, dtype=torch.float64)
    layers = [
        (m.weight.detach().numpy(), m.bias.detach().numpy())
        for m in network.modules()
        if isinstance(m, nn.Linear)
    ]
    sums = x.numpy() @ layers[0][0].T + layers[0][1]
    for place, (weight, bias) in enumerate(layers[1:], 1):
        hidden = place < len(layers) - 1
        link = sums if hidden and weight.shape[0] == weight.shape[1] else 0
        sums = link + np.tanh(sums) @ weight.T + bias
    np.testing.assert_allclose(network(x).detach(), sums, atol=1e-12)


def test_residual_links_add_no_parameters_and_keep_initial_values():
    def parameters(residual):
        torch.manual_seed(0)
        network = MLP(3, 2, width=4, depth=3, normalization="batch", residual=residual)
        return list(network.parameters())

    for linked, plain in zip(parameters(True), parameters(False), strict=True):
        assert torch.equal(linked, plain)


def test_a_residual_link_skips_all_modules_of_its_layer():
    network = MLP(2, 4, width=4, depth=2, normalization="batch", dropout=0.5, residual=True)
    first, block, *last = network
    assert [type(m) for m in block] == [nn.BatchNorm1d, nn.ReLU, nn.Dropout, nn.Linear]
    assert [type(m) for m in (first, *last)] == [nn.Linear, *map(type, block)]


def test_gradients_reach_the_first_layer_of_a_deep_residual_network():
    """The gradient vanishes in a plain network of the same depth."""

    def gradient(residual):
        torch.manual_seed(0)
        network = MLP(5, 1, width=32, depth=40, activation="tanh", residual=residual)
        network(torch.randn(64, 5)).square().mean().backward()
        return network[0].weight.grad.norm()

    assert gradient(True) > 1e6 * gradient(False)


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


@pytest.mark.parametrize(
    "wrong", [{"activation": "rleu"}, {"normalization": "group"}, {"initialization": "glorot"}]
)
def test_unknown_names(wrong):
    with pytest.raises(KeyError):
        MLP(2, 1, **wrong)


# --- initialization -----------------------------------------------------------------------------


def seeded(**settings) -> MLP:
    torch.manual_seed(3)
    return MLP(300, 10, widths=[500, 200], **settings)


def test_uniform_initialization_equals_torchs_default():
    torch.manual_seed(3)
    expected = [nn.Linear(*sizes) for sizes in ((300, 500), (500, 200), (200, 10))]
    for ours, theirs in zip(linear_layers(seeded()), expected, strict=True):
        assert torch.equal(ours.weight, theirs.weight)
        assert torch.equal(ours.bias, theirs.bias)


def linear_layers(network: MLP) -> list[nn.Linear]:
    return [m for m in network if isinstance(m, nn.Linear)]


@pytest.mark.parametrize(
    ("name", "variance", "kurtosis"),
    [
        ("uniform", lambda i, o: 1 / (3 * i), 1.8),
        ("xavier", lambda i, o: 2 / (i + o), 1.8),
        ("he", lambda i, o: 2 / i, 3),
        ("normal", lambda i, o: 1, 3),
    ],
)
@pytest.mark.parametrize("gain", [1.0, 0.3])
def test_moments_of_the_initial_weights(name, variance, kurtosis, gain):
    for layer in linear_layers(seeded(initialization=name, gain=gain))[:2]:
        w = layer.weight.detach().double()
        expected, n = gain**2 * variance(layer.in_features, layer.out_features), w.numel()
        second, fourth = (w**2).mean(), (w**4).mean()
        # Five standard deviations of the mean of w, w^2 and w^4 / variance^2.
        assert abs(w.mean()) < 5 * (expected / n) ** 0.5
        assert second.item() == pytest.approx(expected, rel=5 * ((kurtosis - 1) / n) ** 0.5)
        assert (fourth / expected**2).item() == pytest.approx(kurtosis, abs=5 * (96 / n) ** 0.5)
        if kurtosis == 1.8:  # a uniform distribution ends at sqrt(3) standard deviations
            assert w.abs().max().item() == pytest.approx((3 * expected) ** 0.5, rel=1e-3)
            assert w.abs().max() <= (3 * expected) ** 0.5 * (1 + 1e-6)


@pytest.mark.parametrize("name", INITIALIZATIONS)
def test_biases_are_initialized_to_zero(name):
    assert all(not layer.bias.any() for layer in linear_layers(seeded(initialization=name)))


@pytest.mark.parametrize("name", ["uniform", *INITIALIZATIONS])
def test_the_gain_multiplies_only_the_weights(name):
    pairs = zip(
        linear_layers(seeded(initialization=name)),
        linear_layers(seeded(initialization=name, gain=2.5)),
        strict=True,
    )
    for one, other in pairs:
        assert torch.equal(other.weight, 2.5 * one.weight)
        assert torch.equal(other.bias, one.bias)


def test_he_keeps_the_size_of_a_signal_through_relu():
    torch.manual_seed(0)
    network = MLP(500, 500, width=500, depth=20, initialization="he")
    out = network(torch.randn(100, 500))
    # The second moment of the outputs is twice that of the inputs: the last layer has no ReLU.
    assert 0.5 < out.square().mean() / 2 < 2


# --- collapse -----------------------------------------------------------------------------------


@given(units, units, st.lists(units, max_size=6), st.integers(0, 2**32 - 1))
def test_a_network_of_identities_is_one_linear_layer(inputs, outputs, widths, seed):
    torch.manual_seed(seed)
    network = MLP(inputs, outputs, widths=widths, activation="identity", gain=3).double()
    x = 10 * torch.randn(7, inputs, dtype=torch.float64)
    single = collapse(network)
    assert type(single) is nn.Linear
    assert single.weight.shape == (outputs, inputs)
    torch.testing.assert_close(single(x), network(x), rtol=1e-9, atol=1e-9)


def test_collapse_changes_neither_the_network_nor_the_random_state():
    network = MLP(3, 2, depth=2, width=4, activation="identity")
    before, state = [p.clone() for p in network.parameters()], torch.get_rng_state()
    single = collapse(network)
    assert single.weight.requires_grad
    assert torch.equal(torch.get_rng_state(), state)
    assert all(map(torch.equal, before, network.parameters()))
    single.weight.data.zero_()
    assert all(map(torch.equal, before, network.parameters()))


def test_collapse_of_a_linear_model_copies_it():
    network = MLP(3, 2, depth=0)
    single = collapse(network)
    assert torch.equal(single.weight, network[0].weight)
    assert torch.equal(single.bias, network[0].bias)


def test_collapse_without_biases():
    network = nn.Sequential(nn.Linear(3, 4, bias=False), nn.Linear(4, 2)).double()
    x = torch.randn(5, 3, dtype=torch.float64)
    torch.testing.assert_close(collapse(network)(x), network(x))


def test_idle_dropout_collapses():
    network = MLP(3, 2, activation="identity", dropout=0.5).double()
    with pytest.raises(ValueError, match=r"^layer 2, Dropout\(p=0.5.*: only linear layers"):
        collapse(network)
    x = torch.randn(5, 3, dtype=torch.float64)
    torch.testing.assert_close(collapse(network.eval())(x), network(x))


@pytest.mark.parametrize("activation", [name for name in ACTIVATIONS if name != "identity"])
def test_nonlinear_activations_are_reported_by_collapse(activation):
    network = MLP(3, 2, depth=2, activation=activation)
    with pytest.raises(ValueError, match=f"^layer 1, {type(network[1]).__name__}"):
        collapse(network)


def test_normalizations_are_not_collapsed():
    with pytest.raises(ValueError, match=r"^layer 1, BatchNorm1d.*: only linear layers"):
        collapse(MLP(3, 2, activation="identity", normalization="batch"))
