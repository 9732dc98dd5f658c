"""The convolutional network, compared with NumPy: products with all patches of 3 x 3 pixels."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from torch import nn

from mlp_lab.nn.convolutional import Convolutional
from mlp_lab.nn.probes import describe, has_batch_normalization


def convolved(images: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """Return the products of kernels ``[outputs, inputs, 3, 3]`` with the patch of each pixel."""
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return np.einsum("nihwab,oiab->nohw", sliding_window_view(padded, (3, 3), (2, 3)), kernels)


def pooled(images: np.ndarray) -> np.ndarray:
    """Return the maxima of 2 x 2 pixels; a last odd row or column is omitted."""
    return sliding_window_view(images, (2, 2), (2, 3))[:, :, ::2, ::2].max((4, 5))


def normalized(images: np.ndarray, layer: nn.BatchNorm2d) -> np.ndarray:
    mean, variance, weight, bias = (
        each.numpy()[:, None, None]
        for each in (layer.running_mean, layer.running_var, layer.weight, layer.bias)
    )
    return (images - mean) / np.sqrt(variance + layer.eps) * weight + bias


@settings(deadline=None)
@given(st.integers(4, 9), st.lists(st.integers(1, 3), min_size=1, max_size=2), st.integers(0, 99))
def test_forward_equals_its_formula(side: int, channels: list[int], seed: int) -> None:
    torch.manual_seed(seed)
    network = Convolutional(side**2, 4, channels=channels, dropout=0.5).double().eval()
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    kernels = [m.weight.detach().numpy() for m in network.modules() if isinstance(m, nn.Conv2d)]
    for layer in norms:
        layer.running_mean.normal_()
        layer.running_var.uniform_(0.5, 2)
        nn.init.uniform_(layer.weight)
        nn.init.normal_(layer.bias)
        layer.requires_grad_(False)
    x = torch.randn(3, side**2, dtype=torch.float64)
    images = x.view(3, 1, side, side).numpy()
    assert [len(each) for each in kernels] == [n for n in channels for _ in range(2)]
    for stage in range(len(channels)):
        first, second = norms[2 * stage : 2 * stage + 2]
        images = np.maximum(normalized(convolved(images, kernels[2 * stage]), first), 0)
        images = convolved(pooled(images), kernels[2 * stage + 1])
        images = np.maximum(normalized(images, second), 0)
    last = network[-1]
    expected = images.reshape(3, -1) @ last.weight.detach().numpy().T + last.bias.detach().numpy()
    np.testing.assert_allclose(network(x).detach(), expected, atol=1e-10)


def test_the_channels_of_a_pixel_lie_side_by_side() -> None:
    network = Convolutional(64, 2, channels=[3, 4], dropout=0.0)
    x = torch.randn(5, 64)
    for layer in network:
        x = layer(x)
        if x.ndim == 4 and not isinstance(layer, nn.Unflatten):
            assert x.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [(12, "the number of inputs, 12, must be a square"), (9, "3 x 3 pixels are too few for 2 st")],
)
def test_unsuitable_images_are_refused(pixels: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Convolutional(pixels, 2, channels=[3, 4], dropout=0.0)


def test_description_and_batch_normalization() -> None:
    network = Convolutional(784, 10, channels=[8, 16], dropout=0.0)
    convolutions = 9 * (8 + 8 * 8 + 8 * 16 + 16 * 16)
    parameters = convolutions + 2 * (8 + 8 + 16 + 16) + (16 * 49 + 1) * 10
    assert describe(network) == f"1-8C3-8C3-16C3-16C3-10, {parameters:,} parameters"
    assert has_batch_normalization(network)
