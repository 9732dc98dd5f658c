"""Draw the object that a network has reconstructed from projections."""

from functools import partial

from mlp_lab.data.attached import data_of
from mlp_lab.data.ct import ct_of
from mlp_lab.errors import UserError
from mlp_lab.images.filtered_back_projection import check_scikit_image
from mlp_lab.lightning import pl
from mlp_lab.runs.callbacks.access import task_of
from mlp_lab.runs.callbacks.figure_callback import Drawings, FigureCallback
from mlp_lab.runs.callbacks.log_figure import log_figure
from mlp_lab.runs.render import render
from mlp_lab.tasks.diagnostics.tomography import compare_reconstructions


class Reconstructions(FigureCallback):
    """Draws ``reconstructions.png``: the object, the network's image and the classical one.

    The figure also shows the sinogram and the absolute errors. The classical reconstruction is
    filtered back-projection of the training projections. The network has the last weights when
    training ends, also after an error.

    Raises:
        UserError: the targets are not projections, or scikit-image is not installed.
    """

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        if data_of(trainer).target_kind != "projections":
            raise UserError(
                "callbacks.reconstructions: needs data=ct; otherwise use callbacks=default"
            )
        check_scikit_image()

    def prepare(self, trainer: pl.Trainer, task: pl.LightningModule) -> Drawings:
        data = ct_of(data_of(trainer))
        image = render(task_of(task), data.size, data.size)[:, :, 0]
        diagnostic = compare_reconstructions(data, image.numpy())
        return [
            partial(log_figure, trainer, name, draw) for name, draw in diagnostic.figures.items()
        ]
