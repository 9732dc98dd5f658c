"""A grid of images with captions."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

# In inches: width of a cell, side of an image, height of a line of text.
_CELL, _IMAGE, _LINE = 1.1, 0.95, 0.15


def image_grid(
    images: np.ndarray, captions: Sequence[str], title: str = "", columns: int = 10
) -> Figure:
    """Plot greyscale images in rows, each with its caption below it.

    Args:
        images: pixel values, ``[images, side, side]`` in [0, 1]; 0 is black. May be empty.
        captions: caption of each image, one line or more.
        title: title of the figure.
        columns: number of images per row.
    """
    if len(images) == 0:
        figure = Figure(figsize=(4, 1))
        figure.text(0.5, 0.5, "no examples", ha="center", va="center")
        return figure
    rows = -(-len(images) // columns)
    lines = max(caption.count("\n") + 1 for caption in captions)
    top = 2.5 * _LINE if title else 0.0
    height = _IMAGE + (lines + 1.5) * _LINE
    # A single panel in inches from the upper left corner: with one panel per image, the layout
    # would take minutes.
    figure = Figure(figsize=(columns * _CELL, top + rows * height))
    panel = figure.add_axes((0, 0, 1, 1))
    panel.text(_LINE, top / 2, title, va="center", fontsize=10)
    for place, (image, caption) in enumerate(zip(images, captions, strict=True)):
        row, column = divmod(place, columns)
        left, upper = column * _CELL + (_CELL - _IMAGE) / 2, top + row * height
        extent = (left, left + _IMAGE, upper + _IMAGE, upper)
        panel.imshow(image, "gray", vmin=0, vmax=1, extent=extent, interpolation="nearest")
        middle = left + _IMAGE / 2, upper + _IMAGE + 0.3 * _LINE
        panel.text(*middle, caption, ha="center", va="top", fontsize=8)
    panel.set(xlim=(0, columns * _CELL), ylim=(top + rows * height, 0), aspect="auto")
    panel.set_axis_off()
    return figure
