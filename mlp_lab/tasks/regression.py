"""Regression: real numbers for each example."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mlp_lab.data.datamodule import DataModule
from mlp_lab.images.similarity import psnr
from mlp_lab.nn.probes import linear_layers
from mlp_lab.tasks.base import Task


class Regression(Task):
    """Learn the values of a function.

    ``output`` is what turns the network's outputs into values f: ``identity``, or ``sigmoid``, for
    values in (0, 1). With y the targets, the ``loss``, a mean over values and batch, is

    - ``half_squared_error``: (f - y)^2 / 2, whose gradient is f - y (Bishop 2006, equation 5.14);
    - ``squared_error``: (f - y)^2.

    With ``output_bias="mean"`` the last layer's biases start where the values are the training
    targets' means, else where the network has them. A sigmoid that starts at 1/2 for targets near
    1, such as white paper, is driven to where it has no gradient by the first steps of Adam, which
    all agree (Lin et al. 2017, arXiv 1708.02002, section 3.3, start classes at their frequency).

    Metrics are ``squared_error``, ``largest_error``, the largest |f - y| of all examples, and, of
    targets that can't exceed ``peak``, the peak signal-to-noise ratio ``psnr`` of a whole split,
    in dB.

    Shapes: outputs ``[batch, outputs]``, targets the same or, for a single output, ``[batch]``.
    """

    metrics: tuple[str, ...] = ("squared_error", "largest_error")
    maxima = ("largest_error",)

    def __init__(
        self, *, output: str, loss: str, peak: float | None, output_bias: str | None, **task: Any
    ) -> None:
        super().__init__(**task)
        self.values, self._output_of = _OUTPUTS[output]
        self._output_bias = output_bias
        self._loss = _LOSSES[loss]
        self._peak = peak
        if peak is not None:
            self.metrics = (*self.metrics, "psnr")

    @torch.no_grad()
    def begin(self, data: DataModule) -> None:
        if self._output_bias == "mean":
            _, y = data.read(torch.device("cpu"))["train"]
            mean = y.reshape(len(y), -1).mean(0)
            linear_layers(self.network)[-1].bias.copy_(self._output_of(mean))

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return self._loss(self._error(output, target))

    def measure(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        error = self._error(output, target)
        return {"squared_error": error.square().mean(1), "largest_error": error.abs().amax(1)}

    def derived(self, means: Mapping[str, float]) -> dict[str, float]:
        return {} if self._peak is None else {"psnr": psnr(means["squared_error"], self._peak)}

    def _error(self, output: Tensor, target: Tensor) -> Tensor:
        return self.values(output) - target.view_as(output)


# What makes values of outputs, and the outputs that have given values.
_OUTPUTS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "identity": (lambda output: output, lambda values: values),
    # Not quite at 0 and 1, which no output has.
    "sigmoid": (torch.sigmoid, partial(torch.logit, eps=1e-3)),
}
_LOSSES: dict[str, Callable[[Tensor], Tensor]] = {
    "half_squared_error": lambda error: error.square().mean() / 2,
    "squared_error": lambda error: error.square().mean(),
}
