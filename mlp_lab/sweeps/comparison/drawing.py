"""Which figures a comparison has, and what is drawn in them."""

import math
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mlp_lab.config.flatten import format_value
from mlp_lab.config.names import EPOCH_SPLITS
from mlp_lab.sweeps.comparison import (
    boolean_cost,
    layer_curves,
    network_sizes,
    reconstructions,
)
from mlp_lab.sweeps.comparison.comparison import Comparison, Group, Job
from mlp_lab.sweeps.comparison.figures import epoch_curves, styles, swept_values


def draw(comparison: Comparison) -> dict[str, Figure]:
    """The figures that fit what was swept, by name."""
    metric, chosen = comparison.metric, comparison.chosen
    curves = [(_told(job), job.history) for job in comparison.jobs if job.best is not None]
    if not curves:
        return {}
    epoch = int(chosen.best["epoch"]) if chosen and chosen.best else None
    drawn = {"error_curves": epoch_curves.error_curves(curves, metric, epoch)}
    # These figures show what validation data say; of refits they say nothing.
    groups = [group for group in comparison.groups() if "validation" in group.intervals]
    if not groups:
        return drawn
    if any(len(group.jobs) > 1 for group in groups):
        drawn["seed_bands"] = _seed_bands(groups, metric)
    # A key that some lack has no place for them on its axis.
    keys = [k for k in comparison.swept if k != "seed" and all(k in g.settings for g in groups)]
    for key in keys:
        others = [other for other in comparison.swept if other not in ("seed", key)]
        drawn[f"{metric}_against_{key}"] = _metric_against(groups, key, others, metric, chosen)
    if len(keys) == 2:
        drawn |= _heat_maps(groups, (keys[0], keys[1]), metric)
    special = [
        kind.draw(comparison)
        for kind in (layer_curves, network_sizes, boolean_cost, reconstructions)
    ]
    return {name: figure for each in (drawn, *special) for name, figure in each.items()}


def _told(job: Job) -> str:
    return job.label if job.finished else f"{job.label} ({job.status})"


def _heat_maps(groups: list[Group], keys: tuple[str, str], metric: str) -> dict[str, Figure]:
    """The chosen epochs' values on validation data, and where the training itself ended."""
    train = f"{metric}/train"
    values = {
        "heat_map": (None, [group.intervals["validation"].mean for group in groups]),
        "heat_map_train": (
            f"{metric} on training data, last epoch",
            [group.last(train) for group in groups],
        ),
    }
    cells = {name: (label, _cells(groups, *keys, own)) for name, (label, own) in values.items()}
    return {
        name: swept_values.heat_map(*own, keys, metric, label)
        for name, (label, own) in cells.items()
        if own is not None and np.isfinite(own[2]).any()
    }


def _seed_bands(groups: list[Group], metric: str) -> Figure:
    bands = [
        (
            f"{group.label}  ({group.seeds} seeds)".strip(),
            {split: group.curve(f"{metric}/{split}") for split in EPOCH_SPLITS},
        )
        for group in groups
    ]
    return epoch_curves.seed_bands(
        bands, metric, "mean ± sd over seeds, best first\n(epochs that all reached)"
    )


def _metric_against(
    groups: list[Group], key: str, others: list[str], metric: str, chosen: Job | None
) -> Figure:
    """A pair of lines for each value of the only other key; a single pair where there are more.

    Beside them is what the chosen job reaches on test data, if that is known.
    """
    second = others[0] if len(others) == 1 else None
    apart = ["" if second is None else _axis_value(g.settings.get(second)) for g in groups]
    if len(set(apart)) > styles.MOST:
        second, apart = None, [""] * len(groups)
    lines: dict[str, dict[str, list[swept_values.Point]]] = {}
    test = None if chosen is None else (chosen.test or {}).get(metric)
    for value, group in sorted(
        zip(apart, groups, strict=True), key=lambda p: swept_values.order(p[0])
    ):
        pair = lines.setdefault(format_value(value), {})
        for split, interval in group.intervals.items():
            point = (_axis_value(group.settings[key]), interval.mean, interval.std)
            pair.setdefault(split, []).append(point)
        if test is not None and any(job is chosen for job in group.jobs):
            pair["test"] = [(_axis_value(group.settings[key]), test, math.nan)]
    return swept_values.metric_against(lines, key, metric, second)


def _cells(
    groups: list[Group], rows: str, columns: str, values: list[float]
) -> tuple[list[str], list[str], np.ndarray] | None:
    """Names of rows and columns, and the values in their cells; None where half would be empty."""
    places = [[_axis_value(group.settings[key]) for group in groups] for key in (rows, columns)]
    axes = [sorted(set(values), key=swept_values.order) for values in places]
    cells = np.full((len(axes[0]), len(axes[1])), np.nan)
    for value, row, column in zip(values, *places, strict=True):
        cells[axes[0].index(row), axes[1].index(column)] = value
    names = [[format_value(value) for value in axis] for axis in axes]
    return (names[0], names[1], cells) if 2 * len(groups) > cells.size else None


def _axis_value(value: Any) -> float | str:
    """A number as it is, anything else as a word."""
    return value if type(value) in {int, float} else format_value(value)
