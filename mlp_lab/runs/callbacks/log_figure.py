"""Save figures in the run folder and show them in TensorBoard."""

from collections.abc import Mapping

from mlp_lab.figures.rendering import Draw, failure_logged, rgb_pixels, save_figures
from mlp_lab.images.codecs import encode_gif
from mlp_lab.lightning import pl
from mlp_lab.runs.callbacks.access import tensorboard_of
from mlp_lab.storage.run_folder import RunFolder

_SECONDS = 0.4  # of each frame of an animation


def log_figure(trainer: pl.Trainer, name: str, draw: Draw) -> None:
    """Save a figure as ``figures/<name>.png`` of the run, and show it in TensorBoard.

    A failure is reported in the log.
    """
    save = RunFolder(trainer.default_root_dir).save_figure
    for content in save_figures({name: draw}, save).values():
        if tensorboard := tensorboard_of(trainer):
            tensorboard.log_picture(name, content, trainer.current_epoch)


def log_animation(trainer: pl.Trainer, name: str, frames: Mapping[int, Draw]) -> None:
    """Save ``figures/<name>.gif`` of the run; show the frames in TensorBoard as steps of one image.

    A failure is reported in the log.

    Args:
        trainer: trainer of the run.
        name: name of the file; in TensorBoard ``<name>_by_epoch``.
        frames: functions that draw figures of one size, by epoch.
    """
    with failure_logged(name):
        images = {epoch: rgb_pixels(draw) for epoch, draw in frames.items()}
        content = encode_gif(list(images.values()), _SECONDS)
        RunFolder(trainer.default_root_dir).save_animation(name, content)
        if tensorboard := tensorboard_of(trainer):
            for epoch, image in images.items():
                tag = f"{name}_by_epoch"
                tensorboard.experiment.add_image(tag, image, epoch, dataformats="HWC")
