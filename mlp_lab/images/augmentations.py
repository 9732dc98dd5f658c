"""Augmentation of pictures: a random affine map and a random elastic field for each of a batch.

Both are linear in few random numbers. The points of a whole batch are therefore one matrix product
of these numbers with fixed fields, and its pictures are resampled once.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

# The part of an elastic field's variance that its leading modes must hold.
_KEPT_VARIANCE = 0.999


class Augmentation:
    """Distorts each picture of a batch by an affine map and an elastic field of its own.

    A point of the picture, seen from the centre (x to the right, y down), is scaled, sheared,
    rotated and shifted. Each parameter is uniform between its bounds and independent of all
    others. The elastic field then moves the place that each pixel is read from (``elastic_modes``).
    Values between pixels are bilinear. With all bounds at zero, the pictures stay as they are.

    What others used for MNIST: rotation or else shear 15, scale 15 to 20, alpha 36 to 38 with
    sigma 5 to 6 (Ciresan et al. 2010, arXiv 1003.0358, section 2); alpha 34, sigma 4 (Simard et
    al. 2003, "Best practices for convolutional neural networks", section 2).

    Args:
        rotation: at most so many degrees either way; positive is counter-clockwise.
        shear: at most so many degrees, by which vertical lines lean either way.
        scale: at most so many per cent wider or narrower, and, drawn apart, higher or lower.
        shift: at most so many pixels along each axis either way.
        alpha: amplitude of the elastic field in pixels: that of the noise before it is smoothed.
            Far from the border, what is left is a displacement along each axis whose standard
            deviation is alpha / (2 sqrt(3 pi) sigma) pixels: 1.4 for Simard's values.
        sigma: width of the Gaussian that smooths the field, in pixels; above 0.
        cooldown: the last part of a training, in which all bounds, and alpha, fall linearly to 0.
        fill: the value of everything outside the picture.
        side: height and width of the pictures in pixels; at least 2.
    """

    def __init__(
        self,
        *,
        rotation: float = 0.0,
        shear: float = 0.0,
        scale: float = 0.0,
        shift: float = 0.0,
        alpha: float = 0.0,
        sigma: float = 5.0,
        cooldown: float = 0.0,
        fill: float = 0.0,
        side: int = 28,
    ) -> None:
        settings = {"rotation": rotation, "shear": shear, "scale": scale, "shift": shift}
        settings |= {"alpha": alpha, "sigma": sigma, "cooldown": cooldown}
        self._settings = settings | {"fill": fill, "side": side}
        #: Part of the training, at its end, in which the task lets the strength fall to 0.
        self.cooldown = cooldown
        angles = [math.radians(rotation), math.radians(shear)]
        self._bounds = torch.tensor([*angles, scale / 100, scale / 100, shift, shift])
        fields = affine_fields(side)
        if alpha > 0:
            fields = torch.cat([fields, alpha * elastic_modes(side, sigma)])
        self._fields = to_points(fields, side)
        self._fill = fill

    def __repr__(self) -> str:
        """What tells two of them apart."""
        return f"Augmentation({', '.join(f'{k}={v}' for k, v in self._settings.items())})"

    @property
    def idle(self) -> bool:
        """Whether it leaves all pictures as they are."""
        return not self._bounds.any() and self._settings["alpha"] == 0

    def __call__(self, images: Tensor, generator: torch.Generator, strength: float = 1.0) -> Tensor:
        """Distorted copies of ``images``.

        Args:
            images: ``[n, side, side]``, or the same in rows ``[n, side * side]``.
            generator: of all random numbers, on the device of ``images``.
            strength: what all bounds, and alpha, are multiplied by.

        Returns:
            As ``images`` in shape, type and device; ``images`` themselves if nothing changes.

        Raises:
            RuntimeError: for pictures of another size, or a generator on another device.
        """
        if self.idle or strength == 0:
            return images
        self._bounds, self._fields = (t.to(images.device) for t in (self._bounds, self._fields))
        weights = self._draw(len(images), generator, strength)
        return resample(images, weights @ self._fields, self._fill)

    def _draw(self, n: int, generator: torch.Generator, strength: float) -> Tensor:
        """The weights of the fields in each picture's points: ``[n, 2, fields]``."""
        like: Any = {"dtype": self._fields.dtype, "device": self._fields.device}
        uniform = 2 * torch.rand(n, 6, generator=generator, **like) - 1
        parameters = uniform * (strength * self._bounds)
        rotation, shear, scale, shift = parameters.split([1, 1, 2, 2], dim=1)
        affine = affine_weights(rotation[:, 0], shear[:, 0], 1 + scale, shift)
        modes = len(self._fields) - affine.shape[2]
        if modes == 0:
            return affine
        elastic = strength * torch.randn(n, 2, modes, generator=generator, **like)
        return torch.cat([affine, elastic], dim=2)


