"""Regression: each example has one or more real numbers as target."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mlp_lab.data.datamodule import DataModule
from mlp_lab.images.similarity import SSIM_WINDOW, image_psnr, psnr, ssim
from mlp_lab.nn.output_deltas import OutputDelta, squared_error, squared_error_of_sigmoid
from mlp_lab.nn.probes import linear_layers
from mlp_lab.tasks.base import Task
from mlp_lab.tasks.chunked_training import ChunkedTraining


class Regression(Task):
    """Learn the values of a function.

    ``output`` names the function from the network's outputs to values f: ``identity``, or
    ``sigmoid`` for values in (0, 1). With targets y, the ``loss``, a mean over values and batch, is

    - ``half_squared_error``: (f - y)^2 / 2, whose gradient is f - y (Bishop 2006, equation 5.14);
    - ``squared_error``: (f - y)^2.

    With ``output_bias="mean"``, the initial biases of the last layer are such that a network whose
    last layer has weights of 0 predicts the means of the training targets; with None, the
    network's initial biases are kept. A sigmoid that starts at 1/2 for targets near 1, such as
    white paper, is moved to where its gradient vanishes by the first steps of Adam, which all have
    the same sign (Lin et al. 2017, arXiv 1708.02002, section 3.3, initialize classes with their
    frequency).

    Metrics are ``squared_error``, ``largest_error``, which is the largest |f - y| of all examples,
    and, for targets with a maximum ``peak``, the peak signal-to-noise ratio ``psnr`` of a whole
    split in dB. For targets that are the pixels of an image, an evaluation also has the structural
    similarity ``ssim``, if the pixels of the split have at least 11 rows and columns. If the
    training pixels are a part of the image, an evaluation of the others also has the PSNR of
    classical interpolations of the training pixels: ``psnr_bicubic`` and ``psnr_cubic_spline``.

    Shapes: outputs ``[batch, outputs]``, targets the same or, for a single output, ``[batch]``.
    """

    target_kind = "numbers"
    metrics: tuple[str, ...] = ("squared_error", "largest_error")
    maxima = ("largest_error",)

    def __init__(
        self, *, output: str, loss: str, peak: float | None, output_bias: str | None, **task: Any
    ) -> None:
        super().__init__(**task)
        self._values_of, self._output_of = _OUTPUTS[output]
        self._output_bias = output_bias
        self._loss = _LOSSES[loss]
        self._output_delta = _OUTPUT_DELTAS[output, loss]
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

    def output_delta(self, tasks: Sequence[ChunkedTraining]) -> OutputDelta | None:
        return self._output_delta

    def measure(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        error = self._error(output, target)
        return {"squared_error": error.square().mean(1), "largest_error": error.abs().amax(1)}

    def derived(self, means: Mapping[str, float]) -> dict[str, float]:
        return {} if self._peak is None else {"psnr": psnr(means["squared_error"], self._peak)}

    def predictions(self, output: Tensor) -> Tensor:
        """Return the values f for the network's outputs, both ``[batch, outputs]``."""
        return self._values_of(output)

    def evaluate_split(self, data: DataModule, split: str) -> dict[str, float]:
        metrics = super().evaluate_split(data, split)
        if data.target_image is None:
            return metrics
        truth = torch.from_numpy(data.target_image[data.target_parts[split]])
        outputs, _ = self.outputs(data.loader(split))
        values = self.predictions(outputs).float().cpu().view_as(truth)
        if min(truth.shape[:2]) >= SSIM_WINDOW:
            metrics["ssim"] = ssim(values, truth)
        return metrics | self._interpolated(data, split)

    def _interpolated(self, data: DataModule, split: str) -> dict[str, float]:
        """Return the PSNR of classical interpolations on a split that is not interpolated."""
        assert data.target_image is not None
        part = data.target_parts[split]
        if self._peak is None or split == "train":
            return {}
        truth = data.target_image[part]
        return {
            f"psnr_{name}": image_psnr(image[part], truth, self._peak)
            for name, image in data.interpolations.items()
        }

    def _error(self, output: Tensor, target: Tensor) -> Tensor:
        return self._values_of(output) - target.view_as(output)


# For each kind of output, the function from outputs to values and its inverse.
_OUTPUTS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "identity": (lambda output: output, lambda values: values),
    # Limited by eps, since no output has the values 0 and 1.
    "sigmoid": (torch.sigmoid, partial(torch.logit, eps=1e-3)),
}
_LOSSES: dict[str, Callable[[Tensor], Tensor]] = {
    "half_squared_error": lambda error: error.square().mean() / 2,
    "squared_error": lambda error: error.square().mean(),
}
_OUTPUT_DELTAS: dict[tuple[str, str], OutputDelta] = {
    ("identity", "squared_error"): squared_error,
    ("identity", "half_squared_error"): partial(squared_error, factor=0.5),
    ("sigmoid", "squared_error"): squared_error_of_sigmoid,
    ("sigmoid", "half_squared_error"): partial(squared_error_of_sigmoid, factor=0.5),
}
