"""Classification: one of several classes for each example."""

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from mlp_lab.tasks.task import Task


class Classification(Task):
    """Learn the class of each example.

    The network's outputs ``[batch, classes]`` become probabilities by ``output``:

    - ``softmax``: one class excludes the others;
    - ``sigmoid``: each class for itself.

    The ``loss``, summed over the classes and averaged over the batch, is

    - ``cross_entropy``: - sum_k y_k log p_k, for sigmoid outputs - sum_k (y_k log p_k
      + (1 - y_k) log(1 - p_k)) (Bishop 2006, equations 5.24 and 5.22);
    - ``squared_error``: sum_k (p_k - y_k)^2,

    where y is 1 for the true class and 0 for the others. The metric ``error`` is the part of the
    examples whose most probable class is not the true one.
    """

    metrics = ("error",)

    def __init__(self, *, output: str, loss: str, **task: Any) -> None:
        super().__init__(**task)
        self._probabilities = _PROBABILITIES[output]
        self._loss = _LOSSES[output, loss]

    def probabilities(self, output: Tensor) -> Tensor:
        """Probabilities of the classes from the network's outputs: ``[batch, classes]`` both."""
        return self._probabilities(output)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return self._loss(output, target)

    def measure(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        return {"error": (output.argmax(1) != target).float()}


def _one_hot(output: Tensor, target: Tensor) -> Tensor:
    return F.one_hot(target, output.shape[1]).to(output.dtype)


def _sigmoid_cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    truth = _one_hot(output, target)
    return F.binary_cross_entropy_with_logits(output, truth, reduction="sum") / len(output)


def _squared_error(probabilities: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    def loss(output: Tensor, target: Tensor) -> Tensor:
        truth = _one_hot(output, target)
        return F.mse_loss(probabilities(output), truth, reduction="sum") / len(output)

    return loss


def _softmax(output: Tensor) -> Tensor:
    return output.softmax(1)


_PROBABILITIES: dict[str, Callable[[Tensor], Tensor]] = {
    "softmax": _softmax,
    "sigmoid": Tensor.sigmoid,
}
_LOSSES: dict[tuple[str, str], Callable[[Tensor, Tensor], Tensor]] = {
    ("softmax", "cross_entropy"): F.cross_entropy,
    ("sigmoid", "cross_entropy"): _sigmoid_cross_entropy,
    ("softmax", "squared_error"): _squared_error(_softmax),
    ("sigmoid", "squared_error"): _squared_error(Tensor.sigmoid),
}