def affine_fields(side: int) -> Tensor:
    """What affine maps are made of: x, y and 1 at each pixel, float32 ``[3, side * side]``.

    In pixels from the centre of the picture, x to the right and y down.
    """
    axis = torch.arange(side) - (side - 1) / 2
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([x, y, torch.ones_like(x)]).flatten(1)


def to_points(pixels: Tensor, side: int) -> Tensor:
    """What is in pixels from the centre of a picture, in the unit of ``resample``."""
    return pixels * (2 / (side - 1))


def affine_weights(rotation: Tensor, shear: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Where the points of affinely mapped pictures come from: ``[n, 2, 3]``.

    A point is scaled, sheared along x, rotated about the centre, then shifted. The product of what
    is returned and ``affine_fields`` says for each pixel of the outcome which point came to lie
    there: the inverse of this map.

    Args:
        rotation: radians, counter-clockwise, ``[n]``.
        shear: radians by which vertical lines lean, to the left at their top, ``[n]``.
        scale: factors along x and y, ``[n, 2]``.
        shift: pixels along x and y, ``[n, 2]``.
    """
    cos, sin, tan = rotation.cos(), rotation.sin(), shear.tan()
    rows = torch.stack([cos - tan * sin, -sin - tan * cos, sin, cos], dim=1)
    inverse = rows.view(-1, 2, 2) / scale[:, :, None]
    return torch.cat([inverse, -inverse @ shift[:, :, None]], dim=2)


def elastic_modes(side: int, sigma: float) -> Tensor:
    """What elastic fields are made of: float32 ``[modes, side * side]``.

    Simard et al. (2003, section 2) draw noise for each pixel, uniform in [-1, 1], and smooth it by
    a Gaussian. Here its weights sum to 1, and the noise outside the picture is zero. Smoothing is
    linear, and its eigenvectors are products of those along one axis. The leading ones, weighted
    by independent standard normal numbers, give fields of the same covariance; and a mean over
    some 4 pi sigma**2 uniform numbers is as good as normal itself.

    The modes come in descending order and hold 99.9 % of the variance. For sigma 4 and 28 pixels
    these are 35, in place of 784 noisy pixels.
    """
    gains, vectors = torch.linalg.eigh(gaussian_smoothing(side, sigma))
    # The signs are the linear algebra library's choice; pictures should not depend on it.
    vectors = torch.where(vectors[0] < 0, -vectors, vectors)
    products = gains.outer(gains).flatten()
    order = products.argsort(descending=True, stable=True)
    held = products[order].square().cumsum(0)
    kept = order[: int((held < _KEPT_VARIANCE * held[-1]).sum()) + 1]
    modes = torch.einsum("ym,xm->myx", vectors[:, kept // side], vectors[:, kept % side])
    uniform_std = 1 / math.sqrt(3)
    return (uniform_std * products[kept, None] * modes.flatten(1)).float()


def gaussian_smoothing(side: int, sigma: float) -> Tensor:
    """The matrix S that smooths along one axis: float64 ``[side, side]``, symmetric.

    S image S is the picture smoothed by a Gaussian of so many pixels, 0 outside. Its weights sum
    to 1 over all pixels, those outside included.
    """
    distance = torch.arange(side, dtype=torch.float64)
    gaussian = torch.exp(-((distance - distance[:, None]) ** 2) / (2 * sigma**2))
    beyond = torch.arange(-math.ceil(9 * sigma), math.ceil(9 * sigma) + 1, dtype=torch.float64)
    return gaussian / torch.exp(-(beyond**2) / (2 * sigma**2)).sum()


def resample(images: Tensor, points: Tensor, fill: float) -> Tensor:
    """Pictures read at ``points``, bilinearly.

    Args:
        images: ``[n, side, side]``, or the same in rows ``[n, side * side]``.
        points: x and y for each pixel of the outcome, float32 ``[n, 2, side * side]``. They are
            0 in the centre of the picture, and -1 and 1 in that of its outermost pixels.
        fill: the value of everything outside the picture.

    Returns:
        As ``images`` in shape and type.
    """
    n, pixels = len(images), points.shape[2]
    side = math.isqrt(pixels)
    # Half precision is too coarse for coordinates.
    dtype = torch.promote_types(images.dtype, points.dtype)
    # torch's kernel is fastest where all pixels lie in one row.
    grid = points.to(dtype).view(n, 2, 1, pixels).permute(0, 2, 3, 1)
    above = (images.to(dtype) - fill).reshape(n, 1, side, side)  # torch reads zeros outside
    read = F.grid_sample(above, grid, mode="bilinear", padding_mode="zeros", align_corners=True)
    return read.add_(fill).to(images.dtype).reshape(images.shape)
