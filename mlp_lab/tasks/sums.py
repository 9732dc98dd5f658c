"""Metrics added up over the examples of an epoch."""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from mlp_lab.backend import pl


class Sums:
    """The loss and the metrics of all examples so far.

    Args:
        measure: the metrics of each example of a batch, from outputs and targets: ``[batch]`` each.
        maxima: names of those, never negative, of which the largest counts instead of the mean.
    """

    def __init__(
        self, measure: Callable[[Tensor, Tensor], dict[str, Tensor]], maxima: Sequence[str]
    ) -> None:
        self._measure = measure
        self._maxima = maxima
        # By name; of maxima the largest value.
        self._values: dict[str, float] = defaultdict(float)

    def add(self, losses: list[Tensor], outputs: list[Tensor], targets: list[Tensor]) -> None:
        """Add batches, whose losses are means; their metrics are computed in one go."""
        sizes = [len(target) for target in targets]
        weights = torch.tensor(sizes, dtype=torch.float32, device=losses[0].device)
        self._values["examples"] += float(sum(sizes))
        self._values["loss"] += float(torch.stack(losses).float() @ weights)
        for name, values in self._measure(torch.cat(outputs), torch.cat(targets)).items():
            if name in self._maxima:
                largest = float(values.max()) if len(values) else 0.0
                self._values[name] = max(self._values[name], largest)
            else:
                self._values[name] += float(values.sum())

    def gather(self, strategy: pl.strategies.Strategy, device: torch.device) -> None:
        """Take in what the other processes have, each a share of the examples."""
        values = torch.tensor(list(self._values.values()), dtype=torch.float64, device=device)
        # A reduction takes place in the tensor itself.
        total = strategy.reduce(values.clone(), reduce_op="sum").tolist()
        largest = strategy.reduce(values, reduce_op="max").tolist()
        for name, added, compared in zip(list(self._values), total, largest, strict=True):
            self._values[name] = compared if name in self._maxima else added

    @property
    def finite(self) -> bool:
        """Whether the loss still is."""
        return math.isfinite(self._values["loss"])

    def means(self) -> dict[str, float]:
        """The loss and the metrics by name."""
        examples = self._values["examples"]
        return {
            name: value if name in self._maxima else value / examples
            for name, value in self._values.items()
            if name != "examples"
        }
