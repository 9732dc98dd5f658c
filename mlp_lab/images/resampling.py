"""Resample volumes."""

from collections.abc import Sequence

import numpy as np


def to_cube(volume: np.ndarray, voxel_sizes: Sequence[float], size: int) -> np.ndarray:
    """Return the means of a volume over the voxels of a cube, float32 ``[size] * 3``.

    The cube has the centre and the longest side of the volume. Outside the volume, it is 0.

    Args:
        volume: values at the voxels of a box, ``[x, y, z]``.
        voxel_sizes: width of a voxel along each axis.
        size: number of voxels of the cube along each axis.
    """
    side = max(np.multiply(volume.shape, voxel_sizes))
    for axis, width in enumerate(voxel_sizes):
        weights = _overlaps(volume.shape[axis], width, side / size, size)
        volume = np.moveaxis(np.tensordot(weights, volume, (1, axis)), 0, axis)
    return np.ascontiguousarray(volume, np.float32)


def _overlaps(count: int, width: float, new_width: float, new_count: int) -> np.ndarray:
    """Return the fraction of each new interval that each interval covers, ``[new_count, count]``.

    Both rows of intervals have the same centre.
    """
    edges = (np.arange(count + 1) - count / 2) * width
    new_edges = (np.arange(new_count + 1) - new_count / 2) * new_width
    ends = np.minimum(edges[1:], new_edges[1:, None])
    starts = np.maximum(edges[:-1], new_edges[:-1, None])
    return (ends - starts).clip(0) / new_width
