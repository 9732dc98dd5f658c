"""Figures: arrays in, matplotlib Figure out. Nothing here knows of runs, files or TensorBoard."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

_COLOURS = {"train": "tab:blue", "validation": "tab:orange"}


def loss_curves(history: Sequence[Mapping[str, float]], best: int | None) -> Figure:
    """Each metric of ``<metric>/<split>`` columns by epoch, a panel a metric, a line a split.

    Args:
        history: a row an epoch, with ``epoch`` and the metrics.
        best: the epoch that was chosen, marked by a vertical line; None: not marked.
    """
    names = {k.split("/")[0]: None for row in history for k in row if "/" in k}
    metrics = sorted(names, key=lambda name: (name != "loss", name))
    figure = Figure(figsize=(5.5 * len(metrics), 4), layout="constrained")
    for panel, metric in zip(
        figure.subplots(1, len(metrics), squeeze=False)[0], metrics, strict=True
    ):
        for split, colour in _COLOURS.items():
            points = [
                (r["epoch"], r[f"{metric}/{split}"]) for r in history if f"{metric}/{split}" in r
            ]
            # A single epoch is no line yet.
            marker = "o" if len(points) == 1 else None
            panel.plot(*zip(*points, strict=True), color=colour, marker=marker, label=split)
        if best is not None:
            panel.axvline(best, color="grey", linestyle=":", label=f"chosen: epoch {best}")
        panel.set(xlabel="epoch", ylabel=metric)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        if metric == "error":
            panel.yaxis.set_major_formatter(PercentFormatter(1.0))
        panel.set_ylim(bottom=0)
        panel.grid(alpha=0.3)
        panel.legend()
    return figure


def confusion_matrix(counts: np.ndarray, class_names: Sequence[str]) -> Figure:
    """How many examples of each class were taken for which: a row a true class.

    The colours tell only the errors, by the logarithm of their number: beside the many examples
    on the diagonal, and beside the commonest error, the others would all look alike.

    Args:
        counts: ``[true class, predicted class]``, whole numbers.
        class_names: in the order of both axes.
    """
    classes = len(class_names)
    diagonal = np.eye(classes, dtype=bool)
    errors = np.log1p(np.where(diagonal, 0, counts))
    top = max(errors.max(), np.log1p(1))
    longest = max(map(len, class_names))
    size = 1.2 + 0.55 * classes + 0.06 * longest
    figure = Figure(figsize=(size, size), layout="constrained")
    panel = figure.subplots()
    panel.imshow(np.ma.array(errors, mask=diagonal), "Oranges", vmin=0, vmax=top)
    panel.set_facecolor("gainsboro")  # shows where the mask is
    for row, column in np.argwhere(counts):
        dark = errors[row, column] > 0.7 * top
        panel.text(
            column,
            row,
            f"{counts[row, column]}",
            ha="center",
            va="center",
            fontsize=9,
            color="white" if dark else "black",
            fontweight="bold" if row == column else "normal",
        )
    panel.set(xlabel="predicted class", ylabel="true class")
    panel.set_xticks(range(classes), class_names)
    panel.set_yticks(range(classes), class_names)
    _tilt_long_names(panel, class_names)
    panel.set_xticks(np.arange(0.5, classes - 1), minor=True)
    panel.set_yticks(np.arange(0.5, classes - 1), minor=True)
    panel.grid(which="minor", color="lightgrey", linewidth=0.5)
    panel.tick_params(which="minor", length=0)
    return figure


def class_errors(counts: np.ndarray, class_names: Sequence[str]) -> Figure:
    """The part of each true class that was taken for another, and that of all examples.

    Args:
        counts: ``[true class, predicted class]``, whole numbers; an empty class has no bar.
        class_names: in the order of both axes.
    """
    wrong, examples = counts.sum(1) - counts.diagonal(), counts.sum(1)
    # A class without examples has no error, not an error of zero.
    names = [n if e else f"{n} (none)" for n, e in zip(class_names, examples, strict=True)]
    errors = wrong / np.maximum(examples, 1)
    overall = wrong.sum() / max(examples.sum(), 1)
    figure = Figure(figsize=(max(5.0, 0.75 * len(names) + 1), 4), layout="constrained")
    panel = figure.subplots()
    bars = panel.bar(range(len(names)), errors, color="tab:blue")
    labels = [f"{error:.1%}" if e else "" for error, e in zip(errors, examples, strict=True)]
    ground = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # the line stays off the numbers
    panel.bar_label(bars, labels, padding=3, fontsize=9, bbox=ground)
    panel.axhline(overall, color="black", linestyle=":", label=f"all classes: {overall:.2%}")
    panel.set(xlabel="true class", ylabel="error")
    panel.set_xticks(range(len(names)), names)
    _tilt_long_names(panel, names)
    panel.yaxis.set_major_formatter(PercentFormatter(1.0))
    panel.set_ylim(0, max(1.15 * errors.max(), 0.01))
    # Above the panel, since bars may fill every corner of it.
    figure.legend(loc="outside upper right", frameon=False)
    return figure


def examples(images: np.ndarray, captions: Sequence[str], columns: int = 8) -> Figure:
    """Grey pictures in rows, each with its caption below.

    Args:
        images: ``[pictures, height, width]`` in [0, 1], 0 drawn black; there may be none.
        captions: one a picture, of equally many lines.
        columns: pictures in a row.
    """
    if len(images) == 0:
        figure = Figure(figsize=(4, 1))
        figure.text(0.5, 0.5, "no such examples", ha="center", va="center")
        return figure
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    lines = max(caption.count("\n") + 1 for caption in captions)
    figure = Figure(figsize=(1.35 * columns, (1.15 + 0.16 * lines) * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in panels:
        panel.set_axis_off()
    for panel, image, caption in zip(panels, images, captions, strict=False):
        panel.imshow(image, cmap="gray", vmin=0, vmax=1)
        panel.text(
            0.5, -0.05, caption, ha="center", va="top", fontsize=8, transform=panel.transAxes
        )
    return figure


def _tilt_long_names(panel: Axes, names: Sequence[str]) -> None:
    """Turn the names below the horizontal axis where they would run into each other."""
    if max(map(len, names)) > 3:
        panel.tick_params("x", which="major", rotation=45)
        for label in panel.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")


def error_curves(
    histories: Mapping[str, Sequence[Mapping[str, float]]],
    metric: str,
    chosen: tuple[str, int] | None,
) -> Figure:
    """A metric on training and on validation data by epoch, a panel each, a line a job.

    Args:
        histories: by the job's label: a row an epoch, with ``epoch`` and ``<metric>/<split>``.
        metric: what is drawn.
        chosen: label and epoch of the chosen network, marked by a ring; None: not marked.
    """
    # A legend of more lines than this would be larger than the panels.
    most = 20
    figure = Figure(figsize=(12, 4.5), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    keys = [f"{metric}/{split}" for split in _COLOURS]
    colours = colormaps["viridis"](np.linspace(0, 0.92, len(histories)))
    for (label, history), colour in zip(histories.items(), colours, strict=True):
        for panel, key in zip(panels, keys, strict=True):
            points = [(row["epoch"], row[key]) for row in history if key in row]
            if not points:
                continue
            marker = "." if len(points) == 1 else None
            panel.plot(*zip(*points, strict=True), color=colour, marker=marker, label=label)
            if chosen is not None and label == chosen[0]:
                ring = [point for point in points if point[0] == chosen[1]]
                panel.plot(*zip(*ring, strict=True), "o", ms=9, mfc="none", mec="tab:red", mew=2)
    for panel, split in zip(panels, _COLOURS, strict=True):
        panel.set(xlabel="epoch", ylabel=metric, title=split)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.grid(alpha=0.3)
    drawn = [v for h in histories.values() for row in h for k, v in row.items() if k in keys]
    if _spans_decades(drawn):
        panels[0].set_yscale("log")
    else:
        panels[0].set_ylim(bottom=0)
    if len(histories) <= most:
        panels[1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize="small")
    return figure


def metric_against(
    values: Sequence[float | str], results: Sequence[float], key: str, metric: str
) -> Figure:
    """A metric over the values of one swept key: a dot a job, a line through the means.

    Numbers have a place of their own on the axis, words stand in their order. An axis whose
    numbers span decades is logarithmic.
    """
    figure = Figure(figsize=(6, 4), layout="constrained")
    panel = figure.subplots()
    numeric = not any(isinstance(value, str) for value in values)
    order = list(dict.fromkeys(values))
    places = np.array(order, float) if numeric else np.arange(len(order), dtype=float)
    at = np.array([places[order.index(value)] for value in values])
    means = [np.mean(np.array(results)[at == place]) for place in places]
    line = np.argsort(places)
    panel.plot(places[line], np.array(means)[line], color="tab:blue", alpha=0.5)
    panel.plot(at, results, "o", color="tab:blue")
    if not numeric:
        names = [str(value) for value in order]
        panel.set_xticks(places, names)
        _tilt_long_names(panel, names)
    elif _spans_decades(places.tolist()):
        panel.set_xscale("log")
    if _spans_decades(results):
        panel.set_yscale("log")
    panel.set(xlabel=key, ylabel=f"{metric}, best on validation data")
    panel.grid(alpha=0.3)
    return figure


def _spans_decades(values: Sequence[float]) -> bool:
    """Whether numbers are better told apart on a logarithmic axis."""
    return min(values) > 0 and max(values) / min(values) >= 30


def heat_map(
    rows: Sequence[str],
    columns: Sequence[str],
    values: np.ndarray,
    keys: tuple[str, str],
    metric: str,
) -> Figure:
    """A metric over two swept keys, ``[rows, columns]``; nan (no job) stays blank."""
    size = (2.5 + 0.9 * len(columns), 1.8 + 0.5 * len(rows))
    figure = Figure(figsize=size, layout="constrained")
    panel = figure.subplots()
    image = panel.imshow(values, cmap="viridis_r", aspect="auto")
    figure.colorbar(image, label=f"{metric}, best on validation data")
    middle = (np.nanmin(values) + np.nanmax(values)) / 2
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            colour = "white" if value > middle else "black"
            panel.text(column, row, f"{value:.3g}", ha="center", va="center", color=colour)
    panel.set_xticks(range(len(columns)), list(columns))
    panel.set_yticks(range(len(rows)), list(rows))
    panel.set(xlabel=keys[1], ylabel=keys[0])
    return figure
