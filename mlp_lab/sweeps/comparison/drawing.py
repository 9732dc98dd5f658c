"""The figures of a comparison."""

import math
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mlp_lab.config.flatten import format_value
from mlp_lab.config.names import EPOCH_SPLITS
from mlp_lab.figures.rendering import Draw
from mlp_lab.sweeps.comparison.compared_run import REPEATED, ComparedRun
from mlp_lab.sweeps.comparison.comparison import Comparison
from mlp_lab.sweeps.comparison.figures import epoch_curves, styles, swept_values
from mlp_lab.sweeps.comparison.run_group import RunGroup
from mlp_lab.sweeps.comparison.special import SPECIAL

_MOST_PANELS = 12  # of the best groups


def draw(comparison: Comparison) -> dict[str, Draw]:
    """Return functions that draw the figures that suit the swept keys, by name."""
    metric, chosen = comparison.metric, comparison.chosen
    curves = [(_curve_label(job), job.history) for job in comparison.jobs if job.best is not None]
    if not curves:
        return {}
    epoch = int(chosen.best["epoch"]) if chosen and chosen.best else None
    drawn: dict[str, Draw] = {
        "error_curves": partial(epoch_curves.error_curves, curves, metric, epoch)
    }
    # The other figures show values on validation data, which refits lack.
    groups = [group for group in comparison.groups() if "validation" in group.intervals]
    if not groups:
        return drawn
    if any(len(group.jobs) > 1 for group in groups):
        drawn["seed_bands"] = partial(_seed_bands, groups, metric, comparison.repetitions)
        drawn["seed_curves"] = partial(_seed_curves, groups[:_MOST_PANELS], metric)
    # Groups that lack a key have no place on its axis.
    swept = [key for key in comparison.swept if key not in REPEATED]
    keys = [key for key in swept if all(key in group.settings for group in groups)]
    for key in keys:
        others = [other for other in swept if other != key]
        figure = partial(_metric_against, groups, key, others, metric, chosen)
        drawn[f"{metric}_against_{key}"] = figure
    if len(keys) == len(swept) == 2:
        drawn |= _heat_maps(groups, (keys[0], keys[1]), metric)
    for special in SPECIAL:
        drawn |= special.draw(comparison)
    return drawn


def _curve_label(job: ComparedRun) -> str:
    return job.label if job.finished else f"{job.label} ({job.result.status})"


def _heat_maps(groups: list[RunGroup], keys: tuple[str, str], metric: str) -> dict[str, Draw]:
    """Return heat maps of the best epochs on validation and of the last epochs on training data."""
    last = [group.last(f"{metric}/train") for group in groups]
    repeated = any(len(group.jobs) > 1 for group in groups)
    note = "\nmean over repeated runs" if repeated else ""
    values = {
        "heat_map": (
            f"{metric} on validation data, best epoch",
            [group.intervals["validation"].mean for group in groups],
        ),
        "heat_map_train": (
            f"{metric} on training data, last epoch",
            [math.nan if interval is None else interval.mean for interval in last],
        ),
    }
    drawn: dict[str, Draw] = {}
    for name, (title, means) in values.items():
        cells = _cells(groups, *keys, means)
        if cells is not None and np.isfinite(cells[2]).any():
            drawn[name] = partial(swept_values.heat_map, *cells, keys, metric, title + note)
    return drawn


def _seed_bands(groups: list[RunGroup], metric: str, repetitions: str) -> Figure:
    bands = [
        (
            f"{group.label}  ({group.count} {repetitions})".strip(),
            {split: group.curve(f"{metric}/{split}") for split in EPOCH_SPLITS},
        )
        for group in groups
    ]
    title = f"mean ± sd over {repetitions}, best first"
    return epoch_curves.seed_bands(bands, metric, title)


def _seed_curves(groups: list[RunGroup], metric: str) -> Figure:
    key = f"{metric}/validation"
    curves = [(group.label, group.curves(key), group.curve(key)[:2]) for group in groups]
    return epoch_curves.seed_curves(curves, metric)


def _metric_against(
    groups: list[RunGroup], key: str, others: list[str], metric: str, chosen: ComparedRun | None
) -> Figure:
    """Draw two lines for each value of the other key, or two in all if there are several others.

    The value of the chosen run on test data is shown, too, if it is known.
    """
    second = others[0] if len(others) == 1 else None
    labels = ["" if second is None else _axis_value(g.settings.get(second, "-")) for g in groups]
    if len(set(labels)) > styles.MOST:
        second, labels = None, [""] * len(groups)
    lines: dict[str, dict[str, list[swept_values.Point]]] = {}
    test = chosen.test.metrics.get(metric) if chosen and chosen.test else None
    for value, group in sorted(
        zip(labels, groups, strict=True), key=lambda p: swept_values.order(p[0])
    ):
        pair = lines.setdefault(format_value(value), {})
        # Whether the training data can be fitted shows in the last epoch.
        shown = {
            "train": (group.last(f"{metric}/train"), ()),
            "validation": (group.intervals["validation"], _best_values(group, metric)),
        }
        for split, (interval, values) in shown.items():
            if interval is not None:
                pair.setdefault(split, []).append(
                    swept_values.Point(
                        _axis_value(group.settings[key]), interval.mean, interval.std, values
                    )
                )
        if test is not None and any(job is chosen for job in group.jobs):
            pair["test"] = [swept_values.Point(_axis_value(group.settings[key]), test)]
    return swept_values.metric_against(lines, key, metric, second)


def _best_values(group: RunGroup, metric: str) -> list[float]:
    """Return the values of a group's runs in their best epochs on validation data."""
    return [job.best[f"{metric}/validation"] for job in group.jobs if job.best]


def _cells(
    groups: list[RunGroup], rows: str, columns: str, values: list[float]
) -> tuple[list[str], list[str], np.ndarray] | None:
    """Return names of rows and columns, and cells; None if half of the cells are empty."""
    places = [[_axis_value(group.settings[key]) for group in groups] for key in (rows, columns)]
    axes = [sorted(set(values), key=swept_values.order) for values in places]
    cells = np.full((len(axes[0]), len(axes[1])), np.nan)
    for value, row, column in zip(values, *places, strict=True):
        cells[axes[0].index(row), axes[1].index(column)] = value
    names = [[format_value(value) for value in axis] for axis in axes]
    return (names[0], names[1], cells) if 2 * len(groups) > cells.size else None


def _axis_value(value: Any) -> float | str:
    """Return a number unchanged, anything else as text."""
    return value if type(value) in {int, float} else format_value(value)
