"""Schedulers of torch as schedules, which are functions of the time."""

import math
import warnings
from collections.abc import Callable

import torch
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import LRScheduler


class TorchSchedule:
    """A schedule whose factor is that of a scheduler of torch, which steps after each epoch.

    A scheduler changes the learning rate of an optimizer. Here, that optimizer has nothing to
    train; its learning rates are the values of the schedule.

    Args:
        scheduler: function from an optimizer to a scheduler.
        lr: learning rate that the schedule changes. Arguments of the scheduler, such as
            ``eta_min``, can be learning rates.
    """

    def __init__(self, scheduler: Callable[[Optimizer], LRScheduler], lr: float) -> None:
        # OneCycleLR and CyclicLR change the momentum as well; it is not used.
        self._optimizer = SGD([torch.zeros(1)], lr=lr, momentum=0.9)
        self._scheduler = scheduler(self._optimizer)
        self._lr = lr
        self._factors = [self._factor()]

    def __call__(self, epoch: float, epochs: float) -> float:
        """Return the factor of the learning rate; see ``schedules.Schedule``."""
        while len(self._factors) <= math.floor(epoch):
            with warnings.catch_warnings():  # torch warns since the optimizer does not step
                warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step")
                self._scheduler.step()
            self._factors.append(self._factor())
        return self._factors[math.floor(epoch)]

    def _factor(self) -> float:
        return float(self._optimizer.param_groups[0]["lr"]) / self._lr
