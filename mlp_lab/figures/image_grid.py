"""A grid of images with captions."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

# In inches: width of a cell, side of an image, height of a line of text.
_CELL, _IMAGE, _LINE = 1.1, 0.95, 0.15
_MARGIN = 0.3  # height for the title


def image_grid(
    images: np.ndarray, captions: Sequence[str], title: str, columns: int = 10
) -> Figure:
    """Plot greyscale images in rows, each with its caption below it.

    Args:
        images: pixel values, ``[images, side, side]`` in [0, 1]; 0 is black. May be empty.
        captions: caption of each image, one line or more.
        title: title of the figure.
        columns: number of images per row.
    """
    if len(images) == 0:
        figure = Figure(figsize=(6, 1))
        figure.suptitle(title)
        figure.text(0.5, 0.3, "no examples", ha="center", va="center")
        return figure
    rows = -(-len(images) // columns)
    height = _IMAGE + (max(caption.count("\n") + 1 for caption in captions) + 1.5) * _LINE
    # One panel, in inches from the upper left corner: with one panel per image, the layout would
    # take minutes.
    size = columns * _CELL, rows * height + _MARGIN
    figure = Figure(figsize=size, layout="constrained")
    panel = figure.subplots()
    for place, (image, caption) in enumerate(zip(images, captions, strict=True)):
        row, column = divmod(place, columns)
        left, upper = column * _CELL + (_CELL - _IMAGE) / 2, row * height
        extent = (left, left + _IMAGE, upper + _IMAGE, upper)
        panel.imshow(image, "gray", vmin=0, vmax=1, extent=extent, interpolation="nearest")
        middle = left + _IMAGE / 2, upper + _IMAGE + 0.3 * _LINE
        panel.text(*middle, caption, ha="center", va="top", fontsize=8)
    panel.set(xlim=(0, columns * _CELL), ylim=(rows * height, 0), aspect="equal")
    panel.set_axis_off()
    figure.suptitle(title)
    return figure
