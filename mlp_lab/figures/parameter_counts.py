"""Metrics of networks of different sizes."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

from mlp_lab.config.metrics import get_metric
from mlp_lab.figures.axes import format_ticks
from mlp_lab.figures.rendering import legend_label

# Number of parameters, mean and standard deviation of a metric over several runs (nan for a single
# run), and name of the network.
NetworkResult = tuple[int, float, float, str]


def metric_by_parameters(
    lines: Mapping[str, Sequence[NetworkResult]], metric: str, key: str
) -> Figure:
    """Plot a metric against the number of parameters on a logarithmic axis.

    Args:
        lines: results of networks in ascending order of size, by label of the line. Each point is
            annotated with the name of its network.
        metric: name of the metric on validation data.
        key: config key whose values are the names of the networks.
    """
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    panel = figure.subplots()
    for text, points in lines.items():
        label = legend_label(text) or None
        sizes, means, spreads, names = zip(*points, strict=True)
        known = None if all(map(math.isnan, spreads)) else spreads
        bars = panel.errorbar(sizes, means, known, marker="o", capsize=3, label=label)
        for size, mean, name in zip(sizes, means, names, strict=True):
            panel.annotate(
                name, (size, mean), (4, 4), textcoords="offset points", fontsize=8,
                color=bars[0].get_color(),
            )  # fmt: skip
    panel.set_xscale("log")
    panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(EngFormatter(sep=""))
    if get_metric(metric).percent:
        format_ticks(panel.yaxis, get_metric(metric))
    elif all(mean > 0 for points in lines.values() for _, mean, *_ in points):
        panel.set_yscale("log")
    panel.set(xlabel=f"number of parameters (labels at the points: {key})")
    panel.set_ylabel(f"validation {metric} of the best epoch")
    panel.grid(alpha=0.3)
    if any(lines):
        panel.legend(fontsize=9)
    return figure
