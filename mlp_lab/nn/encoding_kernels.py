"""Kernels of encodings: the similarity of two encoded points of the plane.

The kernel determines how a training point influences a network's prediction at another point
(Tancik et al. 2020, section 5). All kernels are divided by their value at the centre.
"""

import math

import torch
from torch import Tensor, nn

_DIRECTIONS = 32


@torch.no_grad()
def kernel(encoding: nn.Module, points: Tensor, centre: Tensor) -> Tensor:
    """Return gamma(x) . gamma(c) / gamma(c) . gamma(c) for points x and a centre c, ``[...]``.

    Args:
        encoding: encoding gamma.
        points: points x, ``[..., in_features]``.
        centre: centre c, ``[in_features]``.
    """
    at_centre = encoding(centre)
    return encoding(points) @ at_centre / (at_centre @ at_centre)


def kernel_map(encoding: nn.Module, centre: Tensor, side: int) -> Tensor:
    """Return the kernel on a grid over the closed unit square, ``[side, side]``, one row per y."""
    axis = torch.linspace(0, 1, side).to(centre)
    return kernel(encoding, torch.stack(torch.meshgrid(axis, axis, indexing="xy"), 2), centre)


def kernel_by_distance(encoding: nn.Module, centre: Tensor, distances: Tensor) -> Tensor:
    """Return mean, minimum and maximum of the kernel over all directions, ``[3, distances]``.

    Args:
        encoding: encoding of points of the plane.
        centre: centre of the kernel, ``[2]``.
        distances: distances from the centre, ``[distances]``.
    """
    angles = 2 * math.pi * torch.arange(_DIRECTIONS).to(centre) / _DIRECTIONS
    directions = torch.stack([angles.cos(), angles.sin()], 1)
    values = kernel(encoding, centre + distances[:, None, None] * directions, centre)
    return torch.stack([values.mean(1), values.amin(1), values.amax(1)])
