"""Hidden units and optimizer steps that Boolean functions need."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from mlp_lab.figures.axes import whole_numbers
from mlp_lab.figures.style import BLUE, line_style

# Number of bits, and number of hidden units or optimizer steps.
Cost = tuple[int, float]


def parity_units(bits: Sequence[int], units: Sequence[int]) -> Figure:
    """Plot the hidden units of constructed networks for the parity function, and 2^(bits - 1).

    Args:
        bits: numbers of bits.
        units: number of hidden units for each of them.
    """
    figure = Figure(figsize=(6, 4.3), layout="constrained")
    panel = figure.subplots()
    panel.plot(bits, [2 ** (n - 1) for n in bits], color="grey", label="2ⁿ⁻¹")
    panel.plot(bits, units, "o", color=BLUE, label="constructed: one unit per true row")
    _format_axes(panel, "hidden units")
    figure.suptitle("hidden units of constructed networks for the parity of n bits")
    return figure


def units_and_steps(
    units: Mapping[str, Sequence[Cost]], steps: Mapping[str, Sequence[Cost]]
) -> Figure:
    """Plot hidden units and optimizer steps against the number of bits in two panels.

    Args:
        units: numbers of bits and hidden units, by label of the line.
        steps: numbers of bits and optimizer steps, by label of the line.
    """
    figure = Figure(figsize=(11, 4.7), layout="constrained")
    for part, lines, name in zip(
        figure.subfigures(1, 2, squeeze=False).flat,
        (units, steps),
        ("hidden units", "steps until the error is 0"),
        strict=True,
    ):
        panel = part.subplots()
        for place, (label, costs) in enumerate(lines.items()):
            # Transparent lines and open markers keep overlapping lines visible.
            style = line_style(place, len(costs)) | {"markevery": 1, "mfc": "none", "alpha": 0.8}
            panel.plot(*zip(*costs, strict=True), label=label, **style | {"ms": 4 + 3 * place})
        _format_axes(panel, name)
    figure.suptitle("hidden units and optimizer steps that learn a Boolean function without errors")
    return figure


def _format_axes(panel: Axes, ylabel: str) -> None:
    panel.set(ylabel=ylabel)
    panel.set_yscale("log", base=2)
    panel.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    whole_numbers(panel, "number of bits n")
    if panel.lines:
        panel.figure.legend(loc="outside lower center")
    else:
        panel.text(0.5, 0.5, "no network learned it", ha="center", transform=panel.transAxes)
