"""Plane sections of the unit cube, by which volumes are shown as images."""

from typing import NamedTuple

import torch
from torch import Tensor

from mlp_lab.config.names import AXES


class Section(NamedTuple):
    """A plane that is perpendicular to an axis of the unit cube.

    Its image has the first of the other two axes to the right and the second one downwards.

    Attributes:
        axis: name of the axis.
        position: coordinate of the plane on this axis.
    """

    axis: str = "z"
    position: float = 0.5

    def points(self, places: Tensor) -> Tensor:
        """Return the points of the cube at places ``[n, 2]`` of the image, ``[n, 3]``."""
        column = torch.full_like(places[:, :1], self.position)
        number = AXES.index(self.axis)
        return torch.cat([places[:, :number], column, places[:, number:]], 1)
