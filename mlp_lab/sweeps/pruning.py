"""A callback that stops a run of a search which is worse than the earlier runs."""

from pathlib import Path

from mlp_lab.lightning import pl
from mlp_lab.runs.callbacks.access import task_of
from mlp_lab.runs.callbacks.epoch_checkpoint import EpochCheckpoint
from mlp_lab.sweeps.study import find_study


class Pruning(pl.callbacks.Callback):
    """Reports each validation to a trial of a search; stops the run when the trial is pruned.

    The study lies in the sweep folder that contains the run folder. Does nothing if there is no
    study, or if the trial has ended.

    Args:
        trial: number of the trial.
        seeds: number of runs of the trial.
        after: number of epochs in which no trial is pruned.

    Attributes:
        ended: reason why it stopped the run; None: it did not.
    """

    def __init__(self, trial: int, seeds: int, after: int) -> None:
        self.trial = trial
        self.seeds = seeds
        self.after = after
        self.ended: str | None = None

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        task, checkpoint = task_of(module), EpochCheckpoint.of(trainer)
        study = find_study(Path(trainer.default_root_dir).parent, checkpoint.mode, self.after)
        if study is None:
            return
        epoch, value = trainer.current_epoch + 1, task.means[checkpoint.key]
        study.report(self.trial, task.seed, self.seeds, epoch, value)
        if study.is_pruned(self.trial):
            self.ended = f"pruned after epoch {epoch}"
            trainer.should_stop = True
