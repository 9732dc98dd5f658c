"""Schedules of the learning rate, and of what else changes by a factor: functions of the time.

A schedule maps ``epoch``, the time since the start in epochs (a float: 2.5 is the middle of the
third epoch), and ``epochs``, the length of the whole training, to the factor that the optimizer's
learning rate is multiplied by. It is evaluated before each optimizer step.
"""

import math
from dataclasses import dataclass
from typing import Protocol


class Schedule(Protocol):
    """A learning-rate schedule."""

    def __call__(self, epoch: float, epochs: float) -> float:
        """Factor of the learning rate at the time ``epoch`` of ``epochs``."""
        ...


@dataclass(frozen=True)
class Constant:
    """The learning rate as it is."""

    def __call__(self, epoch: float, epochs: float) -> float:
        return 1.0


@dataclass(frozen=True)
class InverseTime:
    """1/t in the t-th epoch, t = 1, 2, ... (Robbins and Monro 1951, section 4)."""

    def __call__(self, epoch: float, epochs: float) -> float:
        return 1.0 / (1 + math.floor(epoch))


@dataclass(frozen=True)
class Step:
    """Multiplied by ``gamma`` after every ``step_size`` epochs, as torch's StepLR."""

    step_size: int
    gamma: float

    def __call__(self, epoch: float, epochs: float) -> float:
        return self.gamma ** (math.floor(epoch) // self.step_size)


@dataclass(frozen=True)
class Cosine:
    """Half a cosine from 1 to 0 after ``warmup`` epochs of linear increase.

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
    """1, then linearly down to 0 in the last ``part`` of the training.

    Zhai et al. 2022 (arXiv 2106.04560); Haegele et al. 2024 (arXiv 2405.18392).
    """

    part: float

    def __call__(self, epoch: float, epochs: float) -> float:
        left = max(1 - epoch / epochs, 0.0)
        return left / self.part if left < self.part else 1.0


@dataclass(frozen=True)
class OneCycle:
    """Up to the peak in the part ``pct_start`` of the training, then down, along half cosines.

    Smith and Topin 2018 (arXiv 1708.07120), section 3, in the form and with the names of torch's
    OneCycleLR: from 1/div_factor to 1 to 1/(div_factor * final_div_factor).
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
    """Half a cosine from ``start`` (done = 0) to ``end`` (done = 1)."""
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2
