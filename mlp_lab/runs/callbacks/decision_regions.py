"""What a network makes of the plane, from the start of the training to its end."""

import math
import zlib
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mlp_lab.data.attached import datamodule_of, train_loader_of
from mlp_lab.data.points import LabelledPoints
from mlp_lab.figures import class_regions
from mlp_lab.lightning import pl
from mlp_lab.runs.callbacks.drawing import Drawing
from mlp_lab.runs.callbacks.keeper import Keeper
from mlp_lab.runs.callbacks.show_figure import show, show_animation
from mlp_lab.tasks.classification import Classifier

_SIDE = 200  # places along each side of the square that is shown
_A_DECADE = 6  # epochs after which the network is looked at, of those from 10 to 100
_PANELS = 6  # of the strip, at most


class DecisionRegions(Drawing):
    """``decision_regions.png`` and ``decision_regions.gif``: regions, training points, errors.

    The networks that are shown are that of the start, those after 1, 2, 3, 5, 7, 10, 15, 22, 32,
    46, 68, 100 ... epochs, and the last. All of them are in the animation, up to six in the
    picture. Drawn when the training ends, however it ends; only for points in the plane.

    What is known of earlier networks travels in the checkpoints.
    """

    def __init__(self) -> None:
        # By epoch, compressed: the class of each place, and which points are wrong.
        self.seen: dict[int, tuple[bytes, bytes]] = {}

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        if not self.seen:
            self._look(trainer, task, 0)

    def on_train_epoch_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        epoch = trainer.current_epoch + 1
        if epoch == round(10 ** (round(_A_DECADE * math.log10(epoch)) / _A_DECADE)):
            self._look(trainer, task, epoch)

    def on_train_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        keeper = trainer.checkpoint_callback
        assert isinstance(keeper, Keeper)
        self._look(trainer, task, int(keeper.history[-1]["epoch"]))
        super().on_train_end(trainer, task)

    def state_dict(self) -> dict[str, Any]:
        return {"seen": dict(self.seen)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seen = state_dict["seen"]

    @torch.no_grad()
    def _look(self, trainer: pl.Trainer, task: pl.LightningModule, epoch: int) -> None:
        data = datamodule_of(trainer)
        if not isinstance(task, Classifier) or not isinstance(data, LabelledPoints):
            return
        x, y = train_loader_of(trainer).tensors
        network = deepcopy(task.evaluated).eval()  # the task's own stays in training
        classes = task.predictions(network(_places(x)))
        wrong = task.predictions(network(x)) != y
        self.seen[epoch] = _packed(classes.to(torch.int16)), _packed(wrong)

    def draw(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        if not self.seen:
            return
        points = _points(trainer)
        panels = []
        for epoch, (classes, wrong) in self.seen.items():
            errors = np.frombuffer(zlib.decompress(wrong), bool)
            told = f"{'start' if epoch == 0 else f'epoch {epoch}'}\n{errors.sum()} of {len(errors)}"
            places = np.frombuffer(zlib.decompress(classes), np.int16).reshape(_SIDE, _SIDE)
            panels.append(class_regions.NetworkRegions(f"{told} wrong", places, errors))
        spread = np.unique(np.linspace(0, len(panels) - 1, _PANELS).round().astype(int))
        strip = class_regions.decision_regions(points, [panels[place] for place in spread])
        show(trainer, "decision_regions", strip)
        frames = [
            class_regions.rgb_pixels(class_regions.decision_regions(points, [panel]))
            for panel in panels
        ]
        show_animation(trainer, "decision_regions", dict(zip(self.seen, frames, strict=True)))


def _square(x: Tensor) -> tuple[Tensor, float]:
    """The middle of a square around inputs, ``[2]``, and half the length of its side."""
    low, high = x.amin(0), x.amax(0)
    return (low + high) / 2, max(0.55 * float((high - low).max()), 1e-3)


def _places(x: Tensor) -> Tensor:
    """Inputs in the centres of the cells of a square around ``x``, a row after the other."""
    middle, half = _square(x)
    steps = half * ((2 * torch.arange(_SIDE, device=x.device, dtype=x.dtype) + 1) / _SIDE - 1)
    second, first = torch.meshgrid(steps, steps, indexing="ij")
    return middle + torch.stack([first.flatten(), second.flatten()], 1)


def _points(trainer: pl.Trainer) -> class_regions.ScatterPoints:
    """The training points and the square around them, in the units of the features."""
    data: Any = datamodule_of(trainer)  # of points, with the mean and std of the features
    inputs, targets = train_loader_of(trainer).tensors
    x = inputs.cpu().double()
    middle, half = _square(x)
    ends = data.mean + data.std * np.stack([middle - half, middle + half])
    (left, lower), (right, upper) = ends.tolist()
    return class_regions.ScatterPoints(
        coordinates=data.mean + data.std * x.numpy(),
        classes=targets.cpu().numpy(),
        class_names=data.class_names,
        feature_names=data.feature_names,
        extent=(left, right, lower, upper),
    )


def _packed(values: Tensor) -> bytes:
    return zlib.compress(values.cpu().numpy().tobytes())
