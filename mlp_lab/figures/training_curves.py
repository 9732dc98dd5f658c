"""Metrics and weights by epoch."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mlp_lab.config.metrics import get_metric, metric_order
from mlp_lab.figures.axes import format_ticks, panel_grid

_COLUMNS = 3  # panels in a row
_COLOURS = {"train": "tab:blue", "validation": "tab:orange"}
_TRAIN_LABELS = {"during": "train (mean during the epoch)", "after": "train (after the epoch)"}


def loss_curves(
    history: Sequence[Mapping[str, float]], best: int | None, train_metrics: str
) -> Figure:
    """Plot the metrics of a run against the epoch, one panel per metric and one line per split.

    A row has at most three panels.

    Args:
        history: one row per epoch, with the keys ``epoch`` and ``<metric>/<split>``.
        best: best epoch, marked by a vertical line; None for no mark.
        train_metrics: when the metrics of the training data were computed, ``during`` the epoch or
            ``after`` it.
    """
    labels = {"train": _TRAIN_LABELS[train_metrics], "validation": "validation"}
    names = {k.split("/")[0]: None for row in history for k in row if "/" in k}
    metrics = sorted(names, key=metric_order)
    figure, panels = panel_grid(len(metrics), min(len(metrics), _COLUMNS), (5.5, 4))
    for panel, name in zip(panels, metrics, strict=True):
        for split, colour in _COLOURS.items():
            key = f"{name}/{split}"
            points = [(row["epoch"], row[key]) for row in history if key in row]
            # A line needs two points: show a single one with a marker.
            marker = "o" if len(points) == 1 else None
            panel.plot(*zip(*points, strict=True), color=colour, marker=marker, label=labels[split])
        if best is not None:
            panel.axvline(best, color="grey", linestyle=":", label=f"best epoch: {best}")
        panel.set(xlabel="epoch", ylabel=get_metric(name).label)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        format_ticks(panel.yaxis, get_metric(name))
        if min(row[key] for row in history for key in row if key.startswith(f"{name}/")) >= 0:
            panel.set_ylim(bottom=0)
        panel.grid(alpha=0.3)
        panel.legend()
    return figure


def weight_curves(weights: np.ndarray, names: Sequence[str]) -> Figure:
    """Plot the weights of a small network against the epoch, one line per weight.

    Args:
        weights: values of the weights, ``[1 + epochs, weights]``; the first row has the initial
            values.
        names: names of the weights.
    """
    figure = Figure(figsize=(7, 4), layout="constrained")
    panel = figure.subplots()
    marker = "o" if len(weights) == 1 else None
    for values, name in zip(weights.T, names, strict=True):
        panel.plot(values, marker=marker, label=name)
    panel.axhline(0, color="black", linewidth=0.8, zorder=1)
    panel.set(xlabel="epoch", ylabel="weight")
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize=9)
    return figure
