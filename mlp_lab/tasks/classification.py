"""Classification: one of several classes for each example."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from mlp_lab.errors import UserError
from mlp_lab.tasks.base import Task


class Classifier(Task):
    """A task whose targets are the numbers of classes, int64 ``[batch]``.

    The network has an output for each class or, of two classes, a single one, which is positive
    for the second. The metric ``error`` is the part of the examples that are taken for a class
    which isn't theirs.
    """

    metrics = ("error",)

    @abstractmethod
    def loss(self, output: Tensor, target: Tensor) -> Tensor: ...

    def predictions(self, output: Tensor) -> Tensor:
        """The class that each of the network's outputs stands for: int64 ``[batch]``."""
        return _an_output_a_class(output).argmax(1)

    def measure(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        return {"error": (self.predictions(output) != target).float()}


class Classification(Classifier):
    """Learn the probabilities of the classes of each example.

    The network's outputs ``[batch, classes]`` become probabilities by ``output``:

    - ``softmax``: one class excludes the others;
    - ``sigmoid``: each class for itself.

    Of two classes a single output z ``[batch, 1]`` suffices: the probability of the second is
    sigmoid(z), which is the softmax over the outputs 0 and z.

    The ``loss``, summed over the classes and averaged over the batch, is

    - ``cross_entropy``: - sum_k y_k log p_k, for sigmoid outputs - sum_k (y_k log p_k
      + (1 - y_k) log(1 - p_k)) (Bishop 2006, equations 5.24 and 5.22);
    - ``squared_error``: sum_k (p_k - y_k)^2,

    where y is 1 for the true class and 0 for the others. The sums for sigmoid outputs are over
    the outputs there are, that of a single one over the second class.

    With ``label_smoothing`` e, the cross-entropy of softmax outputs over K classes is minimized
    for y' = (1 - e) y + e / K in place of y (Szegedy et al. 2016, section 7). As dropout it acts in
    training only: what is evaluated, and chosen by, is the cross-entropy with y itself.

    Raises UserError for a smoothing of other outputs or another loss.
    """

    loss_numbers = ("label_smoothing",)

    def __init__(
        self, *, output: str, loss: str, label_smoothing: float = 0.0, **task: Any
    ) -> None:
        super().__init__(**task)
        self._probabilities = _PROBABILITIES[output]
        self._loss = _LOSSES[output, loss]
        self._cross_entropy = _LOSSES[output, "cross_entropy"]
        self.label_smoothing = label_smoothing
        if label_smoothing > 0 and self._loss is not _cross_entropy:
            raise UserError(
                f"task.label_smoothing={label_smoothing:g}: needs task.output=softmax"
                " and task.loss=cross_entropy"
            )

    def probabilities(self, output: Tensor) -> Tensor:
        """Probabilities ``[batch, classes]`` of the classes from the network's outputs."""
        several = output.shape[1] > 1
        return self._probabilities(output) if several else _softmax(output)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        if self.training and self.label_smoothing > 0:
            return _cross_entropy(output, target, self.label_smoothing)
        return self._loss(output, target)

    def negative_log_likelihood(self, output: Tensor, target: Tensor) -> Tensor:
        """The mean over a batch, whatever the loss: the cross-entropy of these probabilities."""
        return self._cross_entropy(output, target)


def membership(output: Tensor, target: Tensor) -> Tensor:
    """What the network's outputs say, if they are right: 1 for the true class, 0 for the others.

    Args:
        output: ``[batch, outputs]``: the shape and the dtype of what is returned.
        target: numbers of classes, int64 ``[batch]``.
    """
    several = output.shape[1] > 1
    truth = F.one_hot(target, output.shape[1]) if several else target.unsqueeze(1)
    return truth.to(output.dtype)


def _an_output_a_class(output: Tensor) -> Tensor:
    """Outputs ``[batch, classes]``: beside a single one, which speaks of the second class, a 0."""
    return output if output.shape[1] > 1 else F.pad(output, (1, 0))


def _cross_entropy(output: Tensor, target: Tensor, smoothing: float = 0.0) -> Tensor:
    return F.cross_entropy(_an_output_a_class(output), target, label_smoothing=smoothing)


def _sigmoid_cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    truth = membership(output, target)
    return F.binary_cross_entropy_with_logits(output, truth, reduction="sum") / len(output)


def _squared_error(probabilities: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    def loss(output: Tensor, target: Tensor) -> Tensor:
        p = probabilities(output)
        return F.mse_loss(p, membership(p, target), reduction="sum") / len(output)

    return loss


def _softmax(output: Tensor) -> Tensor:
    return _an_output_a_class(output).softmax(1)


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
