"""Draw loss and error by epoch."""

from functools import partial

from mlp_lab.figures import training_curves
from mlp_lab.lightning import pl
from mlp_lab.runs.callbacks.access import task_of
from mlp_lab.runs.callbacks.epoch_checkpoint import EpochCheckpoint
from mlp_lab.runs.callbacks.figure_callback import Drawings, FigureCallback
from mlp_lab.runs.callbacks.log_figure import log_figure


class LossCurves(FigureCallback):
    """Draws ``loss_curves.png``: loss and error of training and validation data by epoch.

    The figure is drawn when training ends, also after an error.
    """

    def prepare(self, trainer: pl.Trainer, task: pl.LightningModule) -> Drawings:
        checkpoint = EpochCheckpoint.of(trainer)
        if not checkpoint.history:
            return []
        best = None if checkpoint.best is None else int(checkpoint.best["epoch"])
        when = task_of(task).train_metrics
        figure = partial(training_curves.loss_curves, checkpoint.history, best, when)
        return [partial(log_figure, trainer, "loss_curves", figure)]
