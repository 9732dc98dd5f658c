"""Common parts of the figures of many runs: colours, room for labels, scales."""

import textwrap
from collections.abc import Sequence

from matplotlib.axis import Axis

from mlp_lab.config.metrics import get_metric
from mlp_lab.figures.axes import format_ticks
from mlp_lab.figures.rendering import legend_label

# Only the best lines have colours and legend entries: more colours are hard to distinguish.
_NAMES = ("blue", "orange", "green", "red", "purple", "brown", "pink", "olive", "cyan")
COLOURS = [f"tab:{name}" for name in _NAMES]
MOST = len(COLOURS)

_WRAP = 44  # letters in a line of the legend


def legend_width(texts: Sequence[str]) -> float:
    """Return the width of a legend in inches."""
    return 0.6 + 0.07 * max(len(line) for text in texts for line in text.split("\n"))


def wrapped(label: str) -> str:
    """Return a label of a legend, wrapped to its width."""
    return legend_label(textwrap.fill(label, _WRAP, break_on_hyphens=False))


def scale(axis: Axis, values: Sequence[float], metric: str, *, from_zero: bool = True) -> None:
    """Set scale, lower limit and number format of a vertical axis for values of a metric."""
    if spans_decades(values):
        axis.axes.set_yscale("log")
        # Ignores bands, which may extend down to zero.
        axis.axes.set_ylim(bottom=0.8 * min(values))
    elif from_zero:
        axis.axes.set_ylim(bottom=0)
    format_ticks(axis, get_metric(metric))


def spans_decades(values: Sequence[float]) -> bool:
    """Return whether a logarithmic axis suits the values."""
    return len(values) > 0 and min(values) > 0 and max(values) / min(values) >= 30
