"""Triangle meshes: surfaces of values on a grid, and PLY files."""

from typing import NamedTuple

import numpy as np

from mlp_lab.errors import check_installed


class Triangles(NamedTuple):
    """A triangle mesh.

    Attributes:
        vertices: coordinates, float32 ``[vertices, 3]``.
        faces: numbers of the vertices of each triangle, counterclockwise as seen from outside,
            int32 ``[faces, 3]``.
    """

    vertices: np.ndarray
    faces: np.ndarray


def isosurface(values: np.ndarray, level: float) -> Triangles:
    """Return the surface between values below and above ``level``, by marching cubes.

    Grid point i of n along an axis is at ``i / (n - 1)``. The surface is closed: beyond the grid,
    the values are below the level. It is empty if no value is above it.

    Args:
        values: values on a grid of the unit cube, ``[n, n, n]`` for x, y and z.
        level: value on the surface; the inside has larger ones.

    Raises:
        UserError: scikit-image is not installed.
    """
    check_scikit_image()
    from skimage.measure import marching_cubes

    if not (values > level).any():
        return Triangles(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    below = min(float(values.min()), level - 1)
    padded = np.pad(values, 1, constant_values=below)
    # For axes in the order x, y, z, triangles are counterclockwise from outside with "ascent".
    vertices, faces, _, _ = marching_cubes(padded, level, gradient_direction="ascent")
    corners = ((vertices - 1) / (len(values) - 1)).astype(np.float32)
    return Triangles(corners, faces.astype(np.int32))


def check_scikit_image() -> None:
    """Raise UserError if scikit-image is not installed."""
    check_installed("scikit-image", "skimage", "images", "marching cubes")


def encode_ply(mesh: Triangles) -> bytes:
    """Return the content of a binary PLY file."""
    header = (
        "ply\nformat binary_little_endian 1.0\n"
        f"element vertex {len(mesh.vertices)}\n"
        "property float x\nproperty float y\nproperty float z\n"
        f"element face {len(mesh.faces)}\n"
        "property list uchar int vertex_indices\nend_header\n"
    )
    faces = np.empty(len(mesh.faces), [("count", "u1"), ("vertices", "<i4", 3)])
    faces["count"], faces["vertices"] = 3, mesh.faces
    return header.encode() + mesh.vertices.astype("<f4").tobytes() + faces.tobytes()
