"""Computed tomography as data: a network learns the density of an object from its projections."""

import math
from collections.abc import Mapping
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mlp_lab.config.names import SPLITS
from mlp_lab.data.image import axis, grid
from mlp_lab.data.measured_object import MeasuredObject
from mlp_lab.data.target_image import TargetImage
from mlp_lab.figures import frequency_plots, tomography
from mlp_lab.figures.rendering import Draw
from mlp_lab.images.filtered_back_projection import check_scikit_image, filtered_back_projection
from mlp_lab.images.phantoms import shepp_logan
from mlp_lab.images.photographs import read_image
from mlp_lab.images.spectra import spectrum
from mlp_lab.nn.operators.radon import line_integrals

#: Standard deviation of the noise of the ellipses' parameters (Tancik et al. 2020).
_JITTER = 1 / 20
#: Angle of the first projection of each split, in units of the angle between two projections.
_FIRST = {"train": 0.0, "validation": 0.5, "test": 0.25}


class CT(TargetImage, MeasuredObject):
    """Projections of one object, whose density is a square grey image.

    Inputs are the coordinates of all pixels, as those of ``data.image.Image``. Targets are
    projections, float32 ``[1, projections, 1 + size]``: the angle in radians, followed by the line
    integrals (``nn.operators.radon``). The density is ``target_image``.

    The angles of a split are evenly spaced over [0, pi). Training projections start at 0, as in
    Tancik et al. 2020. The paper has no validation data; here, the validation data, which select
    the epoch, are as many projections at the angles halfway between. The test projections lie
    between both.

    The density is 0 outside the inscribed circle, which all rays of a scanner cross.

    Args:
        image: path of a file or a name of ``photographs.SCIKIT_IMAGE_FILES``, of which the largest
            central square is used; None: a Shepp-Logan phantom.
        phantom: seed of the noise of the phantom's ellipses.
        size: width and height in pixels, and number of rays of a projection.
        projections: number of projections of each split.
        common: arguments of ``DataModule``.
    """

    classical = "filtered back-projection"

    def __init__(
        self, *, image: str | None, phantom: int, size: int, projections: int, **common: Any
    ) -> None:
        super().__init__(file=image, size=size, batch_size=1, **common)
        self.target_parts = dict.fromkeys(SPLITS, (slice(None), slice(None)))
        self._phantom, self._projections = phantom, projections

    @property
    def target_kind(self) -> str:
        return "projections"

    def make_image(self) -> np.ndarray:
        """Return the density, which is 0 outside the inscribed circle, ``[size, size, 1]``."""
        if self.file is None:
            image = shepp_logan(self.size, _JITTER, self._phantom)[:, :, None]
        else:
            image = read_image(self.file, self.size, None, True)
        offsets = np.arange(self.size) - self.size // 2
        outside = np.hypot(offsets, offsets[:, None]) > self.size // 2
        return np.where(outside[:, :, None], np.float32(0), image)

    @property
    def density(self) -> np.ndarray:
        return self.target_image[:, :, 0]

    @property
    def nyquist(self) -> float:
        """The highest frequency that the pixels can show, in cycles over the image."""
        return self.size / 2

    def read(self, device: torch.device) -> dict[str, tuple[Tensor, Tensor]]:
        along = axis(self.size)
        points = grid(along, along).unsqueeze(0).to(device)
        return {
            split: (points, self._measured(first).to(device)) for split, first in _FIRST.items()
        }

    def _measured(self, first: float) -> Tensor:
        """Return the projections of a split, ``[1, projections, 1 + size]``."""
        steps = np.arange(self._projections) + first
        angles = torch.from_numpy(steps * math.pi / self._projections).float().unsqueeze(0)
        density = torch.from_numpy(self.density).unsqueeze(0)
        return torch.cat([angles.unsqueeze(2), line_integrals(density, angles)], 2)

    def check_packages(self) -> None:
        check_scikit_image()

    @cached_property
    def reconstruction(self) -> np.ndarray:
        angles, projections = self._training()
        return filtered_back_projection(projections, angles)

    def figures(self, images: Mapping[str, np.ndarray]) -> dict[str, Draw]:
        angles, projections = self._training()
        shown = {"density": self.density, **images}
        spectra = {name: spectrum(image[:, :, None]) for name, image in shown.items()}
        title = "amplitude spectra of the densities"
        return {
            "reconstructions": partial(
                tomography.reconstructions, self.density, images, projections, angles
            ),
            "reconstruction_spectra": partial(
                frequency_plots.amplitude_spectra, spectra, self.nyquist, title
            ),
        }

    def _training(self) -> tuple[np.ndarray, np.ndarray]:
        """Return angles ``[projections]`` and training projections ``[projections, size]``."""
        targets = self.splits["train"][1][0].float().cpu().numpy()
        return targets[:, 0], targets[:, 1:]
