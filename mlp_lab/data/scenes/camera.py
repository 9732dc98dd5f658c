"""Cameras: where they are, and the rays through their pixels."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

#: Horizontal angle of view in radians of the synthetic scenes of Mildenhall et al. 2020.
ANGLE = 0.6911112


class Camera(NamedTuple):
    """A pinhole camera in the convention of OpenGL and Blender.

    It looks along its negative z axis, with x to the right and y upwards.

    Attributes:
        pose: matrix from coordinates of the camera to those of the world, float32 ``[4, 4]``.
        angle: horizontal angle of view in radians.
    """

    pose: Tensor
    angle: float

    def rays(self, width: int, height: int) -> Tensor:
        """Return the rays through the middles of pixels, row by row, ``[height * width, 6]``.

        A ray is its origin, followed by its direction of length 1, in coordinates of the world.
        """
        pixel = 2 * math.tan(self.angle / 2) / width
        x = pixel * (torch.arange(width) + 0.5 - width / 2)
        y = pixel * (height / 2 - torch.arange(height) - 0.5)
        rows, columns = torch.meshgrid(y, x, indexing="ij")
        towards = torch.stack([columns, rows, -torch.ones_like(rows)], 2).flatten(0, 1)
        directions = towards / towards.norm(dim=1, keepdim=True) @ self.pose[:3, :3].T
        return torch.cat([self.pose[:3, 3].expand_as(directions), directions], 1)


def camera_on_sphere(
    azimuth: float, elevation: float, distance: float, angle: float = ANGLE
) -> Camera:
    """Return a camera that looks at the origin, with the z axis of the world upwards in the image.

    Args:
        azimuth: angle of the camera about the z axis in degrees, from the x axis.
        elevation: angle of the camera above the plane of x and y in degrees.
        distance: distance of the camera from the origin.
        angle: horizontal angle of view in radians.
    """
    a, e = math.radians(azimuth), math.radians(elevation)
    right = torch.tensor([-math.sin(a), math.cos(a), 0.0])
    towards = torch.tensor([math.cos(e) * math.cos(a), math.cos(e) * math.sin(a), math.sin(e)])
    pose = torch.eye(4)
    up = torch.linalg.cross(towards, right)
    pose[:3] = torch.stack([right, up, towards, distance * towards], 1)
    return Camera(pose, angle)
