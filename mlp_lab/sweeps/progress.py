"""One progress bar for a whole sweep."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

from tqdm import tqdm

from mlp_lab.lightning import pl
from mlp_lab.tasks.base import Task
from mlp_lab.tasks.stack import Stack

log = logging.getLogger(__name__)

_FORMAT = "{desc} {percentage:3.0f}%|{bar:24}| [{elapsed}<{remaining}]"


@dataclass(frozen=True)
class EpochStarted:
    """An epoch of a training starts.

    Attributes:
        members: number of jobs that train together.
        epoch: the epoch, from 0.
        epochs: number of epochs of the whole training.
        first: the epoch with which the training was started or resumed, from 0.
    """

    members: int
    epoch: int
    epochs: int
    first: int

    @property
    def jobs(self) -> float:
        """Number of jobs done, where a job counts by its finished epochs."""
        return self.members * self.epoch / self.epochs

    @property
    def jobs_before(self) -> float:
        """The part of ``jobs`` that was done by earlier commands."""
        return self.members * self.first / self.epochs


@dataclass(frozen=True)
class JobEnded:
    """A job has ended.

    Attributes:
        text: line that describes its result.
    """

    text: str


# A text is printed; None means that a training has ended.
Message = EpochStarted | JobEnded | str | None


class SweepProgress(pl.callbacks.Callback):
    """Reports the start of each epoch.

    Args:
        report: receives the messages.
    """

    def __init__(self, report: Callable[[Message], None]) -> None:
        self._report = report

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self._first = trainer.current_epoch

    def on_train_epoch_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        members, epochs = cast(Task | Stack, task).run_count, trainer.max_epochs or 1
        self._report(EpochStarted(members, trainer.current_epoch, epochs, self._first))


class SweepBar:
    """A progress bar on standard error: jobs done, jobs in training, their epoch, time left.

    Args:
        jobs: number of jobs of the whole sweep; None: unknown.
        shown: whether this process may write to the terminal.
    """

    def __init__(self, jobs: int | None, shown: bool = True) -> None:
        self._jobs = jobs
        self._done = 0
        self._before = 0.0  # jobs, or fractions of them, done by earlier commands
        self._training: dict[object, EpochStarted] = {}  # latest message of each source
        self._bar = tqdm(
            total=jobs,
            dynamic_ncols=True,
            smoothing=0,  # progress is uneven: jobs that end are leaps
            disable=None if shown else True,  # None: off unless on a terminal
            bar_format=_FORMAT,
        )

    def listener(self) -> Callable[[Message], None]:
        """Return a function that receives the messages of a sequence of trainings."""
        return partial(self._on_message, object())

    def skip(self, jobs: int) -> None:
        """Count ``jobs`` as done in no time."""
        self._before += jobs
        self._done += jobs
        self._show()

    @contextmanager
    def cleared(self) -> Iterator[None]:
        """Clear the bar while something else is written to the terminal."""
        with tqdm.external_write_mode(sys.stdout):
            yield

    def close(self) -> None:
        """Finish the bar's line."""
        self._bar.close()

    def _on_message(self, source: object, message: Message) -> None:
        if isinstance(message, str):
            self._print(message)
            return
        training = self._training.pop(source, None)
        if isinstance(message, EpochStarted):
            self._training[source] = message
        elif isinstance(message, JobEnded):
            self._print(message.text)
            self._done += 1
            if training is not None:
                self._before += training.jobs_before / training.members
                if training.members > 1:
                    self._training[source] = replace(training, members=training.members - 1)
        self._show()

    def _print(self, text: str) -> None:
        with self.cleared():
            log.info("%s", text)

    def _show(self) -> None:
        trainings = self._training.values()
        self._bar.n = self._done + sum(training.jobs for training in trainings)
        # tqdm ignores this part when it estimates the time left.
        self._bar.initial = self._before + sum(training.jobs_before for training in trainings)
        text = f"{self._done}/{self._jobs or '?'} jobs done"
        if trainings:
            slowest = min(trainings, key=lambda training: training.epoch / training.epochs)
            members = sum(training.members for training in trainings)
            text += f", {members} in training, epoch {slowest.epoch + 1}/{slowest.epochs}"
        self._bar.set_description_str(text)
