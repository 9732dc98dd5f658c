"""Solids whose surfaces are triangle meshes in files."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor

from mlp_lab.data.solids.solid import EXTENT, Solid
from mlp_lab.data.solids.triangles import Triangles
from mlp_lab.errors import UserError, check_installed, first_line

if TYPE_CHECKING:
    from trimesh import Trimesh

_LEAST_VOLUME = 1e-9  # of a cube around the mesh
# Direction of all rays: not along an axis or a diagonal, to which edges of meshes are parallel.
_DIRECTION = np.array([0.4243, 0.5477, 0.7211])


class Hits(NamedTuple):
    """Where rays first meet a mesh; rays that miss it are left out.

    Attributes:
        rays: numbers of the rays, int64 ``[hits]``.
        faces: numbers of the triangles, int64 ``[hits]``.
        points: the points, float32 ``[hits, 3]``.
    """

    rays: Tensor
    faces: Tensor
    points: Tensor


class MeshFile(Solid):
    """The inside of a closed triangle mesh, scaled and moved to the middle of the unit cube.

    A mesh may consist of several closed surfaces, such as the parts of a scene, which may overlap.
    A point is inside if the sum of their winding numbers is not 0: the inner surface of a hollow
    body, with the opposite orientation, encloses a cavity. ``surface_points`` are uniform on all
    surfaces, including parts that are hidden in another body.

    Args:
        file: path of a mesh in a format of trimesh: PLY, OBJ, STL, OFF, GLB and others.

    Attributes:
        normals: outward unit normal of each triangle, float32 ``[faces, 3]``.
        colours: colour of each triangle, float32 ``[faces, 3]`` in [0, 1]; None: the file has none.

    Raises:
        UserError: trimesh or embreex is not installed, the file cannot be read, or its mesh is
            empty or not closed.
    """

    def __init__(self, file: str) -> None:
        mesh = _read(file)
        low, high = mesh.bounds
        mesh.apply_translation(-(low + high) / 2)
        mesh.apply_scale(EXTENT / (high - low).max())
        mesh.apply_translation(np.full(3, 0.5))
        self._mesh = mesh
        self.bounds = torch.from_numpy(np.array(mesh.bounds)).float()
        self.normals = torch.from_numpy(mesh.face_normals.astype(np.float32))
        self.colours = _colours(mesh)
        parts = mesh.split(only_watertight=False, repair=False) if mesh.body_count > 1 else [mesh]
        self._surfaces = list(map(_ClosedSurface, parts))

    def contains(self, points: Tensor) -> Tensor:
        places = points.detach().cpu().double().numpy()
        winding = sum(surface.winding_numbers(places) for surface in self._surfaces)
        return torch.from_numpy(winding != 0).to(points.device)

    def first_hits(self, origins: Tensor, directions: Tensor) -> Hits:
        """Return where rays first meet a triangle.

        Args:
            origins: origins of the rays, ``[n, 3]`` on the CPU.
            directions: their directions, ``[n, 3]`` on the CPU.
        """
        found = self._mesh.ray.intersects_first(origins.double().numpy(), directions.numpy())
        [rays] = torch.from_numpy(found >= 0).nonzero(as_tuple=True)
        faces = torch.from_numpy(found)[rays]
        corners = torch.from_numpy(self._mesh.triangles[faces.numpy(), 0].astype(np.float32))
        starts, along, normals = origins[rays], directions[rays], self.normals[faces]
        distances = ((corners - starts) * normals).sum(1) / (along * normals).sum(1)
        return Hits(rays, faces, starts + distances[:, None] * along)

    def surface_points(self, count: int, generator: Generator) -> Tensor:
        areas = torch.from_numpy(np.array(self._mesh.area_faces))
        ends = areas.cumsum(0)
        at = ends[-1] * torch.rand(count, dtype=torch.float64, generator=generator)
        faces = torch.searchsorted(ends, at, right=True).clamp_(max=len(ends) - 1)
        first, second, third = torch.from_numpy(np.array(self._mesh.triangles))[faces].unbind(1)
        u, v = torch.rand(2, count, 1, dtype=torch.float64, generator=generator)
        root = u.sqrt()  # uniform in the triangle
        return ((1 - root) * first + root * (1 - v) * second + root * v * third).float()

    def triangles(self, size: int) -> Triangles:
        mesh = self._mesh
        return Triangles(mesh.vertices.astype(np.float32), mesh.faces.astype(np.int32))


class _ClosedSurface:
    """A connected, closed triangle mesh that does not intersect itself.

    A ray from an inside point first meets a triangle from behind, one from an outside point from
    the front or none: one search for each point (Embree), instead of counting all intersections.
    """

    def __init__(self, mesh: "Trimesh") -> None:
        self._rays = mesh.ray
        self._low, self._high = mesh.bounds
        self._orientation = 1 if mesh.volume > 0 else -1
        self._is_left = self._orientation * (mesh.face_normals @ _DIRECTION) > 0

    def winding_numbers(self, points: np.ndarray) -> np.ndarray:
        """Return the winding numbers around points ``[points, 3]``: 0 outside, 1 or -1 inside."""
        numbers = np.zeros(len(points), np.int64)
        [near] = ((points >= self._low) & (points <= self._high)).all(1).nonzero()
        if len(near):
            directions = np.broadcast_to(_DIRECTION, (len(near), 3))
            faces = self._rays.intersects_first(points[near], directions)
            numbers[near[(faces >= 0) & self._is_left[faces]]] = self._orientation
        return numbers


def _colours(mesh: "Trimesh") -> Tensor | None:
    """Return the colours of triangles, float32 ``[faces, 3]``, also those of vertices or a texture.

    None if the mesh has no colours.
    """
    visual: Any = mesh.visual
    if not visual.defined:
        return None
    if visual.kind == "texture":
        mesh.visual = visual = visual.to_color()
    return torch.from_numpy(visual.face_colors[:, :3].astype(np.float32)) / 255


def _read(file: str) -> "Trimesh":
    """Read a mesh and check that it encloses a volume."""
    for package in ("trimesh", "embreex"):
        check_installed(package, package, "meshes", "data.path")
    import trimesh

    if not Path(file).is_file():
        raise UserError(f"data.path={file}: no such file")
    try:
        mesh: Any = trimesh.load_mesh(file)
    except Exception as error:  # each format has its errors
        raise UserError(f"data.path={file}: not a readable mesh: {first_line(error)}") from error
    if not len(mesh.faces):
        raise UserError(f"data.path={file}: has no triangles")
    if not np.isfinite(mesh.vertices).all():
        raise UserError(f"data.path={file}: has a coordinate that is not finite")
    if not mesh.is_watertight:
        edges = trimesh.grouping.group_rows(mesh.edges_sorted, require_count=2)
        border = len(mesh.edges_unique) - len(edges)
        raise UserError(
            f"data.path={file}: must be a closed mesh: {border:,} of its"
            f" {len(mesh.edges_unique):,} edges do not belong to exactly two triangles"
        )
    if not mesh.is_winding_consistent:
        raise UserError(f"data.path={file}: neighbouring triangles have opposite orientations")
    with np.errstate(invalid="ignore"):  # trimesh divides by the volume for the centre of mass
        volume = mesh.volume
    if abs(volume) <= _LEAST_VOLUME * mesh.extents.max() ** 3:
        raise UserError(f"data.path={file}: encloses no volume")
    if volume < 0:
        mesh.invert()
    return mesh
