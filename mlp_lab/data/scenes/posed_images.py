"""Images and the cameras that took them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mlp_lab.data.scenes.camera import Camera


class PosedImages(NamedTuple):
    """Images of one size with their cameras.

    Attributes:
        images: float32 ``[images, height, width, 3]`` in [0, 1].
        cameras: camera of each image.
    """

    images: np.ndarray
    cameras: Sequence[Camera]

    def rays_and_colours(self) -> tuple[Tensor, Tensor]:
        """Return the rays through all pixels, ``[pixels, 6]``, and their colours ``[pixels, 3]``.

        See ``Camera.rays``.
        """
        _, height, width, _ = self.images.shape
        rays = torch.cat([camera.rays(width, height) for camera in self.cameras])
        return rays, torch.from_numpy(self.images).flatten(0, 2)
