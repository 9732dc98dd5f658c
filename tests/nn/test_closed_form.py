"""Closed-form gradients: autograd in double precision is the oracle."""

import copy
from collections.abc import Callable
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from mlp_lab.nn import output_deltas
from mlp_lab.nn.activations import ACTIVATIONS
from mlp_lab.nn.closed_form import ClosedForm, NoClosedFormError
from mlp_lab.nn.hash_grid import HashGrid
from mlp_lab.nn.mlp import MLP
from mlp_lab.nn.output_deltas import targets_like_outputs
from mlp_lab.nn.siren import Siren
from mlp_lab.nn.stacking import stack

INPUTS, OUTPUTS = 5, 3


def generators(members: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(members)]


def assert_gradients_are_autograds(
    make: Callable[[], nn.Module], members: int, orders: int, batch: int
) -> None:
    """Compare two consecutive minibatches of squared errors, buffers of layers included."""
    networks = [make().double() for _ in range(members)]
    reference = stack(copy.deepcopy(networks), generators(members))
    network = stack(networks, generators(members))
    gradients = [torch.full_like(p, torch.nan).detach() for p in network.parameters()]
    closed_form = ClosedForm(network, members, gradients)
    for _ in range(2):
        x = torch.rand(orders, batch, INPUTS, dtype=torch.double)
        y = torch.rand(members, batch, OUTPUTS, dtype=torch.double)
        layers = closed_form.bound(orders, batch)
        out = layers.forward(x)
        layers.delta.copy_(2 * (out - y.mT))
        layers.backward(add=False)
        expected = reference(x)
        loss = (expected - y).square().sum()
        torch.testing.assert_close(out.mT, expected.detach())
        expected_gradients = torch.autograd.grad(loss, list(reference.parameters()))
        for gradient, other in zip(gradients, expected_gradients, strict=True):
            torch.testing.assert_close(gradient, other)
    for buffer, other in zip(network.buffers(), reference.buffers(), strict=True):
        torch.testing.assert_close(buffer, other)


@given(
    activation=st.sampled_from(list(ACTIVATIONS)),
    normalization=st.sampled_from(["none", "batch", "layer"]),
    depth=st.integers(0, 3),
    width=st.integers(1, 6),
    dropout=st.sampled_from([0.0, 0.3]),
    residual=st.booleans(),
    members=st.sampled_from([(1, 1), (3, 1), (3, 3), (4, 2)]),
    batch=st.integers(1, 7),
)
def test_gradients_are_those_of_autograd(
    activation: str,
    normalization: str,
    depth: int,
    width: int,
    dropout: float,
    residual: bool,
    members: tuple[int, int],
    batch: int,
) -> None:
    if normalization == "batch":
        # One example has no variance, and neither has a unit that is dropped for all examples: its
        # output is then 0 up to rounding, where ReLU has no derivative.
        batch += 8 if dropout else 1
    make = partial(
        MLP,
        INPUTS,
        OUTPUTS,
        width=width,
        depth=depth,
        activation=activation,
        normalization=normalization,
        dropout=dropout,
        residual=residual,
    )
    torch.manual_seed(0)
    assert_gradients_are_autograds(make, *members, batch)


@pytest.mark.parametrize("members", [1, 3])
def test_gradients_of_sines_are_those_of_autograd(members: int) -> None:
    torch.manual_seed(0)
    make = partial(Siren, INPUTS, OUTPUTS, width=4, depth=2, first_omega=30.0, omega=20.0)
    assert_gradients_are_autograds(make, members, 1, 6)


def test_members_can_have_different_activations() -> None:
    torch.manual_seed(0)
    names = iter(["relu", "gelu", "tanh"])
    assert_gradients_are_autograds(
        lambda: MLP(INPUTS, OUTPUTS, width=4, depth=2, activation=next(names)), 3, 1, 6
    )


def backward(network: nn.Module, targets: list[Tensor], members: int, seed: int) -> None:
    """Add the gradients of a random error to the targets."""
    random = torch.Generator().manual_seed(seed)
    layers = ClosedForm(network, members, targets).bound(1, 5)
    layers.forward(torch.rand(1, 5, INPUTS, generator=random, dtype=torch.float64))
    layers.delta.copy_(torch.randn(layers.delta.shape, generator=random, dtype=torch.float64))
    layers.backward(add=True)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("normalization", ["none", "batch", "layer"])
def test_parameters_can_be_the_targets(normalization: str, residual: bool) -> None:
    """Plain gradient descent: no gradient may depend on parameters that were already changed."""
    torch.manual_seed(0)
    members = [
        MLP(INPUTS, OUTPUTS, width=4, depth=3, normalization=normalization, residual=residual)
        for _ in range(2)
    ]
    network = stack([member.double() for member in members], generators(2))
    before = [p.detach().clone() for p in network.parameters()]
    gradients = [torch.zeros_like(p) for p in before]
    backward(network, gradients, 2, seed=1)
    backward(network, [p.detach() for p in network.parameters()], 2, seed=1)
    for old, new, gradient in zip(before, network.parameters(), gradients, strict=True):
        torch.testing.assert_close(new.detach(), old + gradient, rtol=1e-12, atol=1e-12)


def test_an_activation_of_an_activation() -> None:
    torch.manual_seed(0)
    layers = [nn.Linear(INPUTS, 3), nn.Sigmoid(), nn.Tanh(), nn.ReLU(), nn.Linear(3, OUTPUTS)]
    assert_gradients_are_autograds(lambda: nn.Sequential(*layers), 1, 1, 6)


