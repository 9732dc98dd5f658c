"""The numbers of the READMEs: the commands that reproduce them, and the values they reach."""

import math
import re
import shlex
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mlp_lab.config.command_line import interpreter_command, override
from mlp_lab.config.metrics import get_metric
from mlp_lab.config.suggestions import check_names
from mlp_lab.errors import UserError
from mlp_lab.storage.records import read_json
from mlp_lab.sweeps.comparison.compared_run import ComparedRun
from mlp_lab.sweeps.comparison.comparison import Comparison, find_runs

_FILE = Path(__file__).with_name("reproductions.yaml")
# Column of the error of the ensemble of a sweep's jobs.
_ENSEMBLE = "ensemble error/test"
# An argument whose value is the folder of another reproduction's sweep.
_SWEEP_ARGUMENT = re.compile(r"([\w.]+)=\{(\w+)\}")
_STATISTICS: dict[str, Callable[[list[float]], float]] = {
    "mean": statistics.fmean,
    "std": lambda values: statistics.stdev(values) if len(values) > 1 else math.nan,
    "min": min,
    "max": max,
}


@dataclass(frozen=True)
class Value:
    """A value that is computed from the runs of a command.

    Attributes:
        claim: what the value shows.
        column: column of a comparison: a metric of the best epoch or of a test, ``last <metric>``
            for the last epoch, ``parameters``, or ``ensemble error/test``.
        expected: the least and the largest value that agree with the claim.
        published: the published value as text; empty if there is none.
        where: settings of the runs that count. With ``sweep.test=problems``, only the best run of
            each problem counts. An ensemble consists of all runs.
        statistic: statistic over these runs, one of ``mean``, ``std``, ``min``, ``max``.
    """

    claim: str
    column: str
    expected: tuple[float, float]
    published: str = ""
    where: Mapping[str, Any] = field(default_factory=dict)
    statistic: str = "mean"

    def measure(self, comparison: Comparison) -> float:
        """Return the value, which must not be that of an ensemble.

        Raises:
            UserError: no run counts, or a run lacks the column.
        """
        counting = comparison.best_jobs if comparison.tested == "problems" else comparison.jobs
        jobs = [
            job
            for job in counting
            if all(job.config.get(key) == value for key, value in self.where.items())
        ]
        if not jobs:
            raise UserError(f"{self.claim}: there is no run with {dict(self.where)}")
        measured = [_column(comparison, job, self.column) for job in jobs]
        values = [value for value in measured if value is not None]
        if len(values) < len(jobs):
            raise UserError(f"{self.claim}: the runs lack {self.column}")
        return _STATISTICS[self.statistic](values)

    def agrees(self, value: float) -> bool:
        """Return whether a value agrees with the claim."""
        least, largest = self.expected
        return least <= value <= largest

    def text(self, value: float) -> str:
        """Return a value of the column as text."""
        if self.column == "parameters":
            return f"{value:,.0f}"
        return get_metric(self.column.removeprefix("last ").removeprefix("ensemble ")).text(value)


@dataclass(frozen=True)
class Reproduction:
    """A command and the values that it reproduces.

    Attributes:
        name: short name.
        source: where the claims come from.
        command: a command and its arguments, without the folder of the runs. In an argument
            ``key={name}``, the value is the folder of the sweep of the reproduction ``name``.
        minutes: about the time on two cores.
        quick: whether it belongs to those that take less than five minutes together.
        values: the values; none if the command itself fails when a claim does not hold.
    """

    name: str
    source: str
    command: str
    minutes: float
    quick: bool = False
    values: Sequence[Value] = ()

    @property
    def program(self) -> str:
        """The name of the command."""
        return self.command.partition(" ")[0]

    @property
    def arguments(self) -> str:
        """The arguments of the command."""
        return self.command.partition(" ")[2]

    def run(self, folder: Path) -> list[float]:
        """Run the command and return its values.

        Args:
            folder: folder of its runs and of its output, ``output.txt``, beside the folders of
                the other reproductions.

        Raises:
            UserError: the command failed, or another reproduction must run before it.
        """
        arguments = [_with_sweep(each, folder.parent) for each in shlex.split(self.arguments)]
        output = [override("logs", str(folder))] if self.values else ["--output", str(folder)]
        folder.mkdir(parents=True, exist_ok=True)
        _run(self.program, [*arguments, *output], folder / "output.txt")
        if not self.values:
            return []
        comparison = Comparison(find_runs([str(folder)]))
        return [
            _ensemble_error(comparison, folder / "ensemble.txt")
            if value.column == _ENSEMBLE
            else value.measure(comparison)
            for value in self.values
        ]


def reproductions() -> dict[str, Reproduction]:
    """Return all entries of ``reproductions.yaml`` by name."""
    entries = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return {name: _reproduction(name, **entry) for name, entry in entries.items()}


def chosen(names: Sequence[str], *, quick: bool) -> list[Reproduction]:
    """Return the reproductions with the given names; without names, all or the quick ones.

    Raises:
        UserError: there is no such reproduction.
    """
    known = reproductions()
    check_names(names, list(known), "reproduction")
    if names:
        return [known[name] for name in names]
    return [each for each in known.values() if each.quick or not quick]


def _reproduction(
    name: str, values: Sequence[Mapping[str, Any]] = (), **entry: Any
) -> Reproduction:
    return Reproduction(name, values=[Value(**value) for value in values], **entry)


def _with_sweep(argument: str, folder: Path) -> str:
    """Return an argument in which the folder of a sweep replaces the name of its reproduction.

    Args:
        argument: ``key={name}``, or any other argument, which is returned unchanged.
        folder: folder of the reproductions.

    Raises:
        UserError: the reproduction ``name`` has not been run.
    """
    if (match := _SWEEP_ARGUMENT.fullmatch(argument)) is None:
        return argument
    key, name = match.groups()
    try:
        job, *_ = find_runs([str(folder / name)])
    except UserError as error:
        raise UserError(f"needs the runs of {name}: reproduce it first") from error
    return override(key, str(job.folder.parent))


def _column(comparison: Comparison, job: ComparedRun, column: str) -> float | None:
    """Return a value of a run."""
    if column == "parameters":
        return job.result.parameters
    if column.startswith("last "):
        return job.last(column.removeprefix("last "))
    metric, _, split = column.partition("/")
    if split == "test":
        return comparison.test_metrics(job).get(metric)
    return (job.best or {}).get(column)


def _ensemble_error(comparison: Comparison, output: Path) -> float:
    """Evaluate the jobs of a sweep as an ensemble; return its test error."""
    sweep = comparison.jobs[0].run.folder.parent
    _run("evaluate", [override("run", str(sweep))], output)
    error: float = read_json(sweep / "ensemble.json")[-1]["error"]
    return error


def _run(program: str, arguments: Sequence[str], output: Path) -> None:
    """Run a command; write what it prints to a file. Raises UserError if it fails."""
    command = interpreter_command(program, arguments)
    with output.open("w", encoding="utf-8") as file:
        status = subprocess.run(command, stdout=file, stderr=file, check=False).returncode
    if status:
        last = output.read_text(encoding="utf-8").strip().splitlines()[-1:]
        raise UserError(f"exit status {status}: {''.join(last)}")
