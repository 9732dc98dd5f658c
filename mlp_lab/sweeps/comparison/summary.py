"""The summary of a comparison: tables, unfinished runs, and the chosen run."""

from collections.abc import Sequence
from typing import Any

from mlp_lab.config.command_line import command_line
from mlp_lab.config.flatten import format_value
from mlp_lab.config.metrics import get_metric, metric_order
from mlp_lab.config.names import TRAIN_METRICS
from mlp_lab.formatting import markdown, table
from mlp_lab.storage.files import csv_text
from mlp_lab.storage.results import Status
from mlp_lab.sweeps.comparison.compared_run import ComparedRun
from mlp_lab.sweeps.comparison.comparison import Comparison, Table
from mlp_lab.sweeps.comparison.printed_tables import MOST_ROWS, limited, printed_jobs
from mlp_lab.sweeps.comparison.repeated_runs import over_repeated_runs
from mlp_lab.sweeps.comparison.special import SPECIAL

_SPLITS = {"train": "training", "validation": "validation"}


def columns(comparison: Comparison) -> list[str]:
    """Return the columns of the table: swept keys first, then results."""
    sizes = {job.result.parameters for job in comparison.jobs} - {0}  # a failed job has none
    return [
        *comparison.swept,
        *(["parameters"] if len(sizes) > 1 else []),
        *("epochs", "best epoch", *_metrics(comparison)),
        # Shows how well the training data were fitted, whichever epoch is the best.
        f"last {comparison.metric}/train",
        *(_tests(comparison) if comparison.all_tested else []),
        *("seconds", "status"),
    ]


def as_text(comparison: Comparison) -> str:
    """Return the summary for a terminal: tables of limited size."""
    jobs, *others = _tables(comparison)
    fitted = [printed_jobs(comparison, jobs), *map(limited, others)]
    parts = ["\n".join([table(*each), *note]) for each, note in fitted]
    return "\n\n".join([*parts, *("\n".join(lines) for lines in _lists(comparison))])


def as_markdown(comparison: Comparison) -> str:
    """Return the summary in Markdown."""
    parts = [markdown(*each) for each in _tables(comparison)]
    parts += ["\n".join(f"- {line}" for line in lines) for lines in _lists(comparison)]
    return "\n\n".join(parts) + "\n"


def as_csv(comparison: Comparison) -> str:
    """Return the first table with all digits, the metrics of the last epochs, and the folders."""
    header = _all_columns(comparison)
    rows = ([_exact(comparison, job, column) for column in header] for job in comparison.jobs)
    return csv_text([header, *rows])


def rows(comparison: Comparison) -> list[dict[str, Any]]:
    """Return the rows of ``as_csv``, best run first, with settings as values instead of texts."""
    header = _all_columns(comparison)
    return [{key: _value(comparison, job, key) for key in header} for job in comparison.jobs]


def _all_columns(comparison: Comparison) -> list[str]:
    shown = columns(comparison)
    last = [f"last {key}" for key in _metrics(comparison)]
    return [*shown, *(column for column in last if column not in shown), "folder"]


def unfinished(comparison: Comparison) -> list[str]:
    """Return one line for each unfinished job, with the reason."""
    return [f"{job.label}: {_why(job)}" for job in comparison.jobs if not job.finished]


def _lists(comparison: Comparison) -> list[list[str]]:
    """Return the lists of lines that follow the tables."""
    lists = [_notes(comparison), unfinished(comparison), choice(comparison)]
    return [lines for lines in lists if lines]


def _notes(comparison: Comparison) -> list[str]:
    if len(comparison.jobs) == 1:
        return []
    notes = [
        *(f"train: {TRAIN_METRICS[when]}" for when in _train_metrics(comparison)),
        "seconds: wall time; jobs that trained as one network share the time of that network",
    ]
    finished = sum(job.finished for job in comparison.jobs)
    if repeated := finished - sum(len(group.jobs) for group in comparison.groups()):
        notes.append(f"repeated runs of a seed: {repeated}; means include the latest of each")
    return notes


def _train_metrics(comparison: Comparison) -> list[str]:
    """Return when the runs computed the metrics of their training data, if that is one time."""
    times = {str(job.config["train_metrics"]) for job in comparison.jobs}
    return list(times) if len(times) == 1 else []


def choice(comparison: Comparison) -> list[str]:
    """Return lines on the chosen run: its epoch, metrics, folder, and the command to repeat it."""
    if comparison.tested == "last":
        return _last_epochs(comparison.jobs)
    if len(comparison.problems) > 1:
        return _best_of_problems(comparison)
    job = comparison.chosen
    if job is None:
        return [_no_choice(comparison.jobs[0])]
    lines = [f"chosen by validation {comparison.metric}: {_place(job)}"]
    lines.append(f"its metrics: {', '.join(_metrics_of_best(job))}")
    lines.append(_tested(comparison.jobs, job))
    lines.append(f"folder: {job.run.folder}")
    overrides = [o for o in job.run.overrides if not o.startswith(("sweep=", "sweep."))]
    lines.append(f"run it again: {command_line('train', overrides)}")
    return lines


