"""Show a progress bar for the whole training."""

from typing import Any

from tqdm import tqdm

from mlp_lab.data.attached import training_loader
from mlp_lab.lightning import pl
from mlp_lab.runs.callbacks.access import task_of

_FORMAT = "{desc} {percentage:3.0f}%|{bar:24}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"


class Progress(pl.callbacks.Callback):
    """Shows the progress in minibatches and the latest metrics on standard error."""

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        total = (trainer.max_epochs or 1) * training_loader(trainer).batches
        if trainer.max_steps >= 0:
            total = min(total, trainer.max_steps)
        self.bar = tqdm(
            total=total,
            initial=trainer.global_step,
            unit="batch",
            dynamic_ncols=True,
            disable=None if trainer.is_global_zero else True,  # None: off unless on a terminal
            bar_format=_FORMAT,
        )
        self._describe(trainer)

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        self.bar.update(trainer.global_step - self.bar.n)

    def on_train_epoch_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self._describe(trainer)

    def on_validation_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        means = sorted(task_of(task).means.items())
        shown = {key: f"{value:.4f}" for key, value in means if key.endswith("/validation")}
        self.bar.set_postfix(shown, refresh=False)

    def on_train_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self.bar.close()

    def on_exception(self, trainer: pl.Trainer, *_: Any) -> None:
        if hasattr(self, "bar"):
            self.bar.close()

    def _describe(self, trainer: pl.Trainer) -> None:
        self.bar.set_description_str(
            f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}", refresh=False
        )
