"""The convolutional network, compared with NumPy loops over pixels."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mlp_lab.nn.convolutional import Convolutional
from mlp_lab.nn.probes import describe, has_batch_normalization


def convolved(images: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """Return the products of kernels ``[outputs, inputs, 5, 5]`` with every second 5 x 5 patch."""
    padded = np.pad(images, ((0, 0), (0, 0), (2, 2), (2, 2)))
    patches = np.lib.stride_tricks.sliding_window_view(padded, (5, 5), (2, 3))[:, :, ::2, ::2]
    return np.einsum("nihwab,oiab->nohw", patches, kernels)


@settings(deadline=None)
@given(st.integers(1, 9), st.lists(st.integers(1, 3), min_size=1, max_size=3), st.integers(0, 99))
def test_forward_equals_its_formula(side: int, channels: list[int], seed: int) -> None:
    torch.manual_seed(seed)
    network = Convolutional(side**2, 4, channels=channels).double().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    x = torch.randn(3, side**2, dtype=torch.float64)
    images = x.view(3, 1, side, side).numpy()
    with torch.no_grad():
        output = network(x)
        for layer in network:
            if isinstance(layer, nn.Conv2d):
                images = convolved(images, layer.weight.numpy())
            elif isinstance(layer, nn.BatchNorm2d):
                mean, variance, weight, bias = (
                    each.numpy()[:, None, None]
                    for each in (layer.running_mean, layer.running_var, layer.weight, layer.bias)
                )
                images = (images - mean) / np.sqrt(variance + layer.eps) * weight + bias
                images = np.maximum(images, 0)
        linear = network[-1]
        expected = images.reshape(3, -1) @ linear.weight.numpy().T + linear.bias.numpy()
    assert [m.out_channels for m in network if isinstance(m, nn.Conv2d)] == channels
    np.testing.assert_allclose(output, expected, atol=1e-10)


def test_images_that_are_not_square_are_refused() -> None:
    with pytest.raises(ValueError, match="in_features=12: must be the number of pixels"):
        Convolutional(12, 2, channels=[3])


def test_description_and_batch_normalization() -> None:
    network = Convolutional(784, 10, channels=[32, 64])
    parameters = 32 * 25 + 2 * 32 + 32 * 64 * 25 + 2 * 64 + (64 * 49 + 1) * 10
    assert describe(network) == f"1-32C5-64C5-10, {parameters:,} parameters"
    assert has_batch_normalization(network)
