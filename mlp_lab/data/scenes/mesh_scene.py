"""Scenes that are triangle meshes in files."""

import torch
from torch import Tensor

from mlp_lab.data.scenes.scene import RADIUS, Scene, shaded, varied_colours
from mlp_lab.data.solids.mesh_file import MeshFile


class MeshScene(Scene):
    """A closed triangle mesh, scaled such that the box around it fits into the ball.

    Triangles have the colours of the file, also those of a texture; without any, the colours change
    from place to place. The z axis is upwards.

    Args:
        file: path of a mesh, see ``MeshFile``.

    Raises:
        UserError: as for ``MeshFile``.
    """

    def __init__(self, file: str) -> None:
        self._mesh = MeshFile(file)
        low, high = self._mesh.bounds
        self._scale = 2 * RADIUS / float((high - low).norm())

    def contains(self, points: Tensor) -> Tensor:
        return self._mesh.contains(self._in_cube(points))

    def ray_colours(self, rays: Tensor) -> Tensor:
        origins, directions = rays.split(3, 1)
        hits = self._mesh.first_hits(self._in_cube(origins), directions)
        places = self._scale * (hits.points - 0.5)
        of_file = self._mesh.colours
        own = varied_colours(places) if of_file is None else of_file[hits.faces]
        colours = torch.ones(len(rays), 3)
        colours[hits.rays] = shaded(own, self._mesh.normals[hits.faces])
        return colours

    def _in_cube(self, points: Tensor) -> Tensor:
        """Return the coordinates of points of the scene in those of the mesh."""
        return points / self._scale + 0.5
