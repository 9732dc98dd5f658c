"""Curves of many runs by epoch."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from mlp_lab.config.names import EPOCH_SPLITS
from mlp_lab.sweeps.comparison.figures.styles import (
    COLOURS,
    MOST,
    legend_width,
    scale,
    wrapped,
)

_GREY = "0.8"
_RING: dict[str, Any] = {
    "marker": "o", "ms": 10, "mfc": "none", "mec": "black", "mew": 1.8, "ls": "none", "zorder": 4,
}  # fmt: skip


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
                marker = "." if len(points) == 1 else None
                panel.plot(*points.T, marker=marker, **_style(place, label))
                drawn += points[:, 1].tolist()
                if place == 0 and chosen is not None:
                    ring = points[points[:, 0] == chosen]
                    panel.plot(*ring.T, label=f"chosen: epoch {chosen}", **_RING)
    scale(panels[0].yaxis, drawn, metric)
    _legend(figure, panels[1], len(jobs), "jobs, best first")
    return figure


def seed_bands(
    groups: Sequence[tuple[str, Mapping[str, np.ndarray]]], metric: str, title: str
) -> Figure:
    """Draw means over seeds by epoch: a panel for each split, a line for each group.

    The band extends by one standard deviation on both sides of the mean.

    Args:
        groups: label of each group and, by split, epochs, means and standard deviations
            ``[3, epochs]``; best first.
        metric: name of the metric.
        title: title of the legend.
    """
    figure, panels = _split_panels(metric, [label for label, _ in groups])
    for place, (label, curves) in reversed(list(enumerate(groups))):
        for panel, split in zip(panels, EPOCH_SPLITS, strict=True):
            epochs, means, spread = curves[split]
            style = _style(place, label)
            panel.plot(epochs, means, marker="." if len(epochs) == 1 else None, **style)
            if place < MOST and len(epochs) == 1:
                panel.errorbar(epochs, means, spread, color=style["color"], capsize=4)
            elif place < MOST:
                low, high = means - spread, means + spread
                panel.fill_between(epochs, low, high, color=style["color"], alpha=0.2, lw=0)
    drawn = [mean for _, curves in groups for split in EPOCH_SPLITS for mean in curves[split][1]]
    scale(panels[0].yaxis, drawn, metric)
    _legend(figure, panels[1], len(groups), title)
    return figure


def _split_panels(metric: str, labels: Sequence[str]) -> tuple[Figure, Sequence[Axes]]:
    """Return a figure with two panels and room for a legend of the first labels."""
    shown = [wrapped(label) for label in labels[:MOST]]
    height = max(4.5, 1.3 + 0.17 * sum(text.count("\n") + 1 for text in shown))
    figure = Figure(figsize=(10 + legend_width(shown), height), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for panel, split in zip(panels, EPOCH_SPLITS, strict=True):
        panel.set(xlabel="epoch", title=split)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.grid(alpha=0.3)
    panels[0].set_ylabel(metric)
    return figure, panels


def _style(place: int, label: str) -> dict[str, Any]:
    """Return the style of the line in this place: the best lines are coloured and on top."""
    if place < MOST:
        return {"color": COLOURS[place], "label": wrapped(label), "zorder": 3}
    return {"color": _GREY, "lw": 0.7, "zorder": 1}


def _legend(figure: Figure, panel: Axes, lines: int, title: str) -> None:
    """Draw a legend beside the panels, best first."""
    handles, labels = panel.get_legend_handles_labels()
    handles, labels = handles[::-1], labels[::-1]  # the best lines are drawn last
    if lines > MOST:
        handles.append(Line2D([], [], color=_GREY))
        labels.append(f"the other {lines - MOST}")
    figure.legend(
        handles, labels, loc="outside right upper", fontsize=8, title=title, title_fontsize=9
    )
