"""Pictures side by side."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure


def examples(images: np.ndarray, captions: Sequence[str], columns: int = 8) -> Figure:
    """Grey pictures in rows, each with its caption below.

    Args:
        images: ``[pictures, height, width]`` in [0, 1], 0 drawn black; there may be none.
        captions: one a picture, of equally many lines.
        columns: pictures in a row.
    """
    if len(images) == 0:
        figure = Figure(figsize=(4, 1))
        figure.text(0.5, 0.5, "no such examples", ha="center", va="center")
        return figure
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    lines = max(caption.count("\n") + 1 for caption in captions)
    figure = Figure(figsize=(1.35 * columns, (1.15 + 0.16 * lines) * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in panels:
        panel.set_axis_off()
    for panel, image, caption in zip(panels, images, captions, strict=False):
        panel.imshow(image, cmap="gray", vmin=0, vmax=1)
        panel.text(
            0.5, -0.05, caption, ha="center", va="top", fontsize=8, transform=panel.transAxes
        )
    return figure
