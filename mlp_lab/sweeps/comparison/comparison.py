"""Compare many runs: in which keys they differ, what they reach, which one is chosen."""

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mlp_lab.config.metrics import SIGN, best_row, get_metric
from mlp_lab.config.names import EPOCH_SPLITS
from mlp_lab.errors import UserError
from mlp_lab.storage.folders import not_a_folder
from mlp_lab.storage.results import Evaluation, Result, Status
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.sweeps.comparison.differences import differences, flat_config, label_of
from mlp_lab.sweeps.comparison.option_names import with_option_names
from mlp_lab.sweeps.comparison.problems import problems

# 97.5 % quantiles of Student's t distribution for 1, 2, ... degrees of freedom. scipy has them, but
# nothing else here needs scipy.
_T = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip

#: Keys in which repeated runs differ. Their results are averaged.
REPEATED = ("seed", "data.fold")

Row = dict[str, float]
Table = tuple[list[str], list[list[str]]]  # header and rows


@dataclass(frozen=True)
class ComparedRun:
    """One run of a comparison.

    Attributes:
        run: run folder.
        config: flat config; see ``flat_config``.
        settings: dotted keys in which the runs differ, and their values in this one.
        label: the settings in short; the folder's name if there are none.
        problem: label of the data, if the runs learn different ones; see ``problems``.
        history: one row per epoch, without values that are not finite.
        best: row with the best value of the metric on validation data, if any.
        result: content of its ``result.json``.
        seconds: wall time of its epochs; for a member of a stack, that of the whole stack.
    """

    run: RunFolder
    config: dict[str, Any]
    settings: dict[str, Any]
    label: str
    problem: str
    history: list[Row]
    best: Row | None
    result: Result
    seconds: float

    @property
    def repetition(self) -> tuple[Any, ...]:
        """The seed and the fold of the run."""
        return tuple(self.config.get(key) for key in REPEATED)

    def last(self, key: str) -> float | None:
        """Return a value of the last epoch, which need not be the best one."""
        return self.history[-1].get(key) if self.history else None

    @property
    def tests(self) -> list[Evaluation]:
        """All evaluations on the test set."""
        return [entry for entry in self.result.evaluations if entry.split == "test"]

    @property
    def test(self) -> Evaluation | None:
        """First evaluation of the best epoch on the test set, if there is one."""
        return self._test_after((self.best or {}).get("epoch"))

    @property
    def last_test(self) -> Evaluation | None:
        """First evaluation of the last epoch on the test set, if there is one."""
        return self._test_after(self.last("epoch"))

    @property
    def finished(self) -> bool:
        """Whether it trained to its end, or ended early as configured."""
        return self.result.status is Status.FINISHED

    def _test_after(self, epoch: float | None) -> Evaluation | None:
        return next((entry for entry in self.tests if entry.epoch == epoch), None)


@dataclass(frozen=True)
class Interval:
    """Mean, standard deviation and half the 95 % confidence interval of the mean over n values."""

    n: int
    mean: float
    std: float
    half_width: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Interval":
        """Return Student's interval; std and half_width are nan for one or infinite values."""
        n = len(values)
        if n == 1 or not all(map(math.isfinite, values)):
            return cls(n, sum(values) / n, math.nan, math.nan)
        std = statistics.stdev(values)
        # Beyond the table, two terms of the expansion in 1 / (degrees of freedom) suffice.
        t = _T[n - 2] if n - 2 < len(_T) else 1.96 + 2.37 / (n - 1)
        return cls(n, statistics.fmean(values), std, t * std / math.sqrt(n))


