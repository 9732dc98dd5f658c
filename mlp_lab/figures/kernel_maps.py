"""How much alike encodings make points."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_LABEL = "γ(x)·γ(c) / γ(c)·γ(c)"


class ByDistance(NamedTuple):
    """A kernel at some distances: mean, least and largest value over all directions, and, where it
    is known, what the mean is expected to be."""

    distances: np.ndarray
    values: np.ndarray
    expected: np.ndarray | None = None


def kernels(
    maps: Mapping[str, np.ndarray],
    lines: Mapping[str, ByDistance],
    marks: Mapping[str, float] | None = None,
) -> Figure:
    """Kernels over the unit square around its centre, and against the distance from there.

    Args:
        maps: by name ``[side, side]``, rows by y; white is 0, dark red 1 and above.
        lines: by the same names. A band reaches from the least to the largest value, and dots are
            what is expected.
        marks: names of distances that are marked by vertical lines.
    """
    if len(maps) == 1:
        figure = Figure(figsize=(10, 3.8), layout="constrained")
        first, second = figure.subfigures(1, 2, width_ratios=(1, 1.6), squeeze=False).flat
    else:
        figure = Figure(figsize=(1.6 * len(maps) + 1, 6), layout="constrained")
        first, second = figure.subfigures(2, 1, height_ratios=(1, 1.7), squeeze=False).flat
    panels = first.subplots(1, len(maps), sharey=True, squeeze=False)[0]
    for panel, (name, values) in zip(panels, maps.items(), strict=True):
        drawn = panel.imshow(values, "RdBu_r", vmin=-1, vmax=1, extent=(0, 1, 1, 0))
        panel.set(xlabel="x", xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
        panel.set_title(name, fontsize=9)
    panels[0].set_ylabel("y")
    most = max(values.max() for values in maps.values())
    extend = "max" if most > 1.01 else "neither"  # where rounding is no reason
    first.colorbar(drawn, ax=panels, label=_LABEL, extend=extend, shrink=0.8)
    panel = second.subplots()
    _against_distance(panel, lines)
    for name, distance in (marks or {}).items():
        panel.axvline(distance, color="grey", ls=":", label=name)
    second.legend(loc="outside right upper", fontsize=8)
    return figure


def _against_distance(panel: Axes, lines: Mapping[str, ByDistance]) -> None:
    for name, (distances, (mean, least, largest), expected) in lines.items():
        [line] = panel.plot(distances, mean, label=name)
        panel.fill_between(distances, least, largest, color=line.get_color(), alpha=0.12, lw=0)
        if expected is not None:
            panel.plot(distances, expected, ".", ms=3, color="black", zorder=3)
    if any(line.expected is not None for line in lines.values()):
        panel.plot([], [], ".", ms=3, color="black", label="expected")
    panel.set(xscale="log", xlabel="distance from the centre (1: a side of the square)")
    panel.set_ylabel(f"{_LABEL}\nmean over directions, and their range")
    panel.grid(alpha=0.3)
