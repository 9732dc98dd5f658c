"""The course's picture of a training."""

from typing import Any

from mlp_lab import figures
from mlp_lab.backend import pl
from mlp_lab.callbacks.keeper import Keeper
from mlp_lab.callbacks.show import show


class LossCurves(pl.callbacks.Callback):
    """``loss_curves.png``: loss and error of training and validation data by epoch.

    Drawn when the training ends, however it ends.
    """

    def on_train_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self._draw(trainer)

    def on_exception(self, trainer: pl.Trainer, *_: Any) -> None:
        self._draw(trainer)

    def _draw(self, trainer: pl.Trainer) -> None:
        keeper = trainer.checkpoint_callback
        assert isinstance(keeper, Keeper)
        if not keeper.history or not trainer.is_global_zero:
            return
        best = keeper.best
        figure = figures.loss_curves(keeper.history, None if best is None else int(best["epoch"]))
        show(trainer, "loss_curves", figure)
