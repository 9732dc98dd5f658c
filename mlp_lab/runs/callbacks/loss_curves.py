"""The course's picture of a training."""

from mlp_lab.figures import training_curves
from mlp_lab.lightning import pl
from mlp_lab.runs.callbacks.drawing import Drawing
from mlp_lab.runs.callbacks.keeper import Keeper
from mlp_lab.runs.callbacks.show_figure import show


class LossCurves(Drawing):
    """``loss_curves.png``: loss and error of training and validation data by epoch.

    Drawn when the training ends, however it ends.
    """

    def draw(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        keeper = trainer.checkpoint_callback
        assert isinstance(keeper, Keeper)
        if not keeper.history:
            return
        best = keeper.best
        figure = training_curves.loss_curves(
            keeper.history, None if best is None else int(best["epoch"])
        )
        show(trainer, "loss_curves", figure)
