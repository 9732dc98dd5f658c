"""The sine network, compared with its formula, and its initial signals with the paper's theory."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import arcsine, kstest, norm
from torch import Tensor, nn

from mlp_lab.nn.encodings import Centred
from mlp_lab.nn.siren import Sine, Siren
from mlp_lab.runs.train import Training, fit_alone
from mlp_lab.sweeps.groups import Job, training_groups
from mlp_lab.sweeps.jobs import train_jobs

units = st.integers(1, 6)


def siren(
    inputs: int,
    outputs: int,
    width: int = 8,
    depth: int = 2,
    first: float = 30.0,
    omega: float = 30.0,
) -> Siren:
    return Siren(inputs, outputs, width=width, depth=depth, first_omega=first, omega=omega)


def linear_layers(network: nn.Module) -> list[nn.Linear]:
    return [m for m in network.modules() if isinstance(m, nn.Linear)]


@given(units, units, units, st.integers(1, 4), st.floats(0.5, 60), st.floats(0.5, 60))
def test_forward_equals_its_formula(
    inputs: int, outputs: int, width: int, depth: int, first: float, omega: float
) -> None:
    network = siren(inputs, outputs, width, depth, first, omega).double()
    x = torch.rand(5, inputs, dtype=torch.float64)
    *hidden, last = [
        (m.weight.detach().numpy(), m.bias.detach().numpy()) for m in linear_layers(network)
    ]
    h = x.numpy()
    for place, (weight, bias) in enumerate(hidden):
        h = np.sin((omega if place else first) * (h @ weight.T + bias))
    assert len(hidden) == depth
    np.testing.assert_allclose(network(x).detach(), h @ last[0].T + last[1], atol=1e-10)


@given(st.floats(-2, 2), st.floats(0.5, 60))
def test_derivative_of_a_sine_unit(x: float, omega: float) -> None:
    at = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    [slope] = torch.autograd.grad(Sine(omega)(at), at)
    assert slope.item() == pytest.approx(omega * math.cos(omega * x), abs=1e-9)


@pytest.mark.parametrize("omega", [30.0, 7.0])
def test_initial_weights_are_uniform_in_the_papers_bounds(omega: float) -> None:
    torch.manual_seed(0)
    layers = linear_layers(siren(200, 50, width=300, depth=2, first=30.0, omega=omega))
    bounds = [1 / 200, math.sqrt(6 / 300) / omega, math.sqrt(6 / 300) / omega]
    for layer, bound in zip(layers, bounds, strict=True):
        w = layer.weight.detach().flatten().numpy() / bound
        assert kstest(w, "uniform", args=(-1, 2)).pvalue > 1e-3
        assert np.abs(w).max() <= 1 + 1e-6
        b = layer.bias.detach().numpy() * math.sqrt(layer.in_features)
        assert np.abs(b).max() <= 1 + 1e-6


def shares(width: int, depth: int) -> tuple[list[Tensor], list[Tensor]]:
    """Return omega W h and the sine's output for 60 points, for every layer from the second."""
    torch.manual_seed(1)
    network = siren(2, 1, width, depth)
    h = torch.sin(30 * network[0](2 * torch.rand(60, 2) - 1))
    products, activations = [], []
    with torch.no_grad():
        for layer in linear_layers(network)[1:-1]:
            products.append(30 * h @ layer.weight.T)
            h = torch.sin(30 * layer(h))
            activations.append(h)
    return products, activations


def test_signals_have_the_papers_distribution_at_every_depth() -> None:
    # Theorem 1.8: arcsine after a sine; normal, of variance 1, before it. The variance is that
    # of the sine of a normal number, 1 - e^(-2v) for v, and v is 1 only approximately.
    width, depth = 1024, 6
    products, activations = shares(width, depth)
    assert len(products) == depth - 1
    variance = 1.0
    for product, activation in zip(products, activations, strict=True):
        actual = product.double().square().mean().item()
        assert actual == pytest.approx(variance, rel=0.05)
        assert actual == pytest.approx(1, abs=0.2)
        assert kstest((product / actual**0.5).flatten().numpy(), norm.cdf).statistic < 0.02
        published = arcsine(loc=-1, scale=2).cdf
        assert kstest(activation.flatten().numpy(), published).statistic < 0.06
        biases = 30**2 / (3 * width)
        variance = 1 - math.exp(-2 * (variance + biases))


def test_coordinates_are_centred() -> None:
    x = torch.rand(7, 3, 2, dtype=torch.float64)
    np.testing.assert_array_equal(Centred(2)(x), 2 * x.numpy() - 1)
    assert Centred(2).out_features == 2


# --- in trainings -------------------------------------------------------------------------------


@pytest.fixture
def job(compose: Callable, tmp_path: Path) -> Callable[..., Job]:
    """``job("a", "seed=1", ...)``: return a short run of a sine network on a small image."""
    common = ["experiment=image_siren", "data.image=coffee", "data.size=16", "data.passes=100"]
    common += ["network.width=16", "network.depth=2"]
    common += ["optimizer.lr=2e-3", "trainer.max_epochs=2", "trainer.accelerator=cpu"]
    common += ["callbacks=none", "logger=none", "network.first_omega=15"]
    return lambda name, *overrides: Job(compose(*common, *overrides), overrides, tmp_path / name)


def test_sine_networks_train_as_a_stack(job: Callable[..., Job]) -> None:
    job_overrides = [["seed=1"], ["seed=2", "network.omega=20"]]
    jobs = [job(f"stacked_{i}", *overrides) for i, overrides in enumerate(job_overrides)]
    assert len(training_groups(jobs)) == 1
    for i, stacked in enumerate(train_jobs(jobs)):
        single = job(f"alone_{i}", *job_overrides[i])
        training = Training.new(single.cfg, single.overrides, single.folder)
        alone = fit_alone(training, test=False)
        assert stacked.best is not None
        assert alone.best is not None
        variance = training.data.splits["train"][1].var(0, correction=0).mean().item()
        assert alone.best["squared_error/validation"] < variance / 4  # that of the best constant
        expected = pytest.approx(alone.best["loss/validation"], rel=0.02)
        assert stacked.best["loss/validation"] == expected
