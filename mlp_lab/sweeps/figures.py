"""Figures of many runs: arrays in, matplotlib Figure out. Nothing here knows of runs or files."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from mlp_lab.config.flatten import written
from mlp_lab.config.schemas import SPLITS
from mlp_lab.figures import tilt_long_names

# A swept value; the mean of what it reached, and the standard deviation (nan: of a single one).
Point = tuple[float | str, float, float]

# The best lines bear a colour and stand in the legend: more couldn't be told apart.
_NAMES = ("blue", "orange", "green", "red", "purple", "brown", "pink", "olive", "cyan")
_COLOURS = [f"tab:{name}" for name in _NAMES]
MOST = len(_COLOURS)
_GREY = "0.8"
_RING: dict[str, Any] = {
    "marker": "o", "ms": 10, "mfc": "none", "mec": "black", "mew": 1.8, "ls": "none", "zorder": 4,
}  # fmt: skip
_WRAP = 44  # letters in a line of the legend
_LETTERS = 40  # that fit below a panel
_PER_CENT = FuncFormatter(lambda part, _: f"{100 * part:.3g}%")


def error_curves(
    jobs: Sequence[tuple[str, Sequence[Mapping[str, float]]]], metric: str, chosen: int | None
) -> Figure:
    """A metric on training and on validation data by epoch, a panel each, a line a job.

    Args:
        jobs: label and history, best first: a row an epoch with ``epoch``, ``<metric>/<split>``.
        metric: what is drawn.
        chosen: the epoch of the first job that was chosen, marked by a ring; None: not marked.
    """
    figure, panels = _split_panels(metric, [label for label, _ in jobs])
    drawn: list[float] = []
    for place, (label, history) in reversed(list(enumerate(jobs))):
        for panel, split in zip(panels, SPLITS, strict=True):
            key = f"{metric}/{split}"
            points = np.array([(row["epoch"], row[key]) for row in history if key in row])
            if len(points):
                marker = "." if len(points) == 1 else None
                panel.plot(*points.T, marker=marker, **_style(place, label))
                drawn += points[:, 1].tolist()
                if place == 0 and chosen is not None:
                    ring = points[points[:, 0] == chosen]
                    panel.plot(*ring.T, label=f"chosen: epoch {chosen}", **_RING)
    _scale(panels[0].yaxis, drawn, metric)
    _legend(figure, panels[1], len(jobs), "jobs, best first")
    return figure


def seed_bands(
    groups: Sequence[tuple[str, Mapping[str, np.ndarray]]], metric: str, title: str
) -> Figure:
    """Means over seeds by epoch, a panel for training and one for validation data, a line a group.

    The band is the standard deviation on both sides of the mean.

    Args:
        groups: label and, by split, epochs, means and standard deviations ``[3, epochs]``; best
            first.
        metric: what is drawn.
        title: of the legend.
    """
    figure, panels = _split_panels(metric, [label for label, _ in groups])
    for place, (label, curves) in reversed(list(enumerate(groups))):
        for panel, split in zip(panels, SPLITS, strict=True):
            epochs, means, spread = curves[split]
            style = _style(place, label)
            panel.plot(epochs, means, marker="." if len(epochs) == 1 else None, **style)
            if place < MOST and len(epochs) == 1:
                panel.errorbar(epochs, means, spread, color=style["color"], capsize=4)
            elif place < MOST:
                low, high = means - spread, means + spread
                panel.fill_between(epochs, low, high, color=style["color"], alpha=0.2, lw=0)
    drawn = [mean for _, curves in groups for split in SPLITS for mean in curves[split][1]]
    _scale(panels[0].yaxis, drawn, metric)
    _legend(figure, panels[1], len(groups), title)
    return figure


def metric_against(
    lines: Mapping[str, Sequence[Point]], key: str, metric: str, legend: str | None = None
) -> Figure:
    """A metric over the values of one swept key.

    Numbers have a place of their own on the axis, which is logarithmic where they are spread by
    factors; words stand side by side.

    Args:
        lines: by label: a point a setting. Each line runs through the means of its points.
        key: what was swept.
        metric: what was reached.
        legend: what the labels are values of; None: there is a single line, without a label.
    """
    values = sorted({value for points in lines.values() for value, *_ in points}, key=order)
    words = isinstance(values[-1], str)
    width = 6 + 0.3 * max(0, len(values) - 2 * MOST) * words
    beside = 0 if legend is None else _width([legend, *map(_wrapped, lines)])
    figure = Figure(figsize=(width + beside, 4), layout="constrained")
    panel = figure.subplots()
    places = _places(panel, values)
    notes: set[str] = set()
    for (label, points), colour in zip(lines.items(), _COLOURS, strict=False):
        at = np.array([places[value] for value, *_ in points])
        means, spreads = np.array([rest for _, *rest in points]).T
        line, known = np.unique(at), np.isfinite(spreads)
        panel.plot(at, means, "o", color=colour, label=_wrapped(label))
        panel.errorbar(at[known], means[known], spreads[known], ls="none", color=colour, capsize=4)
        if known.any():
            notes.add("mean ± sd over seeds")
        if len(line) <= 2 * MOST:  # through more places it would only follow the scatter
            panel.plot(line, [means[at == x].mean() for x in line], color=colour, alpha=0.5)
        if len(line) < len(at):
            notes.add("line: mean over the other keys")
    results = [mean for points in lines.values() for _, mean, _ in points]
    _scale(panel.yaxis, results, metric, from_zero=False)
    panel.set(xlabel=key, ylabel="\n".join([_best_of(metric), *sorted(notes, reverse=True)]))
    panel.grid(alpha=0.3)
    if legend is not None:
        figure.legend(loc="outside right upper", fontsize=8, title=legend, title_fontsize=9)
    return figure


def heat_map(
    rows: Sequence[str],
    columns: Sequence[str],
    values: np.ndarray,
    keys: tuple[str, str],
    metric: str,
) -> Figure:
    """A metric over two swept keys, ``[rows, columns]``; nan (no job) stays blank."""
    beside, below = (max(map(len, names)) for names in (rows, columns))
    size = (2.5 + 0.8 * len(columns) + 0.07 * beside, 2.2 + 0.4 * len(rows) + 0.07 * below)
    figure = Figure(figsize=size, layout="constrained")
    panel = figure.subplots()
    known = values[np.isfinite(values)]
    scale = LogNorm if _spans_decades(known) else Normalize
    norm = scale(known.min(), known.max())
    image = panel.imshow(values, cmap="viridis_r", norm=norm, aspect="auto")
    bar = figure.colorbar(image, label=_best_of(metric))
    if metric == "error":
        bar.ax.yaxis.set_major_formatter(_PER_CENT)
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            told = f"{100 * value:.3g}%" if metric == "error" else f"{value:.3g}"
            dark = known.min() < known.max() and norm(value) > 0.5
            colour = "white" if dark else "black"
            panel.text(column, row, told, ha="center", va="center", color=colour, fontsize=9)
    panel.set_xticks(range(len(columns)), list(columns))
    panel.set_yticks(range(len(rows)), list(rows))
    tilt_long_names(panel, columns, room=8)
    panel.set(xlabel=keys[1], ylabel=keys[0])
    return figure


def order(value: float | str) -> tuple[bool, float, str]:
    """The key that sorts swept values: numbers by their size, then words."""
    return (True, 0.0, value) if isinstance(value, str) else (False, value, "")


def _split_panels(metric: str, labels: Sequence[str]) -> tuple[Figure, Sequence[Axes]]:
    """Two panels, and room beside them for a legend of the first labels."""
    shown = [_wrapped(label) for label in labels[:MOST]]
    height = max(4.5, 1.3 + 0.17 * sum(text.count("\n") + 1 for text in shown))
    figure = Figure(figsize=(10 + _width(shown), height), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for panel, split in zip(panels, SPLITS, strict=True):
        panel.set(xlabel="epoch", title=split)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.grid(alpha=0.3)
    panels[0].set_ylabel(metric)
    return figure, panels


def _style(place: int, label: str) -> dict[str, Any]:
    """How the line of the job or group in this place is drawn: the best in colours, on top."""
    if place < MOST:
        return {"color": _COLOURS[place], "label": _wrapped(label), "zorder": 3}
    return {"color": _GREY, "lw": 0.7, "zorder": 1}


def _width(texts: Sequence[str]) -> float:
    """Of a legend, in inches."""
    return 0.6 + 0.07 * max(len(line) for text in texts for line in text.split("\n"))


def _wrapped(label: str) -> str:
    return textwrap.fill(label, _WRAP, break_on_hyphens=False)


def _legend(figure: Figure, panel: Axes, lines: int, title: str) -> None:
    """A legend beside the panels, best first; it says what the grey lines are."""
    handles, labels = panel.get_legend_handles_labels()
    handles, labels = handles[::-1], labels[::-1]  # the best are drawn last
    if lines > MOST:
        handles.append(Line2D([], [], color=_GREY))
        labels.append(f"the other {lines - MOST}")
    figure.legend(
        handles, labels, loc="outside right upper", fontsize=8, title=title, title_fontsize=9
    )


def _places(panel: Axes, values: Sequence[float | str]) -> dict[float | str, float]:
    """Give swept values, sorted, their places on the horizontal axis."""
    names = [written(value) for value in values]
    numbers = [value for value in values if not isinstance(value, str)]
    # A zero has no place among factors.
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
    """Whether ascending numbers lie more evenly on a logarithmic axis than on a linear one."""
    if len(numbers) < 2 or numbers[0] <= 0:
        return False
    widest = [np.diff(v).max() / np.ptp(v) for v in (np.log(numbers), np.array(numbers))]
    return bool(widest[0] < widest[1]) or numbers[-1] / numbers[0] >= 1000


def _scale(axis: Axis, values: Sequence[float], metric: str, *, from_zero: bool = True) -> None:
    """Make the vertical axis fit the values of a metric."""
    if _spans_decades(values):
        axis.axes.set_yscale("log")
        # Not from what lies below: a band may reach down to zero.
        axis.axes.set_ylim(bottom=0.8 * min(values))
    elif from_zero:
        axis.axes.set_ylim(bottom=0)
    if metric == "error":
        axis.set_major_formatter(_PER_CENT)


def _spans_decades(values: Sequence[float]) -> bool:
    """Whether numbers are better told apart on a logarithmic axis."""
    return len(values) > 0 and min(values) > 0 and max(values) / min(values) >= 30


def _best_of(metric: str) -> str:
    return f"{metric}, best on validation data"
