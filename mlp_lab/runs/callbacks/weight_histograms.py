"""Show the network and its weights in TensorBoard."""

from mlp_lab.data.attached import data_of
from mlp_lab.errors import UserError
from mlp_lab.lightning import pl
from mlp_lab.runs.callbacks.access import task_of, tensorboard_of


class WeightHistograms(pl.callbacks.Callback):
    """Writes histograms of the weights and the graph of the network to TensorBoard.

    There is a histogram of each parameter before training and after epochs 1, 2, 4, 8, .... The
    callback does not change the training: the final weights are bit-identical to those without it.
    """

    def setup(self, trainer: pl.Trainer, task: pl.LightningModule, stage: str) -> None:
        if trainer.is_global_zero and tensorboard_of(trainer) is None:
            raise UserError("callbacks.weight_histograms: needs logger=tensorboard")

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        if trainer.current_epoch:  # a resumed run
            return
        if logger := tensorboard_of(trainer):
            x, _ = data_of(trainer).splits["train"]
            logger.log_graph_of(task_of(task).network, x[:1])
        self._write(trainer, task, 0)

    def on_train_epoch_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        epoch = trainer.current_epoch + 1
        if epoch & (epoch - 1) == 0:  # a power of two
            self._write(trainer, task, epoch)

    def _write(self, trainer: pl.Trainer, task: pl.LightningModule, epoch: int) -> None:
        if logger := tensorboard_of(trainer):
            at = {"epoch": epoch, "step": trainer.global_step}
            for name, weights in task_of(task).network.named_parameters():
                logger.log_histogram(f"weights/{name}", weights.detach(), at)
