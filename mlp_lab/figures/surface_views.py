"""Shaded views of triangle meshes."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

#: Azimuth and elevation of the views in degrees.
VIEWS = ((-60.0, 25.0), (30.0, 25.0), (0.0, 89.0))
_PIXELS = 280  # width and height of a view
_SAMPLES = 4  # points of the surface per pixel of its area
_AMBIENT = 0.25  # part of the light that has no direction
# Generator of a sequence with even gaps in two dimensions (Roberts 2018).
_GOLDEN = 1.32471795724474602596


def surface_views(meshes: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Plot a row of views of each mesh, from different directions.

    Args:
        meshes: vertices ``[vertices, 3]`` and faces ``[faces, 3]`` by caption. The first one, which
            is not empty, fills its views; all have the same scale.
    """
    first, _ = next(iter(meshes.values()))
    centre = (first.min(0) + first.max(0)) / 2
    radius = float(np.linalg.norm(first - centre, axis=1).max())
    rows, columns = len(meshes), len(VIEWS)
    figure = Figure(figsize=(3.2 * columns, 3.3 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    for row, (caption, (vertices, faces)) in zip(panels, meshes.items(), strict=True):
        row[0].set_ylabel(caption, fontsize=10)
        for panel, (azimuth, elevation) in zip(row, VIEWS, strict=True):
            scaled = (vertices - centre) / radius
            panel.imshow(shaded(scaled, faces, azimuth, elevation), "gray", vmin=0, vmax=1)
            panel.set(xticks=[], yticks=[], frame_on=False)
            if not len(faces):
                panel.text(0.5, 0.5, "no surface", ha="center", transform=panel.transAxes)
            if caption == next(iter(meshes)):
                panel.set_title(f"azimuth {azimuth:g}°, elevation {elevation:g}°")
    figure.suptitle("the solid, and where the network's probability is 1/2")
    return figure


def shaded(
    vertices: np.ndarray, faces: np.ndarray, azimuth: float, elevation: float, size: int = _PIXELS
) -> np.ndarray:
    """Return a parallel projection of a mesh, lit from the viewer, ``[size, size]`` in [0, 1].

    The background is 1. The view shows the unit ball around the origin.

    Args:
        vertices: coordinates ``[vertices, 3]``.
        faces: numbers of the vertices of each triangle, ``[faces, 3]``.
        azimuth: angle of the viewer about the z axis in degrees, from the x axis.
        elevation: angle of the viewer above the plane of x and y in degrees.
        size: width and height in pixels.
    """
    image = np.ones((size, size))
    if not len(faces):
        return image
    right, up, towards = _axes(azimuth, elevation)
    corners = vertices[faces].astype(np.float64) * size / 2
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    doubled = np.linalg.norm(normals, axis=1)  # twice the area in pixels
    facing = normals @ towards / np.maximum(doubled, 1e-12)
    front = facing > 0
    points, face = _samples(corners[front], doubled[front] / 2)
    columns = np.floor(points @ right + size / 2).astype(int)
    lines = np.floor(size / 2 - points @ up).astype(int)
    seen = (columns >= 0) & (columns < size) & (lines >= 0) & (lines < size)
    pixels, depth, face = (lines * size + columns)[seen], (points @ towards)[seen], face[seen]
    order = np.lexsort((depth, pixels))  # the nearest point of each pixel is its last one
    pixels, face = pixels[order], face[order]
    last = np.append(pixels[1:] != pixels[:-1], True)
    image.flat[pixels[last]] = _AMBIENT + (0.95 - _AMBIENT) * facing[front][face[last]]
    return image


def _axes(azimuth: float, elevation: float) -> Sequence[np.ndarray]:
    """Return the unit vectors to the right, upwards and towards the viewer."""
    a, e = math.radians(azimuth), math.radians(elevation)
    towards = np.array([math.cos(e) * math.cos(a), math.cos(e) * math.sin(a), math.sin(e)])
    right = np.array([-math.sin(a), math.cos(a), 0.0])
    return right, np.cross(towards, right), towards


def _samples(corners: np.ndarray, areas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return points of triangles ``[faces, 3, 3]``, in number by area, and their triangles."""
    counts = np.ceil(_SAMPLES * areas).astype(int) + 1
    face = np.repeat(np.arange(len(corners)), counts)
    nth = np.arange(len(face))
    u, v = (nth / _GOLDEN) % 1, (nth / _GOLDEN**2) % 1
    outside = u + v > 1  # the other half of the parallelogram
    u, v = np.where(outside, 1 - u, u), np.where(outside, 1 - v, v)
    first, second, third = (corners[face, place] for place in range(3))
    points = first + u[:, None] * (second - first) + v[:, None] * (third - first)
    return points, face
