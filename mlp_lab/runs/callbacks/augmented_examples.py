"""Draw augmented copies of a training example, and normalized examples."""

from functools import partial

import torch

from mlp_lab.data.attached import data_of
from mlp_lab.data.datamodule import DataModule
from mlp_lab.figures import image_grid
from mlp_lab.lightning import pl
from mlp_lab.nn.seeds import epoch_seed
from mlp_lab.runs.callbacks.access import task_of
from mlp_lab.runs.callbacks.log_figure import log_figure
from mlp_lab.tasks.base import Task


class AugmentedExamples(pl.callbacks.Callback):
    """Draws ``variants.png``: the first training image, and copies with full augmentation.

    Inputs that are not images are not drawn.

    If images are normalized, it also draws ``normalized.png``: the first images of the training
    file as they are, with all widths, and deslanted.

    The figures are drawn when the training starts. The copies depend on the run's seed and use no
    random numbers of the training.

    Args:
        count: number of augmented copies.
    """

    def __init__(self, count: int) -> None:
        self.count = count

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        task, data = task_of(module), data_of(trainer)
        if trainer.current_epoch > 0 or not trainer.is_global_zero:
            return
        if task.augmentation is not None and data.image_side is not None:
            self._draw_copies(trainer, task, data)
        if examples := data.normalized_examples():
            rows = torch.stack(list(examples.values()), 1).flatten(0, 1)  # a row per example
            captions = [*examples] * (len(rows) // len(examples))
            title = "training examples, normalized to several widths"
            draw = partial(image_grid.image_grid, rows.numpy(), captions, title, len(examples))
            log_figure(trainer, "normalized", draw)

    def _draw_copies(self, trainer: pl.Trainer, task: Task, data: DataModule) -> None:
        assert task.augmentation is not None
        original = data.splits["train"][0][:1]
        seed = epoch_seed(task.seed, 0, "variants")
        generator = torch.Generator(original.device).manual_seed(seed)
        copies = task.augmentation(original.expand(self.count, -1), generator)
        images = data.images(torch.cat([original, copies]))
        assert images is not None
        captions = ["original", *[""] * self.count]
        pixels = images.float().cpu().numpy()
        title = "the first training example and augmented copies"
        figure = partial(image_grid.image_grid, pixels, captions, title, columns=7)
        log_figure(trainer, "variants", figure)
