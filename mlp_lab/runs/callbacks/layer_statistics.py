"""Record the gradient norm and the sparsity of each layer."""

from collections.abc import Callable
from functools import partial
from typing import Any

from mlp_lab.data.attached import data_of
from mlp_lab.figures import layer_profiles
from mlp_lab.lightning import pl
from mlp_lab.nn.probes import LayerStatistics, inspect_layers
from mlp_lab.runs.callbacks.access import task_of, tensorboard_of
from mlp_lab.runs.callbacks.figure_callback import Drawings, FigureCallback
from mlp_lab.runs.callbacks.log_figure import log_figure
from mlp_lab.storage.run_folder import RunFolder

_QUANTITIES = ("gradient norm", "sparsity")


class LayerRecorder(FigureCallback):
    """Records gradient norm and sparsity of each layer, before training and after each epoch.

    They are computed for the first training examples, with the network in evaluation mode; see
    ``inspect_layers``. The callback does not change the training: the final weights are
    bit-identical to those without it.

    ``layers.csv`` has a row for each epoch (0: before training) and layer (1: the first): epoch,
    layer, gradient norm, sparsity. Checkpoints contain the rows, so that a resumed run has all of
    them. TensorBoard shows the values by layer and, before training and after epochs 1, 2, 4, 8,
    ..., histograms of the gradients. ``gradient_norms.png`` and, for networks with ReLUs,
    ``sparsity.png`` are drawn when training ends, also after an error.

    Args:
        examples: number of training examples.
    """

    def __init__(self, examples: int) -> None:
        self.examples = examples
        self.rows: list[dict[str, float]] = []

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            RunFolder(trainer.default_root_dir).write_table(
                "layers", ["epoch", "layer", *_QUANTITIES], self.rows
            )
        if not self.rows:
            self._record(trainer, task, 0)

    def on_train_epoch_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self._record(trainer, task, trainer.current_epoch + 1)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": list(self.rows)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]

    def _record(self, trainer: pl.Trainer, module: pl.LightningModule, epoch: int) -> None:
        if not trainer.is_global_zero:
            return
        task = task_of(module)
        x, y = (tensor[: self.examples] for tensor in data_of(trainer).splits["train"])
        layers = inspect_layers(task.network, x, lambda output: task.loss(output, y))
        rows = [
            {"epoch": epoch, "layer": number, **_quantities(layer)}
            for number, layer in enumerate(layers, 1)
        ]
        self.rows += rows
        RunFolder(trainer.default_root_dir).append_to_table("layers", rows)
        if tensorboard := tensorboard_of(trainer):
            at = {"epoch": epoch, "step": trainer.global_step}
            tensorboard.log_metrics(
                at | {f"{q}/{_name(row)}": row[q] for row in rows for q in _QUANTITIES if q in row}
            )
            if epoch & (epoch - 1) == 0:  # a power of two, or 0
                for row, layer in zip(rows, layers, strict=True):
                    tensorboard.log_histogram(f"gradient/{_name(row)}", layer.gradient, at)

    def prepare(self, trainer: pl.Trainer, task: pl.LightningModule) -> Drawings:
        drawings: list[Callable[[], None]] = []
        for quantity, name in zip(_QUANTITIES, ("gradient_norms", "sparsity"), strict=True):
            if any(quantity in row for row in self.rows):
                curves = layer_profiles.values_by_epoch(self.rows, quantity)
                panels = {"": curves}
                figure = partial(layer_profiles.quantity_by_layer, panels, quantity, "epoch")
                drawings.append(partial(log_figure, trainer, name, figure))
        return drawings


def _quantities(layer: LayerStatistics) -> dict[str, float]:
    sparsity = {} if layer.sparsity is None else {"sparsity": layer.sparsity}
    return {"gradient norm": layer.gradient_norm, **sparsity}


def _name(row: dict[str, float]) -> str:
    return f"layer {row['layer']:02.0f}"
