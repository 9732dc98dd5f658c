"""Whether a classifier is right as often as it says."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

# Predictions of each bin, their mean confidence and accuracy, [bins] each; nan where there is none.
Bins = tuple[np.ndarray, np.ndarray, np.ndarray]


_Z = 1.96  # standard deviations either side that hold 95 % of a normal distribution


def reliability(curves: Mapping[str, Bins]) -> Figure:
    """Accuracy by confidence, a line each; below them how many predictions each bin holds.

    A bin's whisker is the 95 % interval of its accuracy (Wilson 1927, equation 5).
    """
    figure = Figure(figsize=(6, 6.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], ":", color="grey", label="right as often as it says")
    for (label, (counts, confidence, accuracy)), marker in zip(curves.items(), "os", strict=False):
        full = counts > 0
        n, c, a = counts[full], confidence[full], accuracy[full]
        above.errorbar(
            c, a, _whiskers(n, a), fmt=f"{marker}-", ms=4, capsize=2, alpha=0.85, label=label
        )
        edges = np.linspace(0, 1, len(counts) + 1)
        below.stairs(counts, edges, baseline=0.5, fill=False, lw=1.5)
    above.set(ylabel="accuracy", xlim=(0, 1.01), ylim=(0, 1.03))
    below.set(xlabel="confidence", ylabel="predictions", yscale="log")
    below.set_ylim(bottom=0.5)
    for axis in (below.xaxis, above.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0))
    for panel in (above, below):
        panel.grid(alpha=0.3)
    figure.legend(loc="outside upper center", fontsize=9, frameon=False)
    return figure


def _whiskers(n: np.ndarray, part: np.ndarray) -> np.ndarray:
    """How far the 95 % interval of a part of ``n`` reaches down and up from it: ``[2, bins]``."""
    middle = (part + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * np.sqrt(part * (1 - part) / n + _Z**2 / (4 * n**2))
    # Nothing is negative but by rounding.
    return np.stack([part - (middle - half), middle + half - part]).clip(0)
