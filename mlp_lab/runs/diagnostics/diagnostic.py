"""What a look at a classifier takes, and what it leaves."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from mlp_lab.data.datamodule import DataModule
from mlp_lab.data.mnist import IdxImages
from mlp_lab.tasks.classification import Classification, Classifier


@dataclass(frozen=True)
class Seen:
    """What a classifier says of all examples of a split.

    Attributes:
        data: that hold the split.
        task: with the weights of a checkpoint.
        split: its name.
        outputs: of the network, ``[examples, outputs]``.
        targets: the true classes, int64 ``[examples]``.
    """

    data: DataModule
    task: Classifier
    split: str
    outputs: Tensor
    targets: Tensor

    @classmethod
    def of(cls, data: DataModule, task: Classifier, split: str) -> "Seen":
        return cls(data, task, split, *task.outputs(data.loader(split)))

    @property
    def inputs(self) -> Tensor:
        """What the network sees: ``[examples, ...]``."""
        return self.data.splits[self.split][0]

    @property
    def predictions(self) -> Tensor:
        """The classes that the examples are taken for: int64 ``[examples]``."""
        # Of the outputs, since probabilities may round to equal numbers.
        return self.task.predictions(self.outputs)

    @property
    def confidences(self) -> Tensor | None:
        """The probabilities of these classes, ``[examples]``; None where there are none."""
        if not isinstance(self.task, Classification):
            return None
        return self.task.probabilities(self.outputs).amax(1)

    def pictures(self, rows: np.ndarray) -> np.ndarray | None:
        """The pictures of some examples, ``[rows, side, side]`` in [0, 1]; None: these are none."""
        if not isinstance(self.data, IdxImages):
            return None
        return self.data.pictures(self.inputs[rows]).numpy()


@dataclass(frozen=True)
class Finding:
    """What a look has found.

    Attributes:
        name: of the table.
        rows: of the table, by column, the same columns in each: texts and numbers.
        figures: by name, what draws them.
    """

    name: str
    rows: Sequence[Mapping[str, Any]]
    figures: Mapping[str, Callable[[], Figure]] = field(default_factory=dict)


Look = Callable[[Seen], Finding]
