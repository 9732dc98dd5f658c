"""A task's outputs for all examples of a split, from which diagnostics are computed."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import Tensor

from mlp_lab.data.datamodule import DataModule
from mlp_lab.tasks.base import Task


@dataclass(frozen=True)
class SplitPredictions:
    """A task's outputs for all examples of a split.

    Attributes:
        data: data module that has been set up.
        task: task with the weights of a checkpoint.
        split: name of the split.
        temperature: number that divides the outputs in a second calibration; None: none.
    """

    data: DataModule
    task: Task
    split: str
    temperature: float | None = None

    @cached_property
    def _outputs_and_targets(self) -> tuple[Tensor, Tensor]:
        return self.task.outputs(self.data.loader(self.split))

    @property
    def outputs(self) -> Tensor:
        """The network's outputs, ``[examples, outputs]``, computed when they are first needed."""
        return self._outputs_and_targets[0]

    @property
    def targets(self) -> Tensor:
        """The targets, ``[examples, ...]``; classes are int64 ``[examples]``."""
        return self._outputs_and_targets[1]

    @property
    def inputs(self) -> Tensor:
        """The network's inputs, ``[examples, ...]``."""
        return self.data.splits[self.split][0]

    @property
    def predictions(self) -> Tensor:
        """The predicted targets: for classes int64 ``[examples]``."""
        return self.task.predictions(self.outputs)

    @property
    def confidences(self) -> Tensor | None:
        """The probabilities of the predicted classes, ``[examples]``.

        None if the task predicts no probabilities.
        """
        probabilities = self.task.probabilities(self.outputs)
        return None if probabilities is None else probabilities.amax(1)

    def images(self, rows: np.ndarray) -> np.ndarray | None:
        """Return the images of some examples, ``[rows, side, side]`` in [0, 1].

        Return None if the inputs are no images.
        """
        images = self.data.images(self.inputs[rows])
        return None if images is None else images.numpy()
