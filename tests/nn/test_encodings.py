"""Encodings, compared with their formulas in numpy and with the expected kernel."""

import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import weights
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import DictConfig
from torch import Tensor

from mlp_lab.data.encoded import encoded
from mlp_lab.errors import UserError
from mlp_lab.nn.encodings import (
    Basic,
    FourierFeatures,
    Gaussian,
    Identity,
    Positional,
    aliasing_hint,
    fingerprint,
    period_hint,
)
from mlp_lab.runs.build import build_task
from mlp_lab.runs.evaluate import evaluate
from mlp_lab.runs.train import Training, fit_alone, resume, train
from mlp_lab.sweeps.groups import Job, training_groups
from mlp_lab.sweeps.jobs import train_jobs


def positional(
    in_features: int, frequencies: int = 12, scale: float = 6.0, spacing: str = "log"
) -> Positional:
    return Positional(in_features, frequencies=frequencies, scale=scale, spacing=spacing)


def gaussian(in_features: int, frequencies: int = 12, sigma: float = 10.0) -> Gaussian:
    return Gaussian(in_features, frequencies=frequencies, sigma=sigma)


FOURIER: dict[str, Callable[[int], FourierFeatures]] = {
    "basic": Basic,
    "positional": positional,
    "octaves": lambda d: positional(d, spacing="octaves"),
    "gaussian": gaussian,
}
dimensions, seeds = st.sampled_from([1, 2, 3]), st.integers(0, 10_000)
each_fourier = pytest.mark.parametrize("kind", FOURIER)