@dataclass(frozen=True)
class RunGroup:
    """Runs that differ only in the seed and the fold.

    Attributes:
        settings: keys in which groups differ, and their values in this one.
        label: the settings in short; empty if there are none.
        jobs: the finished runs, at least one, best first.
        started: number of runs, including unfinished ones.
        intervals: by split, over the metric in the best epochs of ``jobs``, if they have any.
        tests: by metric, over the values on the test set, if each run is tested.
    """

    settings: dict[str, Any]
    label: str
    jobs: list[ComparedRun]
    started: int
    intervals: dict[str, Interval]
    tests: dict[str, Interval]

    @property
    def count(self) -> str:
        """Number of finished runs: ``3``, or ``2 of 3`` if not all finished."""
        n = len(self.jobs)
        return str(n) if n == self.started else f"{n} of {self.started}"

    def last(self, key: str) -> Interval | None:
        """Return the interval over a column's last values; None if a run has none."""
        values = [job.last(key) for job in self.jobs]
        known = [value for value in values if value is not None]
        return Interval.of(known) if len(known) == len(values) else None

    def curve(self, key: str) -> np.ndarray:
        """Return epoch, mean, standard deviation and number of runs of a column: ``[4, epochs]``.

        Runs that ended before an epoch do not count for it. The deviation is nan for a single run.
        """
        by_epoch: dict[float, list[float]] = defaultdict(list)
        for job in self.jobs:
            for row in job.history:
                if key in row:
                    by_epoch[row["epoch"]].append(row[key])
        rows = [
            (epoch, statistics.fmean(values), _deviation(values), len(values))
            for epoch, values in sorted(by_epoch.items())
        ]
        return np.array(rows).reshape(-1, 4).T

    def curves(self, key: str) -> list[np.ndarray]:
        """Return epochs and values of a column of the history of each run: ``[2, epochs]``."""
        return [
            np.array([(row["epoch"], row[key]) for row in job.history if key in row]).T
            for job in self.jobs
            if any(key in row for row in job.history)
        ]


