"""How a cost grows."""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator


class Growth(NamedTuple):
    """Whole numbers above 0 that were counted at ``x``, and what a closed form gives there."""

    name: str
    x: Sequence[int]
    counted: Sequence[int]
    expected: Sequence[int]


def growth(series: Sequence[Growth], xlabel: str, ylabel: str) -> Figure:
    """What was counted as points, closed forms as lines, on a logarithmic scale."""
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    panel = figure.subplots()
    for one in series:
        [line] = panel.plot(one.x, one.expected)
        panel.plot(one.x, one.counted, "o", color=line.get_color(), label=one.name)
    panel.plot([], [], color="black", label="closed forms")
    panel.set(xlabel=xlabel, ylabel=ylabel, yscale="log")
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.grid(alpha=0.3)
    figure.legend(loc="outside right upper", frameon=False)  # curves may fill every corner
    return figure
