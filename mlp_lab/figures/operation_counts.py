"""Operation counts in comparison with their closed forms."""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.figure import Figure

from mlp_lab.figures.axes import whole_numbers
from mlp_lab.figures.style import line_style


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
    for place, counts in enumerate(series):
        style = line_style(place)
        panel.plot(counts.x, counts.expected, **style | {"marker": "none"})
        panel.plot(counts.x, counts.counted, label=counts.name, **style | {"ls": "none"})
    panel.plot([], [], color="black", label="closed form")
    panel.set(ylabel=ylabel, yscale="log")
    whole_numbers(panel, xlabel)
    figure.legend(loc="outside right upper")  # curves can fill every corner
    figure.suptitle(f"{ylabel}: counted, and the closed form")
    return figure
