"""Which classes were taken for which."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from mlp_lab.figures.axes import tilt_long_names


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
