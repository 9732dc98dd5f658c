"""Similarity of images, compared with scikit-image."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from mlp_lab.images.similarity import SSIM_WINDOW, psnr, ssim

sides = st.integers(SSIM_WINDOW, 30)


@given(sides, sides, st.sampled_from([1, 3]), st.floats(0, 1), st.integers(0, 999))
def test_ssim(height: int, width: int, channels: int, noise: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    one = random.random((height, width, channels))
    other = (1 - noise) * one + noise * random.random((height, width, channels))
    expected = structural_similarity(
        one, other, channel_axis=2, data_range=1.0,
        gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
    )  # fmt: skip
    actual = ssim(torch.from_numpy(one), torch.from_numpy(other))
    assert actual == pytest.approx(expected, abs=1e-10)
    if noise == 0:
        assert actual == pytest.approx(1)


@given(st.floats(0.01, 1), st.floats(0.1, 300))
def test_psnr(noise: float, peak: float) -> None:
    one = np.random.default_rng(0).random((5, 5)) * peak
    expected = peak_signal_noise_ratio(one, one + noise * peak, data_range=peak)
    assert psnr((noise * peak) ** 2, peak) == pytest.approx(expected)
    assert psnr(0.0, peak) == math.inf
