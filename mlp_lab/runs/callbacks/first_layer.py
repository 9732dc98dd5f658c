"""The weights that can be looked at: those of a few, and those that see a picture."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from torch import nn

from mlp_lab.data.attached import datamodule_of
from mlp_lab.figures import training_curves, weight_images
from mlp_lab.lightning import pl
from mlp_lab.nn.probes import linear_layers
from mlp_lab.runs.callbacks.drawing import Drawing
from mlp_lab.runs.callbacks.show_figure import show
from mlp_lab.tasks.base import Task

_MOST = 12  # lines that can be told apart


class Weights(Drawing):
    """``weights.png``: of data that are pictures, the last weights of the first layer as pictures;
    else the weights of a network of one linear layer by epoch, if there are twelve at most.

    Drawn when the training ends, however it ends.
    """

    def __init__(self) -> None:
        #: The weights at the start and after each epoch, each output's followed by its bias.
        self.history: list[list[float]] = []

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        if not self.history:
            self._note(task)

    def on_train_epoch_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self._note(task)

    def state_dict(self) -> dict[str, Any]:
        return {"history": list(self.history)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.history = state_dict["history"]

    def _note(self, task: pl.LightningModule) -> None:
        if (layer := _only_layer(task)) is not None:
            outputs = zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)
            self.history.append([value for weights, bias in outputs for value in (*weights, bias)])

    def draw(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        picture = datamodule_of(trainer).picture
        if picture is not None:
            assert isinstance(task, Task)
            weight = linear_layers(task.evaluated)[0].weight.detach()
            side = int(picture["side"])
            images = weight.view(len(weight), side, side)
            show(trainer, "weights", weight_images.weight_images(images.float().cpu().numpy()))
        elif self.history:
            show(trainer, "weights", self._curves(task))

    def _curves(self, task: pl.LightningModule) -> Figure:
        layer = _only_layer(task)
        assert layer is not None
        own = [*(f"w{i + 1}" for i in range(layer.in_features)), "bias"]
        several = layer.out_features > 1
        names = [
            f"{name} of output {output + 1}" if several else name
            for output in range(layer.out_features)
            for name in own
        ]
        return training_curves.weight_curves(np.array(self.history), names)


def _only_layer(task: pl.LightningModule) -> nn.Linear | None:
    """The network's linear layer, if it has no other and not too many weights."""
    assert isinstance(task, Task)
    layers = linear_layers(task.network)
    few = sum(p.numel() for p in layers[0].parameters()) <= _MOST
    return layers[0] if len(layers) == 1 and few else None
