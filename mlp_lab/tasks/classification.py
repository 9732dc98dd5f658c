"""Classification: each example has one of several classes."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mlp_lab.errors import UserError
from mlp_lab.nn.output_deltas import OUTPUT_DELTAS, OutputDelta, softmax_cross_entropy
from mlp_lab.tasks.base import Task
from mlp_lab.tasks.chunked_training import ChunkedTraining
from mlp_lab.tasks.diagnostics.calibration import calibration
from mlp_lab.tasks.diagnostics.class_errors import class_errors
from mlp_lab.tasks.diagnostics.diagnostic import Diagnostic
from mlp_lab.tasks.diagnostics.split_predictions import SplitPredictions


class Classifier(Task):
    """A task whose targets are the numbers of classes, int64 ``[batch]``.

    The network has one output for each class. For two classes, a single output is sufficient, which
    is positive for the second class. The metric ``error`` is the fraction of the examples whose
    predicted class is wrong.
    """

    target_kind = "classes"
    metrics: tuple[str, ...] = ("error",)

    @abstractmethod
    def loss(self, output: Tensor, target: Tensor) -> Tensor: ...

    def predictions(self, output: Tensor) -> Tensor:
        """Return the number of the predicted class of each example: int64 ``[batch]``.

        It is that of the largest output, since different outputs may have equal probabilities
        after rounding.
        """
        return output_per_class(output).argmax(1)

    def measure(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        return {"error": (self.predictions(output) != target).float()}

    def diagnostics(self, predictions: SplitPredictions) -> list[Diagnostic]:
        return [*super().diagnostics(predictions), class_errors(predictions)]


class Classification(Classifier):
    """Learn the probabilities of the classes of each example.

    ``output`` names the function from the network's outputs ``[batch, classes]`` to probabilities:

    - ``softmax``: exactly one class is true;
    - ``sigmoid``: each class is true or false independently.

    For two classes, a single output z ``[batch, 1]`` is sufficient: the probability of the second
    class is sigmoid(z), which is the softmax over the outputs 0 and z.

    The ``loss``, summed over the classes and averaged over the batch, is

    - ``cross_entropy``: - sum_k y_k log p_k, for sigmoid outputs - sum_k (y_k log p_k
      + (1 - y_k) log(1 - p_k)) (Bishop 2006, equations 5.24 and 5.23);
    - ``squared_error``: sum_k (p_k - y_k)^2,

    where y is 1 for the true class and 0 for the others. For sigmoid outputs, the sum is over the
    outputs; a single output stands for the second class.

    With ``label_smoothing`` e, the training minimizes the cross-entropy of softmax outputs over K
    classes for y' = (1 - e) y + e / K instead of y (Szegedy et al. 2016, section 7). Like dropout,
    smoothing is used in training only: validation and evaluation use the cross-entropy with y.

    Raises:
        UserError: ``label_smoothing`` is positive for other outputs or another loss.
    """

    loss_numbers = ("label_smoothing",)

    def __init__(
        self, *, output: str, loss: str, label_smoothing: float = 0.0, **task: Any
    ) -> None:
        super().__init__(**task)
        self._probabilities = _PROBABILITIES[output]
        self._loss = _LOSSES[output, loss]
        self._cross_entropy = _LOSSES[output, "cross_entropy"]
        self._closed_form_delta = OUTPUT_DELTAS[output, loss]
        self.label_smoothing = label_smoothing
        if label_smoothing > 0 and self._loss is not _cross_entropy:
            raise UserError(
                f"task.label_smoothing={label_smoothing:g}: needs task.output=softmax"
                " and task.loss=cross_entropy"
            )

    def probabilities(self, output: Tensor) -> Tensor:
        """Return the probabilities of the classes ``[batch, classes]``, given the outputs.

        For a single output, they are those of both classes: ``[batch, 2]``.
        """
        several = output.shape[1] > 1
        return self._probabilities(output) if several else _softmax(output)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        if self.training and self.label_smoothing > 0:
            return _cross_entropy(output, target, self.label_smoothing)
        return self._loss(output, target)

    def output_delta(self, tasks: Sequence[ChunkedTraining]) -> OutputDelta | None:
        smoothing = torch.tensor([task.label_smoothing for task in tasks], dtype=torch.float64)
        if smoothing.any():
            return partial(softmax_cross_entropy, smoothing=smoothing.view(-1, 1, 1))
        return self._closed_form_delta

    def negative_log_likelihood(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean cross-entropy of the probabilities over a batch, for any ``loss``."""
        return self._cross_entropy(output, target)

    def diagnostics(self, predictions: SplitPredictions) -> list[Diagnostic]:
        return [*super().diagnostics(predictions), calibration(predictions)]


def membership(output: Tensor, target: Tensor) -> Tensor:
    """Return 1 for the true class and 0 for the others, in the shape of the network's outputs.

    Args:
        output: the network's outputs ``[batch, outputs]``; the result has their shape and dtype.
        target: numbers of the classes, int64 ``[batch]``.
    """
    several = output.shape[1] > 1
    truth = F.one_hot(target, output.shape[1]) if several else target.unsqueeze(1)
    return truth.to(output.dtype)


def output_per_class(output: Tensor) -> Tensor:
    """Return outputs ``[batch, classes]``: a single output becomes the outputs 0 and z."""
    return output if output.shape[1] > 1 else F.pad(output, (1, 0))


def _cross_entropy(output: Tensor, target: Tensor, smoothing: float = 0.0) -> Tensor:
    return F.cross_entropy(output_per_class(output), target, label_smoothing=smoothing)


def _sigmoid_cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    truth = membership(output, target)
    return F.binary_cross_entropy_with_logits(output, truth, reduction="sum") / len(output)


def _squared_error(probabilities: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    def loss(output: Tensor, target: Tensor) -> Tensor:
        p = probabilities(output)
        return F.mse_loss(p, membership(p, target), reduction="sum") / len(output)

    return loss


def _softmax(output: Tensor) -> Tensor:
    return output_per_class(output).softmax(1)


_PROBABILITIES: dict[str, Callable[[Tensor], Tensor]] = {
    "softmax": _softmax,
    "sigmoid": Tensor.sigmoid,
}
_LOSSES: dict[tuple[str, str], Callable[[Tensor, Tensor], Tensor]] = {
    ("softmax", "cross_entropy"): _cross_entropy,
    ("sigmoid", "cross_entropy"): _sigmoid_cross_entropy,
    ("softmax", "squared_error"): _squared_error(_softmax),
    ("sigmoid", "squared_error"): _squared_error(Tensor.sigmoid),
}
