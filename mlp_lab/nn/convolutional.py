"""Convolutional networks: teachers of multilayer perceptrons, see ``tasks/distillation.py``."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn


class Convolutional(nn.Sequential):
    """Convolutional network for square images with one channel.

    It has stages of two convolutions with kernels of 3 x 3 pixels (Simonyan and Zisserman 2015,
    arXiv 1409.1556, section 2), each followed by batch normalization and ReLU. Max-pooling after
    the first convolution of a stage halves both sides of the image. Dropout and a linear output
    layer follow the last stage.

    Shapes: ``[batch, in_features]``, the rows of an image one after the other, to
    ``[batch, out_features]``.

    Args:
        in_features: number of pixels of an image, a square number.
        out_features: number of outputs; no activation follows them.
        channels: number of channels of each stage, at least one.
        dropout: probability that an input of the output layer is dropped in training.

    Raises:
        ValueError: the images are not square, or too small for so many stages.
    """

    def __init__(
        self, in_features: int, out_features: int, *, channels: Sequence[int], dropout: float
    ) -> None:
        side = math.isqrt(in_features)
        if side**2 != in_features:
            raise ValueError(f"the number of inputs, {in_features}, must be a square number")
        final_side = side // 2 ** len(channels)
        if final_side == 0:
            raise ValueError(
                f"{side} x {side} pixels are too few for {len(channels)} stages, each of which"
                " halves the sides"
            )
        layers: list[nn.Module] = [nn.Unflatten(1, (1, side, side))]
        for inputs, outputs in pairwise([1, *channels]):
            # Pooling comes before the normalization, which then has a quarter of the pixels; its
            # statistics are those of the pooled values.
            layers += [_convolution(inputs, outputs), nn.MaxPool2d(2), nn.BatchNorm2d(outputs)]
            layers += [nn.ReLU(), _convolution(outputs, outputs), nn.BatchNorm2d(outputs)]
            layers += [nn.ReLU()]
        layers += [nn.Flatten(), nn.Dropout(dropout)]
        super().__init__(*layers, nn.Linear(channels[-1] * final_side**2, out_features))


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    """Return a convolution without biases, which the normalization would subtract."""
    layer = nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False)
    # Convolutions are fastest in the memory format channels_last. ``contiguous`` would not change
    # the strides of a single channel.
    ordered = torch.empty_like(layer.weight, memory_format=torch.channels_last)
    layer.weight.data = ordered.copy_(layer.weight.data)
    return layer
