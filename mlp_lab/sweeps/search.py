"""A search: trials that depend on the values of earlier ones, trained in batches.

``Search`` is a plugin of Hydra.
"""

import math
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import IntervalSweep, Override

from mlp_lab.errors import UserError
from mlp_lab.formatting import duration
from mlp_lab.sweeps.overrides import swept_values, text_of
from mlp_lab.sweeps.plan import SearchSpace
from mlp_lab.sweeps.sweeper import PlannedSweeper

if TYPE_CHECKING:  # Optuna is imported when a search starts, not with every sweep
    from optuna.distributions import BaseDistribution


class Search(PlannedSweeper):
    """``hydra/sweeper=search``: a search by Optuna that is stored in the sweep folder.

    ``choice(...)``, ``range(...)`` and ``interval(...)`` are searched, also as
    ``tag(log, interval(...))`` and ``int(interval(...))``. Values of ``seed`` are not searched: a
    trial trains one job per seed, and its value is the mean over these jobs. Job
    ``n * seeds + i`` is the i-th seed of trial n, so that a resumed search finds its jobs again.

    Args:
        n_trials: total number of trials, including those that the study contains already.
        n_jobs: number of trials that the launcher gets at a time.
        prune_after: number of epochs after which a trial may be pruned; None: never.
        seed: seed of the sampler.
        params: keys and what is searched, in addition to the command line; part of the plan.
    """

    def __init__(
        self, n_trials: int, n_jobs: int, prune_after: int | None, seed: int, params: dict[str, Any]
    ) -> None:
        self.n_trials = n_trials
        self.n_jobs = n_jobs
        self.prune_after = prune_after
        self.seed = seed

    def sweep(self, arguments: list[str]) -> None:
        """Train batches until there are ``n_trials`` trials, or no job of a batch has a value.

        The trials of such a batch, and of one that was stopped, are repeated when the sweep is
        resumed.
        """
        from mlp_lab.sweeps.study import STUDY_FILE, Study
        from mlp_lab.sweeps.study_journal import drop_incomplete_line

        assert self.runner.plan is not None
        space, mode = self.runner.plan.space, self.runner.plan.cfg.select.mode
        assert space is not None
        seeds = len(space.seeds)
        self.runner.jobs = self.n_trials * seeds
        drop_incomplete_line(self.runner.sweep.folder / STUDY_FILE)
        study = Study(self.runner.sweep.folder, mode, self.prune_after)
        started, is_first = time.monotonic(), True
        while trials := study.batch(space.distributions, self.n_jobs, self.n_trials, self.seed):
            jobs = [
                [
                    *space.fixed,
                    *(f"{key}={value}" for key, value in trial.params.items()),
                    *seed,
                    *self._pruning(trial.number, seeds),
                ]
                for trial in trials
                for seed in space.seeds
            ]
            if is_first:
                self.runner.ended = trials[0].number * seeds
            returns = self.launcher.launch(jobs, initial_job_idx=trials[0].number * seeds)
            values = [float(job.return_value) for job in returns]
            if self.runner.sweep.stopped or all(map(math.isnan, values)):
                return
            study.tell(_by_trial([trial.number for trial in trials], values))
            left = self.n_trials - trials[-1].number - 1
            if is_first and left > 0:
                seconds = time.monotonic() - started
                self.runner.announce(_remaining_time(len(trials), left, seeds, seconds))
            is_first = False

    def _pruning(self, trial: int, seeds: int) -> list[str]:
        """Return the override that adds the callback which reports to the trial."""
        if self.prune_after is None:
            return []
        target = "_target_:mlp_lab.sweeps.pruning.Pruning"
        return [
            f"+callbacks.pruning={{{target},trial:{trial},seeds:{seeds},after:{self.prune_after}}}"
        ]


def search_space(overrides: Mapping[str, Override]) -> SearchSpace:
    """Return the search space that overrides define.

    Raises UserError if nothing is searched, or if the seeds can't be listed.
    """
    fixed = [text_of(o) for o in overrides.values() if not o.is_sweep_override()]
    swept = {key: o for key, o in overrides.items() if o.is_sweep_override()}
    seed = swept.pop("seed", None)
    if not swept:
        raise UserError("a search needs a key to search, as in optimizer.lr=interval(0.1,1)")
    seeds = [[]] if seed is None else [[f"seed={value}"] for value in swept_values(seed)]
    return SearchSpace(fixed, seeds, {key: distribution(o) for key, o in swept.items()})


def distribution(override: Override) -> "BaseDistribution":
    """Return the distribution of a searched key. Raises UserError for a wrong interval."""
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    interval = override.value()
    if not isinstance(interval, IntervalSweep):
        return CategoricalDistribution(swept_values(override))
    low, high, log = interval.start, interval.end, "log" in interval.tags
    assert low is not None
    assert high is not None
    try:
        if isinstance(low, int) and isinstance(high, int):
            return IntDistribution(low, high, log=log)
        return FloatDistribution(low, high, log=log)
    except ValueError as error:
        raise UserError(f"{override.input_line}: {error}") from error


def _remaining_time(done: int, left: int, seeds: int, seconds: float) -> str:
    """Return a line on the time that a search will take, after its first batch.

    Args:
        done: number of trials of the batch.
        left: number of trials that remain.
        seeds: number of jobs of a trial.
        seconds: time that the batch took.
    """
    return (
        f"search: {done} trials of {seeds} jobs took {duration(seconds)}; the remaining {left} take"
        f" about {duration(seconds * left / done)} (hydra.sweeper.n_trials, trainer.max_epochs)"
    )


def _by_trial(numbers: Sequence[int], values: Sequence[float]) -> Mapping[int, Sequence[float]]:
    """Return the values of each trial's jobs, which are adjacent in ``values``."""
    seeds = len(values) // len(numbers)
    return {n: values[i * seeds : (i + 1) * seeds] for i, n in enumerate(numbers)}
