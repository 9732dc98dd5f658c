"""Curves of many runs by epoch."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from mlp_lab.config.metrics import get_metric
from mlp_lab.config.names import EPOCH_SPLITS
from mlp_lab.figures.axes import (
    band,
    metric_axis,
    name_shared_axes,
    panel_grid,
    whole_numbers,
)
from mlp_lab.figures.style import BLUE, ON_TOP, line_style
from mlp_lab.sweeps.comparison.figures.styles import MOST, legend_width, wrapped

_GREY = "0.8"
_RING: dict[str, Any] = {
    "marker": "o", "ms": 10, "mfc": "none", "mec": "black", "mew": 1.8, "ls": "none", "zorder": 4,
}  # fmt: skip
_COLUMNS = 4  # small multiples in a row
_TITLE = 30  # letters above a small multiple

# Epochs, means, standard deviations (nan: of a single run) and numbers of runs, [4, epochs].
SeedCurve = np.ndarray


def error_curves(
    jobs: Sequence[tuple[str, Sequence[Mapping[str, float]]]], metric: str, chosen: int | None
) -> Figure:
    """Draw a metric by epoch: a panel for each split, a line for each job.

    Args:
        jobs: label and history of each job, best first. A row has ``epoch``, ``<metric>/<split>``.
        metric: name of the metric.
        chosen: chosen epoch of the first job, marked by a ring; None: no mark.
    """
    figure, panels = _split_panels(metric, [label for label, _ in jobs])
    drawn: list[float] = []
    for place, (label, history) in reversed(list(enumerate(jobs))):
        for panel, split in zip(panels, EPOCH_SPLITS, strict=True):
            key = f"{metric}/{split}"
            points = np.array([(row["epoch"], row[key]) for row in history if key in row])
            if len(points):
                panel.plot(*points.T, **_style(place, label, len(points)))
                drawn += points[:, 1].tolist()
                if place == 0 and chosen is not None:
                    ring = points[points[:, 0] == chosen]
                    panel.plot(*ring.T, label=f"chosen: epoch {chosen}", **_RING)
    metric_axis(panels[0].yaxis, drawn, metric)
    _legend(figure, panels[1], len(jobs), "jobs, best first")
    figure.suptitle(f"{metric} of each job by epoch")
    return figure


def seed_bands(
    groups: Sequence[tuple[str, Mapping[str, SeedCurve]]], metric: str, title: str
) -> Figure:
    """Draw means over seeds by epoch: a panel for each split, a line for each group.

    The band extends by one standard deviation on both sides of the mean. If runs of a group end
    early, the line is the mean over the remaining ones, whose number panels below show.

    Args:
        groups: label and, by split, the curve of each group; best first.
        metric: name of the metric.
        title: title of the legend.
    """
    curves = [curves[split] for _, curves in groups for split in EPOCH_SPLITS]
    some_end = any(np.ptp(curve[3]) > 0 for curve in curves if curve.shape[1])
    figure, panels = _split_panels(metric, [label for label, _ in groups], counts=some_end)
    for place, (label, of_group) in reversed(list(enumerate(groups))):
        for number, split in enumerate(EPOCH_SPLITS):
            epochs, means, _, counts = of_group[split]
            style = _style(place, label, len(epochs))
            panels[number].plot(epochs, means, **style)
            if place < MOST:
                _draw_band(panels[number], of_group[split], metric, style["color"])
            if some_end and place < MOST:
                steps = {"color": style["color"], "ls": style["ls"], "drawstyle": "steps-mid"}
                panels[2 + number].plot(epochs, counts, **steps)
    metric_axis(panels[0].yaxis, [mean for curve in curves for mean in curve[1]], metric)
    for panel in panels[2:]:
        panel.set_ylim(bottom=0)
    _legend(figure, panels[1], len(groups), title)
    remaining = "; below: number of remaining runs" if some_end else ""
    figure.suptitle(f"{metric} by epoch, mean ± sd{remaining}")
    return figure


def seed_curves(
    groups: Sequence[tuple[str, Sequence[np.ndarray], np.ndarray]], metric: str
) -> Figure:
    """Draw a metric on validation data by epoch: a panel for each group, a thin line for each run.

    Unlike means and standard deviations, the lines show whether runs end in different minima.

    Args:
        groups: label of each group, epochs and values of its runs, ``[2, epochs]`` each, and epochs
            and means over the remaining runs, ``[2, epochs]``.
        metric: name of the metric.
    """
    columns = min(_COLUMNS, len(groups))
    figure, panels = panel_grid(
        len(groups), columns, (3, 2.6), (0.6, 0.6), sharex=True, sharey=True
    )
    for panel, (label, runs, mean) in zip(panels, groups, strict=True):
        for run in runs:
            panel.plot(*run, color=BLUE, lw=0.8, alpha=0.6, marker=_marker(run), label="a run")
        panel.plot(*mean, color="black", lw=1.8, ls="--", label="mean of remaining runs")
        panel.set_title(textwrap.fill(label, _TITLE), fontsize=9)
        whole_numbers(panel, "epoch")
    drawn = [value for _, runs, _ in groups for run in runs for value in run[1]]
    metric_axis(panels[0].yaxis, drawn, metric)
    name_shared_axes(panels, columns, "epoch", get_metric(metric).label)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend([handles[0], handles[-1]], [labels[0], labels[-1]], loc="outside lower right",
                  ncols=2)  # fmt: skip
    figure.suptitle(f"{metric} of each run on validation data by epoch")
    return figure


def _draw_band(panel: Axes, curve: SeedCurve, metric: str, colour: str) -> None:
    epochs, means, spread, _ = curve
    if not np.isfinite(spread).any():
        return
    low, high = band(means, spread, metric)
    if len(epochs) == 1:
        lengths = [means - low, high - means]
        panel.errorbar(epochs, means, lengths, color=colour, capsize=4)
    else:
        panel.fill_between(epochs, low, high, color=colour, alpha=0.2, lw=0)


def _split_panels(
    metric: str, labels: Sequence[str], *, counts: bool = False
) -> tuple[Figure, Sequence[Axes]]:
    """Return a figure with two panels and room for a legend of the first labels.

    With ``counts``, two further panels below are for the numbers of runs.
    """
    shown = [wrapped(label) for label in labels[:MOST]]
    height = max(4.5, 1.6 + 0.17 * sum(text.count("\n") + 1 for text in shown))
    size = 10 + legend_width(shown), height + 1.2 * counts
    figure = Figure(figsize=size, layout="constrained")
    ratios = [4, 1] if counts else [1]
    panels = figure.subplots(len(ratios), 2, sharex="col", sharey="row", height_ratios=ratios)
    panels = panels.ravel().tolist()
    for panel, split in zip(panels, EPOCH_SPLITS, strict=False):
        panel.set_title(split)
    for panel in panels:
        whole_numbers(panel, "epoch")
        panel.label_outer()
    panels[0].set_ylabel(get_metric(metric).label)
    if counts:
        panels[2].set_ylabel("runs")
        panels[2].yaxis.set_major_locator(MaxNLocator(3, integer=True, min_n_ticks=1))
    return figure, panels


def _style(place: int, label: str, points: int) -> dict[str, Any]:
    """Return the style of the line in this place: the best lines are coloured and on top."""
    if place < MOST:
        return line_style(place, points) | ON_TOP | {"label": wrapped(label)}
    return {"color": _GREY, "lw": 0.7, "zorder": 1, "marker": "." if points == 1 else None}


def _marker(run: np.ndarray) -> str | None:
    return "." if run.shape[1] == 1 else None  # a line needs two points


def _legend(figure: Figure, panel: Axes, lines: int, title: str) -> None:
    """Draw a legend beside the panels, best first."""
    handles, labels = panel.get_legend_handles_labels()
    handles, labels = handles[::-1], labels[::-1]  # the best lines are drawn last
    if lines > MOST:
        handles.append(Line2D([], [], color=_GREY))
        labels.append(f"the other {lines - MOST}")
    figure.legend(handles, labels, loc="outside right upper", title=title)
