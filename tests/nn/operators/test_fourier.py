"""Fourier samples: values, adjoint and gradients against numpy's transform."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mlp_lab.nn.operators.fourier import fourier_samples

sizes, seeds = st.integers(2, 7), st.integers(0, 99)


def example(size: int, seed: int, count: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Return random densities ``[size] * 3`` and frequencies ``[count, 3]``."""
    random = np.random.default_rng(seed)
    return random.random((size,) * 3), random.integers(-size // 2, size // 2 + 1, (count, 3))


def sampled(densities: torch.Tensor, frequencies: np.ndarray) -> torch.Tensor:
    return fourier_samples(densities[None], torch.from_numpy(frequencies)[None].double())[0]


@given(sizes, seeds)
@settings(max_examples=20)
def test_samples_equal_numpys_orthonormal_transform(size: int, seed: int) -> None:
    density, frequencies = example(size, seed)
    expected = np.fft.fftn(density, norm="ortho")[tuple(frequencies.T % size)]
    actual = sampled(torch.from_numpy(density), frequencies)
    np.testing.assert_allclose(torch.view_as_complex(actual), expected, atol=1e-12)


def test_a_cosine_has_two_coefficients() -> None:
    along = 2 * np.pi * np.arange(8) / 8
    density = np.cos(along[:, None, None] - 2 * along[None, None])  # one cycle in x, -2 in z
    frequencies = np.array([(1, 0, -2), (-1, 0, 2), (1, 0, 2), (0, 1, -2)])
    actual = sampled(torch.from_numpy(np.broadcast_to(density, (8, 8, 8)).copy()), frequencies)
    np.testing.assert_allclose(actual[:, 0], np.array([1, 1, 0, 0]) * 8**1.5 / 2, atol=1e-9)
    np.testing.assert_allclose(actual[:, 1], 0, atol=1e-9)


@given(sizes, seeds)
@settings(max_examples=20)
def test_the_gradient_is_the_adjoint(size: int, seed: int) -> None:
    density, frequencies = example(size, seed)
    y = np.random.default_rng(seed).standard_normal((len(frequencies), 2))
    x = torch.from_numpy(density).requires_grad_()
    samples = sampled(x, frequencies)
    [back] = torch.autograd.grad((samples * torch.from_numpy(y)).sum(), x)
    # The real part of numpy's inverse transform of y at the frequencies, which may repeat.
    spectrum = np.zeros((size,) * 3, complex)
    np.add.at(spectrum, tuple(frequencies.T % size), y[:, 0] + 1j * y[:, 1])
    expected = np.fft.ifftn(spectrum, norm="ortho").real
    np.testing.assert_allclose(back, expected, atol=1e-12)
    # <A x, y> = <x, A' y>
    inner = float((samples.detach().numpy() * y).sum())
    assert inner == pytest.approx(float((density * back.numpy()).sum()), abs=1e-10)


def test_gradients_equal_differences() -> None:
    x = torch.rand(2, 3, 3, 3, dtype=torch.float64, requires_grad=True)
    frequencies = torch.tensor([[[0, 0, 0], [1, -1, 0]], [[1, 0, 1], [-1, 1, 1]]]).double()
    assert torch.autograd.gradcheck(lambda volumes: fourier_samples(volumes, frequencies), x)


def test_each_object_has_its_frequencies() -> None:
    x, frequencies = torch.rand(3, 4, 4, 4), torch.randint(-2, 2, (3, 5, 3)).float()
    alone = [fourier_samples(x[i : i + 1], frequencies[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(fourier_samples(x, frequencies), torch.cat(alone))


def test_half_precision_is_transformed_in_single_precision() -> None:
    x, frequencies = torch.ones(1, 4, 4, 4, dtype=torch.bfloat16), torch.zeros(1, 1, 3)
    samples = fourier_samples(x, frequencies)
    assert samples.dtype == torch.float32
    assert samples[0, 0].tolist() == pytest.approx([8.0, 0.0])  # sqrt(64)
