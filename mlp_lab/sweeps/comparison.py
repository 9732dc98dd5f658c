"""Many runs side by side: what they differ in, what came out, which one to choose."""

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from mlp_lab.errors import UserError
from mlp_lab.runs import SIGN, Run, best_row

# 97.5 % quantiles of Student's t distribution for 1, 2, ... degrees of freedom.
_T = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip

# Keys that say where and how a run runs, not what is learnt.
_ASIDE = ("logs", "resume", "threads", "data.root", "callbacks", "logger", "select")


@dataclass(frozen=True)
class Job:
    """One run of a comparison.

    Attributes:
        run: its folder.
        settings: what it differs in from the other runs: dotted keys and their values.
        history: a row an epoch.
        best: the row with the best value of the chosen metric on validation data, if any.
        status: ``finished``, ``interrupted``, ``diverged`` or ``unfinished``.
        seconds: of wall time for its epochs.
    """

    run: Run
    settings: dict[str, Any]
    history: list[dict[str, float]]
    best: dict[str, float] | None
    status: str
    seconds: float

    @property
    def label(self) -> str:
        """What the job differs in, in short; the folder's name where it is nothing."""
        parts = (f"{key.rpartition('.')[2]}={value}" for key, value in self.settings.items())
        return " ".join(parts) or self.run.folder.name


@dataclass(frozen=True)
class Interval:
    """Mean, standard deviation and half the 95 % confidence interval of the mean over n values."""

    n: int
    mean: float
    std: float
    half_width: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Interval":
        """Student's interval; std and half_width are nan for a single value."""
        n = len(values)
        if n == 1:
            return cls(1, values[0], math.nan, math.nan)
        std = statistics.stdev(values)
        t = _T[n - 2] if n - 2 < len(_T) else 1.96
        return cls(n, statistics.fmean(values), std, t * std / math.sqrt(n))


class Comparison:
    """Runs, best first by ``<metric>/validation``.

    Args:
        runs: at least one.
        metric: what is compared, such as ``loss``.
        mode: ``min`` or ``max``: which values are better.
    """

    def __init__(self, runs: Sequence[Run], metric: str = "loss", mode: str = "min") -> None:
        self.metric = metric
        self.key = f"{metric}/validation"
        self.sign = SIGN[mode]
        settings = _differences([run.config for run in runs])
        jobs = [self._job(run, own, mode) for run, own in zip(runs, settings, strict=True)]
        if not any(self.key in row for job in jobs for row in job.history):
            logged = {k for job in jobs for row in job.history for k in row}
            known = sorted(k.removesuffix("/validation") for k in logged if "/validation" in k)
            raise UserError(
                f"metric={metric}: no run has it (these are there: {', '.join(known) or 'none'})"
            )
        self.jobs = sorted(jobs, key=self._rank)
        self.swept = list(self.jobs[0].settings)

    @property
    def chosen(self) -> Job:
        """The job and, in its ``best``, the epoch with the best value on validation data."""
        return self.jobs[0]

    def over_seeds(self) -> list[tuple[dict[str, Any], Interval]]:
        """The metric's best validation values over jobs that differ in nothing but the seed."""
        groups: dict[tuple[tuple[str, str], ...], list[Job]] = defaultdict(list)
        for job in self.jobs:
            if job.best is not None:
                rest = {k: v for k, v in job.settings.items() if k != "seed"}
                groups[tuple((k, str(v)) for k, v in rest.items())].append(job)
        rows = [
            (
                {k: v for k, v in members[0].settings.items() if k != "seed"},
                Interval.of([job.best[self.key] for job in members if job.best]),
            )
            for members in groups.values()
        ]
        return sorted(rows, key=lambda row: self.sign * row[1].mean)

    def _job(self, run: Run, settings: dict[str, Any], mode: str) -> Job:
        history = run.history
        best = best_row(history, self.key, mode)
        seconds = sum(row["seconds"] for row in history)
        return Job(run, settings, history, best, run.result.get("status", "unfinished"), seconds)

    def _rank(self, job: Job) -> tuple[float, str]:
        value = math.inf if job.best is None else self.sign * job.best[self.key]
        return value, str(job.run.folder)


def find_runs(places: Sequence[str]) -> list[Run]:
    """All runs in and below the given folders. Raises UserError if there are none in one."""
    found: dict[Path, None] = {}
    for place in places:
        if not Path(place).is_dir():
            raise UserError(f"{place}: no such folder")
        inside = sorted(path.parent for path in Path(place).rglob("config.yaml"))
        if not inside:
            raise UserError(f"{place}: no runs in this folder")
        found |= dict.fromkeys(inside)
    return [Run(folder) for folder in found]


def _differences(configs: Sequence[DictConfig]) -> list[dict[str, Any]]:
    """For each config its own values of the keys in which the configs differ."""
    flat = [_flat(config) for config in configs]
    keys = dict.fromkeys(key for values in flat for key in values)
    differ = [k for k in keys if len({str(values.get(k)) for values in flat}) > 1]
    return [{key: values.get(key) for key in differ} for values in flat]


def _flat(node: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted keys and their values; a choice goes by its class's name."""
    values: dict[str, Any] = {}
    for key, value in node.items():
        dotted = f"{prefix}{key}"
        if dotted in _ASIDE:
            continue
        if isinstance(value, Mapping):
            values |= _flat(value, f"{dotted}.")
        elif key == "_target_":
            values[prefix.rstrip(".")] = str(value).rpartition(".")[2]
        else:
            values[dotted] = value
    return values
