"""Reliability diagram: accuracy of a classifier by confidence."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from mlp_lab.figures.style import line_style

# Number of predictions in each bin, and their mean confidence and accuracy (nan for an empty bin),
# [bins] each.
Bins = tuple[np.ndarray, np.ndarray, np.ndarray]

_Z = 1.96  # 95 % of a normal distribution is within this many standard deviations of the mean


def reliability_diagram(curves: Mapping[str, Bins]) -> Figure:
    """Plot accuracy against confidence; below, the number of predictions in each bin.

    The error bar of a bin is the 95 % confidence interval of its accuracy (Wilson 1927,
    equation 5).

    Args:
        curves: bins of each model, by label.
    """
    figure = Figure(figsize=(6, 6.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], ":", color="grey", label="perfect calibration")
    for place, (label, (counts, confidence, accuracy)) in enumerate(curves.items()):
        full = counts > 0
        n, c, a = counts[full], confidence[full], accuracy[full]
        style = line_style(place)
        bars = _error_bars(n, a)
        above.errorbar(c, a, bars, capsize=2, alpha=0.85, label=label, **style)
        edges = np.linspace(0, 1, len(counts) + 1)
        below.stairs(
            counts, edges, baseline=0.5, fill=False, color=style["color"], ls=style["ls"], lw=1.5
        )
    above.set(ylabel="accuracy", xlim=(0, 1.01), ylim=(0, 1.03))
    below.set(xlabel="confidence", ylabel="predictions", yscale="log")
    below.set_ylim(bottom=0.5)
    for axis in (below.xaxis, above.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0))
    for panel in (above, below):
        panel.grid(alpha=0.3)
    figure.legend(loc="outside lower center")
    figure.suptitle("accuracy by confidence, with 95 % confidence intervals")
    return figure


def _error_bars(n: np.ndarray, accuracy: np.ndarray) -> np.ndarray:
    """Return the lengths of the error bars below and above the accuracy, ``[2, bins]``.

    Args:
        n: number of predictions in each bin, ``[bins]``.
        accuracy: accuracy in each bin, ``[bins]``.
    """
    centre = (accuracy + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * np.sqrt(accuracy * (1 - accuracy) / n + _Z**2 / (4 * n**2))
    # Rounding can make a distance of 0 slightly negative.
    return np.stack([accuracy - (centre - half), centre + half - accuracy]).clip(0)