def _last_epochs(jobs: Sequence[ComparedRun]) -> list[str]:
    """Return lines on a sweep in which the last epochs are tested and no run is chosen."""
    finished = [job for job in jobs if job.finished]
    tested = sum(job.last_test is not None for job in finished)
    return [
        "no run is chosen (sweep.test=last): the last epoch of each job counts",
        f"the test set was evaluated for {tested} of {len(finished)} finished jobs",
    ]


def _best_of_problems(comparison: Comparison) -> list[str]:
    """Return lines on the best run of each problem, of which none is chosen."""
    text = get_metric(comparison.metric).text
    first = (
        f"no run is chosen: the runs learn {len(comparison.problems)} different problems;"
        f" the best of each by validation {comparison.metric}:"
    )
    return [first] + [
        f"{job.problem}: {_place(job)}, {text((job.best or {})[comparison.key])}"
        for job in comparison.best_jobs[:MOST_ROWS]
    ]


def _no_choice(first: ComparedRun) -> str:
    if first.finished:
        return "no run is chosen: there are no validation data (data.refit=true)"
    if first.best is None:
        return "no run is chosen: no job has finished an epoch"
    return f"no run is chosen: no job has finished; the best so far: {_place(first)}"


def _place(job: ComparedRun) -> str:
    return f"{job.label}, epoch {(job.best or {})['epoch']:.0f}"


def _metrics_of_best(job: ComparedRun) -> list[str]:
    """Return the metrics of the best epoch, those on the test set last."""
    best = job.best or {}
    names = sorted({key.partition("/")[0] for key in best if "/" in key}, key=metric_order)
    metrics = [
        f"{shown} {name} {get_metric(name).text(best[f'{name}/{split}'])}"
        for name in names
        for split, shown in _SPLITS.items()
        if f"{name}/{split}" in best
    ]
    tests = job.test.metrics.items() if job.test is not None else ()
    return metrics + [f"test {name} {get_metric(name).text(value)}" for name, value in tests]


def _tested(jobs: Sequence[ComparedRun], chosen: ComparedRun) -> str:
    """Return a line on the test set, which should be evaluated only for the chosen run."""
    networks = {(job.run.folder, entry.epoch) for job in jobs for entry in job.tests}
    if not networks:
        return "the test set was not evaluated"
    others = len(networks) - (chosen.test is not None)
    other_networks = f"{others} other network{'s' if others > 1 else ''}"
    if chosen.test is None:
        return f"the test set was not evaluated for it, but for {other_networks}"
    which = f"it and {other_networks}" if others else "it only"
    return f"the test set was evaluated for {which}"


def _metrics(comparison: Comparison) -> list[str]:
    """Return the metrics of all best epochs, in the order of the table."""
    keys = {key for job in comparison.jobs for key in job.best or {} if "/" in key}
    return sorted(keys, key=metric_order)


def _tests(comparison: Comparison) -> list[str]:
    """Return the metrics of all evaluations on the test set."""
    names = {name for job in comparison.jobs for name in comparison.test_metrics(job)}
    return [f"{name}/test" for name in sorted(names)]


def _why(job: ComparedRun) -> str:
    """Return status and reason in one line: the last line of a traceback."""
    status = job.result.status
    if status is Status.UNFINISHED:
        return "unfinished: still running, or killed"
    reason = (job.result.reason or status).strip().splitlines()[-1].strip()
    return reason if reason.startswith(status) else f"{status}: {reason}"


def _tables(comparison: Comparison) -> list[Table]:
    """Return the tables of jobs, of repeated runs, and special ones."""
    header = columns(comparison)
    rows = [
        [_shown(column, _cell(comparison, job, column)) for column in header]
        for job in comparison.jobs
    ]
    special_tables = [each for special in SPECIAL for each in special.tables(comparison)]
    return [(header, rows), *over_repeated_runs(comparison), *special_tables]


def _cell(comparison: Comparison, job: ComparedRun, column: str) -> Any:
    if column.endswith("/test"):
        return comparison.test_metrics(job).get(column.removesuffix("/test"))
    if column.startswith("last "):
        return job.last(column.removeprefix("last "))
    values = {
        "parameters": job.result.parameters or None,
        "epochs": len(job.history),
        "best epoch": None if job.best is None else int(job.best["epoch"]),
        "seconds": job.seconds,
        # A job that ended early as configured has finished, too.
        "status": (job.result.reason if job.finished else None) or job.result.status,
        "folder": job.run.folder,
    }
    if column in values:
        return values[column]
    return (job.best or {}).get(column, _setting(job.settings, column))


def _exact(comparison: Comparison, job: ComparedRun, column: str) -> Any:
    """Return a cell, with all digits of a setting."""
    if column in job.settings:
        return format_value(_value(comparison, job, column))
    return _cell(comparison, job, column)


def _value(comparison: Comparison, job: ComparedRun, column: str) -> Any:
    """Return the value of a cell, that of a number with all digits."""
    if column not in job.settings:
        return _cell(comparison, job, column)
    setting = job.settings[column]
    return job.config[column] if isinstance(setting, float) else setting


def _setting(settings: dict[str, Any], key: str) -> str | None:
    return format_value(settings[key]) if key in settings else None


def _shown(column: str, value: Any) -> str:
    if value is None:
        return "-"
    if "/" in column:
        return get_metric(column.removeprefix("last ")).text(value)
    formats = {"seconds": ".1f", "parameters": ","}
    return format(value, formats.get(column, ""))
