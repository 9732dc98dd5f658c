"""Pictures made worse, by known strengths: shifted, rotated, noisy, blurred.

Each takes pictures ``[n, side, side]`` in [0, 1], 0 black, a strength and a generator of its random
numbers, and returns pictures of the same shape. What lies outside a picture is black.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from mlp_lab.images.augmentations import (
    affine_fields,
    affine_weights,
    gaussian_smoothing,
    resample,
    to_points,
)


class Spoil(Protocol):
    """What makes pictures worse."""

    def __call__(self, images: Tensor, strength: float, generator: torch.Generator) -> Tensor: ...


@dataclass(frozen=True)
class Corruption:
    """A way to make pictures worse.

    Attributes:
        spoil: does it.
        unit: of the strengths.
        strengths: ascending, from what can hardly be seen to what people find hard as well.
    """

    spoil: Spoil
    unit: str
    strengths: tuple[float, ...]


def shift(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Move each picture by ``strength`` pixels to the right, left, down or up, drawn apart."""
    ways = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    way = ways[torch.randint(4, (len(images),), generator=generator)]
    return _mapped(images, torch.zeros(len(images)), strength * way)


def rotate(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Turn each picture about its centre by ``strength`` degrees, either way, drawn apart."""
    way = 2.0 * torch.randint(2, (len(images),), generator=generator) - 1
    return _mapped(images, torch.deg2rad(strength * way), torch.zeros(len(images), 2))


def add_noise(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Add normal noise to each pixel, and clip to [0, 1], the values that pixels have.

    The noise's standard deviation is ``strength`` per cent of the way from black to white.
    """
    noise = torch.randn(images.shape, generator=generator)
    return (images + strength / 100 * noise).clamp(0, 1)


def blur(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Smooth by a Gaussian whose standard deviation is ``strength`` pixels; nothing is random."""
    smoothing = gaussian_smoothing(images.shape[1], strength).to(images.dtype)
    return smoothing @ images @ smoothing


CORRUPTIONS = {
    "shift": Corruption(shift, "px", (1, 2, 3, 4, 5)),
    "rotation": Corruption(rotate, "degrees", (10, 20, 30, 45, 60)),
    "noise": Corruption(add_noise, "%", (10, 20, 30, 50, 70)),
    "blur": Corruption(blur, "px", (0.5, 1, 1.5, 2, 3)),
}


def _mapped(images: Tensor, rotation: Tensor, shift: Tensor) -> Tensor:
    """Pictures turned by radians ``[n]``, counter-clockwise, then shifted by pixels ``[n, 2]``."""
    side = images.shape[1]
    weights = affine_weights(rotation, torch.zeros_like(rotation), torch.ones_like(shift), shift)
    return resample(images, to_points(weights @ affine_fields(side), side), fill=0.0)
