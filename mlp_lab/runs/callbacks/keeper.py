"""Keep what an epoch leaves: its metrics, its checkpoint, and which epoch was the best."""

import time
from typing import Any

from mlp_lab.config.names import EPOCH_SPLITS
from mlp_lab.lightning import pl
from mlp_lab.storage.checkpoints import Checkpoints
from mlp_lab.storage.run_folder import Run, best_row
from mlp_lab.tasks.base import Task

Row = dict[str, float]

# Seconds between checkpoints: epochs of a few points take milliseconds, as writing a file does.
_BETWEEN = 1.0


class Keeper(pl.callbacks.Checkpoint):
    """After each epoch: a row of ``history``; after a second or more, and at the end: the files
    ``best.ckpt`` and ``last.ckpt``.

    ``history`` has a row an epoch: epoch (from 1), step, lr, ``<metric>/<split>``, and the seconds
    since the last row. It travels in the checkpoints, so that a resumed run has the whole of it.

    Args:
        run: where the checkpoints and the history go.
        key: what the best epoch is best in: a column of the history.
        mode: ``min`` or ``max``.
    """

    def __init__(self, run: Run, key: str, mode: str) -> None:
        self.run = run
        self.key = key
        self.mode = mode
        self.history: list[Row] = []
        self.stopped = False
        self._unwritten: Checkpoints = {}

    @property
    def best(self) -> Row | None:
        """The row of the best epoch, the first among equals; None before the first validation."""
        return best_row(self.history, self.key, self.mode)

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        assert isinstance(task, Task)
        self.clock = self._written = time.perf_counter()
        if trainer.is_global_zero:
            means = sorted(f"{m}/{s}" for m in ("loss", *task.metrics) for s in EPOCH_SPLITS)
            self.run.write_history(["epoch", "step", "lr", *means, "seconds"], self.history)
        if self.stopped:  # and killed before anybody wrote down that it was the end
            trainer.should_stop = True
        if not self.history:  # an interrupted first epoch leaves something to resume, too
            trainer.save_checkpoint(self.run.checkpoints / "last.ckpt")

    def on_train_epoch_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        assert isinstance(task, Task)
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
        if trainer.logger is not None:
            trainer.logger.log_metrics(row)
        last, best = (self.run.checkpoints / f"{name}.ckpt" for name in ("last", "best"))
        # In all processes, since Lightning synchronizes them here.
        trainer.save_checkpoint(last, storage_options=self._unwritten)
        if not trainer.is_global_zero:
            return
        self.run.append_history(row)
        if self.best is row:
            self._unwritten[best] = self._unwritten[last]
        if self.clock - self._written > _BETWEEN:
            self._write(trainer)

    def on_train_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self._write(trainer)

    def on_exception(self, trainer: pl.Trainer, *_: Any) -> None:
        self._write(trainer)

    def state_dict(self) -> dict[str, Any]:
        return {"history": list(self.history), "stopped": self.stopped}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.history, self.stopped = state_dict["history"], state_dict["stopped"]

    def _write(self, trainer: pl.Trainer) -> None:
        # best.ckpt first: a run that is resumed from last.ckpt must not miss an epoch before it.
        for path, checkpoint in sorted(self._unwritten.items()):
            trainer.strategy.save_checkpoint(checkpoint, path)
        self._unwritten = {}
        self._written = time.perf_counter()
