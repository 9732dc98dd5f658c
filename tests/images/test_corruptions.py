"""Corruptions of images with known strengths."""

import math

import numpy as np
import pytest
import torch
from helpers import seeded_generator
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from mlp_lab.images.corruptions import CORRUPTIONS, add_noise, blur, rotate, shift


def uniform_images(n: int, side: int = 28) -> torch.Tensor:
    return torch.rand(n, side, side, generator=seeded_generator(7))


def matches(outcome: torch.Tensor, ways: list[torch.Tensor]) -> list[int]:
    """Return the index of the expected image that each image equals; exactly one must match."""
    fits = torch.stack([(outcome - way).abs().amax((1, 2)) < 1e-4 for way in ways])
    assert (fits.sum(0) == 1).all()
    return fits.int().argmax(0).tolist()


@given(st.integers(1, 40), st.integers(2, 30))
def test_integer_shifts_equal_slices(pixels, side):
    images = uniform_images(60, side)
    wide = torch.nn.functional.pad(images, [40] * 4)
    ways = [
        wide[:, 40 - y : 40 - y + side, 40 - x : 40 - x + side]
        for x, y in ((pixels, 0), (-pixels, 0), (0, pixels), (0, -pixels))
    ]
    moved = shift(images, pixels, seeded_generator())
    if pixels >= side:
        assert moved.amax() < 1e-4
    else:
        assert set(matches(moved, ways)) == {0, 1, 2, 3}


@given(st.integers(2, 30))
def test_quarter_turns_are_exact_either_way(side):
    images = uniform_images(40, side)
    ways = [torch.rot90(images, turns, dims=(1, 2)) for turns in (1, -1)]
    assert set(matches(rotate(images, 90, seeded_generator()), ways)) == {0, 1}


def test_rotations_have_the_given_angle():
    """A narrow bar has the angle by which it was rotated."""
    side = 41
    y, x = np.indices((side, side)) - (side - 1) / 2
    bar = torch.from_numpy(np.exp(-(x**2) / 100 - y**2 / 4)).float()
    for angle in CORRUPTIONS["rotation"].strengths:
        turned = rotate(bar.expand(8, side, side), angle, seeded_generator()).double().numpy()
        # Half the angle of the second moments (the axis of an ellipse of inertia); y points down.
        moments = [(turned * m).sum((1, 2)) for m in (x * x - y * y, -2 * x * y)]
        angles = np.degrees(np.arctan2(moments[1], moments[0])) / 2
        np.testing.assert_allclose(np.abs(angles), angle, atol=0.5)


def test_noise_has_its_deviation_and_is_clipped():
    grey, black = torch.full((50, 28, 28), 0.5), torch.zeros(50, 28, 28)
    noisy = add_noise(grey, 10, seeded_generator())
    assert float(noisy.mean()) == pytest.approx(0.5, abs=0.003)
    assert float(noisy.std()) == pytest.approx(0.1, rel=0.02)
    # Half of a normal distribution: sigma / sqrt(2 pi).
    noisy = add_noise(black, 30, seeded_generator())
    assert float(noisy.mean()) == pytest.approx(0.3 / math.sqrt(2 * math.pi), rel=0.02)
    assert (float(noisy.min()), float(noisy.max()) <= 1) == (0, True)


@pytest.mark.parametrize("sigma", CORRUPTIONS["blur"].strengths)
def test_blur_equals_scipys(sigma):
    images = uniform_images(3)
    expected = [gaussian_filter(i, sigma, mode="constant", truncate=9) for i in images.numpy()]
    np.testing.assert_allclose(blur(images, sigma, seeded_generator()), expected, atol=1e-5)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_error_grows_with_strength_and_depends_only_on_the_generator(name):
    corruption, images = CORRUPTIONS[name], torch.zeros(200, 28, 28)
    images[:, 6:22, 12:16] = 1
    distances = []
    for strength in corruption.strengths:
        once, again = (corruption.apply(images, strength, seeded_generator(3)) for _ in range(2))
        assert torch.equal(once, again)
        assert once.shape == images.shape
        assert once.min() >= 0
        assert once.max() <= 1 + 1e-5
        distances.append(float((once - images).square().mean()))
    assert distances == sorted(distances)
    assert distances[0] > 0
