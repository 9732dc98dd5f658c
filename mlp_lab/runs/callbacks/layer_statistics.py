"""How well the error reaches each layer."""

from typing import Any

from mlp_lab.data.attached import train_loader_of
from mlp_lab.figures import layer_profiles
from mlp_lab.lightning import pl
from mlp_lab.nn.probes import LayerStatistics, inspect_layers
from mlp_lab.runs.callbacks.drawing import Drawing
from mlp_lab.runs.callbacks.show_figure import show
from mlp_lab.runs.logger import TensorBoard
from mlp_lab.storage.run_folder import Run
from mlp_lab.tasks.base import Task

_QUANTITIES = ("gradient norm", "sparsity")


class Layers(Drawing):
    """Gradient norm and sparsity of each layer, before training and after each epoch.

    They are taken from the first training examples, always the same, in the state in which the
    network is evaluated; see ``inspect_layers``. Training isn't touched: it ends with the same
    weights, bit for bit, as without.

    ``layers.csv`` has a row an epoch (0: before training) and layer (from 1, the one that sees the
    inputs): epoch, layer, gradient norm, sparsity. It travels in the checkpoints, so that a
    resumed run has the whole of it. TensorBoard shows the same by layer and, before training and
    after epochs 1, 2, 4, 8 ..., histograms of the gradients.
    ``gradient_norms.png`` and, where there are ReLUs, ``sparsity.png`` are drawn when the training
    ends, however it ends.

    Args:
        examples: that are looked at.
    """

    def __init__(self, examples: int) -> None:
        self.examples = examples
        self.rows: list[dict[str, float]] = []

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            Run(trainer.default_root_dir).write_table(
                "layers", ["epoch", "layer", *_QUANTITIES], self.rows
            )
        if not self.rows:
            self._look(trainer, task, 0)

    def on_train_epoch_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self._look(trainer, task, trainer.current_epoch + 1)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": list(self.rows)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]

    def _look(self, trainer: pl.Trainer, task: pl.LightningModule, epoch: int) -> None:
        assert isinstance(task, Task)
        if not trainer.is_global_zero:
            return
        tensors = train_loader_of(trainer).tensors
        x, y = (tensor[: self.examples] for tensor in tensors)
        layers = inspect_layers(task.network, x, lambda output: task.loss(output, y))
        rows = [
            {"epoch": epoch, "layer": number, **_quantities(layer)}
            for number, layer in enumerate(layers, 1)
        ]
        self.rows += rows
        Run(trainer.default_root_dir).append_to_table("layers", rows)
        if isinstance(trainer.logger, TensorBoard):
            at = {"epoch": epoch, "step": trainer.global_step}
            trainer.logger.log_metrics(
                at | {f"{q}/{_name(row)}": row[q] for row in rows for q in _QUANTITIES if q in row}
            )
            if epoch & (epoch - 1) == 0:  # a power of two, or 0
                for row, layer in zip(rows, layers, strict=True):
                    trainer.logger.log_histogram(f"gradient/{_name(row)}", layer.gradient, at)

    def draw(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        if not self.rows:
            return
        for quantity, name in zip(_QUANTITIES, ("gradient_norms", "sparsity"), strict=True):
            if any(quantity in row for row in self.rows):
                curves = layer_profiles.values_by_epoch(self.rows, quantity)
                show(
                    trainer, name, layer_profiles.quantity_by_layer({"": curves}, quantity, "epoch")
                )


def _quantities(layer: LayerStatistics) -> dict[str, float]:
    known = {} if layer.sparsity is None else {"sparsity": layer.sparsity}
    return {"gradient norm": layer.gradient_norm, **known}


def _name(row: dict[str, float]) -> str:
    return f"layer {row['layer']:02.0f}"
