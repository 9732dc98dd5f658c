"""Image corruptions of known strength: shift, rotation, noise, blur.

Each function takes images ``[n, side, side]`` with values in [0, 1], a strength and a random number
generator, and returns images of the same shape. Pixels outside an image are 0 (black).
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from mlp_lab.images.displacement_fields import (
    affine_fields,
    affine_weights,
    gaussian_smoothing,
    resample,
    to_sampling_points,
)


class CorruptionFunction(Protocol):
    """Type of the functions of this module."""

    def __call__(self, images: Tensor, strength: float, generator: torch.Generator) -> Tensor: ...


@dataclass(frozen=True)
class Corruption:
    """A corruption and the strengths of the robustness evaluation.

    Attributes:
        apply: corruption function.
        unit: unit of the strengths.
        strengths: strengths in ascending order, from hardly visible to difficult for people.
    """

    apply: CorruptionFunction
    unit: str
    strengths: tuple[float, ...]


def shift(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Shift each image by ``strength`` pixels in a random direction: right, left, down or up."""
    directions = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    direction = directions[torch.randint(4, (len(images),), generator=generator)]
    return _map_affinely(images, torch.zeros(len(images)), strength * direction)


def rotate(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Rotate each image about its centre by ``strength`` degrees in a random direction."""
    direction = 2.0 * torch.randint(2, (len(images),), generator=generator) - 1
    return _map_affinely(images, torch.deg2rad(strength * direction), torch.zeros(len(images), 2))


def add_noise(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Add normal noise to each pixel and clip the values to [0, 1].

    The standard deviation of the noise is ``strength`` per cent of the range from black to white.
    """
    noise = torch.randn(images.shape, generator=generator)
    return (images + strength / 100 * noise).clamp(0, 1)


def blur(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Smooth images with a Gaussian of standard deviation ``strength`` pixels (not random)."""
    smoothing = gaussian_smoothing(images.shape[1], strength).to(images.dtype)
    return smoothing @ images @ smoothing


CORRUPTIONS = {
    "shift": Corruption(shift, "px", (1, 2, 3, 4, 5)),
    "rotation": Corruption(rotate, "degrees", (10, 20, 30, 45, 60)),
    "noise": Corruption(add_noise, "%", (10, 20, 30, 50, 70)),
    "blur": Corruption(blur, "px", (0.5, 1, 1.5, 2, 3)),
}


def _map_affinely(images: Tensor, rotation: Tensor, shift: Tensor) -> Tensor:
    """Rotate and then shift images.

    Args:
        images: images, ``[n, side, side]``.
        rotation: counter-clockwise angles in radians, ``[n]``.
        shift: displacements along x and y in pixels, ``[n, 2]``.
    """
    side = images.shape[1]
    weights = affine_weights(rotation, torch.zeros_like(rotation), torch.ones_like(shift), shift)
    return resample(images, to_sampling_points(weights @ affine_fields(side), side), fill=0.0)
