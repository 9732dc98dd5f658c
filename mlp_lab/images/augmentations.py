"""Augmentation of images: a random affine map and a random elastic deformation for each image.

Both are linear in a small number of random weights, see ``displacement_fields.py``. kornia has the
same augmentation, but takes 12 to 21 times as long (mlp_lab/benchmark/README.md).
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mlp_lab.images.displacement_fields import (
    affine_fields,
    affine_weights,
    elastic_modes,
    resample,
    to_sampling_points,
)


class InputAugmentation(ABC):
    """Random change of training inputs; plug-ins derive their augmentations from it."""

    #: Last fraction of the training, in which the strength decreases linearly to 0.
    cooldown: float = 0.0
    #: Whether inputs must be images; the constructor then gets their ``side`` and ``fill``.
    of_images = False
    #: Numbers of the classes whose inputs are changed in another way.
    classes: Sequence[int] = ()

    @property
    def is_identity(self) -> bool:
        """Whether the augmentation leaves all inputs unchanged."""
        return False

    @abstractmethod
    def __call__(
        self, inputs: Tensor, /, generator: torch.Generator, strength: float = 1.0
    ) -> Tensor:
        """Return changed copies of inputs, of the same shape and dtype.

        Args:
            inputs: training inputs ``[batch, ...]``.
            generator: random number generator on the device of ``inputs``.
            strength: factor of the change: 1, or less during the ``cooldown``.
        """

    def augment(
        self, inputs: Tensor, targets: Tensor, generator: torch.Generator, strength: float
    ) -> Tensor:
        """Return changed copies of the inputs of a minibatch; see ``__call__``.

        Augmentations that depend on ``targets`` ``[batch, ...]`` override this.
        """
        return self(inputs, generator, strength)


class Augmentation(InputAugmentation):
    """Random affine map and elastic deformation, different for each image of a batch.

    The points of the image are scaled, sheared, rotated and shifted, relative to the centre (x to
    the right, y downwards). Each parameter is uniform within its bounds and independent of all
    others. The elastic field then displaces the sampling point of each pixel (``elastic_modes``).
    The interpolation is bilinear. If all bounds are 0, the images are unchanged.

    Published values for MNIST: rotation or shear 15, scale 15 to 20, alpha 36 to 38 with sigma 5
    to 6 (Ciresan et al. 2010, arXiv 1003.0358, section 2); alpha 34, sigma 4 (Simard et al. 2003,
    "Best practices for convolutional neural networks", section 2). Ciresan et al. either rotate or
    shear each image, and halve the angle for 1 and 7.

    Args:
        rotation: largest angle in degrees, in both directions.
        shear: largest inclination of vertical lines in degrees, in both directions.
        scale: largest change of the width and, independently, of the height in per cent.
        shift: largest displacement along each axis in pixels, in both directions.
        alpha: amplitude of the elastic field in pixels: that of the noise before smoothing. Far
            from the border, the standard deviation of the displacement along each axis is
            alpha / (2 sqrt(3 pi) sigma) pixels: 1.4 for the values of Simard et al.
        sigma: standard deviation of the Gaussian that smooths the field, in pixels; above 0.
        cooldown: last fraction of the training, in which all bounds and alpha decrease linearly to
            0.
        rotation_or_shear: whether each image is either rotated or sheared, with probability 1/2,
            instead of both.
        weak_classes: classes whose images are rotated and sheared less; None: none.
        weak_factor: factor of the rotation and the shear of ``weak_classes``.
        fill: value of the pixels outside the image.
        side: height and width of the images in pixels; at least 2.

    Attributes:
        cooldown: as above; the task computes the strength from it.
        classes: the ``weak_classes``.
    """

    of_images = True

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
        rotation_or_shear: bool = False,
        weak_classes: Sequence[int] | None = None,
        weak_factor: float = 0.5,
        fill: float = 0.0,
        side: int = 28,
    ) -> None:
        self._settings = {
            **{"rotation": rotation, "shear": shear, "scale": scale, "shift": shift},
            **{"alpha": alpha, "sigma": sigma, "cooldown": cooldown},
            **{"rotation_or_shear": rotation_or_shear, "weak_classes": weak_classes},
            **{"weak_factor": weak_factor, "fill": fill, "side": side},
        }
        self.cooldown = cooldown
        self._rotation_or_shear = rotation_or_shear
        self.classes = tuple(weak_classes or ())
        self._weak_classes = torch.tensor(self.classes)
        self._weak_factor = weak_factor
        angles = [math.radians(rotation), math.radians(shear)]
        self._bounds = torch.tensor([*angles, scale / 100, scale / 100, shift, shift])
        fields = affine_fields(side)
        if alpha > 0:
            fields = torch.cat([fields, alpha * elastic_modes(side, sigma)])
        self._fields = to_sampling_points(fields, side)
        self._fill = fill

    def __repr__(self) -> str:
        """Return all settings: two augmentations are equal if their representations are."""
        return f"Augmentation({', '.join(f'{k}={v}' for k, v in self._settings.items())})"

    @property
    def is_identity(self) -> bool:
        """Whether the augmentation leaves all images unchanged."""
        return not self._bounds.any() and self._settings["alpha"] == 0

    def augment(
        self, inputs: Tensor, targets: Tensor, generator: torch.Generator, strength: float
    ) -> Tensor:
        """Return distorted copies of images, with less rotation and shear of ``weak_classes``."""
        if not self.classes:
            return self(inputs, generator, strength)
        self._weak_classes = self._weak_classes.to(targets.device)
        weak = torch.isin(targets, self._weak_classes)
        return self(inputs, generator, strength, torch.where(weak, self._weak_factor, 1.0))

    def __call__(
        self,
        images: Tensor,
        generator: torch.Generator,
        strength: float = 1.0,
        turning: Tensor | None = None,
    ) -> Tensor:
        """Return distorted copies of images.

        Args:
            images: images, ``[n, side, side]`` or ``[n, side * side]``.
            generator: random number generator on the device of ``images``.
            strength: factor of all bounds and of alpha.
            turning: further factor of the rotation and the shear of each image, ``[n]``; None: 1.

        Returns:
            Images with the shape, dtype and device of ``images``; ``images`` itself if the
            augmentation is the identity or ``strength`` is 0.

        Raises:
            RuntimeError: the images have another size, or the generator is on another device.
        """
        if self.is_identity or strength == 0:
            return images
        self._bounds, self._fields = (t.to(images.device) for t in (self._bounds, self._fields))
        weights = self._sample_weights(len(images), generator, strength, turning)
        return resample(images, weights @ self._fields, self._fill)

    def _sample_weights(
        self, n: int, generator: torch.Generator, strength: float, turning: Tensor | None
    ) -> Tensor:
        """Sample the weights of the fields for x and y of each image, ``[n, 2, fields]``."""
        like: Any = {"dtype": self._fields.dtype, "device": self._fields.device}
        uniform = 2 * torch.rand(n, 6, generator=generator, **like) - 1
        parameters = uniform * (strength * self._bounds)
        if turning is not None:
            parameters[:, :2] *= turning[:, None]
        if self._rotation_or_shear:
            rotated = torch.rand(n, generator=generator, **like) < 0.5
            parameters[:, :2] *= torch.stack([rotated, ~rotated], dim=1)
        rotation, shear, scale, shift = parameters.split([1, 1, 2, 2], dim=1)
        affine = affine_weights(rotation[:, 0], shear[:, 0], 1 + scale, shift)
        modes = len(self._fields) - affine.shape[2]
        if modes == 0:
            return affine
        elastic = strength * torch.randn(n, 2, modes, generator=generator, **like)
        return torch.cat([affine, elastic], dim=2)