def test_gradients_are_added_to_targets() -> None:
    network = stack([MLP(INPUTS, OUTPUTS)], generators(1))
    x, delta = torch.rand(1, 4, INPUTS), torch.rand(1, OUTPUTS, 4)
    results = []
    for add in (False, True):
        targets = [torch.full_like(p, 2.0).detach() for p in network.parameters()]
        layers = ClosedForm(network, 1, targets).bound(1, 4)
        layers.forward(x)
        layers.delta.copy_(delta)
        layers.backward(add)
        results.append(targets)
    for gradient, added in zip(*results, strict=True):
        torch.testing.assert_close(added, 2 + gradient)


def test_a_layer_without_closed_form_is_refused() -> None:
    network = stack([nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU()))], generators(1))
    with pytest.raises(NoClosedFormError, match="Sequential has no closed-form derivative"):
        ClosedForm(network, 1, list(network.parameters()))
    grid = HashGrid(2, levels=2, features_per_level=2, table_size=16, coarsest=2, finest=4)
    with pytest.raises(NoClosedFormError, match="the first layer must be linear"):
        ClosedForm(nn.Sequential(grid), 1, list(grid.parameters()))


def sum_over_examples(loss: Callable[[Tensor, Tensor], Tensor], f: Tensor, y: Tensor) -> Tensor:
    return sum(loss(f[:, i : i + 1].T, y[i : i + 1]) for i in range(len(y)))


def one_hot(y: Tensor, k: int) -> Tensor:
    return F.one_hot(y, k).double() if k > 1 else y.unsqueeze(1).double()


def probabilities_with_both_classes(z: Tensor) -> Tensor:
    return (F.pad(z, (1, 0)) if z.shape[1] == 1 else z).softmax(1)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "softmax_cross_entropy": lambda z, y: F.cross_entropy(
        F.pad(z, (1, 0)) if z.shape[1] == 1 else z, y
    ),
    "sigmoid_cross_entropy": lambda z, y: F.binary_cross_entropy_with_logits(
        z, one_hot(y, z.shape[1]), reduction="sum"
    ),
    "sigmoid_squared_error": lambda z, y: (z.sigmoid() - one_hot(y, z.shape[1])).square().sum(),
    "softmax_squared_error": lambda z, y: (
        (probabilities_with_both_classes(z) - one_hot(y, max(z.shape[1], 2))).square().sum()
    ),
    "least_squares_rule": lambda z, y: (
        F.mse_loss(z, 2 * one_hot(y, z.shape[1]) - 1, reduction="sum") / 2
    ),
    "sign_rule": lambda z, y: (z.abs() - (2 * one_hot(y, z.shape[1]) - 1) * z).sum(),
    "rosenblatt_rule": lambda z, y: F.relu(-(2 * one_hot(y, z.shape[1]) - 1) * z).sum(),
}


@pytest.mark.parametrize("outputs", [1, 4])
@pytest.mark.parametrize("name", LOSSES)
def test_output_deltas_of_classes_are_those_of_autograd(name: str, outputs: int) -> None:
    torch.manual_seed(0)
    f = torch.randn(outputs, 6, dtype=torch.double, requires_grad=True)
    y = torch.randint(max(outputs, 2), (6,))
    [expected] = torch.autograd.grad(sum_over_examples(LOSSES[name], f, y), f)
    truth = targets_like_outputs(y.unsqueeze(0), outputs, f.dtype)
    delta = getattr(output_deltas, name)(f.detach().unsqueeze(0), truth)
    torch.testing.assert_close(delta[0], expected)


@pytest.mark.parametrize("outputs", [1, 4])
def test_output_deltas_have_a_label_smoothing_for_each_member(outputs: int) -> None:
    torch.manual_seed(0)
    smoothing = torch.tensor([0.0, 0.2, 0.5], dtype=torch.double)
    f = torch.randn(3, outputs, 6, dtype=torch.double)
    y = torch.randint(max(outputs, 2), (3, 6))
    truth = targets_like_outputs(y, outputs, f.dtype)
    delta = output_deltas.softmax_cross_entropy(f, truth, smoothing.view(-1, 1, 1))
    for member, e in enumerate(smoothing.tolist()):
        z = f[member].clone().requires_grad_()
        logits = F.pad(z.T, (1, 0)) if outputs == 1 else z.T
        loss = F.cross_entropy(logits, y[member], label_smoothing=e, reduction="sum")
        torch.testing.assert_close(delta[member], *torch.autograd.grad(loss, z))


@pytest.mark.parametrize("factor", [1.0, 0.5])
@pytest.mark.parametrize(
    ("name", "values"),
    [("squared_error", nn.Identity()), ("squared_error_of_sigmoid", nn.Sigmoid())],
)
def test_output_deltas_of_values_are_those_of_autograd(
    name: str, values: nn.Module, factor: float
) -> None:
    torch.manual_seed(0)
    f = torch.randn(1, 3, 6, dtype=torch.double, requires_grad=True)
    y = torch.rand(1, 6, 3, dtype=torch.double)
    loss = factor * (values(f) - y.mT).square().mean(1).sum()
    [expected] = torch.autograd.grad(loss, f)
    truth = targets_like_outputs(y, 3, f.dtype)
    delta = getattr(output_deltas, name)(f.detach(), truth, factor=factor)
    torch.testing.assert_close(delta, expected)
