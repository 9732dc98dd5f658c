"""Projections as data: phantoms, splits and files."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from skimage.data import shepp_logan_phantom
from skimage.transform import radon, resize

from mlp_lab.config.names import SPLITS
from mlp_lab.data.ct import CT
from mlp_lab.data.image import Image
from mlp_lab.errors import UserError
from mlp_lab.images.filtered_back_projection import filtered_back_projection
from mlp_lab.images.phantoms import ellipses, shepp_logan
from mlp_lab.nn.operators.radon import line_integrals

CPU = torch.device("cpu")
COMMON: dict[str, Any] = {"seed": 0, "limits": {"train": None, "validation": None}}


def data(image: str | None = None, phantom: int = 0, size: int = 32, projections: int = 5) -> CT:
    return CT(image=image, phantom=phantom, size=size, projections=projections, **COMMON)


def test_the_phantom_equals_scikit_images() -> None:
    expected = shepp_logan_phantom()  # 400 x 400, without a contour at the same half pixels
    actual = shepp_logan(400)
    different = np.abs(actual - expected) > 0.05
    assert different.mean() < 0.01  # only pixels at the contours of ellipses


def test_an_ellipse_has_its_area_density_and_place() -> None:
    image = ellipses(np.array([(0.5, 0.4, 0.2, 0.3, 0.5, math.pi / 2)]), 400)
    assert set(np.unique(image)) == {np.float32(0), np.float32(0.5)}
    assert (image > 0).mean() == pytest.approx(math.pi * 0.4 * 0.2 / 4, rel=0.01)
    rows, columns = np.nonzero(image)
    assert 2 * columns.mean() / 400 - 1 == pytest.approx(0.3, abs=0.01)
    assert 1 - 2 * rows.mean() / 400 == pytest.approx(0.5, abs=0.01)  # y upwards
    assert np.ptp(rows) == pytest.approx(2 * np.ptp(columns), abs=2)  # rotated by 90 degrees


def test_sums_of_densities_are_clipped() -> None:
    disc = (0.7, 0.5, 0.5, 0.0, 0.0, 0.0)
    assert ellipses(np.array([disc, disc]), 8).max() == 1
    assert ellipses(-np.array([disc]), 8).min() == 0


def test_the_jitter_has_the_papers_standard_deviation(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[np.ndarray] = []
    monkeypatch.setattr(
        "mlp_lab.images.phantoms.ellipses",
        lambda parameters, size: drawn.append(parameters) or np.zeros((size, size), np.float32),
    )
    for seed in range(200):
        data(phantom=seed, size=2).prepare_data()
    jitter = np.stack(drawn) - np.mean(drawn, 0)
    np.testing.assert_allclose(jitter.std((0, 1)), 1 / 20, rtol=0.1)
    assert np.rad2deg(np.mean(drawn, 0))[2, 5] == pytest.approx(-18, abs=1)


def test_phantoms_depend_on_their_seed_only() -> None:
    assert np.array_equal(data(phantom=3).target_image, data(phantom=3).target_image)
    assert not np.array_equal(data(phantom=3).target_image, data(phantom=4).target_image)


def test_splits_have_projections_at_different_angles() -> None:
    made = data(size=32, projections=5)
    splits = made.read(CPU)
    step, density = math.pi / 5, made.target_image[:, :, 0]
    for split, first in {"train": 0.0, "validation": 0.5, "test": 0.25}.items():
        [target] = splits[split][1]
        angles = (np.arange(5) + first) * step
        np.testing.assert_allclose(target[:, 0], angles, rtol=1e-6)
        expected = radon(density, np.rad2deg(angles), circle=True).T / 32
        np.testing.assert_allclose(target[:, 1:], expected, atol=1e-5)


def test_inputs_are_the_coordinates_of_image_data() -> None:
    common = {"text_seed": 0, "crop": None, "grey": True, "protocol": "fit"}
    image = Image(image="text", size=16, batch_size=1, **common, **COMMON)
    expected, _ = image.read(CPU)["train"]
    splits = data(size=16).read(CPU)
    for split in SPLITS:
        assert torch.equal(splits[split][0], expected[None])


def test_a_file_is_measured_inside_its_inscribed_circle(tmp_path: Path) -> None:
    pixels = np.full((20, 30), 255, np.uint8)
    Pillow.fromarray(pixels).save(tmp_path / "white.png")
    made = data(image=str(tmp_path / "white.png"), size=20)
    made.prepare_data()
    image = made.target_image[:, :, 0]
    assert image[10, 10] == 1
    assert image[0, 0] == image[19, 19] == 0
    assert image.mean() == pytest.approx(math.pi / 4, abs=0.05)
    assert made.warnings() == (
        f"{tmp_path / 'white.png'}: of its 30 x 20 pixels, the central 20 x 20 are used",
    )
    assert made.content_digest is not None


@pytest.mark.parametrize("name", ["none.png", "text"])
def test_a_missing_file_is_one_clear_line(name: str) -> None:
    with pytest.raises(UserError, match=f"data.image={name}: no such file; must be a file, one of"):
        data(image=name).prepare_data()


def test_many_projections_are_inverted_by_filtered_back_projection() -> None:
    # A smooth phantom: ellipses of half the resolution, enlarged.
    density = resize(shepp_logan(64), (128, 128), order=3).clip(0, 1).astype(np.float32)
    angles = np.arange(180) * math.pi / 180
    projections = line_integrals(torch.from_numpy(density)[None], torch.from_numpy(angles)[None])
    image = filtered_back_projection(projections[0].numpy(), angles)
    assert np.square(image - density).mean() < 10 ** (-26 / 10)  # 26 dB
    assert image.min() >= 0
    assert image.max() <= 1
