"""A metric over the values of swept keys."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mlp_lab.config.flatten import format_value
from mlp_lab.config.metrics import get_metric
from mlp_lab.figures.axes import format_ticks, tilt_long_names
from mlp_lab.sweeps.comparison.figures.styles import (
    COLOURS,
    MOST,
    legend_width,
    scale,
    spans_decades,
    wrapped,
)

# A swept value, mean and standard deviation of the metric (nan: of a single run).
Point = tuple[float | str, float, float]

_MARKS: dict[str, dict[str, Any]] = {
    "train": {"marker": "o", "mfc": "white", "ls": "--"},
    "validation": {"marker": "o", "ls": "-"},
    "test": {"marker": "*", "ms": 13, "ls": "none"},
}
_LABELS = {
    "train": "train: last epoch",
    "validation": "validation: best epoch",
    "test": "test: only of the chosen job",
}
_LETTERS = 40  # number of letters that fit below a panel


def metric_against(
    lines: Mapping[str, Mapping[str, Sequence[Point]]],
    key: str,
    metric: str,
    legend: str | None = None,
) -> Figure:
    """Draw a metric on training and on validation data over the values of one swept key.

    Training values are those of the last epoch, the others those of the best epoch. The test set is
    evaluated only for the chosen job. The axis is logarithmic if the values grow by factors. Texts
    have equal distances.

    Args:
        lines: one point per setting, by label and split. A line connects the means of its points.
            It is dashed for training data; ``test`` is a star.
        key: the swept key.
        metric: name of the metric.
        legend: the key whose values are the labels; None: there is one label, which is not shown.
    """
    points = [point for pair in lines.values() for points in pair.values() for point in points]
    values = sorted({value for value, *_ in points}, key=order)
    are_texts = isinstance(values[-1], str)
    across = 6 + 0.3 * max(0, len(values) - 2 * MOST) * are_texts
    beside = 0 if legend is None else legend_width([legend, *map(wrapped, lines)])
    figure = Figure(figsize=(across + beside, 4), layout="constrained")
    panel = figure.subplots()
    places = _places(panel, values)
    notes: set[str] = set()
    for pair, colour in zip(lines.values(), COLOURS, strict=False):
        for split, of_split in pair.items():
            placed = np.array([(places[value], *values) for value, *values in of_split])
            notes |= _line(panel, placed.T, colour, split, bars=are_texts)
    scale(panel.yaxis, [mean for _, mean, _ in points], metric, from_zero=False)
    label = [get_metric(metric).label, *sorted(notes)]
    panel.set(xlabel=key, ylabel="\n".join(label))
    panel.grid(alpha=0.3)
    splits = dict.fromkeys(split for pair in lines.values() for split in pair)
    _legends(figure, panel, splits, lines, legend)
    return figure


def heat_map(
    rows: Sequence[str],
    columns: Sequence[str],
    values: np.ndarray,
    keys: tuple[str, str],
    metric: str,
    label: str | None = None,
) -> Figure:
    """Draw a metric over two swept keys.

    Args:
        rows: names of the rows.
        columns: names of the columns.
        values: values of the metric, ``[rows, columns]``; nan: no job, left blank.
        keys: keys of the rows and of the columns.
        metric: name of the metric.
        label: label of the colour bar; None: the best values on validation data.
    """
    beside, below = (max(map(len, names)) for names in (rows, columns))
    size = (2.5 + 0.8 * len(columns) + 0.07 * beside, 2.2 + 0.4 * len(rows) + 0.07 * below)
    figure = Figure(figsize=size, layout="constrained")
    panel = figure.subplots()
    known = values[np.isfinite(values)]
    norm = (LogNorm if spans_decades(known) else Normalize)(known.min(), known.max())
    image = panel.imshow(values, cmap="viridis_r", norm=norm, aspect="auto")
    bar = figure.colorbar(image, label=label or _best_of(metric))
    format_ticks(bar.ax.yaxis, get_metric(metric))
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            text = get_metric(metric).short_text(value)
            dark = known.min() < known.max() and norm(value) > 0.5
            colour = "white" if dark else "black"
            panel.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)
    panel.set_xticks(range(len(columns)), list(columns))
    panel.set_yticks(range(len(rows)), list(rows))
    tilt_long_names(panel, columns, room=8)
    panel.set(xlabel=keys[1], ylabel=keys[0])
    return figure


def order(value: float | str) -> tuple[bool, float, str]:
    """Return a sort key of swept values: numbers first, then texts."""
    return (True, 0.0, value) if isinstance(value, str) else (False, value, "")


def _line(panel: Axes, points: np.ndarray, colour: str, split: str, *, bars: bool) -> set[str]:
    """Draw points ``[3, points]`` (place, mean, standard deviation) and a line through them.

    The deviations are shown as a band, or as error bars with ``bars``. Returns notes for the label.
    """
    at, means, spreads = points[:, points[0].argsort()]  # a band needs sorted places
    line, known = np.unique(at), np.isfinite(spreads)
    marks, notes = _MARKS[split], set()
    panel.plot(at, means, color=colour, **marks | {"ls": "none"})
    if known.any():
        notes.add("mean ± sd over repeated runs")
        if bars or len(line) < max(2, len(at)):
            spread = (at[known], means[known], spreads[known])
            panel.errorbar(*spread, ls="none", color=colour, capsize=4)
        else:
            low, high = means - spreads, means + spreads
            panel.fill_between(at, low, high, color=colour, alpha=0.15, lw=0)
    if len(line) <= 2 * MOST:  # with more places it would follow the scatter
        through = [means[at == place].mean() for place in line]
        panel.plot(line, through, color=colour, ls=marks["ls"], alpha=0.6)
    if len(line) < len(at):
        notes.add("line: mean over the other keys")
    return notes


def _legends(
    figure: Figure, panel: Axes, splits: Iterable[str], labels: Iterable[str], title: str | None
) -> None:
    """Draw the legend of marks in the panel, and that of colours beside it with a ``title``."""
    ink = COLOURS[0] if title is None else "black"
    marks = [
        Line2D([], [], color=ink, label=_LABELS.get(split, split), **_MARKS[split])
        for split in splits
    ]
    panel.legend(handles=marks, fontsize=8)
    if title is not None:
        colours = [
            Line2D([], [], color=colour, marker="o", label=wrapped(label))
            for label, colour in zip(labels, COLOURS, strict=False)
        ]
        figure.legend(
            handles=colours, loc="outside right upper", fontsize=8, title=title, title_fontsize=9
        )


def _places(panel: Axes, values: Sequence[float | str]) -> dict[float | str, float]:
    """Return the places of sorted swept values on the horizontal axis; set scale and ticks."""
    names = [format_value(value) for value in values]
    numbers = [value for value in values if not isinstance(value, str)]
    # A logarithmic axis has no place for zero.
    in_order = len(numbers) < len(values) or (numbers[0] == 0 and _by_factors(numbers[1:]))
    places = np.arange(len(values), dtype=float) if in_order else np.array(numbers, float)
    logarithmic = not in_order and _by_factors(numbers)
    if logarithmic:
        panel.set_xscale("log")
    if in_order or len(values) <= MOST:
        panel.set_xticks(places, names)
        panel.set_xticks([], minor=True)
        across = np.log(places) if logarithmic else places
        gaps = np.diff(across) / np.ptp(across) if len(across) > 1 else np.ones(1)
        tilt_long_names(panel, names, room=int(_LETTERS * gaps.min()))
    return dict(zip(values, places.tolist(), strict=True))


def _by_factors(numbers: Sequence[float]) -> bool:
    """Return whether ascending numbers are more even on a logarithmic axis than on a linear one."""
    if len(numbers) < 2 or numbers[0] <= 0:
        return False
    widest = [np.diff(v).max() / np.ptp(v) for v in (np.log(numbers), np.array(numbers))]
    return bool(widest[0] < widest[1]) or numbers[-1] / numbers[0] >= 1000


def _best_of(metric: str) -> str:
    return f"{metric}, best on validation data"
