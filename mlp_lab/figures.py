"""Figures: arrays in, matplotlib Figure out. Nothing here knows of runs, files or TensorBoard."""

from collections.abc import Mapping, Sequence

import numpy as np
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
    tilt_long_names(panel, class_names)
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
    tilt_long_names(panel, names)
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


def tilt_long_names(panel: Axes, names: Sequence[str], room: int = 3) -> None:
    """Turn the names below the horizontal axis where one is longer than ``room``, in letters."""
    if max(map(len, names)) > room:
        panel.tick_params("x", which="major", rotation=45)
        for label in panel.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
