"""Many runs side by side: what they differ in, what came out, which one to choose."""

import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlp_lab.config.names import EPOCH_SPLITS
from mlp_lab.errors import UserError
from mlp_lab.storage.run_folder import SIGN, Run, best_row, metrics_of
from mlp_lab.sweeps.comparison.differences import differences, label_of, settings_of

# 97.5 % quantiles of Student's t distribution for 1, 2, ... degrees of freedom.
_T = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip

Row = dict[str, float]


@dataclass(frozen=True)
class Job:
    """One run of a comparison.

    Attributes:
        run: its folder.
        settings: what it differs in from the other runs: dotted keys and their values.
        label: the same in short; the folder's name where it is nothing.
        history: a row an epoch, without what isn't finite.
        best: the row with the best value of the chosen metric on validation data, if any.
        status: ``finished``, ``interrupted``, ``diverged``, ``failed`` or ``unfinished``.
        reason: why it did not finish, or ended early.
        parameters: of its network; None where that isn't known.
        seconds: of wall time for its epochs; jobs of a stack bear the time of the whole stack.
        tests: evaluations on the test set.
    """

    run: Run
    settings: dict[str, Any]
    label: str
    history: list[Row]
    best: Row | None
    status: str
    reason: str | None
    parameters: int | None
    seconds: float
    tests: list[dict[str, Any]]

    def last(self, key: str) -> float | None:
        """A column of the history in its last row: where the training ended, chosen or not."""
        return self.history[-1].get(key) if self.history else None

    @property
    def test(self) -> dict[str, Any] | None:
        """The first evaluation of the best epoch on the test set, if there is one."""
        return self._test_after((self.best or {}).get("epoch"))

    @property
    def last_test(self) -> dict[str, Any] | None:
        """The first evaluation of the last epoch on the test set, if there is one."""
        return self._test_after(self.last("epoch"))

    @property
    def finished(self) -> bool:
        """Whether it trained to its end, be it an early one."""
        return self.status == "finished"

    def _test_after(self, epoch: float | None) -> dict[str, Any] | None:
        return next((entry for entry in self.tests if entry["epoch"] == epoch), None)


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
        # The second term of the quantile's expansion in 1 / (degrees of freedom) suffices there.
        t = _T[n - 2] if n - 2 < len(_T) else 1.96 + 2.37 / (n - 1)
        return cls(n, statistics.fmean(values), std, t * std / math.sqrt(n))


@dataclass(frozen=True)
class Group:
    """Jobs that differ in nothing but the seed.

    Attributes:
        settings: what sets them apart from other groups.
        label: the same in short; empty where it is nothing.
        jobs: those that finished, at least one, best first.
        begun: how many there are with those that didn't finish.
        intervals: by split, of what ``jobs`` reach in their best epochs, if they have such.
        tests: by metric, of what they reach on the test set, where each one is tested.
    """

    settings: dict[str, Any]
    label: str
    jobs: list[Job]
    begun: int
    intervals: dict[str, Interval]
    tests: dict[str, Interval]

    @property
    def seeds(self) -> str:
        """How many jobs finished: ``3``, or ``2 of 3`` where a mean is one over the survivors."""
        n = len(self.jobs)
        return str(n) if n == self.begun else f"{n} of {self.begun}"

    def last(self, key: str) -> float:
        """The mean of a column's last values; nan where a job has none."""
        values = (job.last(key) for job in self.jobs)
        return statistics.fmean(math.nan if value is None else value for value in values)

    def curve(self, key: str) -> np.ndarray:
        """Epoch, mean and standard deviation of a column of the history: ``[3, epochs]``.

        Only epochs that all jobs have: a mean over those that go on would be one over others.
        The deviation is nan for a single job.
        """
        columns = [{row["epoch"]: row[key] for row in j.history if key in row} for j in self.jobs]
        epochs = sorted(set.intersection(*map(set, columns)))
        values = np.array([[column[epoch] for epoch in epochs] for column in columns])
        spread = values.std(0, ddof=1) if len(values) > 1 else np.full(len(epochs), np.nan)
        return np.stack([np.array(epochs), values.mean(0), spread])


