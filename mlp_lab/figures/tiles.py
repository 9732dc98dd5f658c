"""Many small pictures as one."""

import numpy as np


def tiled(pictures: np.ndarray, columns: int, gap: int = 0, ground: float = 0.0) -> np.ndarray:
    """Pictures in rows, the first one top left.

    Args:
        pictures: ``[n, height, width]``.
        columns: pictures in a row.
        gap: pixels between neighbours.
        ground: the value of what no picture covers.

    Returns:
        ``[rows * (height + gap) - gap, columns * (width + gap) - gap]``, of the same type.
    """
    n, height, width = pictures.shape
    rows = -(-n // columns)
    cells = np.full((rows * columns, height + gap, width + gap), ground, pictures.dtype)
    cells[:n, :height, :width] = pictures
    table = cells.reshape(rows, columns, height + gap, width + gap).swapaxes(1, 2)
    whole = table.reshape(rows * (height + gap), columns * (width + gap))
    return whole[: rows * (height + gap) - gap, : columns * (width + gap) - gap]
