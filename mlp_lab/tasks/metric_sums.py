"""Metrics added up over the examples of an epoch."""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from mlp_lab.lightning import pl


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
        self._examples = 0
        # By name; of maxima the largest value.
        self._values: dict[str, float] = defaultdict(float)

    def add(self, losses: list[Tensor], outputs: list[Tensor], targets: list[Tensor]) -> None:
        """Add batches, whose losses are means; their metrics are computed in one go."""
        sizes = [len(target) for target in targets]
        weights = torch.tensor(sizes, dtype=torch.float32, device=losses[0].device)
        self._examples += sum(sizes)
        self._values["loss"] += float(torch.stack(losses).float() @ weights)
        for name, values in self._measure(torch.cat(outputs), torch.cat(targets)).items():
            if name in self._maxima:
                largest = float(values.max()) if len(values) else 0.0
                self._values[name] = max(self._values[name], largest)
            else:
                self._values[name] += float(values.sum())

    def gather(self, strategy: pl.strategies.Strategy, device: torch.device) -> None:
        """Take in, once, what the other processes have, each a share of the examples."""
        own = [self._examples, *self._values.values()]
        values = torch.tensor(own, dtype=torch.float64, device=device)
        # A reduction takes place in the tensor itself.
        examples, *total = strategy.reduce(values.clone(), reduce_op="sum").tolist()
        _, *largest = strategy.reduce(values, reduce_op="max").tolist()
        self._examples = int(examples)
        for name, added, compared in zip(list(self._values), total, largest, strict=True):
            self._values[name] = compared if name in self._maxima else added

    @property
    def finite(self) -> bool:
        """Whether the sum of the losses is."""
        return math.isfinite(self._values["loss"])

    def means(self) -> dict[str, float]:
        """The loss and the metrics by name."""
        return {
            name: value if name in self._maxima else value / self._examples
            for name, value in self._values.items()
        }
