"""Draw loss and error by epoch."""

from mlp_lab.figures import training_curves
from mlp_lab.lightning import pl
from mlp_lab.runs.callbacks.epoch_checkpoint import EpochCheckpoint
from mlp_lab.runs.callbacks.figure_callback import FigureCallback
from mlp_lab.runs.callbacks.log_figure import log_figure


class LossCurves(FigureCallback):
    """``loss_curves.png``: loss and error of training and validation data by epoch.

    Drawn when the training ends, also after an error.
    """

    def draw(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        checkpoint = EpochCheckpoint.of(trainer)
        if not checkpoint.history:
            return
        best = None if checkpoint.best is None else int(checkpoint.best["epoch"])
        figure = training_curves.loss_curves(checkpoint.history, best)
        log_figure(trainer, "loss_curves", figure)
