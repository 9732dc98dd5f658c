"""Reliability of confidences, and the temperature that calibrates them.

Guo et al. 2017, "On calibration of modern neural networks" (arXiv 1706.04599).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mlp_lab.errors import UserError

BINS = 15  # as in Guo et al. (section 5)
_LOWEST, _HIGHEST = 1e-4, 1e4  # temperatures
_HALVINGS = 60  # of the interval between them, on a logarithmic scale: to machine precision


@dataclass(frozen=True)
class Reliability:
    """Predictions in bins of equal width of their confidence (section 2).

    Attributes:
        counts: number of predictions in each bin, int64 ``[bins]``.
        confidence: mean confidence in each bin, float64 ``[bins]``; nan in an empty bin.
        accuracy: fraction of correct predictions, float64 ``[bins]``; nan in an empty bin.
    """

    counts: Tensor
    confidence: Tensor
    accuracy: Tensor

    @property
    def error(self) -> float:
        """The expected calibration error, ECE (equation 3).

        It is the mean over all predictions of |accuracy - confidence| of their bin.
        """
        gaps = (self.accuracy - self.confidence).abs().nan_to_num()
        return float(self.counts.double() @ gaps / self.counts.sum())


def reliability(confidences: Tensor, correct: Tensor, bins: int = BINS) -> Reliability:
    """Return mean confidence and accuracy in bins of the confidence.

    Args:
        confidences: probability of the predicted class, ``[examples]`` in [0, 1].
        correct: whether it is the true class, bool ``[examples]``.
        bins: number of bins M; bin m has the confidences in ((m - 1) / M, m / M], the first bin
            also 0.
    """
    confidences = confidences.double()
    place = (confidences * bins).ceil().long().sub(1).clamp(min=0)
    counts = place.bincount(minlength=bins)
    sums = [place.bincount(weights, bins) for weights in (confidences, correct.double())]
    return Reliability(counts, *(total / counts for total in sums))


def fit_temperature(
    loss: Callable[[Tensor, Tensor], Tensor], logits: Tensor, targets: Tensor
) -> float:
    """Return the temperature T with the highest likelihood of logits / T (section 4.2).

    The negative log-likelihood is convex in 1 / T. Its only minimum is where its derivative is 0,
    which is computed by bisection. The predicted classes do not depend on T > 0.

    Args:
        loss: function from logits and targets to the mean negative log-likelihood.
        logits: the network's outputs for examples that are not training data,
            ``[examples, outputs]``.
        targets: their targets, ``[examples, ...]``.

    Raises:
        UserError: the likelihood has no maximum: the best T would be 0 or infinite.
    """
    # Tensors of inference mode have no gradients; their copies have.
    logits, targets = logits.to(torch.float64, copy=True), targets.clone()

    @torch.enable_grad()
    def slope(temperature: float) -> float:
        """Return the derivative with respect to 1 / T, which is negative above the best T."""
        inverse = torch.tensor(1 / temperature, dtype=torch.float64, requires_grad=True)
        return float(torch.autograd.grad(loss(logits * inverse, targets), inverse)[0])

    low, high = _LOWEST, _HIGHEST
    if not slope(low) > 0 > slope(high):
        raise UserError(
            "temperature=true: no finite temperature maximizes the likelihood: the validation error"
            " must be above 0 and below that of guessing"
        )
    for _ in range(_HALVINGS):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if slope(middle) < 0 else (middle, high)
    return math.sqrt(low * high)
