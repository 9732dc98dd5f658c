"""Schedules: time-dependent factors of the learning rate and of other quantities.

A schedule is a function of ``epoch``, the time since the start of training in epochs (2.5 is the
middle of the third epoch), and ``epochs``, the duration of the training. It returns the factor of
the optimizer's learning rate. It is evaluated before each optimizer step.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class Schedule(Protocol):
    """Type of a learning rate schedule."""

    def __call__(self, epoch: float, epochs: float) -> float:
        """Return the factor of the learning rate.

        Args:
            epoch: time since the start of training, in epochs.
            epochs: duration of the training, in epochs.
        """
        ...


@dataclass(frozen=True)
class Constant:
    """Constant learning rate: the factor is 1."""

    def __call__(self, epoch: float, epochs: float) -> float:
        return 1.0


@dataclass(frozen=True)
class InverseTime:
    """Inverse decay: 1/t in the t-th epoch, t = 1, 2, ... (Robbins and Monro 1951, section 4)."""

    def __call__(self, epoch: float, epochs: float) -> float:
        return 1.0 / (1 + math.floor(epoch))


@dataclass(frozen=True)
class Step:
    """Step decay: times ``gamma`` after every ``step_size`` epochs, as in torch's StepLR."""

    step_size: int
    gamma: float

    def __call__(self, epoch: float, epochs: float) -> float:
        return self.gamma ** (math.floor(epoch) // self.step_size)


@dataclass(frozen=True)
class MultiStep:
    """Step decay at given times: times ``gamma`` after each of the ``milestones``, in epochs.

    It is that of torch's MultiStepLR.
    """

    milestones: Sequence[int]
    gamma: float

    def __call__(self, epoch: float, epochs: float) -> float:
        return self.gamma ** sum(milestone <= epoch for milestone in self.milestones)


@dataclass(frozen=True)
class Exponential:
    """Exponential decay from 1 to ``end`` at the end of the training, with a constant rate."""

    end: float

    def __call__(self, epoch: float, epochs: float) -> float:
        return self.end ** (epoch / epochs)


@dataclass(frozen=True)
class Cosine:
    """Cosine decay from 1 to 0 after ``warmup`` epochs of linear increase from 0.

    Loshchilov and Hutter 2017 (arXiv 1608.03983), equation 5, without restarts.
    """

    warmup: float

    def __call__(self, epoch: float, epochs: float) -> float:
        if epoch < self.warmup:
            return epoch / self.warmup
        done = (epoch - self.warmup) / max(epochs - self.warmup, 1e-12)
        return _anneal(1.0, 0.0, min(done, 1.0))


@dataclass(frozen=True)
class Cooldown:
    """Linear decay from 1 to 0 in the last fraction ``part`` of the training; 1 before.

    Zhai et al. 2022 (arXiv 2106.04560); Haegele et al. 2024 (arXiv 2405.18392).
    """

    part: float

    def __call__(self, epoch: float, epochs: float) -> float:
        left = max(1 - epoch / epochs, 0.0)
        return left / self.part if left < self.part else 1.0


@dataclass(frozen=True)
class OneCycle:
    """One cycle: cosine increase to the peak, then cosine decay.

    The factor rises from 1/div_factor to 1 in the first fraction ``pct_start`` of the training and
    falls to 1/(div_factor * final_div_factor) at its end (Smith and Topin 2018, arXiv 1708.07120,
    section 3, with the parameters of torch's OneCycleLR).
    """

    pct_start: float
    div_factor: float
    final_div_factor: float

    def __call__(self, epoch: float, epochs: float) -> float:
        done = min(epoch / epochs, 1.0)
        first = 1.0 / self.div_factor
        if done < self.pct_start:
            return _anneal(first, 1.0, done / self.pct_start)
        if self.pct_start == 1:
            return 1.0
        return _anneal(
            1.0, first / self.final_div_factor, (done - self.pct_start) / (1 - self.pct_start)
        )


def _anneal(start: float, end: float, done: float) -> float:
    """Return the value at ``done`` of a half cosine from ``start`` (0) to ``end`` (1)."""
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2
