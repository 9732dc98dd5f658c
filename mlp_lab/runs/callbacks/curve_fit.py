"""Draw the fit of a curve."""

from functools import partial

import torch

from mlp_lab.data.attached import data_of
from mlp_lab.errors import UserError
from mlp_lab.figures import fitted_curve
from mlp_lab.lightning import pl
from mlp_lab.runs.callbacks.access import task_of
from mlp_lab.runs.callbacks.epoch_checkpoint import EpochCheckpoint
from mlp_lab.runs.callbacks.figure_callback import Drawings, FigureCallback
from mlp_lab.runs.callbacks.log_figure import log_figure


class CurveFit(FigureCallback):
    """Draws ``curve_fit.png``: the curve, the training points, the fit and its error.

    The figure shows the fit of the last weights when training ends, also after an error.

    Raises:
        UserError: inputs or targets are not single numbers.
    """

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        x, y = data_of(trainer).splits["train"]
        if not x.shape[1:] == y.shape[1:] == (1,):
            raise UserError(
                "callbacks.curve_fit: needs data=curve and encoding=identity;"
                " otherwise use callbacks=default"
            )

    @torch.no_grad()
    def prepare(self, trainer: pl.Trainer, task: pl.LightningModule) -> Drawings:
        if not EpochCheckpoint.of(trainer).history:
            return []
        network = task_of(task)
        splits = data_of(trainer).splits
        points, curve = splits["train"], splits["validation"]
        network.eval()
        columns = [*points, *curve, network.predictions(network.evaluated(curve[0]))]
        px, py, x, y, fit = (column[:, 0].float().cpu().numpy() for column in columns)
        figure = partial(fitted_curve.fitted_curve, (px, py), (x, y), fit)
        return [partial(log_figure, trainer, "curve_fit", figure)]