class Comparison:
    """Runs: those that finished, best first by ``<metric>/validation``, then the others alike.

    A job that didn't finish is never chosen and in no mean: what it reached so far says nothing
    of where it would have ended.

    Args:
        runs: at least one.
        metric: what is compared, such as ``loss``.
        mode: ``min`` or ``max``: which values are better.

    Attributes:
        tested: what all runs say as ``sweep.test``: whether the test set is for the ``chosen`` one
            alone, for the best epoch of ``each`` or for the ``last`` epoch of each, where none of
            them is chosen.
    """

    def __init__(self, runs: Sequence[Run], metric: str = "loss", mode: str = "min") -> None:
        self.metric = metric
        self.key = f"{metric}/validation"
        self.mode = mode
        configs = [settings_of(run) for run in runs]
        said = {config.get("sweep.test") for config in configs}
        self.tested = str(said.pop()) if len(said) == 1 else "chosen"
        self.swept, settings = differences(runs, configs)
        jobs = [self._job(run, own) for run, own in zip(runs, settings, strict=True)]
        logged = {k for job in jobs for row in job.history for k in row if "/validation" in k}
        if logged and self.key not in logged:
            known = sorted(k.removesuffix("/validation") for k in logged)
            raise UserError(f"metric={metric}: no run has it (these are there: {', '.join(known)})")
        self.jobs = sorted(jobs, key=self._rank)

    @property
    def chosen(self) -> Job | None:
        """The finished job and, in its ``best``, the epoch with the best value on validation data.

        None if no job finished, none is to be chosen, or there is nothing to choose by.
        """
        first = self.jobs[0]
        there = first.finished and first.best is not None
        return first if there and self.tested != "last" else None

    def test_of(self, job: Job) -> dict[str, Any] | None:
        """The evaluation on the test set that counts for a job, if there is one.

        Where nothing was left to choose (``data.refit=true``) the last epoch counts.
        """
        return job.last_test if self.tested == "last" or job.best is None else job.test

    def groups(self) -> list[Group]:
        """Jobs that differ in nothing but the seed, together; best first by their mean.

        Those of which none finished are in no group.
        """
        members: dict[str, list[Job]] = defaultdict(list)
        for job in self.jobs:
            members[label_of(_without_seed(job.settings), self.swept)].append(job)
        groups = [
            Group(
                _without_seed(jobs[0].settings),
                label,
                finished,
                len(jobs),
                self._intervals(finished),
                self._tests(finished),
            )
            for label, jobs in members.items()
            if (finished := [job for job in jobs if job.finished])
        ]
        return sorted(groups, key=self._place)

    def _intervals(self, jobs: Sequence[Job]) -> dict[str, Interval]:
        keys = {split: f"{self.metric}/{split}" for split in EPOCH_SPLITS}
        reached = {
            split: [job.best[key] for job in jobs if job.best and key in job.best]
            for split, key in keys.items()
        }
        return {split: Interval.of(values) for split, values in reached.items() if values}

    def _tests(self, jobs: Sequence[Job]) -> dict[str, Interval]:
        if self.tested == "chosen":
            return {}
        found = [metrics_of(self.test_of(job) or {}) for job in jobs]
        return {name: Interval.of([own[name] for own in found]) for name in _common(found)}

    def _job(self, run: Run, settings: dict[str, Any]) -> Job:
        history = [{k: v for k, v in row.items() if math.isfinite(v)} for row in run.history]
        result = run.result
        return Job(
            run,
            settings,
            label_of(settings, self.swept) or run.folder.name,
            history,
            best_row(history, self.key, self.mode),
            result.get("status", "unfinished"),
            result.get("reason"),
            result.get("parameters") or None,  # a job that failed has none
            sum(row.get("seconds", 0.0) for row in history),
            [entry for entry in result.get("evaluations", []) if entry["split"] == "test"],
        )

    def _place(self, group: Group) -> float:
        reached = group.intervals.get("validation")
        return math.inf if reached is None else SIGN[self.mode] * reached.mean

    def _rank(self, job: Job) -> tuple[bool, float, str]:
        value = math.inf if job.best is None else SIGN[self.mode] * job.best[self.key]
        return not job.finished, value, str(job.run.folder)


def find_runs(places: Sequence[str]) -> list[Run]:
    """All runs in and below the given folders. Raises UserError if there are none in one."""
    found: dict[Path, Path] = {}
    for place in places:
        if not Path(place).is_dir():
            raise UserError(f"{place}: no such folder")
        inside = sorted(path.parent for path in Path(place).rglob("config.yaml"))
        if not inside:
            raise UserError(f"{place}: no runs in this folder")
        for folder in inside:
            found.setdefault(folder.resolve(), folder)
    return [Run(folder) for folder in found.values()]


def _common(found: Sequence[Row]) -> list[str]:
    """The keys that all have."""
    return [key for key in found[0] if all(key in own for own in found)]


def _without_seed(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key != "seed"}
