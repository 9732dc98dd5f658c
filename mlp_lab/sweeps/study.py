"""The stored study of a search: its trials, their values, and which trials are next."""

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
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from mlp_lab.errors import UserError
from mlp_lab.nn.seeds import epoch_seed
from mlp_lab.sweeps.study_journal import StudyJournal

STUDY_FILE = "study.journal"
_NAME = "search"
_DIRECTION = {"min": StudyDirection.MINIMIZE, "max": StudyDirection.MAXIMIZE}


class Study:
    """The trials of a search, in ``study.journal`` in its sweep's folder.

    Each change is written to the file at once. Several processes may use the study.

    Args:
        folder: the sweep folder.
        mode: ``min`` or ``max``: which values are better.
        prune_after: number of epochs in which no trial is pruned; None: no trial is ever pruned.
    """

    def __init__(self, folder: Path, mode: str, prune_after: int | None) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        path = folder / STUDY_FILE
        self.storage = _open_storage(path)
        pruner = (
            NopPruner() if prune_after is None else MedianPruner(n_warmup_steps=prune_after + 1)
        )
        try:
            self.study = optuna.create_study(
                storage=self.storage, study_name=_NAME, direction=_DIRECTION[mode],
                pruner=pruner, load_if_exists=True,
            )  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{path}: damaged: not a search of this sweep: {error}") from error

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials, by number."""
        return self.study.get_trials(deepcopy=False)

    def batch(
        self, space: Mapping[str, BaseDistribution], size: int, total: int, seed: int
    ) -> list[FrozenTrial]:
        """Return the trials to train next: unfinished ones of a killed search, or new ones.

        The values of a trial depend on the seed, its number and the results before it, so that a
        resumed search tries the same values.

        Args:
            space: distributions of the searched keys.
            size: maximum number of new trials.
            total: number of trials of the whole search; no new ones beyond it.
            seed: seed of the sampler.
        """
        for trial in self._running():
            if trial.params.keys() != space.keys():  # killed while it was created
                self.study.tell(trial.number, state=TrialState.FAIL)
        if not self._running():
            for number in range(len(self.trials), min(len(self.trials) + size, total)):
                # A constant liar assumes bad values near the trials of the same batch: these differ
                # more.
                self.study.sampler = TPESampler(
                    multivariate=True,
                    constant_liar=True,
                    seed=epoch_seed(seed, number, _NAME) % 2**32,
                )
                self.study.ask(dict(space))
        return self._running()

    def tell(self, results: Mapping[int, Sequence[float]]) -> None:
        """End trials: with the mean over their seeds, as pruned, or as failed for nan.

        An infinitely bad value, from a run that diverged, makes the search avoid its neighbourhood.

        Args:
            results: values of each trial's seeds, by trial number.
        """
        # Decided before any trial ends, as while they trained: it depends on the finished trials.
        pruned = {number for number in results if self.is_pruned(number)}
        for number, values in results.items():
            mean = _mean(values)
            if math.isnan(mean):
                self.study.tell(number, state=TrialState.FAIL)
            elif number in pruned:
                self.study.tell(number, state=TrialState.PRUNED)
            else:
                self.study.tell(number, mean)

    def report(self, number: int, seed: int, seeds: int, epoch: int, value: float) -> None:
        """Store the value of one seed of a trial after an epoch.

        The trial's value for the epoch is the mean over its seeds, once all have reported.

        Args:
            number: number of the trial.
            seed: the seed that reports.
            seeds: number of seeds of the trial.
            epoch: the epoch, from 1.
            value: validation value.
        """
        trial = self.trials[number]
        if trial.state != TrialState.RUNNING:
            return  # a run that is resumed after the search
        self.storage.set_trial_user_attr(self._id(number), f"{epoch}/{seed}", value)
        reported = self.trials[number].user_attrs
        values = [v for key, v in reported.items() if key.startswith(f"{epoch}/")]
        if len(values) == seeds:
            mean = _mean(values)
            self.storage.set_trial_intermediate_value(self._id(number), epoch, mean)

    def is_pruned(self, number: int) -> bool:
        """Return whether a running trial is worse than the median of the finished ones."""
        trial = self.trials[number]
        return trial.state == TrialState.RUNNING and self.study.pruner.prune(self.study, trial)

    def _running(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))

    def _id(self, number: int) -> int:
        study = self.storage.get_study_id_from_name(_NAME)
        return self.storage.get_trial_id_from_study_id_trial_number(study, number)


def _open_storage(path: Path) -> JournalStorage:
    """Return the storage in a file. Raises UserError if the file is damaged."""
    try:
        return JournalStorage(StudyJournal(path))
    except UserError:
        raise
    except Exception as error:  # Optuna raises various exceptions for unexpected lines
        raise UserError(f"{path}: damaged: {type(error).__name__}: {error}") from error


def _mean(values: Sequence[float]) -> float:
    """Return the mean; that of an infinitely good and an infinitely bad value is nan."""
    finite = all(map(math.isfinite, values))
    return statistics.fmean(values) if finite else sum(values) / len(values)


@cache
def find_study(folder: Path, mode: str, prune_after: int) -> Study | None:
    """Return the study in a folder, the same object in a process; None if there is none."""
    return Study(folder, mode, prune_after) if (folder / STUDY_FILE).is_file() else None
