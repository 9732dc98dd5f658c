"""Operation counts in comparison with their closed forms."""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator


class OperationCounts(NamedTuple):
    """A series of operation counts and the values of its closed form.

    Attributes:
        name: label of the series.
        x: arguments, such as numbers of layers.
        counted: counted operations at each ``x``, above 0.
        expected: value of the closed form at each ``x``, above 0.
    """

    name: str
    x: Sequence[int]
    counted: Sequence[int]
    expected: Sequence[int]


def operation_counts(series: Sequence[OperationCounts], xlabel: str, ylabel: str) -> Figure:
    """Plot counts as points and closed forms as lines on a logarithmic vertical axis."""
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    panel = figure.subplots()
    for counts in series:
        [line] = panel.plot(counts.x, counts.expected)
        panel.plot(counts.x, counts.counted, "o", color=line.get_color(), label=counts.name)
    panel.plot([], [], color="black", label="closed form")
    panel.set(xlabel=xlabel, ylabel=ylabel, yscale="log")
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.grid(alpha=0.3)
    figure.legend(loc="outside right upper", frameon=False)  # curves can fill every corner
    return figure
