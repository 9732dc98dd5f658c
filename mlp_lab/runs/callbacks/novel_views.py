"""Draw views of the scene that a network represents."""

from functools import partial

from mlp_lab.data.attached import data_of
from mlp_lab.data.scenes.camera import camera_on_sphere
from mlp_lab.data.views import Views, views_of
from mlp_lab.errors import UserError
from mlp_lab.figures import scene_views
from mlp_lab.figures.rendering import Draw
from mlp_lab.images.similarity import image_psnr
from mlp_lab.lightning import pl
from mlp_lab.runs.callbacks.access import task_of
from mlp_lab.runs.callbacks.figure_callback import Drawings, FigureCallback
from mlp_lab.runs.callbacks.log_figure import log_animation, log_figure
from mlp_lab.runs.render import view
from mlp_lab.tasks.base import Task

_SHOWN = 3  # held-out views, at most


class NovelViews(FigureCallback):
    """Draws ``novel_views.png``: validation images, and what the network shows from their cameras.

    The figure also shows the absolute errors and the depths. ``orbit.gif`` shows the scene and its
    depth from cameras around it. The network has the last weights when training ends, also after an
    error.

    Args:
        frames: number of views of the orbit.
        elevation: angle of the orbit above the ground in degrees.

    Raises:
        UserError: the targets are not colours of rays.
    """

    def __init__(self, frames: int, elevation: float) -> None:
        self.frames = frames
        self.elevation = elevation

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        if data_of(trainer).target_kind != "views":
            raise UserError(
                "callbacks.novel_views: needs data=views; otherwise use callbacks=default"
            )

    def prepare(self, trainer: pl.Trainer, task: pl.LightningModule) -> Drawings:
        data = views_of(data_of(trainer))
        distances = data.samples.near, data.samples.far
        shown = _held_out_views(task_of(task), data)
        figure = partial(scene_views.held_out_views, shown, distances)
        return [
            partial(log_figure, trainer, "novel_views", figure),
            partial(log_animation, trainer, "orbit", self._orbit(task_of(task), data), "azimuth"),
        ]

    def _orbit(self, task: Task, data: Views) -> dict[int, Draw]:
        """Return functions that draw the views by azimuth in degrees."""
        height, width, _ = data.target_image.shape
        near, far = data.samples.near, data.samples.far
        frames: dict[int, Draw] = {}
        for number in range(self.frames):
            azimuth = 360 * number // self.frames
            camera = camera_on_sphere(azimuth, self.elevation, (near + far) / 2, data.camera.angle)
            seen = view(task, camera, data.samples, width, height)
            images = seen.colours.numpy(), seen.depths.numpy()
            caption = f"azimuth {azimuth}°, elevation {self.elevation:g}°"
            frames[azimuth] = partial(scene_views.orbit_frame, *images, (near, far), caption)
        return frames


def _held_out_views(task: Task, data: Views) -> list[scene_views.ShownView]:
    """Return the first validation images and the network's views from their cameras."""
    images, cameras = data.posed_images("validation")
    shown = []
    for truth, camera in zip(images[:_SHOWN], cameras, strict=False):
        height, width, _ = truth.shape
        seen = view(task, camera, data.samples, width, height)
        colours = seen.colours.numpy()
        decibels = image_psnr(colours, truth)
        shown.append(scene_views.ShownView(truth, colours, seen.depths.numpy(), decibels))
    return shown
