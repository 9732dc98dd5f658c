"""Tables over repeated runs, which differ only in the seed or the fold."""

import math

from mlp_lab.config.flatten import format_value
from mlp_lab.config.metrics import get_metric
from mlp_lab.sweeps.comparison.compared_run import REPEATED
from mlp_lab.sweeps.comparison.comparison import Comparison, Table
from mlp_lab.sweeps.comparison.run_group import Interval, RunGroup


def over_repeated_runs(comparison: Comparison) -> list[Table]:
    """Return the tables of means and of paired differences, if the seed or the fold was swept."""
    return [*_means(comparison), *_differences(comparison)]


def _means(comparison: Comparison) -> list[Table]:
    """Return the table of means.

    Each group has a row for the selected metric and, if all jobs are tested, one for each metric on
    the test set.
    """
    if not any(key in comparison.swept for key in REPEATED):
        return []
    keys = _keys(comparison)

    def cells(group: RunGroup, name: str, i: Interval) -> list[str]:
        text = get_metric(name).text
        spread = [text(v) if math.isfinite(v) else "-" for v in (i.std, i.half_width)]
        return [*_settings(group, keys), group.count, name, text(i.mean), *spread]

    header = [*keys, comparison.repetitions, "metric", "mean", "± sd", "± 95 % interval"]
    rows = []
    for group in comparison.groups():
        intervals = {f"{name}/test": interval for name, interval in group.tests.items()}
        if "validation" in group.intervals:
            intervals = {comparison.key: group.intervals["validation"]} | intervals
        rows += [cells(group, name, interval) for name, interval in intervals.items()]
    return [(header, rows)] if rows else []


def _differences(comparison: Comparison) -> list[Table]:
    """Return the table of differences of the selected metric from the best group of the problem.

    A difference is between runs with the same seed and fold. It does not contain what all runs of a
    fold have in common, such as difficult examples, so that its interval is often much smaller than
    those of the two means.
    """
    keys, text = _keys(comparison), get_metric(comparison.metric).text
    rows: list[list[str]] = []
    best: dict[str, RunGroup] = {}
    for group in comparison.groups():
        first = best.setdefault(group.jobs[0].problem, group)
        differences = _paired(group, first, comparison.key)
        if group is first or len(differences) < 2:
            continue
        i = Interval.of(differences)
        spread = [text(v) if math.isfinite(v) else "-" for v in (i.std, i.half_width)]
        sign = "+" if i.mean > 0 else ""
        rows.append([*_settings(group, keys), str(i.n), sign + text(i.mean), *spread])
    name = f"{comparison.key} above the best"
    return [([*keys, "pairs", name, "± sd", "± 95 % interval"], rows)] if rows else []


def _paired(group: RunGroup, other: RunGroup, key: str) -> list[float]:
    """Return the differences in the best epochs of runs that have the same seed and fold."""
    values, others = (
        {job.repetition: job.best[key] for job in each.jobs if job.best is not None}
        for each in (group, other)
    )
    return [value - others[place] for place, value in values.items() if place in others]


def _keys(comparison: Comparison) -> list[str]:
    """Return the swept keys in which groups can differ."""
    return [key for key in comparison.swept if key not in REPEATED]


def _settings(group: RunGroup, keys: list[str]) -> list[str]:
    return [format_value(group.settings[key]) if key in group.settings else "-" for key in keys]
