"""What networks of different sizes reach."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullLocator, PercentFormatter

# Parameters, the mean and the standard deviation (nan: of a single one) of what was reached, and
# the name of the network.
Sized = tuple[int, float, float, str]


def against_parameters(lines: Mapping[str, Sequence[Sized]], metric: str, key: str) -> Figure:
    """A metric against the number of parameters, which has a logarithmic axis.

    Args:
        lines: by label: networks by ascending size; each bears its name.
        metric: what was reached on validation data.
        key: what the names are values of.
    """
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    panel = figure.subplots()
    for label, points in lines.items():
        sizes, means, spreads, names = zip(*points, strict=True)
        known = None if all(map(math.isnan, spreads)) else spreads
        bars = panel.errorbar(sizes, means, known, marker="o", capsize=3, label=label or None)
        for size, mean, name in zip(sizes, means, names, strict=True):
            panel.annotate(
                name, (size, mean), (4, 4), textcoords="offset points", fontsize=8,
                color=bars[0].get_color(),
            )  # fmt: skip
    panel.set_xscale("log")
    panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(EngFormatter(sep=""))
    if metric == "error":
        panel.yaxis.set_major_formatter(PercentFormatter(1.0))
    elif all(mean > 0 for points in lines.values() for _, mean, *_ in points):
        panel.set_yscale("log")
    panel.set(xlabel=f"parameters (beside the points: {key})")
    panel.set_ylabel(f"{metric} on validation data, chosen epoch")
    panel.grid(alpha=0.3)
    if any(lines):
        panel.legend(fontsize=9)
    return figure
