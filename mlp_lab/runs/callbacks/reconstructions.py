"""Draw the object that a network has reconstructed from measurements."""

from functools import partial
from typing import cast

from mlp_lab.data.attached import data_of
from mlp_lab.data.measured_object import measured_object
from mlp_lab.errors import UserError
from mlp_lab.lightning import pl
from mlp_lab.runs.callbacks.figure_callback import Drawings, FigureCallback
from mlp_lab.runs.callbacks.log_figure import log_figure
from mlp_lab.tasks.diagnostics.reconstructions import compare_reconstructions
from mlp_lab.tasks.reconstruction import Reconstruction


class Reconstructions(FigureCallback):
    """Draws the object, the network's reconstruction and the classical one, with their errors.

    ``reconstructions.png`` also shows the sinogram of computed tomography, and
    ``reconstruction_spectra.png`` the amplitude spectra; for MRI, ``k_space.png`` shows the
    measured Fourier coefficients and the spectra. The classical reconstruction is from the training
    measurements: filtered back-projection, or the zero-filled inverse Fourier transform. The
    network has the last weights when training ends, also after an error.

    Raises:
        UserError: the targets are not measurements of an object, or a package is not installed.
    """

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        data = measured_object(data_of(trainer))
        if data is None:
            raise UserError(
                "callbacks.reconstructions: needs data=ct or data=mri; otherwise use"
                " callbacks=default"
            )
        data.check_packages()

    def prepare(self, trainer: pl.Trainer, task: pl.LightningModule) -> Drawings:
        data = measured_object(data_of(trainer))
        assert data is not None
        density = cast(Reconstruction, task).density(data)
        diagnostic = compare_reconstructions(data, density)
        return [
            partial(log_figure, trainer, name, draw) for name, draw in diagnostic.figures.items()
        ]
