"""Derivatives of losses with regard to a network's outputs: where back-propagation starts.

With f the outputs of an example, y its target and p the predictions that the loss makes of f,

    cross-entropy of softmax or sigmoid outputs    dE/df = p - y                            (1)
    squared error of sigmoid outputs               dE/df = 2 (p - y) p (1 - p)              (2)
    squared error of softmax outputs               dE_k/df = p_k (r_k - sum_j r_j p_j)      (3)
                                                   with r = 2 (p - y)

(Bishop 2006, section 5.2 and equation 4.106). The derivatives are those of an example's own error;
the mean over a batch divides them by its size.

All tensors are ``[..., outputs, batch]``, as in ``closed_form.py``.
"""

from typing import Protocol

import torch
from torch import Tensor


class OutputDelta(Protocol):
    """The derivative of a loss with regard to the outputs."""

    def __call__(self, f: Tensor, y: Tensor) -> Tensor:
        """Return dE/df, in a new tensor.

        Args:
            f: outputs ``[members, outputs, batch]``.
            y: targets from ``targets_like_outputs``, ``[members, outputs, batch]``, or ``[1,
                outputs, batch]`` if all members have the same ones.
        """
        ...


def targets_like_outputs(y: Tensor, outputs: int, dtype: torch.dtype) -> Tensor:
    """Return targets in the shape of a network's outputs, ``[members, outputs, batch]``.

    A class becomes 1 for the true class and 0 for the others. A single output stands for the second
    of two classes.

    Args:
        y: numbers of classes, int64 ``[members, batch]``, or values ``[members, batch, outputs]``
            or, for a single output, ``[members, batch]``.
        outputs: number of outputs.
        dtype: type of the result.
    """
    if y.is_floating_point():
        return y.reshape(*y.shape[:2], outputs).mT
    if outputs == 1:
        return y.unsqueeze(1).to(dtype)
    rows = torch.eye(outputs, dtype=dtype, device=y.device).index_select(1, y.flatten())
    return rows.view(outputs, *y.shape).transpose(0, 1)


def softmax_cross_entropy(f: Tensor, y: Tensor, smoothing: Tensor | None = None) -> Tensor:
    """Equation (1) for classes that exclude each other.

    ``smoothing``: label smoothing e of each member ``[members, 1, 1]``, which replaces y by
    (1 - e) y + e / K for K classes (Szegedy et al. 2016, section 7).
    """
    if smoothing is not None:
        y = y.lerp(torch.full_like(y, 1 / max(f.shape[1], 2)), smoothing.to(y))
    # Of two classes, softmax over (0, f) gives the second one sigmoid(f).
    p = f.softmax(-2) if f.shape[-2] > 1 else f.sigmoid()
    return p.sub_(y)


def sigmoid_cross_entropy(f: Tensor, y: Tensor) -> Tensor:
    """Equation (1) for classes that do not exclude each other."""
    return f.sigmoid().sub_(y)


def sigmoid_squared_error(f: Tensor, y: Tensor) -> Tensor:
    """Equation (2)."""
    p = f.sigmoid()
    return 2 * (p - y) * p * (1 - p)


def softmax_squared_error(f: Tensor, y: Tensor) -> Tensor:
    """Equation (3). Both classes of a single output count, which doubles its error."""
    if f.shape[-2] == 1:
        return 2 * sigmoid_squared_error(f, y)
    p = f.softmax(-2)
    r = 2 * (p - y)
    return p * (r - (r * p).sum(-2, keepdim=True))


def squared_error(f: Tensor, y: Tensor, factor: float = 1.0) -> Tensor:
    """2 (f - y) / K times ``factor``: the loss is the mean of (f - y)^2 over the K outputs."""
    return (f - y).mul_(2 * factor / f.shape[-2])


def squared_error_of_sigmoid(f: Tensor, y: Tensor, factor: float = 1.0) -> Tensor:
    """Equation (2) divided by the number of outputs, times ``factor``, for real targets."""
    return sigmoid_squared_error(f, y).mul_(factor / f.shape[-2])


def least_squares_rule(f: Tensor, y: Tensor) -> Tensor:
    """f - y for targets y = -1 and +1: the derivative of (f - y)^2 / 2."""
    return f - (2 * y - 1)


def sign_rule(f: Tensor, y: Tensor) -> Tensor:
    """sgn(f) - y for targets y = -1 and +1: the derivative of abs(f) - y f."""
    return f.sign().sub_(2 * y - 1)


def rosenblatt_rule(f: Tensor, y: Tensor) -> Tensor:
    """- y where y f <= 0, else 0, for targets y = -1 and +1: the derivative of max(0, - y f)."""
    y = 2 * y - 1
    return torch.where(y * f <= 0, -y, 0.0)


#: By output and loss of ``tasks.classification.Classification``.
OUTPUT_DELTAS: dict[tuple[str, str], OutputDelta] = {
    ("softmax", "cross_entropy"): softmax_cross_entropy,
    ("sigmoid", "cross_entropy"): sigmoid_cross_entropy,
    ("softmax", "squared_error"): softmax_squared_error,
    ("sigmoid", "squared_error"): sigmoid_squared_error,
}
