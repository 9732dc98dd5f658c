"""The answer of a comparison in words: a table, what did not finish, and the choice."""

import math
import shlex
from collections.abc import Sequence
from typing import Any

from mlp_lab.config.flatten import format_value
from mlp_lab.formatting import markdown, metric, table
from mlp_lab.storage.files import csv_text
from mlp_lab.storage.run_folder import metrics_of
from mlp_lab.sweeps.comparison import boolean_cost, encoding_table
from mlp_lab.sweeps.comparison.comparison import Comparison, Group, Interval, Job

_METRICS = ("loss/train", "loss/validation", "error/train", "error/validation")
_SPLITS = {"train": "training", "validation": "validation"}


def columns(comparison: Comparison) -> list[str]:
    """Swept keys first, then what came out."""
    sizes = {job.parameters for job in comparison.jobs} - {None}
    return [
        *comparison.swept,
        *(["parameters"] if len(sizes) > 1 else []),
        *("epochs", "best epoch", *_metrics(comparison)),
        # What the training itself reached, whichever epoch was chosen.
        f"last {comparison.metric}/train",
        *(_tests(comparison) if comparison.tested != "chosen" else []),
        *("seconds", "status"),
    ]


def as_text(comparison: Comparison) -> str:
    """The tables for a terminal, what did not finish, and the choice."""
    parts = [table(*each) for each in _tables(comparison)]
    lists = [_notes(comparison), unfinished(comparison), choice(comparison)]
    return "\n\n".join([*parts, *("\n".join(lines) for lines in lists if lines)])


def as_markdown(comparison: Comparison) -> str:
    """The same as ``as_text``, in Markdown."""
    parts = [markdown(*each) for each in _tables(comparison)]
    lists = [_notes(comparison), unfinished(comparison), choice(comparison)]
    parts += ["\n".join(f"- {line}" for line in lines) for lines in lists if lines]
    return "\n\n".join(parts) + "\n"


def as_csv(comparison: Comparison) -> str:
    """The table with all digits, the metrics of each job's last epoch, and its folder."""
    shown = columns(comparison)
    last = [f"last {key}" for key in _metrics(comparison)]
    header = [*shown, *(column for column in last if column not in shown), "folder"]
    rows = ([_cell(comparison, job, column) for column in header] for job in comparison.jobs)
    return csv_text([header, *rows])


def unfinished(comparison: Comparison) -> list[str]:
    """A line for each job that isn't finished: why."""
    return [f"{job.label}: {_why(job)}" for job in comparison.jobs if job.status != "finished"]


def _notes(comparison: Comparison) -> list[str]:
    """How the table is to be read."""
    if len(comparison.jobs) == 1:
        return []
    return ["seconds: of wall time; jobs that trained as one network bear that of all of it"]


def choice(comparison: Comparison) -> list[str]:
    """Which job and epoch are the best on validation data, what they reach, how to repeat them."""
    if comparison.tested == "last":
        return _without_choice(comparison.jobs)
    job = comparison.chosen
    if job is None:
        return [_no_choice(comparison.jobs[0])]
    lines = [f"chosen by validation {comparison.metric}: {_place(job)}"]
    lines.append(f"it reaches: {', '.join(_reached(job))}")
    lines.append(_tested(comparison.jobs, job))
    lines.append(f"folder: {job.run.folder}")
    own = [word for word in job.run.overrides if not word.startswith(("sweep=", "sweep."))]
    words = shlex.join(own)
    lines.append(f"run it again: python scripts/train.py {words}".rstrip())
    return lines


def _without_choice(jobs: Sequence[Job]) -> list[str]:
    """What there is to say in place of a choice, of a sweep whose last epochs are tested."""
    finished = [job for job in jobs if job.finished]
    tested = sum(job.last_test is not None for job in finished)
    return [
        "none is chosen (sweep.test=last): of each job the last epoch counts",
        f"the test set was evaluated for it in {tested} of {len(finished)} finished jobs",
    ]


def _no_choice(first: Job) -> str:
    if first.finished:
        return "none is chosen: there are no validation data to choose by (data.refit=true)"
    if first.best is None:
        return "none is chosen: no job has finished an epoch"
    return f"none is chosen: no job has finished; the best so far: {_place(first)}"


def _place(job: Job) -> str:
    """Which job and epoch."""
    return f"{job.label}, epoch {(job.best or {})['epoch']:.0f}"


