"""Panels and axis labels that several figures share."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from mlp_lab.config.metrics import Metric, get_metric


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


def name_shared_axes(panels: Sequence[Axes], columns: int, xlabel: str, ylabel: str) -> None:
    """Name the axes that panels share: below the lowest panel of each column, and at the left.

    The last row may be incomplete.

    Args:
        panels: panels, row by row.
        columns: panels in a row.
        xlabel: name of the horizontal axes.
        ylabel: name of the vertical axes.
    """
    for place, panel in enumerate(panels):
        lowest = place + columns >= len(panels)
        panel.tick_params(labelbottom=lowest)
        panel.set(xlabel=xlabel if lowest else "", ylabel=ylabel if place % columns == 0 else "")


def whole_numbers(panel: Axes, name: str) -> None:
    """Name the horizontal axis, and give it ticks at whole numbers, such as epochs, and a grid."""
    panel.set_xlabel(name)
    # Without min_n_ticks, the ticks around a single number would be fractions.
    locator = MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1)
    panel.xaxis.set_major_locator(locator)
    panel.grid(alpha=0.3)


def metric_axis(
    axis: Axis, values: Sequence[float], metric: str, *, from_zero: bool = True
) -> None:
    """Set scale, lower limit and number format of a vertical axis for values of a metric.

    The axis is logarithmic for values over several decades. Other axes start at 0 if no value is
    negative.

    Args:
        axis: vertical axis.
        values: drawn values, without the ends of bands.
        metric: name of the metric.
        from_zero: whether a linear axis starts at 0.
    """
    finite = list(filter(math.isfinite, values))
    if spans_decades(finite):
        axis.axes.set_yscale("log")
        axis.axes.set_ylim(bottom=0.8 * min(finite))  # bands may extend down to 0
    elif from_zero and min(finite, default=0.0) >= 0:
        axis.axes.set_ylim(bottom=0)
    format_ticks(axis, get_metric(metric))


def spans_decades(values: Sequence[float]) -> bool:
    """Return whether a logarithmic axis suits finite values."""
    return len(values) > 0 and min(values) > 0 and max(values) / min(values) >= 30


def band(means: np.ndarray, spreads: np.ndarray, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower and upper ends of bands or error bars, within the values of the metric.

    Errors and losses end at 0, and fractions at 1, unless a mean is beyond.

    Args:
        means: means, ``[points]``.
        spreads: lengths of the bars on both sides, ``[points]``.
        metric: name of the metric.
    """
    low, high = means - spreads, means + spreads
    properties = get_metric(metric)
    if (properties.percent or properties.direction == "min") and np.nanmin(means) >= 0:
        low = np.maximum(low, 0)
    if properties.percent and np.nanmax(means) <= 1:
        high = np.minimum(high, 1)
    return low, high


def error_limit(errors: Sequence[np.ndarray]) -> float:
    """Return the largest error of a common colour scale for images of errors.

    It is not the maximum: a few large errors at edges would make all others dark.
    """
    return max(float(np.quantile(errors, 0.995)), 1e-6)


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
