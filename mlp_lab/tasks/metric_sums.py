"""Accumulate metrics over the examples of an epoch."""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from mlp_lab.lightning import pl


class MetricSums:
    """Sums of the loss and the metrics over examples.

    Args:
        measure: function from outputs and targets of a batch to the metrics of its examples,
            ``[batch]`` each, by name.
        maxima: names of metrics whose maximum is computed instead of the mean; never negative.
    """

    def __init__(
        self, measure: Callable[[Tensor, Tensor], dict[str, Tensor]], maxima: Sequence[str]
    ) -> None:
        self._measure = measure
        self._maxima = maxima
        self._examples = 0
        # By name; for maxima, the largest value.
        self._values: dict[str, float] = defaultdict(float)

    def add(self, losses: list[Tensor], outputs: list[Tensor], targets: list[Tensor]) -> None:
        """Add batches; their metrics are computed together.

        Args:
            losses: mean loss of each batch, a scalar tensor.
            outputs: outputs of each batch, ``[batch, ...]``.
            targets: targets of each batch, ``[batch, ...]``.
        """
        sizes = [len(target) for target in targets]
        weights = torch.tensor(sizes, dtype=torch.float32, device=losses[0].device)
        self._examples += sum(sizes)
        # No matrix product, which mixed precision would round.
        self._values["loss"] += float((torch.stack(losses).float() * weights).sum())
        for name, values in self._measure(torch.cat(outputs), torch.cat(targets)).items():
            if name in self._maxima:
                largest = float(values.max()) if len(values) else 0.0
                self._values[name] = max(self._values[name], largest)
            else:
                self._values[name] += float(values.sum())

    def gather(self, strategy: pl.strategies.Strategy, device: torch.device) -> None:
        """Add the sums of all other processes; must be called only once.

        Args:
            strategy: strategy of the trainer.
            device: device of the communication.
        """
        local = [self._examples, *self._values.values()]
        values = torch.tensor(local, dtype=torch.float64, device=device)
        # A reduction changes its tensor in place.
        examples, *total = strategy.reduce(values.clone(), reduce_op="sum").tolist()
        _, *largest = strategy.reduce(values, reduce_op="max").tolist()
        self._examples = int(examples)
        for name, added, maximum in zip(list(self._values), total, largest, strict=True):
            self._values[name] = maximum if name in self._maxima else added

    @property
    def finite(self) -> bool:
        """Whether the sum of the losses is finite."""
        return math.isfinite(self._values["loss"])

    def means(self) -> dict[str, float]:
        """Return the means of the loss and the metrics, or their maxima, by name."""
        return {
            name: value if name in self._maxima else value / self._examples
            for name, value in self._values.items()
        }
