"""The zero-filled inverse Fourier transform."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mlp_lab.images.zero_filling import zero_filled


def all_frequencies(size: int) -> np.ndarray:
    along = range(-(size // 2), size - size // 2)
    return np.array(list(itertools.product(along, along, along)))


def coefficients(volume: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    return np.fft.fftn(volume, norm="ortho")[tuple(frequencies.T % len(volume))]


@given(st.integers(2, 6), st.integers(0, 99))
@settings(max_examples=20)
def test_one_of_each_pair_of_conjugates_determines_a_volume(size: int, seed: int) -> None:
    volume = np.random.default_rng(seed).random((size,) * 3)
    frequencies = all_frequencies(size)
    half = frequencies[[tuple(k) >= tuple(-k % size) for k in frequencies % size]]
    assert len(half) <= len(frequencies) // 2 + 4
    np.testing.assert_allclose(
        zero_filled(coefficients(volume, half), half, size), volume, atol=1e-6
    )


@given(st.integers(0, 99))
@settings(max_examples=10)
def test_it_is_the_smallest_least_squares_solution(seed: int) -> None:
    random, size = np.random.default_rng(seed), 3
    frequencies = random.permutation(all_frequencies(size))[:9]
    samples = coefficients(random.random((size,) * 3), frequencies)
    rows = [
        np.fft.fftn(voxel.reshape((size,) * 3), norm="ortho")[tuple(frequencies.T % size)]
        for voxel in np.eye(size**3)
    ]
    matrix = np.concatenate([np.real(rows), np.imag(rows)], 1).T
    measured = np.concatenate([samples.real, samples.imag])
    expected, *_ = np.linalg.lstsq(matrix, measured)
    actual = zero_filled(samples, frequencies, size)
    np.testing.assert_allclose(actual.ravel(), expected.clip(0, 1), atol=1e-6)
