"""Regression: real numbers for each example."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from mlp_lab.similarity import psnr
from mlp_lab.tasks.task import Task


class Regression(Task):
    """Learn the values of a function.

    ``output`` is what turns the network's outputs into values f: ``identity``, or ``sigmoid``, for
    values in (0, 1). With y the targets, the ``loss``, a mean over values and batch, is

    - ``half_squared_error``: (f - y)^2 / 2, whose gradient is f - y (Bishop 2006, equation 5.14);
    - ``squared_error``: (f - y)^2.

    Metrics are ``squared_error``, ``largest_error``, the largest |f - y| of all examples, and, of
    targets that can't exceed ``peak``, the peak signal-to-noise ratio ``psnr`` of a whole split,
    in dB.

    Shapes: outputs ``[batch, outputs]``, targets the same or, for a single output, ``[batch]``.
    """

    metrics: tuple[str, ...] = ("squared_error", "largest_error")
    maxima = ("largest_error",)

    def __init__(self, *, output: str, loss: str, peak: float | None, **task: Any) -> None:
        super().__init__(**task)
        self.values = _OUTPUTS[output]
        self._loss = _LOSSES[loss]
        self._peak = peak
        if peak is not None:
            self.metrics = (*self.metrics, "psnr")

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return self._loss(self._error(output, target))

    def measure(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        error = self._error(output, target)
        return {"squared_error": error.square().mean(1), "largest_error": error.abs().amax(1)}

    def derived(self, means: Mapping[str, float]) -> dict[str, float]:
        return {} if self._peak is None else {"psnr": psnr(means["squared_error"], self._peak)}

    def _error(self, output: Tensor, target: Tensor) -> Tensor:
        return self.values(output) - target.view_as(output)


_OUTPUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda output: output,
    "sigmoid": torch.sigmoid,
}
_LOSSES: dict[str, Callable[[Tensor], Tensor]] = {
    "half_squared_error": lambda error: error.square().mean() / 2,
    "squared_error": lambda error: error.square().mean(),
}
