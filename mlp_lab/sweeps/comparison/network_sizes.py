"""The gain from larger networks: a metric against the number of parameters."""

from collections import defaultdict

from matplotlib.figure import Figure

from mlp_lab.config.flatten import format_value
from mlp_lab.figures import parameter_counts
from mlp_lab.sweeps.comparison.comparison import Comparison, Interval, SeedGroup
from mlp_lab.sweeps.comparison.differences import label_of

_MOST = 8  # lines


def draw(comparison: Comparison) -> dict[str, Figure]:
    """Return ``<metric>_against_parameters`` of a sweep over networks of different sizes.

    The metric is the error on validation data if all runs have it, otherwise the selected one.
    """
    network = [key for key in comparison.swept if key.startswith("network.")]
    groups = [
        group
        for group in comparison.groups()
        if "validation" in group.intervals and network and network[0] in group.settings
    ]
    if len({_parameters(group) for group in groups}) < 2:
        return {}
    first, others = network[0], [k for k in comparison.swept if k not in (network[0], "seed")]
    metric = "error" if all(map(_has_error, groups)) else comparison.metric
    lines: dict[str, list[parameter_counts.NetworkResult]] = defaultdict(list)
    for group in sorted(groups, key=_parameters):
        settings = {key: group.settings[key] for key in others if key in group.settings}
        values = Interval.of([job.best[f"{metric}/validation"] for job in group.jobs if job.best])
        point = _parameters(group), values.mean, values.std, format_value(group.settings[first])
        lines[label_of(settings, others)].append(point)
    if len(lines) > _MOST:
        return {}
    ordered = {label: lines[label] for label in sorted(lines)}
    figure = parameter_counts.metric_by_parameters(ordered, metric, first)
    return {f"{metric}_against_parameters": figure}


def _parameters(group: SeedGroup) -> int:
    """Return the parameters of each network of a group; 0 if unknown."""
    return int(group.jobs[0].run.result.get("parameters", 0))


def _has_error(group: SeedGroup) -> bool:
    return all("error/validation" in (job.best or {}) for job in group.jobs)
