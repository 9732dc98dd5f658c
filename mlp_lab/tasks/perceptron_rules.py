"""The learning rules of the perceptron, a linear prediction whose sign is the class."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from mlp_lab.nn.output_deltas import (
    OutputDelta,
    least_squares_rule,
    rosenblatt_rule,
    sign_rule,
)
from mlp_lab.tasks.chunked_training import ChunkedTraining
from mlp_lab.tasks.classification import Classifier, membership


class PerceptronRule(Classifier):
    """Learn the weights of f(x) = w.x + b, whose sign is the class, from y = -1 and +1.

    With ``optimizer=sgd``, a step changes each weight by - eta times the mean over the batch of

    - ``lecture``: (f - y) x, the delta rule, also called least mean squares (Widrow and Hoff 1960).
      It is gradient descent on the lecture's error E = (f - y)^2, whose derivative is
      dE/dw = 2 (f - y) x; the lecture's step omits the 2, as if it were part of eta. It converges
      to the least-squares solution, which does not always separate linearly separable classes: a
      point far on the correct side of the boundary has a large error, too (Bishop 2006, figure
      4.4);
    - ``sign``: (sgn(f) - y) x, with sgn(0) = 0. This is the lecture's step with the predicted class
      instead of the linear prediction. Only wrong predictions change the weights, by twice the step
      of Rosenblatt's rule;
    - ``rosenblatt``: - y x for each mistake, y f <= 0, and 0 for the other examples
      (Rosenblatt 1958; Bishop 2006, equation 4.55, for batches of one example).

    They are computed as gradients, of (f - y)^2 / 2 = E / 2, of |f| - y f and of max(0, - y f). The
    bias is the weight of a constant 1. Each of several outputs learns one class against all others;
    the loss is the sum of their losses, and the predicted class is that of the largest output.
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


def _half_squared_error(f: Tensor, y: Tensor) -> Tensor:
    return (f - y).square() / 2


def _sign(f: Tensor, y: Tensor) -> Tensor:
    return f.abs() - y * f


def _rosenblatt(f: Tensor, y: Tensor) -> Tensor:
    # clamp would have the gradient 0 at the boundary.
    return torch.where(y * f <= 0, -y * f, 0)


_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "lecture": _half_squared_error,
    "sign": _sign,
    "rosenblatt": _rosenblatt,
}
_OUTPUT_DELTAS: dict[str, OutputDelta] = {
    "lecture": least_squares_rule,
    "sign": sign_rule,
    "rosenblatt": rosenblatt_rule,
}
