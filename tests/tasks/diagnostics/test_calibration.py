"""Calibration: the expected calibration error by bins, and the fitted temperature."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.nn.functional import cross_entropy

from mlp_lab.errors import UserError
from mlp_lab.figures import reliability_diagram
from mlp_lab.nn.mlp import MLP
from mlp_lab.nn.schedules import Constant
from mlp_lab.tasks.classification import Classification
from mlp_lab.tasks.diagnostics.reliability import fit_temperature, reliability

seeds = st.integers(0, 2**32)


def sampled(seed: int, n: int, temperature: float, classes: int = 5) -> tuple[Tensor, Tensor]:
    """Return logits and targets drawn from their probabilities at a temperature."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(n, classes, generator=generator)
    chances = (logits / temperature).softmax(1)
    return logits, torch.multinomial(chances, 1, generator=generator)[:, 0]


@given(seeds, st.integers(1, 300), st.integers(1, 30))
def test_bins_equal_a_loop(seed, n, bins):
    random = np.random.default_rng(seed)
    confidences, right = random.random(n), random.random(n) < 0.6
    actual = reliability(torch.from_numpy(confidences), torch.from_numpy(right), bins)
    expected = 0.0
    for m in range(1, bins + 1):
        in_bin = ((m - 1) / bins < confidences) & (confidences <= m / bins)
        assert actual.counts[m - 1] == in_bin.sum()
        if not in_bin.any():
            assert math.isnan(actual.accuracy[m - 1])
            continue
        assert float(actual.accuracy[m - 1]) == pytest.approx(right[in_bin].mean())
        assert float(actual.confidence[m - 1]) == pytest.approx(confidences[in_bin].mean())
        expected += in_bin.sum() / n * abs(right[in_bin].mean() - confidences[in_bin].mean())
    assert actual.error == pytest.approx(expected)


def test_a_bin_edge_belongs_to_the_lower_bin():
    confidences = torch.tensor([0, 0.25, 0.2501, 0.5, 1.0])
    counts = reliability(confidences, torch.ones(5, dtype=torch.bool), bins=4).counts
    assert counts.tolist() == [2, 2, 0, 1]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_calibration_error_equals_torchmetrics(temperature):
    # After mlp_lab.lightning, which lets torchmetrics import torchvision.
    from torchmetrics.functional.classification import multiclass_calibration_error

    logits, targets = sampled(0, 2_000, temperature)
    p = logits.softmax(1)
    ours = reliability(p.amax(1), p.argmax(1) == targets).error
    theirs = multiclass_calibration_error(p, targets, num_classes=5, n_bins=15, norm="l1")
    assert ours == pytest.approx(float(theirs), abs=1e-5)
    assert (ours > 0.05) == (temperature != 1)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_fit_temperature_recovers_the_true_temperature(temperature):
    logits, targets = sampled(1, 20_000, temperature)
    assert fit_temperature(cross_entropy, logits, targets) == pytest.approx(temperature, rel=0.05)


@given(seeds)
def test_the_fitted_temperature_minimizes_the_likelihood_loss(seed):
    logits, targets = (t.numpy() for t in sampled(seed, 200, 1.5))

    def nll(x: float) -> float:
        scaled = logits.astype(float) / np.exp(x)
        scaled -= np.logaddexp.reduce(scaled, 1, keepdims=True)
        return -float(scaled[np.arange(200), targets].mean())

    best = minimize_scalar(nll, bounds=(-4, 4), options={"xatol": 1e-9}).x
    actual = fit_temperature(cross_entropy, torch.from_numpy(logits), torch.from_numpy(targets))
    assert math.log(actual) == pytest.approx(best, abs=1e-5)


@given(seeds, st.floats(0.1, 10))
def test_the_temperature_scales_with_the_logits(seed, factor):
    logits, targets = sampled(seed, 200, 1.5)
    once = fit_temperature(cross_entropy, logits.double(), targets)
    scaled = fit_temperature(cross_entropy, factor * logits.double(), targets)
    assert scaled == pytest.approx(factor * once, rel=1e-6)


@pytest.mark.parametrize(("output", "outputs"), [("sigmoid", 3), ("softmax", 1), ("sigmoid", 1)])
def test_fit_temperature_for_other_outputs(output, outputs):
    task = Classification(
        output=output,
        loss="squared_error",
        network=MLP(2, outputs),
        optimizer=torch.optim.SGD,
        schedule=Constant(),
        seed=0,
    )
    generator = torch.Generator().manual_seed(0)
    logits = 4 * torch.randn(500, outputs, generator=generator)
    classes = max(outputs, 2)
    noisy = logits + 4 * torch.randn(logits.shape, generator=generator)
    targets = noisy.argmax(1) if outputs > 1 else (noisy[:, 0] > 0).long()
    assert targets.max() == classes - 1
    z, y = logits.double().numpy(), targets.numpy()
    signs = 2.0 * (y[:, None] == (np.arange(3) if outputs > 1 else np.ones(1))) - 1

    def nll(x: float) -> float:
        return float(np.logaddexp(0, -signs * z / np.exp(x)).sum(1).mean())

    best = minimize_scalar(nll, bounds=(-4, 4), options={"xatol": 1e-9})
    actual = fit_temperature(task.negative_log_likelihood, logits, targets)
    assert math.log(actual) == pytest.approx(best.x, abs=1e-4)
    scaled = logits.double() / actual
    assert float(task.negative_log_likelihood(scaled, targets)) == pytest.approx(best.fun)


@pytest.mark.parametrize("sign", [1, -1])
def test_no_temperature_without_errors_or_without_information(sign):
    targets = torch.arange(30) % 3
    logits = sign * torch.eye(3)[targets]
    with pytest.raises(UserError, match=r"^temperature=true: no finite temperature max"):
        fit_temperature(cross_entropy, logits, targets)


def test_the_reliability_curve_omits_empty_bins_and_draws_intervals():
    counts = np.array([0, 2, 100])
    confidence, accuracy = np.array([np.nan, 0.5, 0.9]), np.array([np.nan, 1.0, 0.8])
    figure = reliability_diagram.reliability_diagram({"a": (counts, confidence, accuracy)})
    above, _ = figure.axes
    [container] = above.containers
    points, _, [whiskers] = container
    np.testing.assert_array_equal(points.get_xydata(), [[0.5, 1.0], [0.9, 0.8]])
    # statsmodels' proportion_confint(count, n, method="wilson"): 2 of 2, and 80 of 100.
    ends = [segment[:, 1].tolist() for segment in whiskers.get_segments()]
    assert ends[0] == pytest.approx([0.3424, 1.0], abs=1e-4)
    assert ends[1] == pytest.approx([0.7112, 0.8666], abs=1e-4)
