"""The kernel of an encoding, compared with closed forms."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mlp_lab.course.claims import kernels_claims as claims
from mlp_lab.course.claims.topics import check_topic
from mlp_lab.figures import feature_maps, kernel_maps
from mlp_lab.nn.encoding_kernels import kernel, kernel_by_distance, kernel_map
from mlp_lab.nn.encodings import Basic, FourierFeatures, Gaussian, Identity
from mlp_lab.runs.train import train

TINY = ["data.image=text", "data.size=8", "data.passes=1", "trainer.max_epochs=1",
        "network.width=4", "trainer.accelerator=cpu", "logger=none"]  # fmt: skip
points = st.tuples(st.floats(0, 1), st.floats(0, 1))


def gaussian(seed: int) -> FourierFeatures:
    torch.manual_seed(seed)
    return Gaussian(2, frequencies=20, sigma=3.0).double()


def cosines(encoding: FourierFeatures, difference: np.ndarray) -> float:
    """Return the mean of cos 2 pi b . d over the rows b, in a plain loop."""
    rows = encoding.frequencies.tolist()
    return sum(math.cos(2 * math.pi * np.dot(b, difference)) for b in rows) / len(rows)


@given(st.integers(0, 99), points, points)
def test_the_kernel_is_a_mean_of_cosines(seed: int, x: tuple, c: tuple) -> None:
    actual = kernel(gaussian(seed), *torch.tensor([x, c], dtype=torch.float64))
    assert float(actual) == pytest.approx(cosines(gaussian(seed), np.subtract(x, c)), abs=1e-12)


def test_the_map_has_rows_by_y() -> None:
    encoding, centre = gaussian(0), torch.tensor([0.5, 0.25], dtype=torch.float64)
    actual = kernel_map(encoding, centre, 5)
    for (row, column), value in np.ndenumerate(actual.numpy()):
        place = np.array([column, row]) / 4
        assert value == pytest.approx(cosines(encoding, place - centre.numpy()), abs=1e-12)
    assert actual[1, 2] == pytest.approx(1)


@settings(max_examples=20)
@given(st.floats(0.01, 0.5), points)
def test_kernel_of_raw_coordinates_depends_on_position(distance: float, c: tuple) -> None:
    centre = torch.tensor(c, dtype=torch.float64) + 0.1
    distances = torch.tensor([distance], dtype=torch.float64)
    mean, least, largest = kernel_by_distance(Identity(2), centre, distances)[:, 0].tolist()
    length = float(centre.norm())  # c.(c + r e) / c.c, for unit vectors e in all directions
    assert mean == pytest.approx(1)
    assert least == pytest.approx(1 - distance / length, rel=0.01, abs=0.01 * distance / length)
    assert largest == pytest.approx(1 + distance / length, rel=0.01)


def test_mean_over_a_circle_is_the_bessel_function() -> None:
    distances = torch.tensor([0.0, 0.1, 0.3], dtype=torch.float64)
    actual = kernel_by_distance(Basic(2).double(), torch.zeros(2, dtype=torch.float64), distances)
    expected = torch.special.bessel_j0(2 * math.pi * distances)
    torch.testing.assert_close(actual[0], expected, rtol=1e-9, atol=1e-12)
    assert actual[:, 0].tolist() == [1, 1, 1]


# --- claims -------------------------------------------------------------------------------------


def failed() -> list[str]:
    return [claim.text.partition(":")[0] for claim in check_topic("kernels") if not claim.holds]


def test_wrong_features_fail_the_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    def sines_alone(self: FourierFeatures, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([(x @ (2 * math.pi * self.frequencies.T)).sin()] * 2, -1)

    monkeypatch.setattr(FourierFeatures, "forward", sines_alone)
    names = [f"gaussian, σ = {sigma:g}" for sigma in (1, 3, 10, 30)]
    assert set(failed()) >= {"basic", "positional, S = 6", *names}
    assert "encodings whose γ(x)·γ(y) depends on more than x - y" in failed()


def test_a_wrong_kernel_width_fails_the_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(sigma: float) -> torch.Tensor:
        return torch.exp(-((sigma * claims._DISTANCES) ** 2))

    monkeypatch.setattr(claims, "_expected_kernel", wrong)
    assert len(failed()) == 4


# --- figures ------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [["one"], ["one", "two", "three"]])
def test_kernel_figure_shows_expected_curves(names: list[str]) -> None:
    distances = np.array([0.01, 0.1])
    maps = {name: np.full((3, 3), 0.5) for name in names}
    values = np.array([[1.0, 0.5], [0.9, 0.2], [1.0, 0.7]])
    lines = {name: kernel_maps.KernelProfile(distances, i * values) for i, name in enumerate(names)}
    lines[names[-1]] = lines[names[-1]]._replace(expected=np.array([0.8, 0.3]))
    figure = kernel_maps.kernel_maps(maps, lines, {"pixels": 0.05})
    *panels, _, last = figure.axes
    assert [panel.get_title() for panel in panels] == names
    drawn = {line.get_label(): line.get_xydata().tolist() for line in last.lines}
    for i, name in enumerate(names):
        assert drawn[name] == [[0.01, i], [0.1, 0.5 * i]]
    assert [0.01, 0.8] in [p for line in last.lines for p in line.get_xydata().tolist()]
    assert drawn["pixels"][0][0] == 0.05
    texts = [
        text.get_text() for sub in figure.subfigs for legend in sub.legends for text in legend.texts
    ]
    assert texts == [*names, "expected", "pixels"]


def test_features_have_one_scale() -> None:
    values = np.stack([np.full((2, 2), level) for level in (-1.0, 0.0, 1.0)])
    [panel] = feature_maps.feature_maps(values, ["a", "b", "c"]).axes
    assert [float(image.get_array()[0, 0]) for image in panel.images] == [0, 0.5, 1]


@pytest.mark.parametrize(
    ("encoding", "captions"),
    [
        ("identity", ["feature 1", "feature 2"]),
        ("basic", [f"{i}: {f} 2π b·x\nb = {b}" for i, (f, b) in enumerate(
            [(f, b) for f in ("sin", "cos") for b in ("(1.0, 0.0)", "(0.0, 1.0)")], 1)]),
    ],
)  # fmt: skip
def test_a_run_draws_its_encoding(
    encoding: str, captions: list[str], compose: Callable, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    drawn = {}

    def keep(trainer: object, name: str, figure: Callable) -> None:
        drawn[name] = figure()

    monkeypatch.setattr("mlp_lab.runs.callbacks.encoding_features.log_figure", keep)
    train(compose("experiment=image_hw", f"encoding={encoding}", *TINY, f"logs='{tmp_path}'"))
    [panel] = drawn["features"].axes
    assert [text.get_text() for text in panel.texts] == captions
    x = np.arange(128) / 128
    rows = {"identity": x / x[-1], "basic": (1 + np.sin(2 * np.pi * x)) / 2}
    first, second = (image.get_array() for image in panel.images[:2])
    np.testing.assert_allclose(first, np.broadcast_to(rows[encoding], (128, 128)), atol=1e-4)
    np.testing.assert_allclose(second, first.T, atol=1e-4)
    marked = [line for line in drawn["kernel"].axes[-1].lines if "pixels" in line.get_label()]
    assert [line.get_xdata()[0] for line in marked] == [1 / 8]


def test_coordinates_around_0_have_no_kernel(
    compose: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []
    monkeypatch.setattr(
        "mlp_lab.runs.callbacks.encoding_features.log_figure",
        lambda trainer, name, figure: drawn.append(name),
    )
    train(compose("experiment=image_siren", *TINY, f"logs='{tmp_path}'"))
    assert drawn == ["features"]
