"""The Radon transform: values, adjoint and gradients against independent implementations."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.transform import radon

from mlp_lab.nn.operators.radon import line_integrals

sizes = st.integers(2, 12)
random_angles = st.lists(st.floats(-4, 4), min_size=1, max_size=3)


def disc_masked(size: int, seed: int, smooth: bool = False) -> np.ndarray:
    """Return random densities that are 0 outside the inscribed circle, as ``radon`` needs them."""
    image = np.random.default_rng(seed).random((size, size))
    offsets = np.arange(size) - size // 2
    return np.where(np.hypot(offsets, offsets[:, None]) <= size // 2, image, 0)


def skimage_matrix(size: int, angles: list[float]) -> np.ndarray:
    """Return the matrix of scikit-image's transform, ``[angles * size, size * size]``."""
    columns = []
    for pixel in np.eye(size * size):
        image = pixel.reshape(size, size)
        columns.append(radon(image, np.rad2deg(angles), circle=True).T.ravel() / size)
    return np.stack(columns, 1)


@pytest.mark.filterwarnings("ignore:Radon transform:UserWarning")
@given(sizes, random_angles, st.integers(0, 99))
@settings(max_examples=20)
def test_integrals_equal_scikit_images(size: int, angles: list[float], seed: int) -> None:
    image = disc_masked(size, seed)
    expected = radon(image, np.rad2deg(angles), circle=True).T / size
    actual = line_integrals(torch.from_numpy(image)[None], torch.tensor([angles]).double())
    np.testing.assert_allclose(actual[0], expected, atol=1e-6)  # of radon's float32 coordinates


@pytest.mark.filterwarnings("ignore:Radon transform:UserWarning")
@given(st.integers(2, 7), random_angles, st.integers(0, 99))
@settings(max_examples=10)
def test_the_gradient_is_the_adjoint(size: int, angles: list[float], seed: int) -> None:
    random = np.random.default_rng(seed)
    matrix = skimage_matrix(size, angles)
    y = random.standard_normal((len(angles), size))
    x = torch.from_numpy(random.random((1, size, size))).requires_grad_()
    projections = line_integrals(x, torch.tensor([angles]).double())
    [back] = torch.autograd.grad((projections[0] * torch.from_numpy(y)).sum(), x)
    np.testing.assert_allclose(back.flatten(), matrix.T @ y.ravel(), atol=1e-6)
    # <A x, y> = <x, A' y>
    inner = float((projections.detach()[0].numpy() * y).sum())
    assert inner == pytest.approx(float((x.detach() * back).sum()), rel=1e-10, abs=1e-12)


def test_gradients_equal_differences() -> None:
    x = torch.rand(2, 5, 5, dtype=torch.float64, requires_grad=True)
    angles = torch.tensor([[0.3, 2.0], [1.0, -0.5]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda densities: line_integrals(densities, angles), x)


def test_each_object_has_its_angles() -> None:
    x, angles = torch.rand(3, 8, 8), torch.rand(3, 4)
    alone = [line_integrals(x[i : i + 1], angles[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(line_integrals(x, angles), torch.cat(alone))


@pytest.mark.parametrize("angle", [0.0, 0.7, math.pi / 2, 2.5])
def test_a_disc_has_the_lengths_of_its_chords(angle: float) -> None:
    size, radius, x, y = 256, 0.2, 0.1, -0.15  # in units of the width, y downwards
    # The mean of 4 x 4 points for each pixel is the fraction of it inside the disc.
    along = (np.arange(4 * size) + 0.5) / (4 * size) - 0.5 - 0.5 / size
    inside = np.hypot(along - x, along[:, None] - y) <= radius
    density = inside.reshape(size, 4, size, 4).mean((1, 3))
    actual = line_integrals(torch.from_numpy(density)[None], torch.tensor([[angle]]).double())
    distance = np.arange(size) / size - 0.5 - (x * math.cos(angle) - y * math.sin(angle))
    chords = 2 * np.sqrt(np.maximum(radius**2 - distance**2, 0))
    smooth = np.abs(np.abs(distance) - radius) > 2 / size  # the chords have a vertical tangent
    np.testing.assert_allclose(actual[0, 0][smooth], chords[smooth], atol=1.5 / size)
    # The mean over all rays is the mass of the disc, at each angle.
    assert float(actual.mean()) == pytest.approx(math.pi * radius**2, rel=2e-3)