def points(count: int, d: int, seed: int) -> Tensor:
    return torch.rand(count, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def made(kind: str, d: int, seed: int = 0) -> FourierFeatures:
    torch.manual_seed(seed)
    return FOURIER[kind](d).double()


def test_identity_returns_the_coordinates() -> None:
    x = points(5, 2, 0)
    encoding = Identity(2)
    assert encoding(x) is x
    assert encoding.out_features == 2
    assert not encoding.state_dict()


def test_basic_has_frequency_one() -> None:
    x = points(9, 2, 0)
    turns = 2 * np.pi * x.numpy()
    expected = np.concatenate([np.sin(turns), np.cos(turns)], 1)
    np.testing.assert_allclose(Basic(2).double()(x), expected, atol=1e-12)


@given(dimensions, st.integers(2, 9), st.floats(0, 8), seeds)
def test_positional_has_the_frequencies_of_the_published_code(
    d: int, each: int, scale: float, seed: int
) -> None:
    x = points(7, d, seed)
    actual = positional(d, d * each, scale).double()(x)
    along = 2.0 ** np.linspace(0, scale, each) - 1
    columns = [2 * np.pi * b * x.numpy()[:, axis] for axis in range(d) for b in along]
    expected = np.stack([*map(np.sin, columns), *map(np.cos, columns)], 1)
    np.testing.assert_allclose(actual, expected, atol=2e-3)  # of frequencies in float32
    assert actual.shape == (7, 2 * d * each)


def test_encodings_with_the_period_1_are_not_for_all_inputs() -> None:
    x = torch.tensor([[-0.25, 0.5]])
    for encoding in (Basic(2), positional(2, 8, 3.0)):
        torch.testing.assert_close(encoding(x), encoding(x + 1), atol=1e-5, rtol=0)
        assert "has the period 1" in str(period_hint(encoding))
    for encoding in (Identity(2), gaussian(2, 8), positional(2, 8, spacing="octaves")):
        assert period_hint(encoding) is None


def test_octaves_equal_nerfs_frequencies() -> None:
    x = points(7, 3, 0)
    actual = positional(3, 30, spacing="octaves").double()(x).view(7, 2, 3, 10)
    for k in range(10):
        angle = 2**k * np.pi * x.numpy()
        np.testing.assert_allclose(actual[:, 0, :, k], np.sin(angle), atol=1e-9)
        np.testing.assert_allclose(actual[:, 1, :, k], np.cos(angle), atol=1e-9)


def test_gaussian_frequencies_depend_on_the_seed() -> None:
    torch.manual_seed(3)
    expected = 10 * torch.randn(12, 2)
    assert torch.equal(made("gaussian", 2, seed=3).float().frequencies, expected)
    assert fingerprint(made("gaussian", 2, 3)) == fingerprint(made("gaussian", 2, 3))
    assert fingerprint(made("gaussian", 2, 3)) != fingerprint(made("gaussian", 2, 4))
    many = gaussian(2, 20_000, 2.5).frequencies
    assert many.std().item() == pytest.approx(2.5, rel=0.02)
    assert many.mean().abs() < 0.05


@each_fourier
@given(dimensions, seeds)
def test_the_kernel_is_a_sum_of_cosines_of_the_difference(kind: str, d: int, seed: int) -> None:
    encoding = made(kind, d, seed)
    x, y = points(2, d, seed)
    b = encoding.frequencies.numpy()
    expected = np.cos(2 * np.pi * (b @ (x - y).numpy())).sum()
    assert (encoding(x) @ encoding(y)).item() == pytest.approx(expected, abs=1e-9)


@each_fourier
@given(dimensions, seeds)
def test_the_kernel_is_shift_invariant_and_norms_are_equal(kind: str, d: int, seed: int) -> None:
    encoding = made(kind, d, seed)
    x, y, shift = points(3, d, seed)
    moved = encoding(x + shift) @ encoding(y + shift)
    assert moved.item() == pytest.approx((encoding(x) @ encoding(y)).item(), abs=1e-8)
    norm = math.sqrt(len(encoding.frequencies))
    assert encoding(x).norm().item() == pytest.approx(norm)
    assert encoding.out_features == len(encoding(x)) == 2 * len(encoding.frequencies)


@each_fourier
def test_leading_dimensions_are_kept(kind: str) -> None:
    encoding, x = made(kind, 2), points(12, 2, 0)
    torch.testing.assert_close(encoding(x.view(3, 4, 2)).view(12, -1), encoding(x))


@each_fourier
def test_encodings_have_buffers_and_no_parameters(kind: str) -> None:
    encoding, other = made(kind, 2, seed=0), made(kind, 2, seed=1)
    assert not list(encoding.parameters())
    other.load_state_dict(encoding.state_dict())
    assert torch.equal(other.frequencies, encoding.frequencies)


def test_equal_encodings_have_equal_fingerprints() -> None:
    assert fingerprint(Identity(2)) == fingerprint(Identity(2))
    assert fingerprint(positional(2)) == fingerprint(positional(2))
    assert fingerprint(positional(2)) != fingerprint(positional(2, scale=5.0))
    assert fingerprint(Basic(2)) == fingerprint(FourierFeatures(torch.eye(2)))
    assert fingerprint(Basic(2)) != fingerprint(Identity(2))


def test_unit_norm_divides_by_the_norm() -> None:
    x = torch.rand(5, 3)
    plain, scaled = Basic(3), Basic(3, unit_norm=True)
    assert scaled(x).norm(dim=1).tolist() == pytest.approx([1] * 5)
    torch.testing.assert_close(scaled(x) * math.sqrt(3), plain(x))
    assert fingerprint(plain) != fingerprint(scaled)


class Scaled(torch.nn.Module):
    """Encoding of a user, whose setting is a plain attribute."""

    def __init__(self, in_features: int, *, factor: float) -> None:
        super().__init__()
        self.out_features = in_features
        self._factor = factor


def test_fingerprints_include_plain_attributes() -> None:
    assert fingerprint(Scaled(2, factor=1.0)) == fingerprint(Scaled(2, factor=1.0))
    assert fingerprint(Scaled(2, factor=1.0)) != fingerprint(Scaled(2, factor=2.0))


def test_features_not_divisible_by_the_axes_are_refused() -> None:
    with pytest.raises(ValueError, match="frequencies=255: must be a multiple of the 2 coord"):
        positional(2, 255)
    with pytest.raises(ValueError, match="frequencies=2: must be at least 4 for log"):
        positional(2, 2)
    with pytest.raises(ValueError, match="frequencies=42: must be at most 40 for octaves"):
        positional(2, 42, spacing="octaves")
    assert positional(2, 40, spacing="octaves")(torch.rand(5, 2)).isfinite().all()


# --- frequencies above the Nyquist frequency of the training pixels -----------------------------


@given(seeds)
def test_the_published_settings_give_no_aliasing_hint(seed: int) -> None:
    torch.manual_seed(seed)
    nyquist = 128  # of every second of 512 pixels
    used = [gaussian(2, 256, 10.0), gaussian(2, 256, 14.0), Basic(2), Identity(2)]
    used += [positional(2, 256, 6.0), positional(2, 256, 5.0)]
    assert [aliasing_hint(encoding, nyquist) for encoding in used] == [None] * 6


def test_frequencies_far_above_nyquist_give_a_hint_of_one_line() -> None:
    hints = {
        "gaussian": aliasing_hint(gaussian(2, 256, 300.0), 128),
        "positional": aliasing_hint(positional(2, 256, 14.0), 128),
        "octaves": aliasing_hint(positional(2, 40, spacing="octaves"), 128),
    }
    ends = {
        "gaussian": "encoding.sigma up to 32",
        "positional": "encoding.scale up to 6.0",
        "octaves": "encoding.frequencies up to 16",
    }
    for kind, line in hints.items():
        assert line is not None
        assert len(line.splitlines()) == 1
        assert "above 128 cycles" in line
        assert line.endswith(f"suitable: {ends[kind]}")
    assert hints["positional"] is not None
    # 2^(14 j / 127) - 1 > 128 for j of 64 .. 127, half of all.
    assert "50 % of its frequencies" in hints["positional"]


@given(st.integers(8, 4096), seeds)
def test_suggested_settings_give_no_aliasing_hint(nyquist: int, seed: int) -> None:
    torch.manual_seed(seed)
    for kind, make in (
        ("sigma", lambda value: gaussian(2, 256, value)),
        ("scale", lambda value: positional(2, 256, value)),
        ("frequencies", lambda value: positional(2, int(value), spacing="octaves")),
    ):
        worst = {"sigma": 1e6, "scale": 20.0, "frequencies": 40.0}[kind]
        line = aliasing_hint(make(worst), nyquist)
        assert line is not None
        value = re.search(rf"encoding\.{kind} up to ([\d.e+]+)", line)
        assert value is not None
        recommended = make(float(value[1]))
        assert aliasing_hint(recommended, nyquist) is None
        if kind != "sigma":
            highest = float(recommended.frequencies.max())
            assert nyquist / 4.5 <= highest <= nyquist / 2 * 1.1


# --- in trainings -------------------------------------------------------------------------------

USUAL = ["experiment=curve_fit", "callbacks=none", "logger=none", "trainer.accelerator=cpu"]
SHORT = [*USUAL, "schedule=constant", "trainer.max_epochs=2", "data.passes=3", "network.width=8"]


@pytest.fixture
def curve(compose: Callable, tmp_path: Path) -> Callable[..., DictConfig]:
    """``curve("encoding=basic", ...)``: return the config of a short run that fits a curve."""
    return lambda *overrides: compose(*SHORT, f"logs='{tmp_path / 'logs'}'", *overrides)


def test_points_are_encoded_once_before_training(
    curve: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    plain = FourierFeatures.forward

    def watched(self: FourierFeatures, x: Tensor) -> Tensor:
        sizes.append(len(x))
        return plain(self, x)

    monkeypatch.setattr(FourierFeatures, "forward", watched)
    training = Training.new(curve("encoding=gaussian", "data.size=70"))
    assert training.task.network[0].in_features == 512
    fit_alone(training, test=True)
    assert sorted(sizes) == [1, 70, 1000, 1001]  # one point is encoded to estimate the memory
    # A task can evaluate new points.
    x = torch.linspace(-1, 1, 1001).unsqueeze(1)
    features = training.data.splits["validation"][0]
    torch.testing.assert_close(training.task(x), training.task.network(features))


def test_saved_frequencies_are_used_after_loading(
    curve: Callable, compose: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = train(curve("encoding=gaussian", "seed=5"))
    longer = train(curve("encoding=gaussian", "seed=5", "trainer.max_epochs=3"))
    saved = weights(result.folder)["encoding.frequencies"]
    torch.manual_seed(5)
    assert torch.equal(saved, 10 * torch.randn(256, 1))
    # As another version of torch might draw.
    monkeypatch.setattr("mlp_lab.nn.encodings.torch.randn", lambda *shape: torch.ones(shape))
    again = evaluate(compose(f"run='{result.folder}'", root="evaluate"))
    assert again == result.evaluations[0]
    resume(result.folder, {"trainer.max_epochs": 3})
    for name, tensor in weights(longer.folder).items():
        assert torch.equal(weights(result.folder)[name], tensor), name


def test_jobs_with_the_same_features_train_as_a_stack(curve: Callable, tmp_path: Path) -> None:
    alike = [
        ["encoding=gaussian", "optimizer.lr=0.01"],
        ["encoding=gaussian", "optimizer.lr=0.02"],
        ["encoding=gaussian", "seed=1"],
        ["encoding=positional", "encoding.scale=3"],
        ["encoding=positional", "encoding.scale=3", "seed=1"],
        ["encoding=positional", "encoding.scale=4"],
        ["encoding=basic"],
        [],
        ["seed=1"],
    ]
    jobs = [
        Job(curve(*overrides), overrides, tmp_path / str(i)) for i, overrides in enumerate(alike)
    ]
    group_numbers = [[jobs.index(job) for job in group.jobs] for group in training_groups(jobs)]
    assert group_numbers == [[0, 1], [2], [3, 4], [5], [6], [7, 8]]
    for job, stacked in zip(jobs, train_jobs(jobs), strict=True):
        alone = train(job.cfg)
        assert stacked.best is not None
        assert alone.best is not None
        assert stacked.best["loss/validation"] == pytest.approx(alone.best["loss/validation"], 1e-3)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["experiment=mnist_hw4", "encoding=basic"],
            "encoding: must be identity for data whose inputs are images",
        ),
        (
            ["experiment=parity", "encoding=positional", "encoding.frequencies=255"],
            "encoding.frequencies=255: must be a multiple of the 4 coordinates",
        ),
        (
            [*USUAL, "encoding=positional", "encoding.spacing=octaves"],
            "encoding.frequencies=256: must be at most 20 for octaves",
        ),
        (
            [*USUAL, "encoding=basic", "trainer.precision=bf16-true"],
            "trainer.precision=bf16-true: too coarse to encode; must be bf16-mixed",
        ),
    ],
)
def test_unsuitable_encodings_are_refused(
    overrides: list[str], message: str, compose: Callable
) -> None:
    with pytest.raises(UserError, match=f"^{re.escape(message)}"):
        build_task(compose(*overrides))


def test_splits_that_share_inputs_share_features() -> None:
    x, y = points(3, 2, 0), points(3, 1, 0)
    splits = encoded({"train": (x, y), "validation": (x, y), "test": (x + 1, y)}, made("basic", 2))
    assert splits["train"][0] is splits["validation"][0]
    assert splits["test"][0].shape == (3, 4)
    assert encoded({"train": (x, y)}, Identity(2))["train"][0] is x


def test_features_too_large_for_memory_are_refused_with_their_size() -> None:
    many = torch.empty(1, 2).expand(2**22 + 2**20, 2)
    message = "the features of 5,242,880 inputs take 10.0 GiB; must be at most 8"
    with pytest.raises(UserError, match=message):
        encoded({"train": (many, many)}, gaussian(2, 256))


def test_mixed_precision_does_not_round_phases() -> None:
    encoding, x = Gaussian(3, frequencies=8, sigma=10.0), torch.rand(5, 3)
    expected = encoding(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(encoding(x), expected)
