"""One progress bar for a whole sweep."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from tqdm import tqdm

from mlp_lab.lightning import pl
from mlp_lab.tasks.stack import Stack

log = logging.getLogger(__name__)

_FORMAT = "{desc} {percentage:3.0f}%|{bar:24}| [{elapsed}<{remaining}]"


@dataclass(frozen=True)
class Reached:
    """How far a training has come.

    Attributes:
        members: jobs that it trains.
        epoch: that begins now, from 0.
        epochs: to be trained in all.
        begun: the epoch that it went on with, from 0.
    """

    members: int
    epoch: int
    epochs: int
    begun: int

    @property
    def jobs(self) -> float:
        """Jobs done: each as far as its epochs are."""
        return self.members * self.epoch / self.epochs

    @property
    def before(self) -> float:
        """Of these jobs, what earlier commands have done."""
        return self.members * self.begun / self.epochs


@dataclass(frozen=True)
class Ended:
    """A job has ended, and what is to be said of it."""

    line: str


Told = Reached | Ended | str | None  # how far it has come, a job, a line, the end of a training


class SweepProgress(pl.callbacks.Callback):
    """Tells how far a training has come, each epoch."""

    def __init__(self, tell: Callable[[Told], None]) -> None:
        self._tell = tell

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self._begun = trainer.current_epoch

    def on_train_epoch_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        members, epochs = _members(task), trainer.max_epochs or 1
        self._tell(Reached(members, trainer.current_epoch, epochs, self._begun))


class SweepBar:
    """Jobs done of all, members that train, their epoch, and the time left, on standard error.

    Args:
        jobs: of the whole sweep; None where that isn't known.
        shown: whether the terminal is this process's to write to.
    """

    def __init__(self, jobs: int | None, shown: bool = True) -> None:
        self._jobs = jobs
        self._done = 0
        self._before = 0.0  # jobs, or parts of them, that earlier commands have done
        self._training: dict[object, Reached] = {}  # by their sources
        self._bar = tqdm(
            total=jobs,
            dynamic_ncols=True,
            smoothing=0,  # jobs in training make steps, jobs that end make leaps
            disable=None if shown else True,  # None: off unless on a terminal
            bar_format=_FORMAT,
        )

    def source(self) -> Callable[[Told], None]:
        """What is to be told of trainings, one after another, that go on beside others."""
        return partial(self._hear, object())

    def skip(self, jobs: int) -> None:
        """Count ``jobs`` as done that took no time."""
        self._before += jobs
        self._done += jobs
        self._show()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Out of the way of what is written to the terminal meanwhile."""
        with tqdm.external_write_mode(sys.stdout):
            yield

    def close(self) -> None:
        """Leave the terminal to others."""
        self._bar.close()

    def _hear(self, source: object, told: Told) -> None:
        if isinstance(told, str):
            self._say(told)
            return
        training = self._training.pop(source, None)
        if isinstance(told, Reached):
            self._training[source] = told
        elif isinstance(told, Ended):
            self._say(told.line)
            self._done += 1
            if training is not None:
                self._before += training.before / training.members
                if training.members > 1:
                    self._training[source] = replace(training, members=training.members - 1)
        self._show()

    def _say(self, line: str) -> None:
        with self.aside():
            log.info("%s", line)

    def _show(self) -> None:
        training = self._training.values()
        self._bar.n = self._done + sum(one.jobs for one in training)
        # of no account for the time left
        self._bar.initial = self._before + sum(one.before for one in training)
        words = f"{self._done}/{self._jobs or '?'} jobs done"
        if training:
            last = min(training, key=lambda one: one.epoch / one.epochs)
            members = sum(one.members for one in training)
            words += f", {members} in training, epoch {last.epoch + 1}/{last.epochs}"
        self._bar.set_description_str(words)


def _members(task: pl.LightningModule) -> int:
    return len(task.members) if isinstance(task, Stack) else 1
