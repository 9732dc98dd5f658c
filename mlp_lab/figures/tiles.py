"""Tiling of many small images into one."""

import math

import numpy as np


def tile_images(
    images: np.ndarray, columns: int, gap: int = 0, background: float = 0.0
) -> np.ndarray:
    """Arrange images in rows, starting at the top left, and return them as one image.

    Args:
        images: images of the same size, ``[n, height, width]``.
        columns: number of images per row.
        gap: distance between neighbouring images in pixels.
        background: value of the pixels that no image covers.

    Returns:
        One image, ``[rows * (height + gap) - gap, columns * (width + gap) - gap]``, with the
        dtype of ``images``.
    """
    n, height, width = images.shape
    rows = math.ceil(n / columns)
    cells = np.full((rows * columns, height + gap, width + gap), background, images.dtype)
    cells[:n, :height, :width] = images
    grid = cells.reshape(rows, columns, height + gap, width + gap).swapaxes(1, 2)
    whole = grid.reshape(rows * (height + gap), columns * (width + gap))
    return whole[: rows * (height + gap) - gap, : columns * (width + gap) - gap]
