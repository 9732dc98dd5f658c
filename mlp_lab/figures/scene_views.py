"""Views of a scene that a network represents."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlp_lab.figures.axes import error_limit

_SIDE = 2.4  # inches of a panel


class ShownView(NamedTuple):
    """A photograph of a scene and the view that a network represents.

    Attributes:
        truth: photograph, ``[height, width, 3]`` in [0, 1].
        colours: view of the network, of the same shape.
        depths: mean distance of what is seen, ``[height, width]``.
        psnr: peak signal-to-noise ratio of the view in dB.
    """

    truth: np.ndarray
    colours: np.ndarray
    depths: np.ndarray
    psnr: float


def held_out_views(views: Sequence[ShownView], distances: tuple[float, float]) -> Figure:
    """Plot a row for each view: the photograph, the network's view, the absolute error, the depth.

    Args:
        views: views of one size, at least one.
        distances: smallest and largest depth.
    """
    figure = Figure(
        figsize=(4 * _SIDE + 1.4, len(views) * (_SIDE + 0.2) + 0.2), layout="constrained"
    )
    panels = figure.subplots(len(views), 4, squeeze=False)
    near, far = distances
    errors = [np.abs(view.colours - view.truth).mean(2) for view in views]
    limit = error_limit(errors)
    for row, view, error in zip(panels, views, errors, strict=True):
        _show(row[0], view.truth, "held-out view")
        _show(row[1], view.colours, f"network, {view.psnr:.2f} dB")
        shown_error = row[2].imshow(error, "magma", vmin=0, vmax=limit)
        row[2].set_title("absolute error", fontsize=9)
        shown_depth = row[3].imshow(view.depths, "viridis_r", vmin=near, vmax=far)
        row[3].set_title("depth", fontsize=9)
    for panel in panels.flat:
        panel.set_axis_off()
    figure.colorbar(
        shown_error, ax=panels[:, 2], label="mean over channels", shrink=0.8, extend="max"
    )
    figure.colorbar(shown_depth, ax=panels[:, 3], label="distance from the camera", shrink=0.8)
    figure.suptitle("views from cameras without training images, last epoch")
    return figure


def orbit_frame(
    colours: np.ndarray, depths: np.ndarray, distances: tuple[float, float], caption: str
) -> Figure:
    """Plot a view and its depth side by side, as a frame of an animation.

    Args:
        colours: view, ``[height, width, 3]`` in [0, 1].
        depths: mean distance of what is seen, ``[height, width]``.
        distances: smallest and largest depth.
        caption: text above the view, such as its angle.
    """
    figure = Figure(figsize=(2 * _SIDE, _SIDE + 0.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    _show(left, colours, caption)
    near, far = distances
    right.imshow(depths, "viridis_r", vmin=near, vmax=far)
    right.set_title("depth", fontsize=9)
    right.set_axis_off()
    figure.suptitle("views from around the scene, last epoch")
    return figure


def _show(panel: Axes, image: np.ndarray, caption: str) -> None:
    panel.imshow(image.clip(0, 1))
    panel.set_title(caption, fontsize=9)
    panel.set_axis_off()
