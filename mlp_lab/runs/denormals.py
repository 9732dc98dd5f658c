"""Let the processor treat denormal numbers as 0 in trainings."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def denormals_as_zero() -> Iterator[None]:
    """Treat denormal numbers, below 1.2e-38 in single precision, as 0 until the context ends.

    Most processors take 20 to 100 times as long for them. The moving averages of optimizers become
    denormal, and stay so, for weights whose gradients are 0: those of inputs that are always 0 and
    of ReLUs that are never active. After 500 epochs of ``mnist_fast``, they are a sixth of the
    averages, and a step of AdamW takes 20 times as long.

    Threads that torch has started before are not affected, and those that it starts now stay so.
    """
    before = _are_zero()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def _are_zero() -> bool:
    """Return whether this thread treats denormal numbers as 0."""
    return float(torch.tensor([1e-40])) == 0
