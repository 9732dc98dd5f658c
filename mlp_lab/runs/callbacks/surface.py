"""Draw the surface of the solid that a network represents."""

from functools import partial
from pathlib import Path

from mlp_lab.data.attached import data_of
from mlp_lab.data.shape import shape_of
from mlp_lab.data.solids.triangles import check_scikit_image, encode_ply
from mlp_lab.errors import UserError
from mlp_lab.figures.rendering import failure_logged
from mlp_lab.figures.surface_views import surface_views
from mlp_lab.lightning import pl
from mlp_lab.runs.callbacks.access import task_of
from mlp_lab.runs.callbacks.figure_callback import Drawings, FigureCallback
from mlp_lab.runs.callbacks.log_figure import log_figure
from mlp_lab.runs.render import surface
from mlp_lab.storage.files import write_whole
from mlp_lab.storage.run_folder import RunFolder


class Surface(FigureCallback):
    """Draws ``surface.png``: views of the solid and of the network's solid.

    The network's surface, where the probability is 1/2, is also written to ``surface.ply`` in the
    folder of the figures. The network has the last weights when training ends, also after an error.

    Args:
        resolution: number of grid points along each side of the unit cube.

    Raises:
        UserError: the targets are not occupancies, or scikit-image is not installed.
    """

    def __init__(self, resolution: int) -> None:
        self.resolution = resolution

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        if data_of(trainer).target_kind != "occupancies":
            raise UserError("callbacks.surface: needs data=shape; otherwise use callbacks=default")
        check_scikit_image()

    def prepare(self, trainer: pl.Trainer, task: pl.LightningModule) -> Drawings:
        predicted = surface(task_of(task), self.resolution)
        truth = shape_of(data_of(trainer)).solid.triangles(self.resolution)
        figure = partial(surface_views, {"truth": truth, "network": predicted})
        path = RunFolder(trainer.default_root_dir).folder / "figures" / "surface.ply"
        return [
            partial(_save, path, encode_ply(predicted)),
            partial(log_figure, trainer, "surface", figure),
        ]


def _save(path: Path, content: bytes) -> None:
    with failure_logged(path.name):
        write_whole(path, content)
