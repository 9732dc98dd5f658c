"""Kernels of encodings."""

import textwrap
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlp_lab.figures.style import line_style

_WRAP = 14  # letters above a map
_LABEL = "γ(x)·γ(c) / γ(c)·γ(c)"


class KernelProfile(NamedTuple):
    """A kernel as a function of the distance from its centre.

    Attributes:
        distances: distances from the centre, ``[distances]``.
        values: mean, smallest and largest value over all directions, ``[3, distances]``.
        expected: expected mean, ``[distances]``; None if it is unknown.
    """

    distances: np.ndarray
    values: np.ndarray
    expected: np.ndarray | None = None


def kernel_maps(
    maps: Mapping[str, np.ndarray],
    profiles: Mapping[str, KernelProfile],
    marks: Mapping[str, float] | None = None,
) -> Figure:
    """Plot kernels centred in the unit square as images and as functions of the distance.

    Args:
        maps: kernel values, ``[side, side]`` with one row per y, by encoding name. 0 is white, 1
            and larger values are dark red.
        profiles: kernel profiles by the same names. A band shows the range from the smallest to
            the largest value, dots show the expected mean.
        marks: distances to mark by vertical lines, by label.
    """
    if len(maps) == 1:
        figure = Figure(figsize=(10, 3.8), layout="constrained")
        first, second = figure.subfigures(1, 2, width_ratios=(1, 1.6), squeeze=False).flat
    else:
        figure = Figure(figsize=(1.6 * len(maps) + 1, 6), layout="constrained")
        first, second = figure.subfigures(2, 1, height_ratios=(1, 1.7), squeeze=False).flat
    panels = first.subplots(1, len(maps), sharey=True, squeeze=False)[0]
    for panel, (name, values) in zip(panels, maps.items(), strict=True):
        image = panel.imshow(values, "RdBu_r", vmin=-1, vmax=1, extent=(0, 1, 1, 0))
        panel.set(xlabel="x", xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
        panel.xaxis.set_major_formatter("{x:g}")
        values_together = name.replace(" = ", "\u00a0=\u00a0")  # no-break spaces
        panel.set_title(textwrap.fill(values_together, _WRAP), fontsize=9)
    panels[0].set_ylabel("y")
    largest = max(values.max() for values in maps.values())
    extend = "max" if largest > 1.01 else "neither"  # rounding alone can exceed 1 slightly
    first.colorbar(image, ax=panels, label="kernel", extend=extend, shrink=0.8)
    panel = second.subplots()
    _plot_profiles(panel, profiles)
    for name, distance in (marks or {}).items():
        panel.axvline(distance, color="grey", ls=":", label=name)
    second.legend(loc="outside right upper")
    figure.suptitle(f"kernels of encodings: {_LABEL}, c: centre of the unit square")
    return figure


def _plot_profiles(panel: Axes, profiles: Mapping[str, KernelProfile]) -> None:
    for place, (name, profile) in enumerate(profiles.items()):
        distances, (mean, smallest, largest), expected = profile
        style = line_style(place, len(distances))
        panel.plot(distances, mean, label=name, **style)
        panel.fill_between(distances, smallest, largest, color=style["color"], alpha=0.12, lw=0)
        if expected is not None:
            panel.plot(distances, expected, ".", ms=3, color="black", zorder=3)
    if any(profile.expected is not None for profile in profiles.values()):
        panel.plot([], [], ".", ms=3, color="black", label="expected")
    panel.set(xscale="log", xlabel="distance from the centre (1 = side of the square)")
    panel.set(ylabel="kernel", title="mean and range over all directions")
    panel.grid(alpha=0.3)
