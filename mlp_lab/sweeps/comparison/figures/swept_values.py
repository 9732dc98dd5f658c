"""A metric over the values of swept keys."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mlp_lab.config.flatten import format_value
from mlp_lab.config.metrics import get_metric
from mlp_lab.figures.axes import (
    band,
    format_ticks,
    metric_axis,
    spans_decades,
    tilt_long_names,
)
from mlp_lab.figures.style import COLOURS, MARKERS, line_style
from mlp_lab.sweeps.comparison.figures.styles import MOST, legend_width, wrapped


class Point(NamedTuple):
    """A swept value with a metric.

    Attributes:
        value: swept value.
        mean: mean of the metric over the seeds.
        spread: standard deviation over the seeds; nan for a single run.
        runs: values of the single runs that are drawn; none by default.
    """

    value: float | str
    mean: float
    spread: float = math.nan
    runs: Sequence[float] = ()


_DOTS: dict[str, Any] = {"marker": ".", "ms": 7, "ls": "none", "alpha": 0.7, "mew": 0, "zorder": 3}
_MARKS: dict[str, dict[str, Any]] = {
    "train": {"mfc": "white", "ls": "--"},
    "validation": {"ls": "-"},
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
        lines: one point per setting, by label and split. A line connects the means of its points,
            unless values are texts. It is dashed for training data; ``test`` is a star.
        key: the swept key.
        metric: name of the metric.
        legend: the key whose values are the labels; None: there is one label, which is not shown.
    """
    points = [point for pair in lines.values() for points in pair.values() for point in points]
    values = sorted({point[0] for point in points}, key=order)
    are_texts = isinstance(values[-1], str)  # numbers come first
    across = 6 + 0.3 * max(0, len(values) - 2 * MOST) * are_texts
    beside = 0 if legend is None else legend_width([legend, *map(wrapped, lines)])
    figure = Figure(figsize=(across + beside, 4.3), layout="constrained")
    panel = figure.subplots()
    places = _places(panel, values)
    notes: set[str] = set()
    for place, pair in enumerate(lines.values()):
        for split, of_split in pair.items():
            placed = [Point(*point)._replace(value=places[point[0]]) for point in of_split]
            notes |= _line(panel, placed, place, split, metric, connected=not are_texts)
    metric_axis(panel.yaxis, [mean for _, mean, *_ in points], metric, from_zero=False)
    panel.set(xlabel=key, ylabel=get_metric(metric).label)
    panel.grid(alpha=0.3)
    figure.suptitle(f"{metric} against {key}\n{'; '.join(sorted(notes))}".strip())
    splits = dict.fromkeys(split for pair in lines.values() for split in pair)
    _legends(figure, splits, lines, legend, connected=not are_texts)
    return figure


def heat_map(
    rows: Sequence[str],
    columns: Sequence[str],
    values: np.ndarray,
    keys: tuple[str, str],
    metric: str,
    title: str,
) -> Figure:
    """Draw a metric over two swept keys.

    Args:
        rows: names of the rows.
        columns: names of the columns.
        values: values of the metric, ``[rows, columns]``; nan: no job, left blank.
        keys: keys of the rows and of the columns.
        metric: name of the metric.
        title: what the values are.
    """
    beside, below = (max(map(len, names)) for names in (rows, columns))
    size = (2.5 + 0.8 * len(columns) + 0.07 * beside, 2.2 + 0.4 * len(rows) + 0.07 * below)
    figure = Figure(figsize=size, layout="constrained")
    panel = figure.subplots()
    known = values[np.isfinite(values)]
    norm = (LogNorm if spans_decades(known) else Normalize)(known.min(), known.max())
    image = panel.imshow(values, cmap="viridis_r", norm=norm, aspect="auto")
    bar = figure.colorbar(image, label=get_metric(metric).label)
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
    figure.suptitle(title)
    return figure


def order(value: float | str) -> tuple[bool, float, str]:
    """Return a sort key of swept values: numbers first, then texts."""
    return (True, 0.0, value) if isinstance(value, str) else (False, value, "")


def _line(
    panel: Axes, points: Sequence[Point], place: int, split: str, metric: str, *, connected: bool
) -> set[str]:
    """Draw points, the values of single runs, and a line through the points if ``connected``.

    Deviations are shown as a band around a line, otherwise as error bars. Returns notes for the
    title.
    """
    points = sorted(points, key=lambda point: point.value)
    at, means, spreads = np.array([point[:3] for point in points], float).T
    line, known = np.unique(at), np.isfinite(spreads)
    marks, notes, colour = _marks(split, place), set(), COLOURS[place % len(COLOURS)]
    panel.plot(at, means, color=colour, **marks | {"ls": "none"})
    for point in points:
        if len(point.runs) > 1:
            notes.add("dots: single runs")
            panel.plot([point.value] * len(point.runs), point.runs, **_DOTS, color=colour)
    if known.any():
        notes.add("mean ± sd over repeated runs")
        low, high = band(means, spreads, metric)
        if not connected or len(line) < max(2, len(at)):
            lengths = np.array([means - low, high - means])[:, known]
            panel.errorbar(at[known], means[known], lengths, ls="none", color=colour, capsize=4)
        else:
            panel.fill_between(at, low, high, color=colour, alpha=0.15, lw=0)
    if connected and len(line) <= 2 * MOST:  # with more places it would follow the scatter
        through = [means[at == value].mean() for value in line]
        panel.plot(line, through, color=colour, ls=marks["ls"], alpha=0.6)
        if len(line) < len(at):
            notes.add("line: mean over the other keys")
    return notes


def _marks(split: str, place: int) -> dict[str, Any]:
    """Return the style of points and lines of a split; other splits than test vary by place."""
    marker = {} if split == "test" else {"marker": MARKERS[place % len(MARKERS)]}
    return _MARKS[split] | marker


def _legends(
    figure: Figure,
    splits: Iterable[str],
    labels: Iterable[str],
    title: str | None,
    *,
    connected: bool,
) -> None:
    """Draw the legend of marks below the panel, and that of colours beside it with a ``title``."""
    ink = COLOURS[0] if title is None else "black"
    dashes = {} if connected else {"ls": "none"}
    marks = [
        Line2D([], [], color=ink, label=_LABELS[split], **_marks(split, 0) | dashes)
        for split in splits
    ]
    figure.legend(handles=marks, loc="outside lower center", ncols=len(marks))
    if title is not None:
        colours = [
            Line2D([], [], label=wrapped(label), **line_style(place) | {"ls": "none"})
            for place, label in enumerate(labels)
        ]
        figure.legend(handles=colours, loc="outside right upper", title=title)


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
