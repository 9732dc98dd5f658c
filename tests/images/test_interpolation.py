"""Classical interpolations of the pixels of an image."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import RectBivariateSpline
from skimage.transform import AffineTransform, warp

from mlp_lab.images import interpolation
from mlp_lab.images.interpolation import interpolations

sizes = st.integers(5, 12)
steps = st.integers(2, 4)


def samples(rows: int, columns: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((rows, columns, 3), np.float32)


@given(sizes, sizes, steps, st.integers(0, 99))
def test_given_pixels_are_kept(rows: int, columns: int, step: int, seed: int) -> None:
    given_pixels = samples(rows, columns, seed)
    made = interpolations(given_pixels, step)
    assert list(made) == ["bicubic", "cubic_spline"]
    for image in made.values():
        assert image.shape == (step * rows, step * columns, 3)
        assert image.dtype == np.float32
        np.testing.assert_allclose(image[::step, ::step], given_pixels, atol=1e-5)


@given(sizes, sizes, steps, st.integers(0, 99))
def test_bicubic_equals_scikit_image(rows: int, columns: int, step: int, seed: int) -> None:
    given_pixels = samples(rows, columns, seed)
    expected = warp(
        given_pixels, AffineTransform(scale=1 / step), order=3, mode="edge", clip=False,
        output_shape=(step * rows, step * columns),
    ).clip(0, 1)  # fmt: skip
    # scikit-image repeats the border, too, but extrapolates the last cell.
    inside = slice(0, step * (rows - 1) + 1), slice(0, step * (columns - 1) + 1)
    actual = interpolations(given_pixels, step)["bicubic"]
    np.testing.assert_allclose(actual[inside], expected[inside], atol=1e-5)


@given(steps, st.integers(0, 99))
def test_the_spline_equals_another_one_far_from_the_border(step: int, seed: int) -> None:
    given_pixels = samples(40, 40, seed)
    places = np.arange(40 * step) / step
    actual = interpolations(given_pixels, step)["cubic_spline"]
    inside = (slice(15 * step, 25 * step),) * 2
    for channel in range(3):
        spline = RectBivariateSpline(np.arange(40), np.arange(40), given_pixels[:, :, channel])
        expected = spline(places, places).clip(0, 1)
        np.testing.assert_allclose(actual[:, :, channel][inside], expected[inside], atol=1e-5)


def test_a_ramp_is_not_shifted() -> None:
    ramp = np.linspace(0.1, 0.9, 80, dtype=np.float32)
    image = np.tile(ramp[:, None, None], (1, 80, 1))
    inside = slice(20, -20)  # far from the borders, where splines are flat
    for made in interpolations(image[::2, ::2], 2).values():
        np.testing.assert_allclose(made[inside], image[inside], atol=1e-5)


def test_without_scipy_the_spline_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpolation, "find_spec", lambda _: None)
    assert list(interpolations(samples(5, 5, 0), 2)) == ["bicubic"]
