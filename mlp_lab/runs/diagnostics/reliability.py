"""Whether a classifier is right as often as it says, and the temperature that makes it so.

Guo et al. 2017, "On calibration of modern neural networks" (arXiv 1706.04599).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mlp_lab.errors import UserError

BINS = 15  # as Guo et al. have them (section 5)
_LOWEST, _HIGHEST = 1e-4, 1e4  # temperatures
_HALVINGS = 60  # of the interval between them, on a logarithmic scale: to the last digit


@dataclass(frozen=True)
class Reliability:
    """Predictions in bins of equal width by their confidence (section 2).

    Attributes:
        counts: predictions in each bin, int64 ``[bins]``.
        confidence: their mean confidence, float64 ``[bins]``; nan in an empty bin.
        accuracy: the part of them that is right, float64 ``[bins]``; nan in an empty bin.
    """

    counts: Tensor
    confidence: Tensor
    accuracy: Tensor

    @property
    def error(self) -> float:
        """The expected calibration error, ECE (equation 3).

        The mean over all predictions of how far accuracy and confidence of their bin lie apart.
        """
        gaps = (self.accuracy - self.confidence).abs().nan_to_num()
        return float(self.counts.double() @ gaps / self.counts.sum())


def reliability(confidences: Tensor, right: Tensor, bins: int = BINS) -> Reliability:
    """How confidence and accuracy go together.

    Args:
        confidences: the probability of the class that is predicted, ``[examples]`` in [0, 1].
        right: whether it is the true one, bool ``[examples]``.
        bins: the m-th of M holds the confidences in ((m - 1) / M, m / M], the first 0 as well.
    """
    confidences = confidences.double()
    place = (confidences * bins).ceil().long().sub(1).clamp(min=0)
    counts = place.bincount(minlength=bins)
    sums = [place.bincount(weights, bins) for weights in (confidences, right.double())]
    return Reliability(counts, *(total / counts for total in sums))


def fit_temperature(
    loss: Callable[[Tensor, Tensor], Tensor], logits: Tensor, targets: Tensor
) -> float:
    """The temperature T for which logits / T are the most likely (section 4.2).

    The negative log-likelihood is convex in 1 / T: where its derivative is 0, found by bisection,
    it has its only minimum. Predictions stay as they are, whatever T > 0.

    Args:
        loss: the mean negative log-likelihood of targets, given logits.
        logits: ``[examples, outputs]``, of examples that the network was not trained on.
        targets: ``[examples, ...]``.

    Raises:
        UserError: T would be 0 or infinite, since it pays to be ever surer, or ever less sure.
    """
    # What comes from inference mode has no gradients; a copy has.
    logits, targets = logits.to(torch.float64, copy=True), targets.clone()

    @torch.enable_grad()
    def slope(temperature: float) -> float:
        """The derivative with regard to 1 / T, negative above the best T."""
        inverse = torch.tensor(1 / temperature, dtype=torch.float64, requires_grad=True)
        return float(torch.autograd.grad(loss(logits * inverse, targets), inverse)[0])

    low, high = _LOWEST, _HIGHEST
    if not slope(low) > 0 > slope(high):
        raise UserError(
            "temperature=true: no temperature fits the validation data best;"
            " must have errors, and fewer than by chance"
        )
    for _ in range(_HALVINGS):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if slope(middle) < 0 else (middle, high)
    return math.sqrt(low * high)
