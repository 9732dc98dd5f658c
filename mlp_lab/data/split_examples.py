"""The base class of a user's data sets, whose examples are divided into splits."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mlp_lab.config.names import SPLITS
from mlp_lab.data.datamodule import DataModule
from mlp_lab.errors import UserError
from mlp_lab.nn.seeds import epoch_seed

# One of five parts of the examples is for validation, and one for the test.
_PARTS = 5
# A mean and a standard deviation: numbers, or arrays of one number per column.
Statistics = tuple[Any, Any]
_UNCHANGED: Statistics = (0.0, 1.0)


class Examples(NamedTuple):
    """All examples of a data set.

    Attributes:
        inputs: floats ``[examples, features]``.
        targets: classes, int64 ``[examples]``, or values, floats ``[examples, outputs]``.
        class_names: names of the classes; empty if the targets are values.
        digest: digest of the files' content.
    """

    inputs: np.ndarray
    targets: np.ndarray
    class_names: tuple[str, ...]
    digest: str


class SplitExamples(DataModule):
    """Examples of a user, of which one fifth is for validation and one fifth for the test.

    The splits are a function of ``split_seed``, the number of examples and, if they are stratified,
    their classes. Inputs are float32 ``[examples, in_features]``. Targets are int64 ``[examples]``
    (classes; a network has a single output for two classes) or float32 ``[examples, outputs]``.

    Means and standard deviations are those of the training split.

    Args:
        path: file or folder of the examples, for messages.
        examples: all examples.
        split_seed: seed of the splits.
        stratify: whether each split has the same fraction of each class, up to one example.
        standardize: whether to scale the inputs to a mean of 0 and a standard deviation of 1.
        standardize_targets: whether to do the same with targets that are values.
        train_size: number of training examples, the first of all; None: all.

    Raises:
        UserError: there are fewer than five examples, or fewer than ``train_size`` for training.
    """

    defined_by_files = True

    def __init__(
        self,
        *,
        path: str,
        examples: Examples,
        split_seed: int,
        stratify: bool,
        standardize: bool,
        standardize_targets: bool = False,
        train_size: int | None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        x, y, self.class_names, self._digest = examples
        if len(x) < _PARTS:
            raise UserError(f"{path}: examples: {len(x)}; must be at least {_PARTS}")
        self.path = path
        self.in_features = x.shape[1]
        classes = len(self.class_names)
        self.out_features = (1 if classes == 2 else classes) if classes else y.shape[1]
        groups = y if classes and stratify else None
        rows = split_rows(len(x), split_seed, groups)
        if train_size is not None and train_size > len(rows["train"]):
            raise UserError(f"data.train_size={train_size}: must be at most {len(rows['train'])}")
        training = rows["train"]
        rows["train"] = training[:train_size]
        self.mean, self.std = self.statistics(x[training]) if standardize else _UNCHANGED
        scaled = standardize_targets and not classes
        self.target_mean, self.target_std = _statistics(y[training]) if scaled else _UNCHANGED
        if scaled:
            y = (y - self.target_mean) / self.target_std
        x = (x - self.mean) / self.std
        self._examples = {split: (x[which], y[which]) for split, which in rows.items()}

    def statistics(self, training: np.ndarray) -> Statistics:
        """Return mean and standard deviation of training inputs, by which they are scaled."""
        return _statistics(training)

    @property
    def content_digest(self) -> str:
        return self._digest

    def warnings(self) -> Sequence[str]:
        return [
            f"{self.path}: no example of the split {split} has the label {', '.join(missing)};"
            " another data.split_seed divides the examples differently"
            for split in SPLITS
            if (missing := self._missing_classes(split))
        ]

    def _missing_classes(self, split: str) -> list[str]:
        present = set(self._examples[split][1].tolist()) if self.class_names else set()
        return [name for i, name in enumerate(self.class_names) if i not in present]

    def features(self, inputs: np.ndarray) -> np.ndarray:
        return self.mean + self.std * inputs

    def from_features(self, features: np.ndarray) -> np.ndarray:
        return (features - self.mean) / self.std

    def values(self, predictions: np.ndarray) -> np.ndarray:
        return self.target_mean + self.target_std * predictions

    def read(self, device: torch.device) -> dict[str, tuple[Tensor, Tensor]]:
        kind = torch.int64 if self.class_names else torch.float32
        return {
            split: (
                torch.tensor(x, dtype=torch.float32, device=device),
                torch.tensor(y, dtype=kind, device=device),
            )
            for split, (x, y) in self._examples.items()
        }


def split_rows(count: int, seed: int, groups: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Return the numbers of the examples of each split, in random order.

    Args:
        count: number of examples.
        seed: seed of the order.
        groups: group of each example, ``[count]``, of which each split gets the same fraction, up
            to one example; None: the examples are not grouped.
    """
    generator = np.random.default_rng(epoch_seed(seed, 0, "splits of points"))
    order = generator.permutation(count)
    if groups is None:
        part = count // _PARTS
        validation, test, train = order[:part], order[part : 2 * part], order[2 * part :]
    else:
        # Each fifth example of a list of all groups, one after the other, is for validation.
        place = np.empty(count, int)
        place[np.argsort(groups[order], kind="stable")] = np.arange(count) % _PARTS
        validation, test, train = order[place == 0], order[place == 1], order[place > 1]
    return {"train": train, "validation": validation, "test": test}


def _statistics(values: np.ndarray) -> Statistics:
    """Return the mean and the standard deviation of each column; 1 for a constant column."""
    # The deviation of equal values can be 1e-17 instead of 0, by rounding.
    return values.mean(0), np.where(np.ptp(values, 0) > 0, values.std(0), 1)
