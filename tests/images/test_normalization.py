"""Normalization of digits: width and slant, against Pillow, moments and known shears."""

import math

import numpy as np
import pytest
import torch
from helpers import seeded_generator
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mlp_lab.images.displacement_fields import (
    affine_fields,
    affine_weights,
    resample,
    to_sampling_points,
)
from mlp_lab.images.normalization import deslanted, normalize, with_width

SIDE = 28
seeds = st.integers(0, 2**32)


def in_box(left: int, top: int, width: int, height: int, seed: int) -> torch.Tensor:
    """Return a random image ``[1, 28, 28]`` whose bounding box is given."""
    image = torch.zeros(1, SIDE, SIDE)
    random = torch.rand(height, width, generator=seeded_generator(seed))
    image[0, top : top + height, left : left + width] = 0.1 + 0.9 * random
    return image


def moments(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return mass, centre along x, and covariance of x and y of each image."""
    images = images.double()
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    mass = images.sum((1, 2))
    mean_x, mean_y = ((images * axis).sum((1, 2)) / mass for axis in (x, y))
    covariance = (images * x * y).sum((1, 2)) / mass - mean_x * mean_y
    return mass, mean_x, covariance


@given(st.data(), st.integers(4, 28), seeds)
def test_the_box_is_resized_as_by_pillow_and_centred(
    data: st.DataObject, width: int, seed: int
) -> None:
    left, top = data.draw(st.integers(0, 20)), data.draw(st.integers(0, 20))
    old_width = data.draw(st.integers(1, SIDE - left))
    height = data.draw(st.integers(1, SIDE - top))
    image = in_box(left, top, old_width, height, seed)
    [result] = with_width(image, width).numpy()
    columns, rows = (np.nonzero(result.any(axis))[0] for axis in (0, 1))
    assert list(columns) == list(range(columns[0], columns[0] + width))
    assert list(rows) == list(range(top, top + height))
    box = Image.fromarray(image[0, top : top + height, left : left + old_width].numpy())
    expected = box.resize((width, height), Image.Resampling.BILINEAR)
    actual = result[top : top + height, columns[0] : columns[-1] + 1]
    np.testing.assert_allclose(actual, np.asarray(expected), atol=1e-5)
    mean = (result.sum(0) * np.arange(SIDE)).sum() / result.sum()
    if 0 < columns[0] < SIDE - width:  # not limited by the border
        # The centre of the resampled box differs by a fraction of a pixel.
        assert abs(mean - SIDE / 2) < 0.5 + 0.5 * max(1, width / old_width)


@given(st.integers(8, 20), st.integers(10, 20), seeds)
def test_the_mass_scales_with_the_width(old_width: int, width: int, seed: int) -> None:
    image = in_box(4, 4, old_width, 20, seed)
    # Without its outermost columns, each column contributes to the result with the same weight.
    image[0, :, [4, 5, 4 + old_width - 1, 4 + old_width - 2]] *= 0.02
    mass = float(with_width(image, width).sum())
    assert mass == pytest.approx(float(image.sum()) * width / old_width, rel=0.1)


@given(st.integers(10, 20), seeds)
def test_digits_of_the_wanted_width_stay_the_same(width: int, seed: int) -> None:
    images = with_width(in_box(3, 4, 14, 20, seed), width)
    again = with_width(images, width)
    # A centre of mass between two pixels may be rounded to the other one.
    assert any(torch.allclose(again.roll(move, 2), images, atol=1e-5) for move in (0, -1, 1))


def test_images_without_a_digit_stay_empty() -> None:
    images = torch.zeros(2, SIDE, SIDE)
    assert torch.equal(normalize(images, 12, True), images)


@pytest.mark.parametrize("degrees", [-30, -12, 8, 25])
def test_a_sheared_digit_is_restored(degrees: float) -> None:
    # An upright ellipse, smooth enough that interpolation changes little.
    _, y, x = np.indices((1, SIDE, SIDE)) - (SIDE - 1) / 2
    upright = torch.from_numpy(np.exp(-(x**2) / 18 - y**2 / 32)).float()
    weights = affine_weights(
        torch.zeros(1), torch.tensor([math.radians(degrees)]), torch.ones(1, 2), torch.zeros(1, 2)
    )
    sheared = resample(upright, weights @ to_sampling_points(affine_fields(SIDE), SIDE), 0.0)
    assert (sheared - upright).abs().max() > 0.05
    assert (deslanted(sheared) - upright).abs().max() < 0.03
    torch.testing.assert_close(deslanted(upright), upright, atol=1e-5, rtol=0)


@settings(max_examples=50)
@given(st.integers(3, 8), st.integers(8, 16), seeds)
def test_deslanting_preserves_mass_and_centre_and_removes_the_covariance(
    width: int, height: int, seed: int
) -> None:
    # Moving a row with linear interpolation preserves its mass and its centre exactly.
    image = in_box(11, 6, width, height, seed)
    before, after = moments(image), moments(deslanted(image))
    assert after[0] == pytest.approx(float(before[0]), rel=1e-4)
    assert after[1] == pytest.approx(float(before[1]), abs=1e-3)
    assert abs(after[2]) < 1e-2


def test_the_slant_of_a_nearly_horizontal_stroke_is_limited() -> None:
    image = torch.zeros(1, SIDE, SIDE)
    image[0, 13, 4:14] = image[0, 14, 14:24] = 1
    # Each row is moved by half its distance of 1: together they are still 19 pixels wide.
    assert (deslanted(image)[0] > 0).any(0).sum() >= 19


def test_batches_do_not_matter() -> None:
    images = torch.cat([in_box(3 + i % 4, 4, 10 + i % 9, 20, i) for i in range(7)])
    whole = normalize(images.repeat(200, 1, 1), 14, True)  # more than one batch
    each = torch.cat([normalize(image[None], 14, True) for image in images])
    torch.testing.assert_close(whole, each.repeat(200, 1, 1))
    torch.testing.assert_close(each, with_width(deslanted(images), 14))
    assert torch.equal(normalize(images, None, False), images)
