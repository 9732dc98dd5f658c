"""One progress bar for a whole sweep."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tqdm import tqdm

from mlp_lab.backend import pl
from mlp_lab.tasks.stack import Stack

_FORMAT = "{desc} {percentage:3.0f}%|{bar:24}| [{elapsed}<{remaining}]"


class SweepProgress(pl.callbacks.Callback):
    """Jobs done, members that train, their epoch, and the time left, on standard error.

    Args:
        epochs: of each job, at most.
    """

    def __init__(self, epochs: Sequence[int]) -> None:
        self._jobs, self._jobs_done, self._epochs_done = len(epochs), 0, 0
        self._bar = tqdm(
            total=sum(epochs),
            dynamic_ncols=True,
            disable=None,  # off unless on a terminal
            bar_format=_FORMAT,
        )

    def on_train_epoch_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self._bar.set_description_str(
            f"{self._jobs_done}/{self._jobs} jobs done, {_members(task)} in training,"
            f" epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
        )

    def on_train_epoch_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self._bar.update(_members(task))

    def done(self, epochs: Sequence[int]) -> None:
        """Count jobs of so many ``epochs`` at most as done, however they ended."""
        self._jobs_done += len(epochs)
        self._epochs_done += sum(epochs)
        self._bar.update(self._epochs_done - self._bar.n)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Out of the way of what is written to the terminal meanwhile."""
        with tqdm.external_write_mode(sys.stdout):
            yield

    def close(self) -> None:
        """Leave the terminal to others."""
        self._bar.close()


def _members(task: pl.LightningModule) -> int:
    return len(task.members) if isinstance(task, Stack) else 1
