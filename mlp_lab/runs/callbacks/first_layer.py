"""Draw the weights of the first layer."""

from functools import partial
from typing import Any

import numpy as np
from torch import nn

from mlp_lab.data.attached import data_of
from mlp_lab.figures import training_curves, weight_images
from mlp_lab.figures.rendering import Draw
from mlp_lab.lightning import pl
from mlp_lab.nn.probes import weight_layers
from mlp_lab.runs.callbacks.access import task_of
from mlp_lab.runs.callbacks.figure_callback import Drawings, FigureCallback
from mlp_lab.runs.callbacks.log_figure import log_figure

_MAX_WEIGHTS = 12  # curves that are easy to distinguish


class FirstLayerWeights(FigureCallback):
    """Draws ``weights.png``: the weights of the first layer.

    If the inputs are images, the figure shows the last weights as images, those of a convolution as
    one image for each kernel. Otherwise, it shows the weights by epoch of a network with one linear
    layer and at most twelve weights; for other networks, nothing is drawn. The figure is drawn when
    training ends, also after an error.
    """

    def __init__(self) -> None:
        #: The weights at the start and after each epoch: for each output its weights and bias.
        self.history: list[list[float]] = []

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        if not self.history:
            self._record(task)

    def on_train_epoch_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self._record(task)

    def state_dict(self) -> dict[str, Any]:
        return {"history": list(self.history)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.history = state_dict["history"]

    def _record(self, task: pl.LightningModule) -> None:
        if (layer := _only_layer(task)) is not None:
            outputs = zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)
            self.history.append([value for weights, bias in outputs for value in (*weights, bias)])

    def prepare(self, trainer: pl.Trainer, task: pl.LightningModule) -> Drawings:
        side = data_of(trainer).image_side
        if side is not None:
            images = _weight_images(task_of(task).evaluated, side)
            figure: Draw = partial(weight_images.weight_images, images)
        elif self.history:
            figure = self._curves(task)
        else:
            return []
        return [partial(log_figure, trainer, "weights", figure)]

    def _curves(self, task: pl.LightningModule) -> Draw:
        layer = _only_layer(task)
        assert layer is not None
        weights = [*(f"w{i + 1}" for i in range(layer.in_features)), "bias"]
        several = layer.out_features > 1
        names = [
            f"{name} of output {output + 1}" if several else name
            for output in range(layer.out_features)
            for name in weights
        ]
        return partial(training_curves.weight_curves, np.array(self.history), names)


def _weight_images(network: nn.Module, side: int) -> np.ndarray:
    """Return copies of the first layer's weights as images, float32 ``[images, side, side]``."""
    layer = weight_layers(network)[0]
    size = (side, side) if isinstance(layer, nn.Linear) else layer.kernel_size
    return layer.weight.detach().clone().reshape(-1, *size).float().cpu().numpy()


def _only_layer(task: pl.LightningModule) -> nn.Linear | None:
    """Return the network's only layer if it is linear and has a bias and few weights, else None."""
    [layer, *others] = weight_layers(task_of(task).network)
    if others or not isinstance(layer, nn.Linear) or layer.bias is None:
        return None
    few = sum(p.numel() for p in layer.parameters()) <= _MAX_WEIGHTS
    return layer if few else None
