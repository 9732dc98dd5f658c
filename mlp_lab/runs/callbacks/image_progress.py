"""What a network makes of a picture while it learns it."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from mlp_lab.config.names import EPOCH_SPLITS
from mlp_lab.data.attached import datamodule_of
from mlp_lab.data.image import Image
from mlp_lab.errors import UserError
from mlp_lab.figures import frequency_plots, reconstruction
from mlp_lab.images.codecs import encode_gif, encode_png, read_png, to_uint8
from mlp_lab.images.similarity import SMALLEST, psnr, ssim
from mlp_lab.images.spectra import spectrum
from mlp_lab.lightning import pl
from mlp_lab.runs.callbacks.drawing import Drawing
from mlp_lab.runs.callbacks.show_figure import show
from mlp_lab.runs.logger import TensorBoard
from mlp_lab.runs.render import render
from mlp_lab.storage.files import write_whole
from mlp_lab.storage.run_folder import Run
from mlp_lab.tasks.regression import Regression

_SECONDS = 0.15  # of each look in the animation


class Pictures(Drawing):
    """The whole picture as the network sees it, before training and as the epochs go by.

    A look leaves ``pictures/<epoch>.png``, and a row of ``pictures.csv``: epoch (0: before
    training), step, psnr in dB and, from 11 x 11 pixels on, ssim. These tell of all pixels, those
    of the training, the validation and the test split alike; nothing is chosen by them. Where the
    pixels of a split are a picture of their own, ``psnr/train``, ``ssim/train``,
    ``psnr/validation`` and ``ssim/validation`` tell of these. TensorBoard shows the same. The rows
    travel in the checkpoints, so that a resumed run has the whole of them.
    ``pictures/truth.png`` is what there was to see.

    When the training ends, however it ends, ``pictures.gif`` shows all looks one after the other,
    ``reconstruction.png`` some of them, and the last one beside the truth and its error, and
    ``spectra.png`` which frequencies it has and lacks.

    Args:
        every: epochs from look to look.

    Raises:
        UserError: the data are no picture.
    """

    def __init__(self, every: int) -> None:
        self.every = every
        self.rows: list[dict[str, float]] = []
        self._last: np.ndarray | None = None

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        data = datamodule_of(trainer)
        if not isinstance(data, Image):
            raise UserError("callbacks.image_progress: needs data=image; or callbacks=default")
        self._truth, self._nyquist = data.pixels, data.nyquist
        whole = data.parts["test"] == data.parts["train"]
        own = {} if whole else {f"/{split}": data.parts[split] for split in EPOCH_SPLITS}
        self._parts = {"": (slice(None), slice(None))} | own
        if trainer.is_global_zero:
            told = [f"{name}{part}" for part in self._parts for name in ("psnr", "ssim")]
            run = Run(trainer.default_root_dir)
            run.write_table("pictures", ["epoch", "step", *told], self.rows)
            write_whole(run.truth, encode_png(to_uint8(self._truth)))
        if not self.rows:
            self._look(trainer, task, 0)

    def on_train_epoch_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        epoch = trainer.current_epoch + 1
        if epoch % self.every == 0:
            self._look(trainer, task, epoch)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": list(self.rows)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]

    def _look(self, trainer: pl.Trainer, task: pl.LightningModule, epoch: int) -> None:
        assert isinstance(task, Regression)
        if not trainer.is_global_zero:
            return
        height, width, _ = self._truth.shape
        seen, truth = render(task, width, height), torch.from_numpy(self._truth)
        told = {of: _alike(seen[part], truth[part]) for of, part in self._parts.items()}
        row = {f"{name}{of}": value for of, own in told.items() for name, value in own.items()}
        at = {"epoch": epoch, "step": trainer.global_step}
        self.rows.append(at | row)
        self._last = seen.numpy()
        picture, run = encode_png(to_uint8(self._last)), Run(trainer.default_root_dir)
        run.append_to_table("pictures", [self.rows[-1]])
        write_whole(run.picture(epoch), picture)
        if isinstance(trainer.logger, TensorBoard):
            scalars = {
                f"{name}/picture{of}": v for of, own in told.items() for name, v in own.items()
            }
            trainer.logger.log_metrics(at | scalars)
            trainer.logger.log_picture("picture", picture, epoch)

    def draw(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        if not self.rows:
            return
        run = Run(trainer.default_root_dir)
        looks = [read_png(run.picture(int(row["epoch"]))) for row in self.rows]
        run.save_animation("pictures", encode_gif(looks, _SECONDS))
        # The first looks differ more than the last.
        last = len(looks) - 1
        shown = [n for n in range(last) if n & (n - 1) == 0] + [last]
        captions = [f"epoch {self.rows[n]['epoch']}\n{self.rows[n]['psnr']:.2f} dB" for n in shown]
        some = [looks[n] / 255 for n in shown]
        show(trainer, "reconstruction", reconstruction.reconstruction(self._truth, some, captions))
        if self._last is not None:  # of bytes the rounding would be seen, too
            spectra = {"truth": spectrum(self._truth), "last look": spectrum(self._last)}
            show(trainer, "spectra", frequency_plots.amplitude_spectra(spectra, self._nyquist))


def _alike(seen: Tensor, truth: Tensor) -> dict[str, float]:
    """How alike two pictures are, ``[height, width, channels]`` both."""
    told = {"psnr": psnr(float((seen - truth).square().mean()))}
    if min(truth.shape[:2]) >= SMALLEST:
        told["ssim"] = ssim(seen, truth)
    return told
