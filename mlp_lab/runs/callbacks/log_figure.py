"""Save figures in the run folder and show them in TensorBoard."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from mlp_lab.images.codecs import encode_gif
from mlp_lab.lightning import pl
from mlp_lab.runs.callbacks.access import tensorboard_of
from mlp_lab.storage.run_folder import RunFolder

_SECONDS = 0.4  # of each frame of an animation


def log_figure(trainer: pl.Trainer, name: str, figure: Figure) -> None:
    """Save ``figure`` as ``figures/<name>.png`` of the run, and show it in TensorBoard."""
    png = RunFolder(trainer.default_root_dir).save_figure(name, figure)
    if tensorboard := tensorboard_of(trainer):
        tensorboard.log_picture(name, png, trainer.current_epoch)


def log_animation(trainer: pl.Trainer, name: str, frames: Mapping[int, np.ndarray]) -> None:
    """Save ``figures/<name>.gif`` of the run; show the frames in TensorBoard as steps of one image.

    Args:
        trainer: trainer of the run.
        name: name of the file; in TensorBoard ``<name>_by_epoch``.
        frames: images by epoch, all of one size, uint8 ``[height, width, 3]``.
    """
    RunFolder(trainer.default_root_dir).save_animation(
        name, encode_gif(list(frames.values()), _SECONDS)
    )
    if tensorboard := tensorboard_of(trainer):
        for epoch, frame in frames.items():
            tag = f"{name}_by_epoch"
            tensorboard.experiment.add_image(tag, frame, epoch, dataformats="HWC")
