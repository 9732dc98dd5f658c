"""Metrics and weights by epoch."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mlp_lab.config.metrics import get_metric, metric_order
from mlp_lab.figures.axes import metric_axis, panel_grid, whole_numbers
from mlp_lab.figures.style import ON_TOP, SPLIT_COLOURS, SPLIT_DASHES, line_style

_COLUMNS = 3  # panels in a row
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
    figure, panels = panel_grid(len(metrics), min(len(metrics), _COLUMNS), (5.5, 4), (0, 0.3))
    for panel, name in zip(panels, metrics, strict=True):
        drawn: list[float] = []
        for split, colour in SPLIT_COLOURS.items():
            key = f"{name}/{split}"
            points = [(row["epoch"], row[key]) for row in history if key in row]
            # A line needs two points: show a single one with a marker.
            marker = "o" if len(points) == 1 else None
            style: dict[str, Any] = {"color": colour, "ls": SPLIT_DASHES[split], "marker": marker}
            panel.plot(*zip(*points, strict=True), label=labels[split], **ON_TOP, **style)
            drawn += [value for _, value in points]
        if best is not None:
            panel.axvline(best, color="grey", linestyle=":", label=f"best epoch: {best}")
        panel.set(ylabel=get_metric(name).label)
        whole_numbers(panel, "epoch")
        metric_axis(panel.yaxis, drawn, name)
    handles = {str(line.get_label()): line for panel in panels for line in panel.lines}
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=len(handles))
    figure.suptitle(f"{', '.join(metrics)} by epoch")
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
    for place, (values, name) in enumerate(zip(weights.T, names, strict=True)):
        panel.plot(values, label=name, **line_style(place, len(values)))
    panel.axhline(0, color="black", linewidth=0.8, zorder=1)
    panel.set(ylabel="weight")
    whole_numbers(panel, "epoch (0: before training)")
    figure.legend(loc="outside right upper")
    figure.suptitle("weights of the linear layer by epoch")
    return figure
