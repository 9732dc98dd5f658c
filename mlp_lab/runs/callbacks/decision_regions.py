"""Draw the regions of the classes in the plane, from the start of the training to its end."""

import math
import zlib
from copy import deepcopy
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mlp_lab.data.attached import data_of
from mlp_lab.figures import class_regions
from mlp_lab.lightning import pl
from mlp_lab.runs.callbacks.access import task_of
from mlp_lab.runs.callbacks.epoch_checkpoint import EpochCheckpoint
from mlp_lab.runs.callbacks.figure_callback import Drawings, FigureCallback
from mlp_lab.runs.callbacks.log_figure import log_animation, log_figure
from mlp_lab.tasks.base import Task

_SIDE = 200  # grid points along each side of the square that is drawn
_PER_DECADE = 6  # recorded epochs from 10 to 100
_MAX_CLASSES = 10  # as many as the figure has colours
_PANELS = 6  # maximum number of panels in the figure


class DecisionRegions(FigureCallback):
    """Draws the regions of the classes, the training points and the errors by epoch.

    The regions are recorded at the start, after 1, 2, 3, 5, 7, 10, 15, 22, 32, 46, 68, 100, ...
    epochs, and at the end. The animation ``decision_regions.gif`` shows all of them, the figure
    ``decision_regions.png`` up to six. Both are drawn when training ends, also after an error. For
    data whose inputs are not points in the plane, or that have more than ten classes, nothing is
    drawn.

    Checkpoints contain the recorded regions.
    """

    def __init__(self) -> None:
        # By epoch, compressed: the class of each grid point, and which training points are wrong.
        self.recorded: dict[int, tuple[bytes, bytes]] = {}

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        if not self.recorded:
            self._record(trainer, task, 0)

    def on_train_epoch_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        epoch = trainer.current_epoch + 1
        if epoch == round(10 ** (round(_PER_DECADE * math.log10(epoch)) / _PER_DECADE)):
            self._record(trainer, task, epoch)

    def on_train_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self._record(trainer, task, int(EpochCheckpoint.of(trainer).history[-1]["epoch"]))
        super().on_train_end(trainer, task)

    def state_dict(self) -> dict[str, Any]:
        return {"seen": dict(self.recorded)}  # a key that existing checkpoints have

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.recorded = state_dict["seen"]

    @torch.no_grad()
    def _record(self, trainer: pl.Trainer, module: pl.LightningModule, epoch: int) -> None:
        data = data_of(trainer)
        if len(data.feature_names) != 2 or not 0 < len(data.class_names) <= _MAX_CLASSES:
            return
        task, (x, y) = task_of(module), data.splits["train"]
        network = deepcopy(task.evaluated).eval()  # the task's network stays in training mode
        grid = task.encoding(_grid(_points_in_plane(trainer, task))).to(x.dtype)
        classes = task.predictions(network(grid))
        wrong = task.predictions(network(x)) != y
        self.recorded[epoch] = _compressed(classes.to(torch.int16)), _compressed(wrong)

    def prepare(self, trainer: pl.Trainer, task: pl.LightningModule) -> Drawings:
        if not self.recorded:
            return []
        points = _points(trainer, task_of(task))
        panels = []
        for epoch, (classes, wrong) in self.recorded.items():
            errors = np.frombuffer(zlib.decompress(wrong), bool)
            when = "start" if epoch == 0 else f"epoch {epoch}"
            title = f"{when}\n{errors.sum()} of {len(errors)} wrong"
            grid = np.frombuffer(zlib.decompress(classes), np.int16).reshape(_SIDE, _SIDE)
            panels.append(class_regions.NetworkRegions(title, grid, errors))
        spread = np.unique(np.linspace(0, len(panels) - 1, _PANELS).round().astype(int))
        some = [panels[place] for place in spread]
        figure = partial(class_regions.decision_regions, points, some)
        frames = {
            epoch: partial(class_regions.decision_regions, points, [panel])
            for epoch, panel in zip(self.recorded, panels, strict=True)
        }
        return [
            partial(log_figure, trainer, "decision_regions", figure),
            partial(log_animation, trainer, "decision_regions", frames),
        ]


def _square(x: Tensor) -> tuple[Tensor, float]:
    """Return the centre ``[2]`` of a square around the inputs, and half the length of its side."""
    low, high = x.amin(0), x.amax(0)
    return (low + high) / 2, max(0.55 * float((high - low).max()), 1e-3)


def _grid(x: Tensor) -> Tensor:
    """Return the centres of the cells of a square around ``x``, row by row: ``[points, 2]``."""
    middle, half = _square(x)
    steps = half * ((2 * torch.arange(_SIDE, device=x.device, dtype=x.dtype) + 1) / _SIDE - 1)
    second, first = torch.meshgrid(steps, steps, indexing="ij")
    return middle + torch.stack([first.flatten(), second.flatten()], 1)


def _points_in_plane(trainer: pl.Trainer, task: Task) -> Tensor:
    """Return the inputs of the training points before they are encoded, ``[points, 2]``."""
    data = data_of(trainer)
    x, _ = data.splits["train"]
    if isinstance(task.encoding, nn.Identity):
        return x
    return data.read(x.device)["train"][0]  # the split has the encoded inputs


def _points(trainer: pl.Trainer, task: Task) -> class_regions.ScatterPoints:
    """Return the training points and the square around them, in the units of the features."""
    data = data_of(trainer)
    _, targets = data.splits["train"]
    x = _points_in_plane(trainer, task).cpu().double()
    middle, half = _square(x)
    ends = data.features(np.stack([middle - half, middle + half]))
    (left, lower), (right, upper) = ends.tolist()
    return class_regions.ScatterPoints(
        coordinates=data.features(x.numpy()),
        classes=targets.cpu().numpy(),
        class_names=data.class_names,
        feature_names=data.feature_names,
        extent=(left, right, lower, upper),
    )


def _compressed(values: Tensor) -> bytes:
    return zlib.compress(values.cpu().numpy().tobytes())
