"""Convolutional networks: teachers of multilayer perceptrons, see ``tasks/distillation.py``."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

_KERNEL, _STRIDE = 5, 2


class Convolutional(nn.Sequential):
    """Convolutional network for square images with one channel.

    Each hidden layer is a convolution with kernels of 5 x 5 pixels and a stride of 2, which halves
    both sides of the image, batch normalization and ReLU. Strides replace pooling (Springenberg et
    al. 2015, arXiv 1412.6806, section 2). The output layer is linear.

    Shapes: ``[batch, in_features]``, the rows of an image one after the other, to
    ``[batch, out_features]``.

    Args:
        in_features: number of pixels of an image, a square number.
        out_features: number of outputs; no activation follows them.
        channels: number of channels of each hidden layer.

    Raises:
        ValueError: ``in_features`` is not a square number.
    """

    def __init__(self, in_features: int, out_features: int, *, channels: Sequence[int]) -> None:
        side = math.isqrt(in_features)
        if side**2 != in_features:
            raise ValueError(f"in_features={in_features}: must be the number of pixels of a square")
        layers: list[nn.Module] = [nn.Unflatten(1, (1, side, side))]
        for inputs, outputs in pairwise([1, *channels]):
            convolution = nn.Conv2d(inputs, outputs, _KERNEL, _STRIDE, _KERNEL // 2, bias=False)
            layers += [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]
            side = math.ceil(side / _STRIDE)
        super().__init__(*layers, nn.Flatten(), nn.Linear(channels[-1] * side**2, out_features))
        for parameter in self.parameters():
            if parameter.ndim == 4:  # kernels; with other strides, the products take twice as long
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
