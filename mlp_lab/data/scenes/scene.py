"""The base class of scenes, and images of them."""

import math
from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor

from mlp_lab.data.scenes.camera import Camera, camera_on_sphere
from mlp_lab.data.scenes.posed_images import PosedImages
from mlp_lab.errors import UserError

#: Radius of a ball around the origin that contains each scene.
RADIUS = 1.3
_SUPERSAMPLING = 2  # rays per pixel in each direction
_LIGHT = torch.tensor([0.3, -0.5, 0.81])  # direction towards the light, of length 1
_AMBIENT = 0.35  # part of the light that has no direction
_GOLDEN_ANGLE = 180 * (3 - math.sqrt(5))  # degrees
# Azimuth of the first camera of each split in degrees.
_FIRST = {"train": 0.0, "validation": 40.0, "test": 100.0}


class Scene(ABC):
    """Opaque coloured objects in the ball of ``RADIUS`` around the origin, on white.

    The light is diffuse: a point has the same colour from all directions.
    """

    @abstractmethod
    def contains(self, points: Tensor) -> Tensor:
        """Return whether points ``[n, 3]`` are inside an object, bool ``[n]``."""

    @abstractmethod
    def ray_colours(self, rays: Tensor) -> Tensor:
        """Return the colours that are seen along rays ``[n, 6]``, ``[n, 3]``."""

    def posed_images(self, split: str, count: int, size: int, distance: float) -> PosedImages:
        """Return images from cameras above the scene that look at the origin.

        The cameras are evenly distributed on the upper half of a sphere (a spiral of golden
        angles); those of the splits differ.

        Args:
            split: name of the split.
            count: number of images.
            size: width and height in pixels.
            distance: distance of the cameras from the origin.

        Raises:
            UserError: a camera is inside an object.
        """
        heights = (np.arange(count) + 0.5) / count
        azimuths = _FIRST[split] + _GOLDEN_ANGLE * np.arange(count)
        elevations = np.rad2deg(np.arcsin(heights))
        cameras = [
            camera_on_sphere(azimuth, elevation, distance)
            for azimuth, elevation in zip(azimuths.tolist(), elevations.tolist(), strict=True)
        ]
        if bool(self.contains(torch.stack([camera.pose[:3, 3] for camera in cameras])).any()):
            raise UserError(
                f"data.distance={distance:g}: a camera is inside an object of the scene; more than"
                f" {RADIUS:g} is outside all of them"
            )
        return PosedImages(np.stack([self.render(camera, size) for camera in cameras]), cameras)

    def render(self, camera: Camera, size: int) -> np.ndarray:
        """Return the image that a camera takes, float32 ``[size, size, 3]`` in [0, 1]."""
        side = _SUPERSAMPLING * size
        colours = self.ray_colours(camera.rays(side, side))
        parts = colours.view(size, _SUPERSAMPLING, size, _SUPERSAMPLING, 3)
        return parts.mean((1, 3)).numpy()


def shaded(colours: Tensor, normals: Tensor) -> Tensor:
    """Return colours ``[n, 3]`` of a surface with unit normals ``[n, 3]`` in the diffuse light."""
    light = _AMBIENT + (1 - _AMBIENT) * (normals @ _LIGHT).clamp_min(0)
    return colours * light.unsqueeze(1)


def varied_colours(points: Tensor) -> Tensor:
    """Return colours that change from place to place, ``[n, 3]``, for points ``[n, 3]``."""
    phase = torch.tensor([[4.0, 1.0, 0.0], [0.0, 4.0, 1.0], [1.0, 0.0, 4.0]])
    waves = (points @ phase + torch.tensor([0.0, 1.0, 2.0])).sin()
    return 0.55 + 0.4 * waves
