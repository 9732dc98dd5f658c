"""Draw augmented copies of a training example."""

from functools import partial

import torch

from mlp_lab.data.attached import data_of
from mlp_lab.figures import image_grid
from mlp_lab.lightning import pl
from mlp_lab.nn.seeds import epoch_seed
from mlp_lab.runs.callbacks.access import task_of
from mlp_lab.runs.callbacks.log_figure import log_figure


class AugmentedExamples(pl.callbacks.Callback):
    """Draws ``variants.png``: the first training image, and copies with full augmentation.

    The figure is drawn when training with augmentation starts. The copies depend on the run's seed
    and use no random numbers of the training.

    Args:
        count: number of augmented copies.
    """

    def __init__(self, count: int) -> None:
        self.count = count

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        task, data = task_of(module), data_of(trainer)
        if task.augmentation is None or trainer.current_epoch > 0 or not trainer.is_global_zero:
            return
        original = data.splits["train"][0][:1]
        seed = epoch_seed(task.seed, 0, "variants")
        generator = torch.Generator(original.device).manual_seed(seed)
        copies = task.augmentation(original.expand(self.count, -1), generator)
        images = data.images(torch.cat([original, copies]))
        assert images is not None  # only images have an augmentation
        captions = ["original", *[""] * self.count]
        pixels = images.float().cpu().numpy()
        figure = partial(image_grid.image_grid, pixels, captions, columns=7)
        log_figure(trainer, "variants", figure)
