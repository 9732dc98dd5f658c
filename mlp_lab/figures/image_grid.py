"""Pictures side by side."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

_CELL, _PICTURE, _LINE = 1.1, 0.95, 0.15  # inches: a cell's width, a picture's side, a line of text


def examples(
    images: np.ndarray, captions: Sequence[str], title: str = "", columns: int = 10
) -> Figure:
    """Grey pictures in rows, each with its caption below.

    Args:
        images: ``[pictures, side, side]`` in [0, 1], 0 drawn black; there may be none.
        captions: one a picture, of one line or more.
        title: of all.
        columns: pictures in a row.
    """
    if len(images) == 0:
        figure = Figure(figsize=(4, 1))
        figure.text(0.5, 0.5, "no such examples", ha="center", va="center")
        return figure
    rows = -(-len(images) // columns)
    lines = max(caption.count("\n") + 1 for caption in captions)
    top = 2.5 * _LINE if title else 0.0
    height = _PICTURE + (lines + 1.5) * _LINE
    # One panel, in inches from its upper left corner: laying out a panel a picture takes minutes.
    figure = Figure(figsize=(columns * _CELL, top + rows * height))
    panel = figure.add_axes((0, 0, 1, 1))
    panel.text(_LINE, top / 2, title, va="center", fontsize=10)
    for place, (image, caption) in enumerate(zip(images, captions, strict=True)):
        row, column = divmod(place, columns)
        left, upper = column * _CELL + (_CELL - _PICTURE) / 2, top + row * height
        extent = (left, left + _PICTURE, upper + _PICTURE, upper)
        panel.imshow(image, "gray", vmin=0, vmax=1, extent=extent, interpolation="nearest")
        middle = left + _PICTURE / 2, upper + _PICTURE + 0.3 * _LINE
        panel.text(*middle, caption, ha="center", va="top", fontsize=8)
    panel.set(xlim=(0, columns * _CELL), ylim=(top + rows * height, 0), aspect="auto")
    panel.set_axis_off()
    return figure
