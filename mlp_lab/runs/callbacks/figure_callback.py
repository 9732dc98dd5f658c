"""The base class of callbacks that draw figures at the end of the training."""

from abc import abstractmethod
from collections.abc import Callable, Sequence

from mlp_lab.figures.rendering import failure_logged
from mlp_lab.lightning import pl

Drawings = Sequence[Callable[[], None]]  # functions that draw figures and save them


class FigureCallback(pl.callbacks.Callback):
    """Prepares figures when training ends, also after an error, in the first process only.

    The run draws them after it has written its result, which a failed figure must not prevent. The
    weights are then those of the best epoch.
    """

    _prepared: Drawings = ()

    def on_train_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self._prepare(trainer, task)

    def on_exception(
        self, trainer: pl.Trainer, task: pl.LightningModule, exception: BaseException
    ) -> None:
        self._prepare(trainer, task)

    def draw(self) -> None:
        """Draw the figures that have been prepared, once."""
        prepared, self._prepared = self._prepared, ()
        for draw in prepared:
            draw()

    @abstractmethod
    def prepare(self, trainer: pl.Trainer, task: pl.LightningModule) -> Drawings:
        """Return functions that draw the figures; none if nothing has been recorded yet.

        They must not use the task, whose weights change before they are called.
        """

    def _prepare(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            with failure_logged(type(self).__name__):
                self._prepared = self.prepare(trainer, task)
