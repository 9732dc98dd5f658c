"""Save figures in the run folder and show them in TensorBoard."""

from collections.abc import Mapping

from mlp_lab.figures.rendering import Draw, failure_logged, rgb_pixels, save_figures, titled
from mlp_lab.images.codecs import encode_gif
from mlp_lab.lightning import pl
from mlp_lab.runs.callbacks.access import tensorboard_of
from mlp_lab.storage.run_folder import RunFolder

_SECONDS = 0.4  # of each frame of an animation


def log_figure(trainer: pl.Trainer, name: str, draw: Draw) -> None:
    """Save a figure in ``figures/`` of the run, and show it in TensorBoard.

    The format of the file is ``figures.format``. A failure is reported in the log.
    """
    run = RunFolder(trainer.default_root_dir)
    figures = save_figures({name: draw}, run.figures.save, run.figure_format, run.title)
    for content in figures.values():
        if tensorboard := tensorboard_of(trainer):
            tensorboard.log_picture(name, content, trainer.current_epoch)


def log_animation(
    trainer: pl.Trainer, name: str, frames: Mapping[int, Draw], by: str = "epoch"
) -> None:
    """Save ``figures/<name>.gif`` of the run; show the frames in TensorBoard as steps of one image.

    A failure is reported in the log.

    Args:
        trainer: trainer of the run.
        name: name of the file; in TensorBoard ``<name>_by_<by>``.
        frames: functions that draw figures of one size, by step.
        by: what a step is.
    """
    with failure_logged(name):
        run = RunFolder(trainer.default_root_dir)
        title = run.title  # reads the config
        images = {step: rgb_pixels(titled(draw, title)) for step, draw in frames.items()}
        run.figures.save_animation(name, encode_gif(list(images.values()), _SECONDS))
        if tensorboard := tensorboard_of(trainer):
            for step, image in images.items():
                tag = f"{name}_by_{by}"
                tensorboard.experiment.add_image(tag, image, step, dataformats="HWC")
