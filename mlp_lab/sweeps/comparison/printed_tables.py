"""Tables that fit into a terminal; ``summary.csv`` has all rows and columns."""

import os
import re
from collections.abc import Sequence
from itertools import groupby

from mlp_lab import formatting
from mlp_lab.storage.sweep_folder import SweepFolder
from mlp_lab.sweeps.comparison.compared_run import ComparedRun
from mlp_lab.sweeps.comparison.comparison import Comparison, Table
from mlp_lab.sweeps.comparison.differences import short_names

MOST_ROWS = 40
_WIDTH = 100


def printed_jobs(comparison: Comparison, jobs: Table) -> tuple[Table, list[str]]:
    """Return the table of jobs for a terminal, and a note on what it omits.

    The first column identifies the run: the number of a sweep's job, or the name of the folder. The
    least important columns are omitted if they do not fit. Of many jobs, the best of each problem
    are shown.

    Args:
        comparison: the comparison.
        jobs: the table with all jobs and columns.
    """
    header, rows = jobs
    names = run_names(comparison.jobs)
    per_problem = max(1, MOST_ROWS // len(comparison.problems))
    places: Sequence[int] = range(len(rows))
    if len(rows) > MOST_ROWS:
        by_problem = groupby(places, key=lambda place: comparison.jobs[place].problem)
        places = [place for _, group in by_problem for place in list(group)[:per_problem]]
    short = short_names(comparison.swept)
    titles = [short.get(title, title) for title in ("run", *header)]
    importance = [short.get(title, title) for title in _importance(comparison, header)]
    shown = [[names[place], *rows[place]] for place in places]
    return _fitting((titles, shown), importance), _note(len(rows) - len(shown))


def limited(table: Table) -> tuple[Table, list[str]]:
    """Return a table with its first rows, and a note on the number of the others."""
    header, rows = table
    return (header, rows[:MOST_ROWS]), _note(len(rows) - MOST_ROWS)


def run_names(jobs: Sequence[ComparedRun]) -> list[str]:
    """Return a name of each run: its path below the common folder, or its number in a sweep."""
    folders = [str(job.run.folder.parent) for job in jobs]
    common = os.path.commonpath([os.path.abspath(folder) for folder in folders])
    names = []
    for job, folder in zip(jobs, folders, strict=True):
        path = os.path.relpath(os.path.abspath(folder), common)
        number = re.match(r"\d+(?=_|$)", job.run.folder.name)
        name = number[0] if number and SweepFolder.is_sweep(folder) else job.run.folder.name
        names.append(name if path == os.curdir else os.path.join(path, name))
    return names


def _importance(comparison: Comparison, header: Sequence[str]) -> list[str]:
    """Return the columns in the order in which they may be omitted: the last ones first."""
    metric = comparison.metric
    first = ["run", *comparison.swept, comparison.key, f"{metric}/test", "best epoch", "parameters"]
    # A job that ended early has a reason.
    ended = ["status"] if any(j.result.reason or not j.finished for j in comparison.jobs) else []
    first += [*ended, f"{metric}/train", f"last {metric}/train"]
    validation = [column for column in header if column.endswith(("/validation", "/test"))]
    ordered = dict.fromkeys([*first, *validation, "seconds", *header])
    return [column for column in ordered if column in ("run", *header)]


def _fitting(table: Table, importance: Sequence[str]) -> Table:
    """Return the table with the most important columns that fit into the width together."""
    header, rows = table
    for count in range(len(importance), 0, -1):
        places = [place for place, title in enumerate(header) if title in importance[:count]]
        table = [header[p] for p in places], [[row[p] for p in places] for row in rows]
        if max(map(len, formatting.table(*table).splitlines())) <= _WIDTH:
            break
    return table


def _note(omitted: int) -> list[str]:
    return [f"  and {omitted} more rows, see summary.csv"] if omitted > 0 else []
