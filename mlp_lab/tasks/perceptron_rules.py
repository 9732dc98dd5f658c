"""The learning rules of the perceptron, a linear prediction with a threshold."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from mlp_lab.nn.output_deltas import OutputDelta, lecture_rule, rosenblatt_rule
from mlp_lab.tasks.chunked_training import ChunkedTraining
from mlp_lab.tasks.classification import Classifier, membership


class PerceptronRule(Classifier):
    """Learn the weights of sgn(z), z = w.x + b, from targets y = -1 and +1.

    With ``optimizer=sgd``, a step changes each weight by - eta times the mean over the batch of

    - ``lecture``: (sgn(z) - y) x, with sgn(0) = 0;
    - ``rosenblatt``: - y x for each mistake, y z <= 0, and 0 for the other examples
      (Rosenblatt 1958; Bishop 2006, equation 4.55, for batches of one example).

    Both are computed as gradients, of |z| - y z and of max(0, - y z). The bias is the weight of a
    constant 1. Each of several outputs learns one class against all others; the loss is the sum of
    their losses, and the predicted class is that of the largest output.
    """

    def __init__(self, *, rule: str, **task: Any) -> None:
        super().__init__(**task)
        self._loss = _LOSSES[rule]
        self._output_delta = _OUTPUT_DELTAS[rule]

    def output_delta(self, tasks: Sequence[ChunkedTraining]) -> OutputDelta:
        return self._output_delta

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        sign = 2 * membership(output, target) - 1
        return self._loss(output, sign).sum() / len(output)


def _lecture(z: Tensor, y: Tensor) -> Tensor:
    return z.abs() - y * z


def _rosenblatt(z: Tensor, y: Tensor) -> Tensor:
    # clamp would have the gradient 0 at the boundary.
    return torch.where(y * z <= 0, -y * z, 0)


_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "lecture": _lecture,
    "rosenblatt": _rosenblatt,
}
_OUTPUT_DELTAS: dict[str, OutputDelta] = {"lecture": lecture_rule, "rosenblatt": rosenblatt_rule}
