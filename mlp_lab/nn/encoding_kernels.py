"""The kernel of an encoding: how much alike it makes two points of the plane.

The network that trains on encoded points learns what one of them tells about another by this
kernel (Tancik et al. 2020, section 5). All of it is given over its value at the centre.
"""

import math

import torch
from torch import Tensor, nn

_DIRECTIONS = 32


@torch.no_grad()
def kernel(encoding: nn.Module, points: Tensor, centre: Tensor) -> Tensor:
    """gamma(x) . gamma(c) / gamma(c) . gamma(c) for points x and a centre c: ``[...]``.

    Args:
        encoding: gamma, of points ``[..., in_features]``.
        points: ``[..., in_features]``.
        centre: ``[in_features]``.
    """
    at_centre = encoding(centre)
    return encoding(points) @ at_centre / (at_centre @ at_centre)


def kernel_map(encoding: nn.Module, centre: Tensor, side: int) -> Tensor:
    """The kernel over the unit square, its ends included: ``[side, side]``, rows by y."""
    along = torch.linspace(0, 1, side).to(centre)
    return kernel(encoding, torch.stack(torch.meshgrid(along, along, indexing="xy"), 2), centre)


def kernel_by_distance(encoding: nn.Module, centre: Tensor, distances: Tensor) -> Tensor:
    """The kernel between the centre and points at distances ``[distances]`` from it.

    Returns its mean, least and largest value over directions all around: ``[3, distances]``.
    """
    angles = 2 * math.pi * torch.arange(_DIRECTIONS).to(centre) / _DIRECTIONS
    directions = torch.stack([angles.cos(), angles.sin()], 1)
    found = kernel(encoding, centre + distances[:, None, None] * directions, centre)
    return torch.stack([found.mean(1), found.amin(1), found.amax(1)])
