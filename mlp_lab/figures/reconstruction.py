"""Reconstructions of an image during training."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_WIDTH = 9.6  # inches


def reconstruction(
    ground_truth: np.ndarray,
    reconstructions: Sequence[np.ndarray],
    captions: Sequence[str],
    interpolations: Mapping[str, np.ndarray],
) -> Figure:
    """Plot all reconstructions in a row; below them, the last one with its absolute error.

    The second row shows the ground truth, classical interpolations, the last reconstruction and its
    absolute difference from the ground truth.

    Args:
        ground_truth: colour image ``[height, width, 3]`` or greyscale image ``[height, width, 1]``
            with values in [0, 1].
        reconstructions: reconstructions in the order of training, at least one, of the shape of
            ``ground_truth``.
        captions: caption of each reconstruction.
        interpolations: further images of this shape, by caption; may be empty.
    """
    row_height = _WIDTH / max(3, len(reconstructions)) + 0.5  # including the captions
    columns = 3 + len(interpolations)
    ratios = row_height, _WIDTH / columns + 0.2
    figure = Figure(figsize=(_WIDTH, sum(ratios)), layout="constrained")
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=ratios)[:, 0]
    panels = above.subplots(1, len(reconstructions), squeeze=False)[0]
    for panel, image, caption in zip(panels, reconstructions, captions, strict=True):
        _show(panel, image, caption)
    *others, right = below.subplots(1, columns)
    shown = {
        "ground truth": ground_truth, **interpolations, "last reconstruction": reconstructions[-1]
    }  # fmt: skip
    for panel, (caption, image) in zip(others, shown.items(), strict=True):
        _show(panel, image, caption)
    error = np.abs(reconstructions[-1] - ground_truth).mean(2)
    error_image = right.imshow(error, cmap="magma", vmin=0)
    right.set_title("absolute error", fontsize=9)
    right.set_axis_off()
    label = "mean over channels" if ground_truth.shape[2] > 1 else ""
    below.colorbar(error_image, ax=right, label=label, shrink=0.8)
    figure.suptitle("reconstructions by epoch; below: the last one and its error")
    return figure


def _show(panel: Axes, image: np.ndarray, caption: str) -> None:
    panel.imshow(image.squeeze(2) if image.shape[2] == 1 else image, "gray", vmin=0, vmax=1)
    panel.set_title(caption, fontsize=9)
    panel.set_axis_off()
