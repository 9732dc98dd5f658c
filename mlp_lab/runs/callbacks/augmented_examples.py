"""What the augmentation makes of a picture."""

import torch

from mlp_lab.data.attached import datamodule_of
from mlp_lab.data.mnist import IdxImages
from mlp_lab.figures import image_grid
from mlp_lab.lightning import pl
from mlp_lab.nn.seeds import epoch_seed
from mlp_lab.runs.callbacks.show_figure import show
from mlp_lab.tasks.base import Task


class Variants(pl.callbacks.Callback):
    """``variants.png``: the first training picture, as it is and in variants of full strength.

    Drawn when a training begins; not where there is no augmentation. The variants are a function of
    the run's seed, and no random number of the training is used.

    Args:
        count: of variants.
    """

    def __init__(self, count: int) -> None:
        self.count = count

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        assert isinstance(task, Task)
        data = datamodule_of(trainer)
        if task.augmentation is None or trainer.current_epoch > 0 or not trainer.is_global_zero:
            return
        assert isinstance(data, IdxImages)  # no other data can be augmented
        original = data.splits["train"][0][:1]
        seed = epoch_seed(task.seed, 0, "variants")
        generator = torch.Generator(original.device).manual_seed(seed)
        variants = task.augmentation(original.expand(self.count, -1), generator)
        images = data.pictures(torch.cat([original, variants])).float().cpu().numpy()
        captions = ["as it is", *[""] * self.count]
        show(trainer, "variants", image_grid.image_grid(images, captions, columns=7))