def _reached(job: Job) -> list[str]:
    """The metrics of the best epoch, those of the test last."""
    best = job.best or {}
    names = dict.fromkeys(key.partition("/")[0] for key in sorted(best, key=_order) if "/" in key)
    reached = [
        f"{told} {name} {metric(name, best[f'{name}/{split}'])}"
        for name in names
        for split, told in _SPLITS.items()
        if f"{name}/{split}" in best
    ]
    tests = metrics_of(job.test or {}).items()
    return reached + [f"test {name} {metric(name, value)}" for name, value in tests]


def _tested(jobs: Sequence[Job], chosen: Job) -> str:
    """For which networks the test set was evaluated: for the chosen one alone, as it should."""
    networks = {(job.run.folder, entry["epoch"]) for job in jobs for entry in job.tests}
    if not networks:
        return "the test set was not evaluated"
    others = len(networks) - (chosen.test is not None)
    told = f"{others} other network{'s' if others > 1 else ''}"
    if chosen.test is None:
        return f"the test set was not evaluated for it, but for {told}"
    return f"the test set was evaluated for it {f'and {told}' if others else 'alone'}"


def _metrics(comparison: Comparison) -> list[str]:
    """The metrics that any job's best epoch has, in the order of the table."""
    return sorted({k for job in comparison.jobs for k in job.best or {} if "/" in k}, key=_order)


def _tests(comparison: Comparison) -> list[str]:
    """The metrics that any job has on the test set."""
    names = {name for job in comparison.jobs for name in metrics_of(comparison.test_of(job) or {})}
    return sorted((f"{name}/test" for name in names), key=_order)


def _order(key: str) -> tuple[int, str]:
    return (_METRICS.index(key) if key in _METRICS else len(_METRICS)), key


def _why(job: Job) -> str:
    """Status and reason in a line; of a traceback the last says it."""
    if job.status == "unfinished":
        return "unfinished: it runs still, or was killed"
    reason = (job.reason or job.status).strip().splitlines()[-1].strip()
    return reason if reason.startswith(job.status) else f"{job.status}: {reason}"


def _tables(comparison: Comparison) -> list[tuple[list[str], list[list[str]]]]:
    """Header and rows, as shown, of the jobs and, where the seed was swept, of the groups."""
    header = columns(comparison)
    rows = [
        [_shown(column, _cell(comparison, job, column)) for column in header]
        for job in comparison.jobs
    ]
    special = boolean_cost.tables(comparison) + encoding_table.tables(comparison)
    return [(header, rows), *_over_seeds(comparison), *special]


def _over_seeds(comparison: Comparison) -> list[tuple[list[str], list[list[str]]]]:
    """Where the seed was swept, header and rows: one for the chosen metric of each group.

    Where all jobs are tested, a group has a row for each metric of the test, too.
    """
    if "seed" not in comparison.swept:
        return []
    keys = [key for key in comparison.swept if key != "seed"]

    def cells(group: Group, name: str, i: Interval) -> list[str]:
        settings = [_setting(group.settings, key) or "-" for key in keys]
        spread = [metric(name, v) if math.isfinite(v) else "-" for v in (i.std, i.half_width)]
        return [*settings, group.seeds, name, metric(name, i.mean), *spread]

    header = [*keys, "seeds", "metric", "mean", "± sd", "± 95 % interval"]
    rows = []
    for group in comparison.groups():
        found = {f"{name}/test": interval for name, interval in group.tests.items()}
        if "validation" in group.intervals:
            found = {comparison.key: group.intervals["validation"]} | found
        rows += [cells(group, name, interval) for name, interval in found.items()]
    return [(header, rows)] if rows else []


def _cell(comparison: Comparison, job: Job, column: str) -> Any:
    if column.endswith("/test"):
        return (comparison.test_of(job) or {}).get(column.removesuffix("/test"))
    if column.startswith("last "):
        return job.last(column.removeprefix("last "))
    own = {
        "parameters": job.parameters,
        "epochs": len(job.history),
        "best epoch": None if job.best is None else int(job.best["epoch"]),
        "seconds": job.seconds,
        # A job that ended early on purpose has finished, too.
        "status": job.reason if job.finished and job.reason else job.status,
        "folder": job.run.folder,
    }
    if column in own:
        return own[column]
    return (job.best or {}).get(column, _setting(job.settings, column))


def _setting(settings: dict[str, Any], key: str) -> str | None:
    return format_value(settings[key]) if key in settings else None


def _shown(column: str, value: Any) -> str:
    if value is None:
        return "-"
    if "/" in column:
        return metric(column.removeprefix("last "), value)
    formats = {"seconds": ".1f", "parameters": ","}
    return format(value, formats.get(column, ""))
