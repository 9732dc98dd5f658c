"""A picture, and what a network made of it."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_WIDTH = 9.6  # inches


def reconstruction(
    truth: np.ndarray, looks: Sequence[np.ndarray], captions: Sequence[str]
) -> Figure:
    """Looks in a row; below them the truth, the last look and its absolute error.

    Args:
        truth: ``[height, width, 3]`` in [0, 1], or with one channel for greys, as all pictures.
        looks: what was made of it as time went by, of the same shape; one at least.
        captions: one a look.
    """
    strip = _WIDTH / max(3, len(looks)) + 0.5  # and room for captions
    figure = Figure(figsize=(_WIDTH, strip + _WIDTH / 3), layout="constrained")
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(strip, _WIDTH / 3))[:, 0]
    panels = above.subplots(1, len(looks), squeeze=False)[0]
    for panel, look, caption in zip(panels, looks, captions, strict=True):
        _show(panel, look, caption)
    left, middle, right = below.subplots(1, 3)
    _show(left, truth, "truth")
    _show(middle, looks[-1], "last look")
    error = np.abs(looks[-1] - truth).mean(2)
    drawn = right.imshow(error, cmap="magma", vmin=0)
    right.set_title("absolute error", fontsize=9)
    right.set_axis_off()
    below.colorbar(drawn, ax=right, label="mean over channels, of 1", shrink=0.8)
    return figure


def _show(panel: Axes, picture: np.ndarray, caption: str) -> None:
    panel.imshow(picture.squeeze(2) if picture.shape[2] == 1 else picture, "gray", vmin=0, vmax=1)
    panel.set_title(caption, fontsize=9)
    panel.set_axis_off()
