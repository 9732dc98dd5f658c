"""Regression: real numbers for each example."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from mlp_lab.tasks.task import Task


class Regression(Task):
    """Learn the values of a function.

    With f the network's outputs and y the targets, the ``loss``, a mean over outputs and batch, is

    - ``half_squared_error``: (f - y)^2 / 2, whose gradient is f - y (Bishop 2006, equation 5.14);
    - ``squared_error``: (f - y)^2.

    Metrics are ``squared_error`` and ``largest_error``, the largest |f - y| of all examples.

    Shapes: outputs ``[batch, outputs]``, targets the same or, for a single output, ``[batch]``.
    """

    metrics = ("squared_error", "largest_error")
    maxima = ("largest_error",)

    def __init__(self, *, loss: str, **task: Any) -> None:
        super().__init__(**task)
        self._loss = _LOSSES[loss]

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return self._loss(output - target.view_as(output))

    def measure(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        error = output - target.view_as(output)
        return {"squared_error": error.square().mean(1), "largest_error": error.abs().amax(1)}


_LOSSES: dict[str, Callable[[Tensor], Tensor]] = {
    "half_squared_error": lambda error: error.square().mean() / 2,
    "squared_error": lambda error: error.square().mean(),
}
