"""Keep what an epoch leaves: its metrics, its checkpoint, and which epoch was the best."""

import time
from typing import Any

from mlp_lab.backend import pl
from mlp_lab.files import write_whole
from mlp_lab.runs import Run, best_row
from mlp_lab.tasks.task import Task

Row = dict[str, float]

# What an epoch trains on and is chosen by.
SPLITS = ("train", "validation")


class Keeper(pl.callbacks.Checkpoint):
    """After each epoch: a row of ``history``, ``last.ckpt``, and ``best.ckpt`` if it is the best.

    ``history`` has a row an epoch: epoch (from 1), step, lr, ``<metric>/<split>``, and the seconds
    since the last row. It travels in the checkpoints, so that a resumed run has the whole of it.

    Args:
        run: where the checkpoints and the history go.
        metric: what the best epoch is best in, on validation data.
        mode: ``min`` or ``max``.
    """

    def __init__(self, run: Run, metric: str, mode: str) -> None:
        self.run = run
        self.last = run.checkpoints / "last.ckpt"
        self.key = f"{metric}/validation"
        self.mode = mode
        self.history: list[Row] = []

    @property
    def best(self) -> Row | None:
        """The row of the best epoch, the first among equals; None before the first validation."""
        return best_row(self.history, self.key, self.mode)

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        assert isinstance(task, Task)
        self.clock = time.perf_counter()
        if trainer.is_global_zero:
            means = sorted(f"{m}/{s}" for m in ("loss", *task.metrics) for s in SPLITS)
            self.run.write_history(["epoch", "step", "lr", *means, "seconds"], self.history)
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
        if trainer.is_global_zero:
            self.run.append_history(row)
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
        write_whole(self.run.checkpoints / "best.ckpt", self.last.read_bytes())
