"""The best run of each problem, on the test set: how well a choice for each problem works."""

from mlp_lab.config.metrics import get_metric, metric_order
from mlp_lab.sweeps.comparison.comparison import Comparison, Table
from mlp_lab.sweeps.comparison.printed_tables import run_names
from mlp_lab.sweeps.comparison.run_group import Interval


def tables(comparison: Comparison) -> list[Table]:
    """Return the table of the best run of each problem by validation data, if all were tested.

    It has the compared metric, and that of classical methods (``psnr`` and ``psnr_bicubic``), on
    the test set, with mean and standard deviation over the problems.
    """
    jobs = [job for job in comparison.best_jobs if job.test is not None]
    if len(jobs) < 2 or len(jobs) < len(comparison.problems):
        return []
    tests = [comparison.test_metrics(job) for job in jobs]
    variant = f"{comparison.metric}_"
    names = [
        name
        for name in sorted(set.intersection(*map(set, tests)), key=metric_order)
        if name == comparison.metric or name.startswith(variant)
    ]
    text = get_metric(comparison.metric).text
    best = [job.best or {} for job in jobs]
    values = [
        [row[comparison.key], *(test[name] for name in names)]
        for row, test in zip(best, tests, strict=True)
    ]
    rows = [
        [job.problem, run, f"{row['epoch']:.0f}", *map(text, each)]
        for job, run, row, each in zip(jobs, run_names(jobs), best, values, strict=True)
    ]
    intervals = [Interval.of(column) for column in zip(*values, strict=True)]
    rows.append(["mean", "", "", *(text(interval.mean) for interval in intervals)])
    rows.append(["standard deviation", "", "", *(text(interval.std) for interval in intervals)])
    tested = [f"{name}/test" for name in names]
    header = ["problem", "best run", "epoch", comparison.key, *tested]
    return [(header, rows)]
