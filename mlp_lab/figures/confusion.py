"""Confusion matrix and class-wise errors of a classifier."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlp_lab.config.metrics import get_metric
from mlp_lab.figures.axes import format_ticks, tilt_long_names
from mlp_lab.figures.style import BLUE

_WIDEST = 20.0  # inches, of the part of a figure that has the classes
_SMALLEST = 0.3  # inches of a class that has room for its name and numbers


def confusion_matrix(counts: np.ndarray, class_names: Sequence[str]) -> Figure:
    """Plot a confusion matrix, with one row per true class.

    The colours encode the number of errors on a logarithmic scale. The diagonal is not coloured:
    on a scale that includes the correct predictions, all errors would have the same colour.

    Args:
        counts: number of examples, integers ``[true class, predicted class]``.
        class_names: names of the classes in the order of both axes.
    """
    classes = len(class_names)
    diagonal = np.eye(classes, dtype=bool)
    errors = np.log1p(np.where(diagonal, 0, counts))
    top = max(errors.max(), np.log1p(1))
    longest = max(map(len, class_names))
    cell = min(0.55, _WIDEST / classes)
    size = 1.2 + cell * classes + 0.06 * longest
    figure = Figure(figsize=(size, size), layout="constrained")
    panel = figure.subplots()
    panel.imshow(np.ma.array(errors, mask=diagonal), "Oranges", vmin=0, vmax=top)
    panel.set_facecolor("gainsboro")  # colour of the masked diagonal
    panel.set(xlabel="predicted class", ylabel="true class")
    figure.suptitle("number of examples by class (colour: errors, logarithmic)")
    if cell > _SMALLEST:  # otherwise, the axes have the numbers of the classes
        _write_counts(panel, counts, errors > 0.7 * top)
        _format_class_axes(panel, class_names)
    return figure


def _write_counts(panel: Axes, counts: np.ndarray, dark: np.ndarray) -> None:
    """Write the counts other than 0 into a confusion matrix, in white where it is dark."""
    for row, column in np.argwhere(counts):
        panel.text(
            column,
            row,
            f"{counts[row, column]}",
            ha="center",
            va="center",
            fontsize=9,
            color="white" if dark[row, column] else "black",
            fontweight="bold" if row == column else "normal",
        )


def _format_class_axes(panel: Axes, class_names: Sequence[str]) -> None:
    """Label the rows and columns of a confusion matrix, and draw lines between them."""
    classes = len(class_names)
    panel.set_xticks(range(classes), class_names)
    panel.set_yticks(range(classes), class_names)
    tilt_long_names(panel, class_names)
    panel.set_xticks(np.arange(0.5, classes - 1), minor=True)
    panel.set_yticks(np.arange(0.5, classes - 1), minor=True)
    panel.grid(which="minor", color="lightgrey", linewidth=0.5)
    panel.tick_params(which="minor", length=0)


def class_errors(counts: np.ndarray, class_names: Sequence[str]) -> Figure:
    """Plot the error of each true class as a bar and the error over all classes as a line.

    Args:
        counts: number of examples, integers ``[true class, predicted class]``. A class without
            examples has no bar.
        class_names: names of the classes in the order of both axes.
    """
    wrong, examples = counts.sum(1) - counts.diagonal(), counts.sum(1)
    # The error of a class without examples is undefined, not zero.
    names = [n if e else f"{n} (none)" for n, e in zip(class_names, examples, strict=True)]
    errors = wrong / np.maximum(examples, 1)
    overall = wrong.sum() / max(examples.sum(), 1)
    cell = min(0.75, _WIDEST / len(names))
    figure = Figure(figsize=(max(5.0, cell * len(names) + 1), 4), layout="constrained")
    panel = figure.subplots()
    bars = panel.bar(range(len(names)), errors, color=BLUE)
    if cell > _SMALLEST:  # otherwise, the axis has the numbers of the classes
        labels = [f"{error:.1%}" if e else "" for error, e in zip(errors, examples, strict=True)]
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # keeps the line off them
        panel.bar_label(bars, labels, padding=3, fontsize=9, bbox=box)
        panel.set_xticks(range(len(names)), names)
        tilt_long_names(panel, names)
    panel.axhline(overall, color="black", linestyle=":", label=f"all classes: {overall:.2%}")
    panel.set(xlabel="true class", ylabel="error")
    format_ticks(panel.yaxis, get_metric("error"))
    panel.set_ylim(0, max(1.15 * errors.max(), 0.01))
    # Below the panel, because the bars can fill every corner of it.
    figure.legend(loc="outside lower right")
    figure.suptitle("errors by class")
    return figure
