"""Reconstructions of a volume from samples of its Fourier transform."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from mlp_lab.figures.axes import error_limit

_SIDE = 2.3  # inches of a panel
_DECADES = 5  # of the amplitudes that are shown


def slices(images: Mapping[str, Sequence[np.ndarray]], planes: Sequence[str]) -> Figure:
    """Plot slices of a volume and of its reconstructions, and the absolute errors.

    Args:
        images: slices in [0, 1], ``[planes, size, size]``, by caption: those of the volume,
            followed by at least one reconstruction.
        planes: name of each slice.
    """
    truth, *others = map(np.asarray, images.values())
    columns = 1 + 2 * len(others)
    size = _SIDE * columns + 1.2, _SIDE * len(planes) + 0.5
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(planes), columns, squeeze=False)
    errors = [np.abs(each - truth) for each in others]
    limit = error_limit(errors)
    for row, plane in enumerate(planes):
        for panel, each in zip(panels[row], (truth, *others), strict=False):
            density = _show(panel, each[row], "gray", 1.0)
        for panel, each in zip(panels[row, 1 + len(others) :], errors, strict=True):
            error = _show(panel, each[row], "magma", limit)
        panels[row, 0].set_ylabel(plane)
    captions = [*images, *(f"error, {name.partition(',')[0]}" for name in list(images)[1:])]
    for panel, caption in zip(panels[0], captions, strict=True):
        panel.set_title(caption, fontsize=10)
    figure.colorbar(density, ax=panels[:, : 1 + len(others)], label="density", shrink=0.6)
    right = panels[:, 1 + len(others) :]
    figure.colorbar(error, ax=right, label="absolute error", shrink=0.6, extend="max")
    figure.suptitle("slices through the volume, reconstructed from the training samples")
    return figure


def k_space(mask: np.ndarray, fraction: float, amplitudes: Mapping[str, np.ndarray]) -> Figure:
    """Plot which Fourier coefficients are measured, and the amplitudes of volumes.

    All arrays are planes of frequencies, frequency 0 at ``[size // 2, size // 2]``, y downwards.

    Args:
        mask: whether a coefficient is measured, ``[size, size]``.
        fraction: fraction of all coefficients that are measured.
        amplitudes: amplitudes of coefficients by caption, ``[size, size]``.
    """
    columns = 1 + len(amplitudes)
    figure = Figure(figsize=(3 * columns + 0.6, 3.8), layout="constrained")
    first, *others = figure.subplots(1, columns, sharey=True)
    size = len(mask)
    low = -(size // 2) - 0.5
    extent = (low, low + size, low + size, low)
    first.imshow(mask, "gray", interpolation="nearest", extent=extent)
    first.set_title(f"measured: {100 * fraction:.4g} % of the cube", fontsize=10)
    first.set_ylabel("cycles along y")
    most = max(float(max(map(np.max, amplitudes.values()))), 1e-30)
    norm = LogNorm(most / 10**_DECADES, most, clip=True)
    for panel, (caption, plane) in zip(others, amplitudes.items(), strict=True):
        drawn = panel.imshow(plane, "viridis", norm=norm, interpolation="nearest", extent=extent)
        panel.set_title(caption, fontsize=10)
    for panel in (first, *others):
        panel.set_xlabel("cycles along x")
    figure.colorbar(drawn, ax=others, label="amplitude", shrink=0.8, extend="min")
    figure.suptitle("Fourier coefficients of the volumes (0 cycles along z)")
    return figure


def _show(panel: Axes, image: np.ndarray, colours: str, limit: float) -> AxesImage:
    panel.set_xticks([])
    panel.set_yticks([])
    return panel.imshow(image, colours, vmin=0, vmax=limit)
