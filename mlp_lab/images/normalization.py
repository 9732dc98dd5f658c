"""Normalization of digits: a common width, and strokes without slant.

An ensemble gains from members that see differently normalized digits (Meier, Ciresan, Gambardella
and Schmidhuber 2011, "Better digit recognition with a committee of simple neural nets"). Each image
is transformed alone, without random numbers. Digits are light on a background of 0.
"""

import torch
from torch import Tensor

from mlp_lab.images.displacement_fields import affine_fields, resample, to_sampling_points

# Pixels in [0, 1] below half a grey level are background.
_BACKGROUND = 0.5 / 255
# The largest slant, in pixels along x per pixel along y: 45 degrees. A nearly horizontal stroke has
# no slant that can be measured.
_MAX_SLANT = 1.0
# Images at a time: few enough for the processor's cache.
_BATCH = 1_000
_TINY = 1e-12


def normalize(images: Tensor, width: int | None, deslant: bool) -> Tensor:
    """Return images ``[n, side, side]`` in [0, 1], deslanted first, then with a common width.

    Args:
        images: images, float32 ``[n, side, side]`` in [0, 1].
        width: see ``with_width``; None: the width is unchanged.
        deslant: whether the images are changed by ``deslanted``.
    """
    parts = []
    for part in images.split(_BATCH):
        upright = deslanted(part) if deslant else part
        parts.append(upright if width is None else with_width(upright, width))
    return torch.cat(parts)


def with_width(images: Tensor, width: int) -> Tensor:
    """Return images with the bounding box of each digit scaled to a width; its height is unchanged.

    A column of the result is the mean of the box's columns with triangular weights, as in Pillow's
    bilinear ``resize``: an interpolation for a wider box, an average over all columns for a
    narrower one. The box is then moved horizontally by whole pixels to where the index of the
    centre of mass is closest to side / 2, as in MNIST, without leaving the image.

    Args:
        images: images, float32 ``[n, side, side]`` in [0, 1].
        width: width of the box; at most ``side``.
    """
    side = images.shape[-1]
    index = torch.arange(side, device=images.device)
    occupied = (images > _BACKGROUND).any(1)
    left = torch.where(occupied, index, side).amin(1, keepdim=True)
    right = torch.where(occupied, index, -1).amax(1, keepdim=True) + 1
    scale = (right - left) / width
    mass = images.sum(1)
    mean = (mass * (index + 0.5)).sum(1, keepdim=True) / mass.sum(1, keepdim=True).clamp_min(_TINY)
    mean_in_box = (mean - left) / scale - 0.5
    start = (side / 2 - mean_in_box).round().clamp(0, side - width)
    column = index - start  # of the box, for each column of the result, ``[n, side]``
    source = left + (column + 0.5) * scale - 0.5
    distance = (index[:, None] - source[:, None]).abs() / scale.clamp_min(1)[:, None]
    inside = ((index >= left) & (index < right))[:, :, None]
    inside = inside & ((column >= 0) & (column < width))[:, None]
    weights = (1 - distance).clamp_min(0) * inside  # ``[n, source columns, columns]``
    return images @ (weights / weights.sum(1, keepdim=True).clamp_min(_TINY))


def deslanted(images: Tensor) -> Tensor:
    """Shear each image horizontally so that its principal axis is upright.

    The slant is the regression of x on y, covariance / variance of y, with the pixels as masses.
    Each row is moved by its height above the centre of mass times the slant, which makes the
    covariance 0 and preserves the centre and, inside the image, the mass. The slant is at most 45
    degrees.

    Args:
        images: images, float32 ``[n, side, side]`` in [0, 1].
    """
    side = images.shape[-1]
    fields = affine_fields(side).to(images.device)
    x, y, _ = fields
    pixels = images.flatten(1)
    share = pixels / pixels.sum(1, keepdim=True).clamp_min(_TINY)
    mean_x, mean_y = share @ x, share @ y
    covariance = share @ (x * y) - mean_x * mean_y
    variance = share @ (y * y) - mean_y**2
    slant = (covariance / variance.clamp_min(_TINY)).clamp(-_MAX_SLANT, _MAX_SLANT)
    weights = torch.zeros(len(images), 2, 3, device=images.device)
    weights[:, 0] = torch.stack([torch.ones_like(slant), slant, -slant * mean_y], 1)
    weights[:, 1, 1] = 1
    return resample(images, weights @ to_sampling_points(fields, side), 0.0)
