"""Metrics of networks of different sizes."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

from mlp_lab.config.metrics import get_metric
from mlp_lab.figures.axes import band, metric_axis
from mlp_lab.figures.rendering import legend_label
from mlp_lab.figures.style import line_style

_SHIFT = 1.04  # factor between the places of neighbouring lines
_ROWS = 4  # of names above the panel
_LETTER = 0.013  # width of a letter of a name, as a fraction of the panel's
_LEAST_DECADES = 0.3

# Number of parameters, mean and standard deviation of a metric over several runs (nan for a single
# run), and name of the network.
NetworkResult = tuple[int, float, float, str]


def metric_by_parameters(
    lines: Mapping[str, Sequence[NetworkResult]], metric: str, key: str
) -> Figure:
    """Plot a metric against the number of parameters on a logarithmic axis.

    Args:
        lines: results of networks in ascending order of size, by label of the line. The
            names of the networks are above the panel.
        metric: name of the metric on validation data.
        key: config key whose values are the names of the networks.
    """
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    panel = figure.subplots()
    named: set[tuple[int, str]] = set()
    for place, (text, points) in enumerate(lines.items()):
        label = legend_label(text) or None
        sizes, means, spreads, names = zip(*points, strict=True)
        at, centres, has_bars = np.array(sizes), np.array(means), np.isfinite(spreads).any()
        if has_bars:  # those of several lines would cover one another
            at = at * _SHIFT ** (place - (len(lines) - 1) / 2)
        style = line_style(place, len(at)) | {"markevery": 1}
        panel.plot(at, centres, label=label, **style)
        if has_bars:
            low, high = band(centres, np.array(spreads), metric)
            lengths = [centres - low, high - centres]
            panel.errorbar(at, centres, lengths, ls="none", color=style["color"], capsize=3)
        named.update(zip(sizes, names, strict=True))
    panel.set_xscale("log")
    _name_sizes(panel, sorted(named))
    panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(EngFormatter(sep=""))
    metric_axis(panel.yaxis, [mean for each in lines.values() for _, mean, *_ in each], metric)
    panel.set(xlabel="number of parameters", ylabel=get_metric(metric).label)
    panel.grid(alpha=0.3)
    if any(lines):
        figure.legend(loc="outside right upper")
    spread = ", mean ± sd over seeds" if panel.containers else ""
    title = f"{metric} on validation data by size, best epoch{spread}\nabove the panel: {key}"
    figure.suptitle(title)
    return figure


def _name_sizes(panel: Axes, named: Sequence[tuple[int, str]]) -> None:
    """Mark sizes, in ascending order, with their names above the panel, in several rows."""
    ends = [-math.inf] * _ROWS  # of the last name in each row, in decades
    decades = max(math.log10(named[-1][0] / named[0][0]), _LEAST_DECADES) if named else 1.0
    for size, name in named:
        half = decades * _LETTER * len(name) / 2
        place = math.log10(size)
        free = [row for row, end in enumerate(ends) if place - half > end]
        row = free[0] if free else ends.index(min(ends))
        ends[row] = place + half
        panel.axvline(size, color="0.85", lw=0.8, zorder=0)
        panel.annotate(
            name, (size, 1), (0, 3 + 10 * row), xycoords=("data", "axes fraction"), fontsize=8,
            textcoords="offset points", ha="center", annotation_clip=False,
        )  # fmt: skip
