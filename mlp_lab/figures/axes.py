"""Panels and axis labels that several figures share."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from mlp_lab.config.metrics import Metric


def panel_grid(
    number: int,
    columns: int,
    size: tuple[float, float],
    margin: tuple[float, float] = (0.0, 0.0),
    **options: Any,
) -> tuple[Figure, list[Axes]]:
    """Return a figure and its panels, row by row. The rest of the last row is empty.

    Args:
        number: number of panels.
        columns: panels in a row.
        size: width and height of a panel in inches.
        margin: width and height of the figure beside and below the panels in inches.
        options: further arguments of ``Figure.subplots``.
    """
    rows = math.ceil(number / columns)
    (width, height), (right, below) = size, margin
    figsize = width * columns + right, height * rows + below
    figure = Figure(figsize=figsize, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, **options).ravel().tolist()
    for panel in panels[number:]:
        panel.set_axis_off()
    return figure, panels[:number]


def format_ticks(axis: Axis, metric: Metric) -> None:
    """Show the values of a metric on an axis in per cent, if it is a fraction."""
    if metric.percent:
        axis.set_major_formatter(FuncFormatter(lambda value, _: metric.short_text(value)))


def tilt_long_names(panel: Axes, names: Sequence[str], room: int = 3) -> None:
    """Rotate the tick labels of the horizontal axis if one of them is too long.

    Args:
        panel: axes whose tick labels are ``names``.
        names: tick labels.
        room: length of the longest label that fits without rotation, in characters.
    """
    if max(map(len, names)) > room:
        panel.tick_params("x", which="major", rotation=45)
        for label in panel.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
