"""What Boolean functions cost: units and steps against the number of bits."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, ScalarFormatter

# Bits and what they cost.
Cost = tuple[int, float]


def units_by_hand(bits: Sequence[int], units: Sequence[int]) -> Figure:
    """Hidden units of the networks by hand for the parity of ``bits``, beside 2^(bits - 1)."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    panel = figure.subplots()
    panel.plot(bits, [2 ** (n - 1) for n in bits], color="grey", label="$2^{n-1}$")
    panel.plot(bits, units, "o", color="tab:blue", label="by hand: a unit for each true row")
    _finish(panel, "hidden units for the parity of n bits")
    return figure


def units_and_steps(
    units: Mapping[str, Sequence[Cost]], steps: Mapping[str, Sequence[Cost]]
) -> Figure:
    """Two panels over the number of bits: hidden units, and steps of the optimizer.

    Args:
        units: by label, bits and units.
        steps: by label, bits and steps.
    """
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    for panel, lines, name in zip(
        figure.subplots(1, 2), (units, steps), ("hidden units", "steps to error 0"), strict=True
    ):
        for (label, costs), marker in zip(lines.items(), "osD^", strict=False):
            # Where two lines meet, both are to be seen.
            style = {"marker": marker, "mfc": "none", "alpha": 0.8}
            panel.plot(*zip(*costs, strict=True), label=label, **style)
        _finish(panel, name)
    return figure


def _finish(panel: Axes, name: str) -> None:
    panel.set(xlabel="bits n", ylabel=name)
    panel.set_yscale("log", base=2)
    panel.yaxis.set_major_formatter(ScalarFormatter())
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.grid(alpha=0.3)
    if panel.lines:
        panel.legend(fontsize=9)
