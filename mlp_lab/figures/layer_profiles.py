"""What happens in each layer of a network."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

_COLUMNS = 3
_LETTERS = 42  # that fit above a panel
_LABELS = {
    "gradient norm": "gradient norm  ‖∂E/∂W‖",
    "sparsity": "ReLU outputs that are 0",
}


def by_epoch(rows: Iterable[Mapping[str, float]], quantity: str) -> dict[int, np.ndarray]:
    """A column of a run's layers.csv, ``[layers]`` for each epoch; nan where it is empty."""
    values: dict[int, list[float]] = {}
    for row in rows:
        values.setdefault(int(row["epoch"]), []).append(row.get(quantity, np.nan))
    return {epoch: np.array(layers) for epoch, layers in values.items()}


def by_layer(
    panels: Mapping[str, Mapping[int, np.ndarray]], quantity: str, lines: str, title: str = ""
) -> Figure:
    """A quantity by layer, a line for each value of something else, whose colour tells the value.

    A ``sparsity`` is drawn in per cent, anything else by its logarithm; what has none is left out.

    Args:
        panels: by title, and by what sets the lines apart, the quantity: ``[layers]``.
        quantity: what is drawn.
        lines: what sets the lines apart: ``epoch``.
        title: of the figure.
    """
    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(4 * columns + 1.5, 3.5 * rows + 0.3), layout="constrained")
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for panel in axes[len(panels) :]:
        panel.set_axis_off()
    values = [value for curves in panels.values() for value in curves]
    scale = ScalarMappable(Normalize(min(values), max(values)), colormaps["viridis_r"])
    for panel, (name, curves) in zip(axes, panels.items(), strict=False):
        for curve, colour in zip(curves.values(), scale.to_rgba(np.array([*curves])), strict=True):
            _line(panel, curve, quantity, colour)
        panel.set(xlabel="layer, from the input")
        panel.set_title(textwrap.fill(name, _LETTERS), fontsize=10)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.grid(alpha=0.3)
    for panel in axes[::columns]:
        panel.set_ylabel(_LABELS.get(quantity, quantity))
    if quantity == "sparsity":
        axes[0].yaxis.set_major_formatter(PercentFormatter(1.0))
        axes[0].set_ylim(0, 1)
    if min(values) < max(values):
        figure.colorbar(scale, ax=axes, label=lines, ticks=MaxNLocator(integer=True))
    figure.suptitle(title)
    return figure


def errors_by_layer(curves: Mapping[str, tuple[Sequence[float], float]]) -> Figure:
    """How large the error is in each hidden layer, beside what is expected of it.

    Args:
        curves: by label the error in each layer, from the input on, and the factor by which it is
            expected to change from a layer to the one before.
    """
    figure = Figure(figsize=(7.5, 4), layout="constrained")
    panel = figure.subplots()
    for label, (errors, factor) in curves.items():
        layers = np.arange(1, len(errors) + 1)
        [line] = panel.plot(layers, errors, "o", label=label)
        expected = errors[-1] * factor ** (len(errors) - layers.astype(float))
        panel.plot(layers, expected, ":", color=line.get_color(), label=f"· {factor:.3f} a layer")
    panel.set(xlabel="layer, from the input", ylabel="error in the layer  ‖∂E/∂z‖", yscale="log")
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize=9)
    return figure


def _line(panel: Axes, values: np.ndarray, quantity: str, colour: np.ndarray) -> None:
    layers = np.arange(1, len(values) + 1)
    if quantity != "sparsity":
        values = np.where(values > 0, values, np.nan)  # which a logarithm takes
        if np.isfinite(values).any():
            panel.set_yscale("log")
    panel.plot(layers, values, "o-", ms=3, lw=1, color=colour)