class Comparison:
    """Runs in the order of ``<metric>/validation``, finished ones first.

    An unfinished run is never chosen and in no mean, since its final values are unknown. Runs on
    different problems are in groups, and none of them is chosen.

    Args:
        runs: at least one run.
        metric: the metric that is compared; None: ``select.metric`` of the runs, or ``loss`` if
            they differ.
        mode: ``min`` or ``max``: which values are better; None: the direction of the metric.

    Attributes:
        jobs: the runs, best first within each problem.
        problems: labels of the problems, in the order of the jobs; one is empty.
        swept: keys in which the runs differ.
        tested: the value of ``sweep.test`` that all runs share. ``chosen``: the test set is only
            for the chosen run; ``each``: for the best epoch of each run; ``last``: for the last
            epoch of each run, and no run is chosen.
    """

    def __init__(
        self, runs: Sequence[RunFolder], metric: str | None = None, mode: str | None = None
    ) -> None:
        configs = [flat_config(run) for run in runs]
        selected = {str(config.get("select.metric", "loss")) for config in configs}
        metric = metric or (selected.pop() if len(selected) == 1 else "loss")
        self.metric = metric
        self.key = f"{metric}/validation"
        self.mode = mode or get_metric(metric).direction
        tested = {config.get("sweep.test") for config in configs}
        self.tested = str(tested.pop()) if len(tested) == 1 else "chosen"
        named = with_option_names(runs, configs)
        self.swept, settings = differences(runs, named)
        labels = problems(named, metric)
        self.problems = list(dict.fromkeys(labels))
        each = zip(runs, configs, settings, labels, strict=True)
        jobs = [self._compared(*arguments) for arguments in each]
        logged = {k for job in jobs for row in job.history for k in row if "/validation" in k}
        if logged and self.key not in logged:
            known = sorted(k.removesuffix("/validation") for k in logged)
            raise UserError(f"metric={metric}: no run has it (these are there: {', '.join(known)})")
        self.jobs = sorted(jobs, key=self._rank)

    @property
    def chosen(self) -> ComparedRun | None:
        """The finished run with the best value on validation data.

        None if no run finished, if there are no validation data, if the runs learn different
        problems, or with ``sweep.test=last``.
        """
        return self.best_jobs[0] if self.best_jobs and len(self.problems) == 1 else None

    @property
    def repetitions(self) -> str:
        """What the repeated runs of a group are: ``seeds``, ``folds``, or ``runs`` for both."""
        swept = [key for key in REPEATED if key in self.swept]
        return {"seed": "seeds", "data.fold": "folds"}[swept[0]] if len(swept) == 1 else "runs"

    @property
    def best_jobs(self) -> list[ComparedRun]:
        """The finished run with the best value on validation data of each problem, if any."""
        firsts: dict[str, ComparedRun] = {}
        for job in self.jobs:
            firsts.setdefault(job.problem, job)
        known = [job for job in firsts.values() if job.finished and job.best is not None]
        return [] if self.tested == "last" else known

    def test_of(self, job: ComparedRun) -> Evaluation | None:
        """Return the relevant evaluation of a run on the test set, if there is one.

        This is the evaluation of the last epoch for ``sweep.test=last`` and for runs without
        validation data (``data.refit=true``), otherwise that of the best epoch.
        """
        return job.last_test if self.tested == "last" or job.best is None else job.test

    def test_metrics(self, job: ComparedRun) -> Mapping[str, float]:
        """Return the metrics of ``test_of``; none if the run was not tested."""
        test = self.test_of(job)
        return {} if test is None else test.metrics

    def read_tests(self) -> None:
        """Read the results again, after evaluations on the test set were added."""
        self.jobs = [replace(job, result=job.run.result) for job in self.jobs]

    def groups(self) -> list[RunGroup]:
        """Return groups of runs that differ only in ``REPEATED``; best mean first within a problem.

        A group has one run of each seed and fold: of equal runs the one that was started last.
        There is no group of runs of which none finished.
        """
        members: dict[str, list[ComparedRun]] = defaultdict(list)
        for job in self.jobs:
            members[label_of(_without_repeated(job.settings), self.swept)].append(job)
        groups = [
            RunGroup(
                _without_repeated(jobs[0].settings),
                label,
                finished,
                len({job.repetition for job in jobs}),
                self._intervals(finished),
                self._tests(finished),
            )
            for label, jobs in members.items()
            if (finished := _one_per_repetition(jobs))
        ]
        return sorted(groups, key=self._place)

    def _intervals(self, jobs: Sequence[ComparedRun]) -> dict[str, Interval]:
        keys = {split: f"{self.metric}/{split}" for split in EPOCH_SPLITS}
        reached = {
            split: [job.best[key] for job in jobs if job.best and key in job.best]
            for split, key in keys.items()
        }
        return {split: Interval.of(values) for split, values in reached.items() if values}

    def _tests(self, jobs: Sequence[ComparedRun]) -> dict[str, Interval]:
        if self.tested == "chosen":
            return {}
        tests = [self.test_metrics(job) for job in jobs]
        names = [name for name in tests[0] if all(name in test for test in tests)]
        return {name: Interval.of([test[name] for test in tests]) for name in names}

    def _compared(
        self, run: RunFolder, config: dict[str, Any], settings: dict[str, Any], problem: str
    ) -> ComparedRun:
        rows = run.history
        history = [{k: v for k, v in row.items() if math.isfinite(v)} for row in rows]
        best = best_row(rows, self.key, self.mode)
        return ComparedRun(
            run,
            config,
            settings,
            label_of(settings, self.swept) or run.folder.name,
            problem,
            history,
            best,
            run.result,
            sum(row.get("seconds", 0.0) for row in history),
        )

    def _place(self, group: RunGroup) -> tuple[int, float]:
        interval = group.intervals.get("validation")
        known = interval is not None and not math.isnan(interval.mean)  # of inf and -inf
        value = SIGN[self.mode] * interval.mean if interval and known else math.inf
        return self.problems.index(group.jobs[0].problem), value

    def _rank(self, job: ComparedRun) -> tuple[int, bool, bool, float, str]:
        value = math.inf if job.best is None else SIGN[self.mode] * job.best[self.key]
        place = self.problems.index(job.problem)
        return place, not job.finished, job.best is None, value, str(job.run.folder)


def _deviation(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else math.nan


def find_runs(places: Sequence[str]) -> list[RunFolder]:
    """Return all runs in and below the given folders. Raises UserError if a folder has none."""
    folders: dict[Path, Path] = {}
    for place in places:
        if not Path(place).is_dir():
            raise not_a_folder(place, "not a folder")
        inside = sorted(path.parent for path in Path(place).rglob("config.yaml"))
        if not inside:
            raise UserError(f"{place}: no runs in this folder")
        for folder in inside:
            folders.setdefault(folder.resolve(), folder)
    return [RunFolder(folder) for folder in folders.values()]


def _one_per_repetition(jobs: Sequence[ComparedRun]) -> list[ComparedRun]:
    """Return the finished runs, only the latest of each seed and fold."""
    finished = [job for job in jobs if job.finished]
    latest = {job.repetition: job for job in sorted(finished, key=lambda job: job.run.folder.name)}
    return [job for job in finished if latest[job.repetition] is job]


def _without_repeated(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key not in REPEATED}
