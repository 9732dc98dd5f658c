"""A search: trials by what earlier ones reached, trained in batches. A plugin of Hydra's."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from mlp_lab.errors import UserError
from mlp_lab.sweeps.job_runner import Task
from mlp_lab.sweeps.overrides import by_key, values

if TYPE_CHECKING:  # Optuna is loaded where a search begins, not with every sweep
    from optuna.distributions import BaseDistribution


class Search(Sweeper):
    """``hydra/sweeper=search``: a search by Optuna that is stored in the sweep's folder.

    ``choice(...)``, ``range(...)`` and ``interval(...)``, also as ``tag(log, interval(...))`` and
    ``int(interval(...))``, are what is searched. Values of ``seed`` are not: a trial trains a job
    with each of them, and its value is the mean of theirs. Job ``n * seeds + i`` is the i-th seed
    of trial n, so that a search which goes on finds its jobs again.

    Args:
        n_trials: in all, with those that the study holds already.
        n_jobs: trials that are handed to the launcher at a time.
        prune_after: epochs after which a trial may be pruned; None: never.
        seed: of what is tried.
        params: keys and what is searched, beside those of the command line.
    """

    def __init__(
        self, n_trials: int, n_jobs: int, prune_after: int | None, seed: int, params: dict[str, Any]
    ) -> None:
        self.n_trials = n_trials
        self.n_jobs = n_jobs
        self.prune_after = prune_after
        self.seed = seed
        self.params = params

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        assert isinstance(task_function, Task)
        self.task = task_function
        self.mode = config.select.mode
        self.loader = hydra_context.config_loader
        self.launcher: Launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Train batches until there are ``n_trials``, or none of a batch could be trained.

        The trials of such a batch, and of one that was stopped, are tried again when the sweep
        goes on.
        """
        from mlp_lab.sweeps.study import Study

        overrides = by_key(self.params, arguments, OverridesParser.create(self.loader))
        fixed, seeds, space = divided(overrides)
        self.task.jobs = self.n_trials * len(seeds)
        study = Study(self.task.sweep.folder, self.mode, self.prune_after)
        while trials := study.batch(space, self.n_jobs, self.n_trials, self.seed):
            jobs = [
                [*fixed, *(f"{key}={value}" for key, value in trial.params.items()), *seed, *extra]
                for trial in trials
                for extra in [self._pruning(trial.number, len(seeds))]
                for seed in seeds
            ]
            returns = self.launcher.launch(jobs, initial_job_idx=trials[0].number * len(seeds))
            values = [float(job.return_value) for job in returns]
            if self.task.sweep.stopped or all(map(math.isnan, values)):
                return
            study.tell(_by_trial([trial.number for trial in trials], values))

    def _pruning(self, trial: int, seeds: int) -> list[str]:
        """The override by which a job reports to its trial."""
        if self.prune_after is None:
            return []
        target = "_target_:mlp_lab.sweeps.pruning.Pruning"
        return [
            f"+callbacks.pruning={{{target},trial:{trial},seeds:{seeds},after:{self.prune_after}}}"
        ]


def divided(
    overrides: Mapping[str, Override],
) -> tuple[list[str], list[list[str]], dict[str, "BaseDistribution"]]:
    """The words that all jobs have, those of each seed of a trial, and what keys are drawn from.

    Raises UserError if nothing is searched, or if seeds can't be listed.
    """
    fixed = [o.input_line or "" for o in overrides.values() if not o.is_sweep_override()]
    swept = {key: o for key, o in overrides.items() if o.is_sweep_override()}
    seed = swept.pop("seed", None)
    if not swept:
        raise UserError("a search needs something to search, as in optimizer.lr=interval(0.1,1)")
    seeds = [[]] if seed is None else [[f"seed={value}"] for value in values(seed)]
    return fixed, seeds, {key: distribution(override) for key, override in swept.items()}


def distribution(override: Override) -> "BaseDistribution":
    """What Optuna draws the values of a key from. Raises UserError for a wrong interval."""
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    interval = override.value()
    if not isinstance(interval, IntervalSweep):
        return CategoricalDistribution(values(override))
    low, high, log = interval.start, interval.end, "log" in interval.tags
    assert low is not None
    assert high is not None
    try:
        if isinstance(low, int) and isinstance(high, int):
            return IntDistribution(low, high, log=log)
        return FloatDistribution(low, high, log=log)
    except ValueError as error:
        raise UserError(f"{override.input_line}: {error}") from error


def _by_trial(numbers: Sequence[int], values: Sequence[float]) -> Mapping[int, Sequence[float]]:
    """The values of each trial's jobs, which lie side by side."""
    seeds = len(values) // len(numbers)
    return {n: values[i * seeds : (i + 1) * seeds] for i, n in enumerate(numbers)}
