"""One progress bar for a whole sweep."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from mlp_lab.backend import pl
from mlp_lab.tasks.stack import Stack

_FORMAT = "{desc} {percentage:3.0f}%|{bar:24}| [{elapsed}<{remaining}]"


class SweepProgress(pl.callbacks.Callback):
    """Jobs done of all, members that train, their epoch, and the time left, on standard error.

    It watches one training after another. A job counts as far as its epochs are done.

    Args:
        jobs: of the whole sweep; None where that isn't known.
        shown: whether the terminal is this process's to write to.
    """

    def __init__(self, jobs: int | None, shown: bool = True) -> None:
        self._jobs = jobs
        self._done = 0
        self._in_group = 0
        self._before = 0.0  # jobs, or parts of them, that earlier commands have done
        self._bar = tqdm(
            total=jobs,
            dynamic_ncols=True,
            smoothing=0,  # jobs in training make steps, jobs that end make leaps
            disable=None if shown else True,  # None: off unless on a terminal
            bar_format=_FORMAT,
        )

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self._in_group = _members(task)
        self._before += self._in_group * _part(trainer)

    def on_train_epoch_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        members = _members(task)
        epoch = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
        self._show(
            self._done + self._in_group - members,  # one that leaves a stack is done
            members * _part(trainer),
            f", {members} in training, {epoch}",
        )

    def done(self, jobs: int) -> None:
        """Count ``jobs`` as done, however they ended."""
        self._done += jobs
        self._show(self._done)

    def skip(self, jobs: int) -> None:
        """Count ``jobs`` as done that took no time."""
        self._before += jobs
        self.done(jobs)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Out of the way of what is written to the terminal meanwhile."""
        with tqdm.external_write_mode(sys.stdout):
            yield

    def close(self) -> None:
        """Leave the terminal to others."""
        self._bar.close()

    def _show(self, done: int, parts: float = 0.0, training: str = "") -> None:
        self._bar.n = done + parts
        self._bar.initial = self._before  # of no account for the time left
        self._bar.set_description_str(f"{done}/{self._jobs or '?'} jobs done{training}")


def _members(task: pl.LightningModule) -> int:
    return len(task.members) if isinstance(task, Stack) else 1


def _part(trainer: pl.Trainer) -> float:
    """How much of its epochs a training has behind it."""
    return trainer.current_epoch / (trainer.max_epochs or 1)
