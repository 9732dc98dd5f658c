"""The stored study of a search: what was tried, what came of it, what to try next."""

import math
import statistics
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import MedianPruner, NopPruner
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from mlp_lab.nn.seeds import epoch_seed

_FILE = "study.journal"
_NAME = "search"
_DIRECTION = {"min": StudyDirection.MINIMIZE, "max": StudyDirection.MAXIMIZE}


class Study:
    """The trials of a search, in ``study.journal`` in its sweep's folder.

    A change is in the file before it counts, and several processes may work on it at once.

    Args:
        folder: of the sweep.
        mode: ``min`` or ``max``: which values are better.
        prune_after: epochs in which no trial is pruned; None: none ever is.
    """

    def __init__(self, folder: Path, mode: str, prune_after: int | None) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.storage = JournalStorage(JournalFileBackend(str(folder / _FILE)))
        pruner = (
            NopPruner() if prune_after is None else MedianPruner(n_warmup_steps=prune_after + 1)
        )
        self.study = optuna.create_study(
            storage=self.storage, study_name=_NAME, direction=_DIRECTION[mode],
            pruner=pruner, load_if_exists=True,
        )  # fmt: skip

    @property
    def trials(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def batch(
        self, space: Mapping[str, BaseDistribution], size: int, total: int, seed: int
    ) -> list[FrozenTrial]:
        """The trials to train next: those that a killed search left, else up to ``size`` new ones.

        Empty when there are ``total``. What a trial tries depends on ``seed``, its number and what
        is known before it, so that a search which goes on tries what it would have tried.
        """
        for trial in self._running():
            if trial.params.keys() != space.keys():  # killed while it was being made
                self.study.tell(trial.number, state=TrialState.FAIL)
        if not self._running():
            for number in range(len(self.trials), min(len(self.trials) + size, total)):
                # Batches need the lie that the trials beside one will do badly: it spreads them.
                self.study.sampler = TPESampler(
                    multivariate=True,
                    constant_liar=True,
                    seed=epoch_seed(seed, number, _NAME) % 2**32,
                )
                self.study.ask(dict(space))
        return self._running()

    def tell(self, results: Mapping[int, Sequence[float]]) -> None:
        """End trials, by number: with the mean over the seeds' values, pruned, or failed for nan.

        An infinite value, that of a run which diverged, teaches the search to keep away.
        """
        # Which trials were pruned is a question of what was known while they trained.
        pruned = {number for number in results if self.pruned(number)}
        for number, values in results.items():
            if any(map(math.isnan, values)):
                self.study.tell(number, state=TrialState.FAIL)
            elif number in pruned:
                self.study.tell(number, state=TrialState.PRUNED)
            else:
                self.study.tell(number, statistics.fmean(values))

    def report(self, number: int, seed: int, seeds: int, epoch: int, value: float) -> None:
        """Note the value of one of a trial's ``seeds`` after an epoch (from 1).

        The trial's own value of that epoch is the mean, once all seeds have theirs.
        """
        trial = self.trials[number]
        if trial.state != TrialState.RUNNING:
            return  # a run that is trained further when its search is over
        self.storage.set_trial_user_attr(self._id(number), f"{epoch}/{seed}", value)
        noted = self.trials[number].user_attrs
        values = [v for key, v in noted.items() if key.startswith(f"{epoch}/")]
        if len(values) == seeds:
            mean = statistics.fmean(values)
            self.storage.set_trial_intermediate_value(self._id(number), epoch, mean)

    def pruned(self, number: int) -> bool:
        """Whether a running trial does worse than the median of those that have finished."""
        trial = self.trials[number]
        return trial.state == TrialState.RUNNING and self.study.pruner.prune(self.study, trial)

    def _running(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))

    def _id(self, number: int) -> int:
        study = self.storage.get_study_id_from_name(_NAME)
        return self.storage.get_trial_id_from_study_id_trial_number(study, number)


@cache
def find_study(folder: Path, mode: str, prune_after: int) -> Study | None:
    """The study in a folder, one for all runs of this process; None where there is none."""
    return Study(folder, mode, prune_after) if (folder / _FILE).is_file() else None
