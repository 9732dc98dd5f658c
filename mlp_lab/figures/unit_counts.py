"""Hidden units and optimizer steps that Boolean functions need."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, ScalarFormatter

# Number of bits, and number of hidden units or optimizer steps.
Cost = tuple[int, float]


def parity_units(bits: Sequence[int], units: Sequence[int]) -> Figure:
    """Plot the hidden units of constructed networks for the parity function, and 2^(bits - 1).

    Args:
        bits: numbers of bits.
        units: number of hidden units for each of them.
    """
    figure = Figure(figsize=(6, 4), layout="constrained")
    panel = figure.subplots()
    panel.plot(bits, [2 ** (n - 1) for n in bits], color="grey", label="2ⁿ⁻¹")
    panel.plot(bits, units, "o", color="tab:blue", label="constructed: one unit per true row")
    _format_axes(panel, "hidden units for the parity of n bits")
    return figure


def units_and_steps(
    units: Mapping[str, Sequence[Cost]], steps: Mapping[str, Sequence[Cost]]
) -> Figure:
    """Plot hidden units and optimizer steps against the number of bits in two panels.

    Args:
        units: numbers of bits and hidden units, by label of the line.
        steps: numbers of bits and optimizer steps, by label of the line.
    """
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    for panel, lines, name in zip(
        figure.subplots(1, 2),
        (units, steps),
        ("hidden units", "steps until the error is 0"),
        strict=True,
    ):
        for (label, costs), marker in zip(lines.items(), "osD^", strict=False):
            # Transparent lines and open markers keep overlapping lines visible.
            style = {"marker": marker, "mfc": "none", "alpha": 0.8}
            panel.plot(*zip(*costs, strict=True), label=label, **style)
        _format_axes(panel, name)
    return figure


def _format_axes(panel: Axes, ylabel: str) -> None:
    panel.set(xlabel="number of bits n", ylabel=ylabel)
    panel.set_yscale("log", base=2)
    panel.yaxis.set_major_formatter(ScalarFormatter())
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.grid(alpha=0.3)
    if panel.lines:
        panel.legend(fontsize=9)
