"""The gain from larger networks: a metric against the number of parameters."""

from collections import defaultdict
from collections.abc import Sequence
from functools import partial

from mlp_lab.config.flatten import format_value
from mlp_lab.config.metrics import METRICS
from mlp_lab.figures import parameter_counts
from mlp_lab.figures.rendering import Draw
from mlp_lab.sweeps.comparison.compared_run import REPEATED
from mlp_lab.sweeps.comparison.comparison import Comparison
from mlp_lab.sweeps.comparison.differences import label_of
from mlp_lab.sweeps.comparison.run_group import Interval, RunGroup

_MOST = 8  # lines


def draw(comparison: Comparison) -> dict[str, Draw]:
    """Return ``<metric>_against_parameters`` of a sweep over networks of different sizes.

    The metric is one in per cent on validation data, such as the error, if all runs have it;
    otherwise the selected one.
    """
    network = [key for key in comparison.swept if key.startswith("network.")]
    groups = [
        group
        for group in comparison.groups()
        if "validation" in group.intervals and network and network[0] in group.settings
    ]
    if len({_parameters(group) for group in groups}) < 2:
        return {}
    first = network[0]
    others = [key for key in comparison.swept if key not in (first, *REPEATED)]
    percentages = (m.name for m in METRICS.values() if m.percent and _all_have(m.name, groups))
    metric = next(percentages, comparison.metric)
    lines: dict[str, list[parameter_counts.NetworkResult]] = defaultdict(list)
    for group in sorted(groups, key=_parameters):
        settings = {key: group.settings[key] for key in others if key in group.settings}
        values = Interval.of([job.best[f"{metric}/validation"] for job in group.jobs if job.best])
        point = _parameters(group), values.mean, values.std, format_value(group.settings[first])
        lines[label_of(settings, others)].append(point)
    if len(lines) > _MOST:
        return {}
    ordered = {label: lines[label] for label in sorted(lines)}
    figure = partial(parameter_counts.metric_by_parameters, ordered, metric, first)
    return {f"{metric}_against_parameters": figure}


def _parameters(group: RunGroup) -> int:
    """Return the parameters of each network of a group; 0 if unknown."""
    return group.jobs[0].result.parameters


def _all_have(metric: str, groups: Sequence[RunGroup]) -> bool:
    """Return whether the best epoch of each run has a metric on validation data."""
    bests = (job.best or {} for group in groups for job in group.jobs)
    return all(f"{metric}/validation" in best for best in bests)
