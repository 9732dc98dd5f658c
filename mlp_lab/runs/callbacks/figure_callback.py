"""The base class of callbacks that draw figures at the end of the training."""

from abc import abstractmethod
from contextlib import suppress

from mlp_lab.lightning import pl


class FigureCallback(pl.callbacks.Callback):
    """Draws figures when the training ends, also after an error, in the first process only."""

    def on_train_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            self.draw(trainer, task)

    def on_exception(
        self, trainer: pl.Trainer, task: pl.LightningModule, exception: BaseException
    ) -> None:
        if trainer.is_global_zero:
            with suppress(OSError):  # such as a full disk, which may be the exception to report
                self.draw(trainer, task)

    @abstractmethod
    def draw(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Draw the figures, or nothing if the training has not yet recorded anything."""
