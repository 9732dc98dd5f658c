"""Quantities of each layer of a network, such as gradient norms."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from mlp_lab.figures.axes import panel_grid, whole_numbers
from mlp_lab.figures.style import MARKERS, line_style

_COLUMNS = 3
_TITLE_WIDTH = 42  # characters of a line of a panel's title
_LABELS = {
    "gradient norm": "gradient norm  ‖∂E/∂W‖",
    "sparsity": "sparsity (ReLU outputs equal to 0)",
}


def values_by_epoch(rows: Iterable[Mapping[str, float]], quantity: str) -> dict[int, np.ndarray]:
    """Return a column of a run's layers.csv as one array ``[layers]`` per epoch.

    Args:
        rows: rows of layers.csv, ordered by layer within each epoch.
        quantity: name of the column. Empty cells become nan.
    """
    values: dict[int, list[float]] = {}
    for row in rows:
        values.setdefault(int(row["epoch"]), []).append(row.get(quantity, np.nan))
    return {epoch: np.array(layers) for epoch, layers in values.items()}


def quantity_by_layer(
    panels: Mapping[str, Mapping[int, np.ndarray]], quantity: str, variable: str, title: str = ""
) -> Figure:
    """Plot a quantity against the layer index, with one line per value of a variable.

    The colour of a line encodes the variable. The axis of the quantity ``sparsity`` is in per
    cent; all other quantities have a logarithmic axis, which leaves out values that are not
    positive.

    Args:
        panels: values of the quantity, ``[layers]``, by panel title and value of the variable.
        quantity: name of the quantity.
        variable: name of the variable, such as ``epoch``.
        title: when the values were measured, for the title of the figure.
    """
    columns = min(_COLUMNS, len(panels))
    figure, axes = panel_grid(len(panels), columns, (4, 3.5), margin=(1.5, 0.3), sharey=True)
    values = [value for curves in panels.values() for value in curves]
    scale = ScalarMappable(Normalize(min(values), max(values)), colormaps["viridis_r"])
    for panel, (name, curves) in zip(axes, panels.items(), strict=True):
        colours = scale.to_rgba(np.array([*curves]))
        for place, (curve, colour) in enumerate(zip(curves.values(), colours, strict=True)):
            _plot_line(panel, curve, quantity, colour, MARKERS[place % len(MARKERS)])
        panel.set_title(textwrap.fill(name, _TITLE_WIDTH))
        whole_numbers(panel, "layer (1 = first)")
    for panel in axes[::columns]:
        panel.set_ylabel(_LABELS.get(quantity, quantity))
    if quantity == "sparsity":
        axes[0].yaxis.set_major_formatter(PercentFormatter(1.0))
        axes[0].set_ylim(0, 1)
    if min(values) < max(values):
        figure.colorbar(scale, ax=figure.axes, label=variable, ticks=MaxNLocator(integer=True))
    figure.suptitle(", ".join(filter(None, [f"{quantity} by layer", title])))
    return figure


def errors_by_layer(curves: Mapping[str, tuple[Sequence[float], float]]) -> Figure:
    """Plot the norm of the backpropagated error in each hidden layer and its expected value.

    Args:
        curves: by label, the norm in each layer from the first to the last, and the expected
            ratio of the norms of a layer and the following one.
    """
    figure = Figure(figsize=(7.5, 4), layout="constrained")
    panel = figure.subplots()
    for place, (label, (errors, factor)) in enumerate(curves.items()):
        layers = np.arange(1, len(errors) + 1)
        style = line_style(place)
        panel.plot(layers, errors, label=label, **style | {"ls": "none"})
        expected = errors[-1] * factor ** (len(errors) - layers.astype(float))
        name = f"expected: factor {factor:.3f} per layer"
        panel.plot(layers, expected, label=name, **style | {"marker": "none"})
    panel.set(ylabel="backpropagated error  ‖∂E/∂z‖", yscale="log")
    whole_numbers(panel, "layer (1 = first)")
    figure.legend(loc="outside right upper")
    figure.suptitle("norm of the backpropagated error by layer")
    return figure


def _plot_line(
    panel: Axes, values: np.ndarray, quantity: str, colour: np.ndarray, marker: str
) -> None:
    layers = np.arange(1, len(values) + 1)
    if quantity != "sparsity":
        # A logarithmic axis shows positive values only.
        values = np.where(values > 0, values, np.nan)
        if np.isfinite(values).any():
            panel.set_yscale("log")
    panel.plot(layers, values, marker=marker, ms=4, lw=1, color=colour)
