"""What a network makes of a curve."""

import torch

from mlp_lab.data.attached import train_loader_of, validation_loader_of
from mlp_lab.errors import UserError
from mlp_lab.figures import fitted_curve
from mlp_lab.lightning import pl
from mlp_lab.runs.callbacks.drawing import Drawing
from mlp_lab.runs.callbacks.keeper import Keeper
from mlp_lab.runs.callbacks.show_figure import show
from mlp_lab.tasks.regression import Regression


class CurveFit(Drawing):
    """``curve_fit.png``: the curve, the training points, the fit and its error.

    Drawn with the last weights when the training ends, however it ends.

    Raises:
        UserError: the data are not numbers by one number.
    """

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        x, y = train_loader_of(trainer).tensors
        if not x.shape[1:] == y.shape[1:] == (1,):
            raise UserError(
                "callbacks.curve_fit: needs data=curve and encoding=identity; or callbacks=default"
            )

    @torch.no_grad()
    def draw(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        keeper = trainer.checkpoint_callback
        assert isinstance(keeper, Keeper)
        if not keeper.history:
            return
        assert isinstance(task, Regression)
        points = train_loader_of(trainer).tensors
        curve = validation_loader_of(trainer).tensors
        task.eval()
        columns = [*points, *curve, task.values(task.evaluated(curve[0]))]
        px, py, x, y, fit = (column[:, 0].float().cpu().numpy() for column in columns)
        show(trainer, "curve_fit", fitted_curve.fitted_curve((px, py), (x, y), fit))
