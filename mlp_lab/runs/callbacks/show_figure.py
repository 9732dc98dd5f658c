"""A figure belongs on disk and in TensorBoard."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from mlp_lab.images.codecs import encode_gif
from mlp_lab.lightning import pl
from mlp_lab.runs.logger import TensorBoard
from mlp_lab.storage.run_folder import Run

_SECONDS = 0.4  # of each frame of an animation


def show(trainer: pl.Trainer, name: str, figure: Figure) -> None:
    """Save ``figure`` as ``figures/<name>.png`` of the run, and show it in TensorBoard."""
    png = Run(trainer.default_root_dir).save_figure(name, figure)
    if isinstance(trainer.logger, TensorBoard):
        trainer.logger.log_picture(name, png, trainer.current_epoch)


def show_animation(trainer: pl.Trainer, name: str, frames: Mapping[int, np.ndarray]) -> None:
    """Save ``figures/<name>.gif`` of the run; show the frames in TensorBoard as steps of one image.

    Args:
        trainer: of the run.
        name: of the file; in TensorBoard ``<name>_by_epoch``.
        frames: by epoch, pictures of one size, uint8 ``[height, width, 3]``.
    """
    Run(trainer.default_root_dir).save_animation(name, encode_gif(list(frames.values()), _SECONDS))
    if isinstance(trainer.logger, TensorBoard):
        for epoch, frame in frames.items():
            tag = f"{name}_by_epoch"
            trainer.logger.experiment.add_image(tag, frame, epoch, dataformats="HWC")
