"""What callbacks that draw have in common."""

from abc import abstractmethod
from contextlib import suppress

from mlp_lab.lightning import pl


class Drawing(pl.callbacks.Callback):
    """Draws when the training ends, however it ends, in the first of several processes."""

    def on_train_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            self.draw(trainer, task)

    def on_exception(
        self, trainer: pl.Trainer, task: pl.LightningModule, exception: BaseException
    ) -> None:
        if trainer.is_global_zero:
            with suppress(OSError):  # a full disk may be what ended the training, and is to be told
                self.draw(trainer, task)

    @abstractmethod
    def draw(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Draw what is known, which may be nothing yet."""
