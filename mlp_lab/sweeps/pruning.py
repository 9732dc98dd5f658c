"""End a run of a search that does worse than others did."""

from pathlib import Path

from mlp_lab.lightning import pl
from mlp_lab.runs.callbacks.keeper import Keeper
from mlp_lab.sweeps.study import find_study
from mlp_lab.tasks.base import Task


class Pruning(pl.callbacks.Callback):
    """Report to a trial of a search after each validation; stop when the trial is pruned.

    The study lies beside the run, in its sweep's folder. A run that was taken out of there, or
    whose trial has ended, trains undisturbed.

    Args:
        trial: the trial's number.
        seeds: runs that the trial consists of.
        after: epochs in which no trial is pruned.

    Attributes:
        ended: how it ended the run; None where it didn't.
    """

    def __init__(self, trial: int, seeds: int, after: int) -> None:
        self.trial = trial
        self.seeds = seeds
        self.after = after
        self.ended: str | None = None

    def on_validation_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        assert isinstance(task, Task)
        keeper = trainer.checkpoint_callback
        assert isinstance(keeper, Keeper)
        study = find_study(Path(trainer.default_root_dir).parent, keeper.mode, self.after)
        if study is None:
            return
        epoch, value = trainer.current_epoch + 1, task.means[keeper.key]
        study.report(self.trial, task.seed, self.seeds, epoch, value)
        if study.pruned(self.trial):
            self.ended = f"pruned after epoch {epoch}"
            trainer.should_stop = True
