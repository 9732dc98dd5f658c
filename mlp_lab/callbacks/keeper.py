"""Keep what an epoch leaves: its metrics, its checkpoint, and which epoch was the best."""

import shutil
import time
from pathlib import Path
from typing import Any

from mlp_lab.backend import pl
from mlp_lab.tasks.task import Task

Row = dict[str, float]


class Keeper(pl.callbacks.Checkpoint):
    """After each epoch: a row of ``history``, ``last.ckpt``, and ``best.ckpt`` if it is the best.

    ``history`` has a row an epoch: epoch (from 1), step, lr, ``<metric>/<split>``, and the seconds
    since the last row. It travels in the checkpoints, so that a resumed run has the whole of it.

    Args:
        folder: where the checkpoints go.
        metric: what the best epoch is best in, on validation data.
        mode: ``min`` or ``max``.
    """

    def __init__(self, folder: Path, metric: str, mode: str) -> None:
        self.last, self.best_path = folder / "last.ckpt", folder / "best.ckpt"
        self.key = f"{metric}/validation"
        self.sign = {"min": 1, "max": -1}[mode]
        self.history: list[Row] = []

    @property
    def best(self) -> Row | None:
        """The row of the best epoch, the first among equals; None before the first validation."""
        rows = [row for row in self.history if self.key in row]
        return min(rows, key=lambda row: self.sign * row[self.key], default=None)

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self.clock = time.perf_counter()
        if not self.history:  # an interrupted first epoch leaves something to resume, too
            trainer.save_checkpoint(self.last)

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
        if trainer.logger is not None:
            trainer.logger.log_metrics(row)
        trainer.save_checkpoint(self.last)
        if self.best is row and trainer.is_global_zero:
            self._keep_best()

    def state_dict(self) -> dict[str, Any]:
        return {"history": self.history}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.history = state_dict["history"]

    def _keep_best(self) -> None:
        part = self.best_path.with_suffix(".part")
        shutil.copyfile(self.last, part)
        part.replace(self.best_path)
