"""Scenes of coloured solids that are defined by formulas, and images of them."""

import math
from abc import abstractmethod

import torch
from torch import Tensor

from mlp_lab.data.scenes.scene import RADIUS, Scene, shaded, varied_colours
from mlp_lab.data.solids.analytic import AnalyticSolid, Gyroid, TorusKnot
from mlp_lab.data.solids.solid import EXTENT

_STEPS = 80  # at most, of a ray
_NEAR_SURFACE = 1e-3  # distance at which a ray has reached a surface


class AnalyticScene(Scene):
    """Coloured solids that are defined by their distances from points."""

    @abstractmethod
    def distances(self, points: Tensor) -> Tensor:
        """Return a lower bound of the distances of points ``[n, 3]`` from the solids, ``[n]``.

        It is negative inside, and 0 at the surface only.
        """

    @abstractmethod
    def colours(self, points: Tensor) -> Tensor:
        """Return the colours of points ``[n, 3]`` of the surface without shading, ``[n, 3]``."""

    def contains(self, points: Tensor) -> Tensor:
        return self.distances(points) <= 0

    def ray_colours(self, rays: Tensor) -> Tensor:
        """Return the colours that are seen along rays.

        Sphere tracing (Hart 1996): a ray advances by the distance to the nearest surface until it
        reaches one or leaves the ball around the scene.
        """
        origins, directions = rays.split(3, 1)
        travelled, left = _ball_distances(origins, directions)
        active = (left > travelled).nonzero().squeeze(1)
        reached = torch.zeros(len(rays), dtype=torch.bool)
        for _ in range(_STEPS):
            points = origins[active] + travelled[active, None] * directions[active]
            free = self.distances(points)
            reached[active[free < _NEAR_SURFACE]] = True
            travelled[active] += free
            active = active[(free >= _NEAR_SURFACE) & (travelled[active] < left[active])]
        colours = torch.ones(len(rays), 3)
        hits = origins[reached] + travelled[reached, None] * directions[reached]
        colours[reached] = self._shaded(hits)
        return colours

    def _shaded(self, points: Tensor) -> Tensor:
        """Return the colours of points of the surface in the light of the scene."""
        with torch.enable_grad():
            points = points.detach().requires_grad_()
            [gradients] = torch.autograd.grad(self.distances(points).sum(), points)
        normals = gradients / gradients.norm(dim=1, keepdim=True).clamp_min(1e-9)
        return shaded(self.colours(points.detach()), normals)


class Toys(AnalyticScene):
    """A striped ball, a cube with squares and a ring on a round chequered table."""

    _CUBE = 0.5  # width

    def distances(self, points: Tensor) -> Tensor:
        return self._each(points).amin(1)

    def colours(self, points: Tensor) -> Tensor:
        x, y, z = points.unbind(1)
        cube = self._in_cube(points)
        squares = (torch.floor(cube / (self._CUBE / 4)).sum(1) % 2).unsqueeze(1)
        stripes = (torch.floor((z + 0.5) / 0.08) % 2).unsqueeze(1)
        chequers = ((torch.floor(x / 0.22) + torch.floor(y / 0.22)) % 2).unsqueeze(1)
        turns = (3 * torch.atan2(z + 0.1, x - 0.1)).sin().unsqueeze(1)
        of_each = torch.stack(
            [
                _mixed(chequers, (0.85, 0.8, 0.7), (0.25, 0.4, 0.35)),
                _mixed(stripes, (0.9, 0.2, 0.15), (1.0, 0.9, 0.8)),
                _mixed(squares, (0.15, 0.3, 0.8), (0.95, 0.8, 0.2)),
                _mixed((turns + 1) / 2, (0.1, 0.55, 0.2), (0.7, 0.9, 0.3)),
            ]
        )
        nearest = self._each(points).argmin(1)
        return of_each[nearest, torch.arange(len(points))]

    def _each(self, points: Tensor) -> Tensor:
        """Return the distances from the table, the ball, the cube and the ring, ``[n, 4]``."""
        x, y, z = points.unbind(1)
        across = torch.stack([torch.hypot(x, y) - 1.1, (z + 0.56).abs() - 0.06], 1)
        ball = (points - torch.tensor([0.45, 0.35, -0.1])).norm(dim=1) - 0.4
        cube = self._in_cube(points).abs() - self._CUBE / 2
        ring = torch.hypot(torch.hypot(x - 0.1, z + 0.1) - 0.3, y + 0.6) - 0.1
        return torch.stack([_box_distance(across), ball, _box_distance(cube), ring], 1)

    def _in_cube(self, points: Tensor) -> Tensor:
        """Return coordinates from the centre of the cube and along its edges."""
        x, y, z = (points - torch.tensor([-0.5, 0.2, -0.25])).unbind(1)
        cosine, sine = math.cos(0.5), math.sin(0.5)
        return torch.stack([cosine * x + sine * y, cosine * y - sine * x, z], 1)


class ColouredSolid(AnalyticScene):
    """A solid of ``data/solids/analytic.py``, with colours that change from place to place.

    Args:
        solid: the solid, which is scaled to a width of 2.2.
    """

    # The level of a solid is similar in size to the distance, and this part of it is not more.
    _SAFE = 0.5
    _WIDTH = 2.2

    def __init__(self, solid: AnalyticSolid) -> None:
        self._solid = solid
        self._scale = self._WIDTH / EXTENT

    def distances(self, points: Tensor) -> Tensor:
        return -self._SAFE * self._scale * self._solid.level(points / self._scale + 0.5)

    def colours(self, points: Tensor) -> Tensor:
        return varied_colours(points)


def _box_distance(beyond: Tensor) -> Tensor:
    """Return distances from a box, given those from its faces ``[n, axes]``, negative inside."""
    return beyond.clamp_min(0).norm(dim=1) + beyond.amax(1).clamp_max(0)


def _mixed(part: Tensor, one: tuple[float, ...], other: tuple[float, ...]) -> Tensor:
    """Return ``one`` where ``part`` is 0, ``other`` where it is 1, ``[n, 3]``."""
    return torch.lerp(torch.tensor(one), torch.tensor(other), part)


def _ball_distances(origins: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distances at which rays enter and leave the ball of ``RADIUS``, ``[n]`` each.

    They are equal for rays that miss it, and 0 is the smallest distance.
    """
    middle = -(origins * directions).sum(1)
    square = RADIUS**2 - origins.square().sum(1) + middle.square()
    half = square.clamp_min(0).sqrt()
    return (middle - half).clamp_min(0), (middle + half).clamp_min(0)


#: Scenes by name.
SCENES: dict[str, AnalyticScene] = {
    "toys": Toys(),
    "gyroid": ColouredSolid(Gyroid()),
    "torus_knot": ColouredSolid(TorusKnot()),
}
