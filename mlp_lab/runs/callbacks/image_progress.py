"""Save the image that a network represents while it is trained."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mlp_lab.config.names import EPOCH_SPLITS
from mlp_lab.data.attached import data_of
from mlp_lab.errors import UserError
from mlp_lab.figures import frequency_plots, reconstruction
from mlp_lab.figures.rendering import failure_logged
from mlp_lab.images.codecs import encode_gif, encode_png, read_png, to_uint8
from mlp_lab.images.similarity import SSIM_WINDOW, image_psnr, ssim
from mlp_lab.images.spectra import spectrum
from mlp_lab.lightning import pl
from mlp_lab.runs.callbacks.access import task_of, tensorboard_of
from mlp_lab.runs.callbacks.figure_callback import Drawings, FigureCallback
from mlp_lab.runs.callbacks.log_figure import log_figure
from mlp_lab.runs.render import target_picture
from mlp_lab.storage.files import write_whole
from mlp_lab.storage.run_folder import RunFolder

_SECONDS = 0.15  # of each image in the animation


class ImageProgress(FigureCallback):
    """Saves the image that the network represents, before training and every few epochs.

    Each image is saved as ``pictures/<epoch>.png``, with a row in ``pictures.csv``: epoch (0:
    before training), step, psnr in dB, and ssim (empty if a side has fewer than 11 pixels). Both
    metrics compare all pixels with those of the target image, ``pictures/truth.png``. With
    ``data.protocol=upsample``, the columns ``psnr/train``, ``ssim/train``, ``psnr/validation`` and
    ``ssim/validation`` compare the pixels of one split. None of these metrics selects the best
    epoch. TensorBoard shows the images and the metrics. Checkpoints contain the rows, so that a
    resumed run keeps them.

    When training ends, also after an error, the callback prepares the following figures, and the
    run draws them: ``pictures.gif``, an animation of all images; ``reconstruction.png``, a
    selection of the images, and the last image with the target image, its classical interpolations
    and the absolute error; and ``spectra.png``, the amplitude spectra of the last image and the
    target image.

    Args:
        every: number of epochs between images.

    Raises:
        UserError: the targets are not the pixels of an image.
    """

    def __init__(self, every: int) -> None:
        self.every = every
        self.rows: list[dict[str, float]] = []
        self._last: np.ndarray | None = None

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        data = data_of(trainer)
        if data.target_image is None:
            raise UserError(
                "callbacks.image_progress: needs data=image; otherwise use callbacks=default"
            )
        self._truth, self._nyquist = data.target_image, data.nyquist
        parts = data.target_parts
        splits_differ = parts["test"] != parts["train"]
        by_split = {f"/{split}": parts[split] for split in EPOCH_SPLITS} if splits_differ else {}
        # Rows and columns by suffix of the names of metrics; "" is the whole image.
        self._slices_by_suffix = {"": (slice(None), slice(None))} | by_split
        if trainer.is_global_zero:
            metrics = [f"{name}{s}" for s in self._slices_by_suffix for name in ("psnr", "ssim")]
            run = RunFolder(trainer.default_root_dir)
            run.write_table("pictures", ["epoch", "step", *metrics], self.rows)
            write_whole(run.truth, encode_png(to_uint8(self._truth)))
        if not self.rows:
            self._record(trainer, task, 0)

    def on_train_epoch_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        epoch = trainer.current_epoch + 1
        if epoch % self.every == 0:
            self._record(trainer, task, epoch)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": list(self.rows)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]

    def _record(self, trainer: pl.Trainer, task: pl.LightningModule, epoch: int) -> None:
        if not trainer.is_global_zero:
            return
        truth = torch.from_numpy(self._truth)
        image = target_picture(task_of(task), data_of(trainer))
        metrics = {
            (name, suffix): value
            for suffix, slices in self._slices_by_suffix.items()
            for name, value in _similarity(image[slices], truth[slices]).items()
        }
        at = {"epoch": epoch, "step": trainer.global_step}
        row = {f"{name}{suffix}": value for (name, suffix), value in metrics.items()}
        self.rows.append(at | row)
        self._last = image.numpy()
        content, run = encode_png(to_uint8(self._last)), RunFolder(trainer.default_root_dir)
        run.append_to_table("pictures", [self.rows[-1]])
        write_whole(run.picture(epoch), content)
        if tensorboard := tensorboard_of(trainer):
            scalars = {f"{name}/picture{suffix}": x for (name, suffix), x in metrics.items()}
            tensorboard.log_metrics(at | scalars)
            tensorboard.log_picture("picture", content, epoch)

    def prepare(self, trainer: pl.Trainer, task: pl.LightningModule) -> Drawings:
        if not self.rows:
            return []
        run = RunFolder(trainer.default_root_dir)
        images = [read_png(run.picture(int(row["epoch"]))) for row in self.rows]
        # Draw images 0, 1, 2, 4, 8, ... and the last one: the first images differ most.
        last = len(images) - 1
        drawn = [n for n in range(last) if n & (n - 1) == 0] + [last]
        captions = [f"epoch {self.rows[n]['epoch']}\n{self.rows[n]['psnr']:.2f} dB" for n in drawn]
        some = [images[n] / 255 for n in drawn]
        interpolations = {
            f"{name.replace('_', ' ')}\n{image_psnr(image, self._truth):.2f} dB": image
            for name, image in data_of(trainer).interpolations.items()
        }
        figure = partial(reconstruction.reconstruction, self._truth, some, captions, interpolations)
        drawings = [
            partial(_save_animation, run, images, self.rows),
            partial(log_figure, trainer, "reconstruction", figure),
        ]
        if self._last is not None and self._nyquist is not None:
            # Use the unrounded output: the rounding to 8 bits in the PNG file would be visible.
            spectra = {"truth": spectrum(self._truth), "last image": spectrum(self._last)}
            title = "amplitude spectra after the last epoch (pixel values 0 to 1)"
            figure = partial(frequency_plots.amplitude_spectra, spectra, self._nyquist, title)
            drawings.append(partial(log_figure, trainer, "spectra", figure))
        return drawings


def _save_animation(
    run: RunFolder, images: Sequence[np.ndarray], rows: Sequence[Mapping[str, float]]
) -> None:
    captions = [f"epoch {row['epoch']}, {row['psnr']:.2f} dB" for row in rows]
    with failure_logged("pictures"):
        run.figures.save_animation("pictures", encode_gif(list(images), _SECONDS, captions))


def _similarity(image: Tensor, truth: Tensor) -> dict[str, float]:
    """Return PSNR and, if the images are large enough, SSIM of ``[height, width, channels]``."""
    metrics = {"psnr": image_psnr(image.numpy(), truth.numpy())}
    if min(truth.shape[:2]) >= SSIM_WINDOW:
        metrics["ssim"] = ssim(image, truth)
    return metrics
