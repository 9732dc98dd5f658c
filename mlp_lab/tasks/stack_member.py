"""A run of a stack, with the callbacks, the logger and the checkpoints of a separate training."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch.optim import Optimizer

from mlp_lab.lightning import callbacks_of, pl
from mlp_lab.storage.results import Status
from mlp_lab.tasks.base import Task

# The hooks that are called for the callbacks of members.
_HOOKS = {
    "setup", "on_fit_start", "on_train_start", "on_train_epoch_start", "on_train_batch_end",
    "on_train_epoch_end", "on_validation_start", "on_validation_epoch_start",
    "on_validation_epoch_end", "on_validation_end", "on_train_end", "on_exception",
    "on_save_checkpoint",
}  # fmt: skip
# Prefixes of the hooks of other stages, which no training calls.
_OTHER_STAGES = ("on_test", "on_predict", "on_sanity_check")


def uncalled_hooks(callback: type[pl.Callback]) -> list[str]:
    """Return the hooks that a callback defines and that a stack would not call."""
    hooks = [name for name in vars(pl.Callback) if name.startswith(("on_", "setup", "teardown"))]
    return [
        name
        for name in hooks
        if getattr(callback, name) is not getattr(pl.Callback, name)
        and not (name in _HOOKS or name.startswith(_OTHER_STAGES))
    ]


@dataclass
class Member:
    """One run of a stack.

    Attributes:
        task: task, whose parameters become views of the stacked ones.
        trainer: trainer for callbacks, logger and checkpoints, as in a separate training.
        checkpoint: checkpoint from which the run is resumed; None: a new run.
        on_end: function that is called when the run ends, with its status and the error message;
            None: it has finished.
        active: whether the run is still training.
    """

    task: Task
    trainer: pl.Trainer
    checkpoint: Path | None
    on_end: Callable[[Status, str | None], None]
    active: bool = True

    def attach(self, stack: pl.Trainer, optimizer: Optimizer) -> None:
        """Connect the member to the trainer of the stack, and restore its checkpoint."""
        self.trainer.fit_loop = stack.fit_loop
        self.trainer.state = stack.state
        self.trainer.datamodule = stack.datamodule  # type: ignore[attr-defined]
        self.trainer.strategy.connect(self.task)
        self.trainer.strategy.optimizers = [optimizer]
        self.task.trainer = self.trainer
        self.call_hook("setup", "fit")
        if self.checkpoint is not None:
            self._restore(self.checkpoint)
        self.call_hook("on_fit_start")

    def _restore(self, path: Path) -> None:
        """Load the states of the task, the optimizer, the callbacks and the loop.

        Lightning's trainer does this only as a part of a fit, which members do not run.
        """
        strategy = self.trainer.strategy
        checkpoint = strategy.load_checkpoint(path)
        strategy.load_model_state_dict(checkpoint)
        strategy.load_optimizer_state_dict(checkpoint)
        for callback in callbacks_of(self.trainer):
            if state := checkpoint["callbacks"].get(callback.state_key):
                callback.load_state_dict(deepcopy(state))
        self.trainer.fit_loop.load_state_dict(checkpoint["loops"]["fit_loop"])

    def call_hook(self, hook: str, *args: Any) -> None:
        """Call a hook of all callbacks with the trainer and the task of the member."""
        for callback in callbacks_of(self.trainer):
            getattr(callback, hook)(self.trainer, self.task, *args)

    def finish(self) -> None:
        """End the run as finished."""
        self.active = False
        self.call_hook("on_train_end")
        self.on_end(Status.FINISHED, None)

    def fail(self, status: Status, error: BaseException) -> None:
        """End the run because of ``error``."""
        self.active = False
        self.call_hook("on_exception", error)
        self.on_end(status, str(error))
