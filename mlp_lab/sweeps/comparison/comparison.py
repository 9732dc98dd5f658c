"""Compare many runs: in which keys they differ, what they reach, which one is chosen."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlp_lab.config.metrics import SIGN, best_row, get_metric
from mlp_lab.config.names import EPOCH_SPLITS
from mlp_lab.errors import UserError
from mlp_lab.storage.folders import not_a_folder
from mlp_lab.storage.results import Evaluation
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.storage.sweep_folder import SweepFolder
from mlp_lab.sweeps.comparison.compared_run import REPEATED, ComparedRun
from mlp_lab.sweeps.comparison.differences import differences, flat_config, label_of
from mlp_lab.sweeps.comparison.option_names import with_option_names
from mlp_lab.sweeps.comparison.problems import problems
from mlp_lab.sweeps.comparison.run_group import Interval, RunGroup

Table = tuple[list[str], list[list[str]]]  # header and rows


class Comparison:
    """Runs in the order of ``<metric>/validation``, finished ones first.

    An unfinished run is never chosen and in no mean, since its final values are unknown. Runs on
    different problems are in groups, and none of them is chosen.

    Args:
        runs: at least one run.
        metric: the metric that is compared; None: ``select.metric`` of the runs, or ``loss`` if
            they differ.
        mode: ``min`` or ``max``: which values are better; None: ``select.mode`` of the runs if all
            of them select by the metric, otherwise the direction of the metric.

    Attributes:
        jobs: the runs, best first within each problem.
        problems: labels of the problems, in the order of the jobs; one is empty.
        swept: keys in which the runs differ.
        tested: the value of ``sweep.test`` that all runs share. ``chosen``: the test set is only
            for the chosen run; ``problems``: for the best run of each problem; ``each``: for the
            best epoch of each run; ``last``: for the last epoch of each run, and no run is chosen;
            ``none``: for no run.
    """

    def __init__(
        self, runs: Sequence[RunFolder], metric: str | None = None, mode: str | None = None
    ) -> None:
        configs = [flat_config(run) for run in runs]
        selections = {
            (str(config.get("select.metric", "loss")), str(config.get("select.mode", "min")))
            for config in configs
        }
        metrics = {name for name, _ in selections}
        metric = metric or (metrics.pop() if len(metrics) == 1 else "loss")
        self.metric = metric
        self.key = f"{metric}/validation"
        self.mode = mode or _common_mode(selections, metric) or get_metric(metric).direction
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
    def all_tested(self) -> bool:
        """Whether the test set is for each run."""
        return self.tested in ("each", "last")

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
        if not self.all_tested:
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


def _common_mode(selections: set[tuple[str, str]], metric: str) -> str | None:
    """Return ``select.mode`` if all runs select by a metric in the same direction, else None."""
    [(selected, mode), *others] = selections
    return mode if selected == metric and not others else None


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
    latest = {job.repetition: job for job in sorted(finished, key=_started)}
    return [job for job in finished if latest[job.repetition] is job]


def _started(job: ComparedRun) -> str:
    """Return the name of the folder of a run, or of its sweep, which begins with the start time."""
    folder = job.run.folder
    return folder.parent.name if SweepFolder.is_sweep(folder.parent) else folder.name


def _without_repeated(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key not in REPEATED}
