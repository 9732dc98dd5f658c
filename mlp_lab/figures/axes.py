"""Axis labels that several figures share."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter

from mlp_lab.config.metrics import Metric


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
