"""Solids that are defined by a formula."""

import math
from abc import abstractmethod

import torch
from torch import Generator, Tensor

from mlp_lab.data.solids.solid import EXTENT, Solid
from mlp_lab.data.solids.triangles import Triangles, isosurface

# Half the thickness of the layer around a surface from which its points are drawn. Within it, the
# volume is proportional to the area, up to the square of thickness and curvature.
_LAYER = 0.01
_DRAWN = 2**18  # points at a time


class AnalyticSolid(Solid):
    """The points where a continuous function is positive.

    A subclass defines ``level`` and ``bounds``.
    """

    @abstractmethod
    def level(self, points: Tensor) -> Tensor:
        """Return the function's values at points ``[..., 3]``, of shape ``[...]``.

        They are positive inside, and similar in size to the distance from the surface.
        """

    def contains(self, points: Tensor) -> Tensor:
        return self.level(points) > 0

    def surface_points(self, count: int, generator: Generator) -> Tensor:
        drawn: list[Tensor] = []
        low, high = self.bounds + torch.tensor([[-_LAYER], [_LAYER]])
        while sum(map(len, drawn)) < count:
            points = low + (high - low) * torch.rand(_DRAWN, 3, generator=generator)
            points = points[self.level(points).abs() < 4 * _LAYER]
            level, gradient = self._level_and_gradient(points)
            # The distance from the surface, to first order.
            near = level.abs() < _LAYER * gradient.norm(dim=1)
            drawn.append(points[near])
        drawn_points = points = torch.cat(drawn)[:count]
        for _ in range(3):  # steps of Newton's method to the surface
            level, gradient = self._level_and_gradient(points)
            points = points - (level / gradient.square().sum(1)).unsqueeze(1) * gradient
        # At edges, it may not converge.
        near = (points - drawn_points).norm(dim=1, keepdim=True) < 2 * _LAYER
        return torch.where(near, points, drawn_points)

    def triangles(self, size: int) -> Triangles:
        along = torch.linspace(0, 1, size)
        points = torch.stack(torch.meshgrid(along, along, along, indexing="ij"), 3)
        return isosurface(self.level(points).numpy(), 0.0)

    def _level_and_gradient(self, points: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            points = points.detach().requires_grad_()
            level = self.level(points)
            [gradient] = torch.autograd.grad(level.sum(), points)
        return level.detach(), gradient


class Gyroid(AnalyticSolid):
    """One of the two halves into which the gyroid surface divides a ball.

    The surface is sin u cos v + sin v cos w + sin w cos u = 0 (Schoen 1970, NASA TN D-5541, in the
    usual trigonometric approximation), with u, v and w in units of the period.
    """

    _PERIOD = 0.4

    def __init__(self) -> None:
        self.bounds = torch.tensor([[0.5 - EXTENT / 2] * 3, [0.5 + EXTENT / 2] * 3])

    def level(self, points: Tensor) -> Tensor:
        centred = points - 0.5
        phase = 2 * math.pi / self._PERIOD * centred
        gyroid = (phase.sin() * phase.roll(-1, -1).cos()).sum(-1)
        # On the surface, the slope of the sum is between 1.2 and 1.8 times that of the phase.
        distance = gyroid * self._PERIOD / (2 * math.pi * 1.5)
        return torch.minimum(distance, EXTENT / 2 - centred.norm(dim=-1))


class TorusKnot(AnalyticSolid):
    """A tube around the torus knot (2, 3), the trefoil.

    The knot winds twice around the z axis on a torus. In each half-plane that begins at the axis,
    the tube is two discs, at opposite places of the torus's circle.
    """

    _WINDINGS, _TURNS = 2, 3
    _TORUS, _CIRCLE, _TUBE = 0.28, 0.11, 0.06  # radii, with the sum EXTENT / 2

    def __init__(self) -> None:
        height = self._CIRCLE + self._TUBE
        half = torch.tensor([EXTENT / 2, EXTENT / 2, height])
        self.bounds = torch.stack([0.5 - half, 0.5 + half])

    def level(self, points: Tensor) -> Tensor:
        x, y, z = (points - 0.5).unbind(-1)
        outwards = torch.hypot(x, y) - self._TORUS
        angle = torch.atan2(y, x) * self._TURNS
        distances = []
        for strand in range(self._WINDINGS):
            turned = (angle + 2 * math.pi * strand) / self._WINDINGS
            across = outwards - self._CIRCLE * turned.cos()
            distances.append(torch.hypot(across, z - self._CIRCLE * turned.sin()))
        return self._TUBE - torch.stack(distances).amin(0)


#: Solids by name.
SOLIDS: dict[str, type[AnalyticSolid]] = {"gyroid": Gyroid, "torus_knot": TorusKnot}
