"""Classification with sharpness-aware minimization."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from mlp_lab.nn.probes import batch_normalizations
from mlp_lab.tasks.classification import Classification

# Smallest norm of a gradient that is divided by; below it, the distance is smaller than rho.
_SMALLEST = 1e-12


class SharpnessAware(Classification):
    """``Classification`` with sharpness-aware minimization (Foret et al. 2021, algorithm 1).

    The gradient of each step is that at the weights

        w + rho g / ||g||,

    where g is the gradient at the weights w, and the norm is that of all parameters together: to
    first order, the loss is largest there within the distance ``rho``. A step takes twice as long.
    Training metrics and the means and variances of batch normalization are those at w.

    Args:
        rho: distance in the space of all parameters, at least 0.
        task: arguments of ``Classification``.
    """

    unstackable_reason = "its task computes two gradients for each step"

    def __init__(self, *, rho: float, **task: Any) -> None:
        super().__init__(**task)
        self.rho = rho

    def differentiate(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        loss, output = super().differentiate(x, y)
        gradients = [(p, p.grad) for p in self.network.parameters() if p.grad is not None]
        before = [(p, p.detach().clone()) for p, _ in gradients]
        scale = self.rho / nn.utils.get_total_norm([g for _, g in gradients]).clamp_min(_SMALLEST)
        with torch.no_grad():
            for parameter, gradient in gradients:
                parameter.add_(scale * gradient)
                parameter.grad = None
        with _constant_statistics(self.network):
            super().differentiate(x, y)
        with torch.no_grad():
            for parameter, value in before:
                parameter.copy_(value)
        return loss, output


@contextmanager
def _constant_statistics(network: nn.Module) -> Iterator[None]:
    """Leave the running means and variances of batch normalization unchanged in the context."""
    layers = batch_normalizations(network)
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
