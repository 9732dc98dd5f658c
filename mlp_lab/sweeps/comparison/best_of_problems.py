"""The best run of each problem, on the test set: how well a choice for each problem works."""

from mlp_lab.config.metrics import get_metric, metric_order
from mlp_lab.sweeps.comparison.compared_run import ComparedRun
from mlp_lab.sweeps.comparison.comparison import Comparison, Table
from mlp_lab.sweeps.comparison.run_group import Interval


def tables(comparison: Comparison) -> list[Table]:
    """Return the table of the best run of each problem by validation data, if all were tested.

    It has the metrics on the test set that all of these runs have, and the mean and the standard
    deviation over the problems.
    """
    jobs = [job for job in comparison.best_jobs if job.test is not None]
    if len(jobs) < 2 or len(jobs) < len(comparison.problems):
        return []
    common = set.intersection(*(set(comparison.test_metrics(job)) for job in jobs))
    names = sorted(common, key=metric_order)
    header = ["best of each problem", "epoch", comparison.key, *(f"{name}/test" for name in names)]
    rows = [_row(comparison, job, names) for job in jobs]
    means = [_mean(name, [comparison.test_metrics(job)[name] for job in jobs]) for name in names]
    validated = _mean(comparison.metric, [(job.best or {})[comparison.key] for job in jobs])
    return [(header, [*rows, ["mean ± standard deviation", "", validated, *means]])]


def _row(comparison: Comparison, job: ComparedRun, names: list[str]) -> list[str]:
    best, tested = job.best or {}, comparison.test_metrics(job)
    reached = get_metric(comparison.metric).text(best[comparison.key])
    return [
        job.label,
        f"{best['epoch']:.0f}",
        reached,
        *(get_metric(name).text(tested[name]) for name in names),
    ]


def _mean(name: str, values: list[float]) -> str:
    interval, text = Interval.of(values), get_metric(name).text
    return f"{text(interval.mean)} ± {text(interval.std)}"
