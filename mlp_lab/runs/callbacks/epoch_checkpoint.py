"""Record each epoch's metrics, write checkpoints, and select the best epoch."""

import time
from collections.abc import Sequence
from typing import Any, cast

from mlp_lab.config.metrics import best_row
from mlp_lab.config.names import EPOCH_SPLITS
from mlp_lab.data.attached import training_loader
from mlp_lab.errors import UserError
from mlp_lab.lightning import pl
from mlp_lab.runs.callbacks.access import task_of, tensorboard_of
from mlp_lab.storage.checkpoints import Checkpoints, write_checkpoints
from mlp_lab.storage.run_folder import RunFolder

Row = dict[str, float]

# Minimum seconds between checkpoints: writing a file takes as long as an epoch of few examples.
_INTERVAL = 1.0


class EpochCheckpoint(pl.callbacks.Checkpoint):
    """Writes the history and the checkpoints ``best.ckpt`` and ``last.ckpt`` of a run.

    ``history`` has a row for each epoch: epoch (from 1), step, lr, ``<metric>/<split>``, and the
    seconds since the previous row. Checkpoints contain the history, so that a resumed run has all
    of it. Checkpoints are written at most once per second, and at the end. If ``max_steps`` end
    within an epoch, the checkpoints before this epoch are kept, too: a run with more steps is
    resumed from them.

    Args:
        run: run folder for the history and the checkpoints.
        key: column of the history by which the best epoch is selected.
        mode: ``min`` or ``max``.
    """

    def __init__(self, run: RunFolder, key: str, mode: str) -> None:
        self.run = run
        self.key = key
        self.mode = mode
        self.history: list[Row] = []
        self.stopped = False
        self._saved_epochs = 0
        self._unwritten: Checkpoints = {}
        self._group = [self]

    @staticmethod
    def of(trainer: pl.Trainer) -> "EpochCheckpoint":
        """Return the callback of a run's trainer."""
        return cast(EpochCheckpoint, trainer.checkpoint_callback)

    @staticmethod
    def write_together(callbacks: Sequence["EpochCheckpoint"]) -> None:
        """Let the callbacks of a stack replace their checkpoints together.

        Otherwise, a stack that is killed meanwhile would be resumed as two stacks, whose sums are
        rounded differently.
        """
        group = list(callbacks)
        for callback in group:
            callback._group = group

    @property
    def best(self) -> Row | None:
        """The row of the best epoch, the first of equal ones; None before the first validation."""
        return best_row(self.history, self.key, self.mode)

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        whole = len(self.history) * training_loader(trainer).batches
        if trainer.global_step not in (whole, trainer.max_steps):
            raise UserError(  # an earlier version kept no checkpoint of the epoch before
                f"{self.run.folder}: can't be resumed: it ended within an epoch, at step"
                f" {trainer.global_step}; {len(self.history)} epochs have {whole} steps"
            )
        self.clock = self._written = time.perf_counter()
        if trainer.is_global_zero:
            metrics = ("loss", *task_of(task).metrics)
            means = sorted(f"{metric}/{split}" for metric in metrics for split in EPOCH_SPLITS)
            self.run.checkpoints.restore_whole_epochs()
            if logger := tensorboard_of(trainer):
                logger.drop_later(len(self.history), trainer.global_step)
            self.run.write_history(["epoch", "step", "lr", *means, "seconds"], self.history)
        if self.stopped:  # early, and then killed before the result was written
            trainer.should_stop = True
        if not self.history:  # a run can then be resumed even in the first epoch
            trainer.save_checkpoint(self.run.checkpoints.path("last"))

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        task = task_of(module)
        before, self.clock = self.clock, time.perf_counter()
        row = {
            "epoch": trainer.current_epoch + 1,
            "step": trainer.global_step,
            "lr": task.learning_rate(),
            **dict(sorted(task.means.items())),
            "seconds": self.clock - before,
        }
        self.history.append(row)
        self.stopped = trainer.should_stop
        if logger := tensorboard_of(trainer):
            logger.log_metrics(row)  # at the epoch or the step
        elif trainer.logger is not None:
            trainer.logger.log_metrics(row, trainer.global_step)
        if trainer.is_global_zero and trainer.global_step % training_loader(trainer).batches:
            self._write()
            self.run.checkpoints.keep_whole_epochs()
        last, best = map(self.run.checkpoints.path, ("last", "best"))
        # In all processes, since Lightning synchronizes them here.
        trainer.save_checkpoint(last, storage_options=self._unwritten)
        self._saved_epochs = len(self.history)
        if not trainer.is_global_zero:
            return
        self.run.append_history(row)
        if self.best is row:
            self._unwritten[best] = self._unwritten[last]
        if self.clock - self._written > _INTERVAL and self._is_last_of_epoch():
            self._write()

    def on_train_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self._write()
        self._leave_group()

    def on_exception(self, trainer: pl.Trainer, *_: Any) -> None:
        del self.history[self._saved_epochs :]  # a signal can arrive before the checkpoint
        self._write()
        self._leave_group()

    def state_dict(self) -> dict[str, Any]:
        return {"history": list(self.history), "stopped": self.stopped}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.history, self.stopped = state_dict["history"], state_dict["stopped"]
        self._saved_epochs = len(self.history)

    def _is_last_of_epoch(self) -> bool:
        """Return whether all callbacks of the group have recorded the same epoch."""
        return all(len(other.history) == len(self.history) for other in self._group)

    def _write(self) -> None:
        """Write the checkpoints of the group. Other processes of a distributed run have none."""
        unwritten: Checkpoints = {}
        for callback in self._group:
            unwritten |= callback._unwritten
        write_checkpoints(unwritten)
        for callback in self._group:
            callback._unwritten = {}
            callback._written = time.perf_counter()

    def _leave_group(self) -> None:
        self._group.remove(self)
        self._group = [self]
