"""Reconstructions of an object from its projections."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from mlp_lab.figures.axes import error_limit


def reconstructions(
    truth: np.ndarray,
    images: Mapping[str, np.ndarray],
    projections: np.ndarray,
    angles: np.ndarray,
) -> Figure:
    """Plot the object and its reconstructions; below them, the sinogram and the absolute errors.

    Args:
        truth: densities in [0, 1], ``[size, size]``.
        images: reconstructions of the same shape by caption, at least one.
        projections: line integrals, ``[angles, size]``, from which they are reconstructed.
        angles: angles of the projections in radians, ``[angles]``, evenly spaced.
    """
    columns = 1 + len(images)
    figure = Figure(figsize=(3.2 * columns + 0.8, 6.4), layout="constrained")
    above, below = figure.subplots(2, columns)
    _show(above[0], truth, "density", "gray", 1.0)
    for panel, (caption, image) in zip(above[1:], images.items(), strict=True):
        drawn = _show(panel, image, caption, "gray", 1.0)
    figure.colorbar(drawn, ax=above, label="density", shrink=0.8)
    _sinogram(below[0], projections, angles)
    errors = [np.abs(image - truth) for image in images.values()]
    limit = error_limit(errors)
    for panel, error in zip(below[1:], errors, strict=True):
        drawn = _show(panel, error, "absolute error", "magma", limit)
    figure.colorbar(drawn, ax=below, label="absolute error", shrink=0.8, extend="max")
    figure.suptitle("densities reconstructed from the training projections")
    return figure


def _show(panel: Axes, image: np.ndarray, caption: str, colours: str, limit: float) -> AxesImage:
    panel.set_title(caption)
    panel.set_axis_off()
    return panel.imshow(image, colours, vmin=0, vmax=limit)


def _sinogram(panel: Axes, projections: np.ndarray, angles: np.ndarray) -> None:
    """Plot the projections as rows of an image."""
    half = 180 / len(angles) / 2
    first, last = np.rad2deg(angles[[0, -1]])
    extent = (-0.5, 0.5, last + half, first - half)
    panel.imshow(projections, "gray", aspect="auto", interpolation="nearest", extent=extent)
    panel.set_title(f"sinogram, {len(angles)} projections")
    panel.set(xlabel="distance from the centre (image widths)", ylabel="angle (degrees)")
