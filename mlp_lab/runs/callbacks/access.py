"""Typed access to what callbacks need from Lightning's objects; see also ``data/attached.py``."""

from typing import cast

from mlp_lab.lightning import pl
from mlp_lab.runs.logger import TensorBoard
from mlp_lab.tasks.base import Task


def task_of(module: pl.LightningModule) -> Task:
    """Return the task that Lightning passes to a hook of a callback."""
    return cast(Task, module)


def tensorboard_of(trainer: pl.Trainer) -> TensorBoard | None:
    """Return the TensorBoard logger of the run, None if it has another logger or none."""
    return trainer.logger if isinstance(trainer.logger, TensorBoard) else None
