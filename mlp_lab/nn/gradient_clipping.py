"""Gradient clipping, for one network or for each network of a stack."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_EPS = 1e-6  # as in torch.nn.utils.clip_grad_norm_


@dataclass(frozen=True)
class GradientClipping:
    """Clip the gradients of all parameters of a network.

    - ``norm``: multiply them by value / norm if their common Euclidean norm is larger than value
      (Pascanu et al. 2013, algorithm 1), as ``torch.nn.utils.clip_grad_norm_``;
    - ``value``: limit each entry to +-value, as ``torch.nn.utils.clip_grad_value_``.

    Args:
        value: largest norm or absolute value.
        algorithm: ``norm`` or ``value``.
    """

    value: float
    algorithm: str

    @torch.no_grad()
    def __call__(self, gradients: Sequence[Tensor], members: int = 1) -> None:
        """Clip gradients in place.

        Args:
            gradients: gradients ``[members * ..., ...]`` of the parameters.
            members: number of stacked networks, each of which has a norm of its gradients.
        """
        if self.algorithm == "value":
            for gradient in gradients:
                gradient.clamp_(-self.value, self.value)
            return
        # Not a view of other sizes, since a gradient may have the memory layout of its transpose.
        by_member = [gradient.unflatten(0, (members, -1)) for gradient in gradients]
        norms = torch.stack([torch.linalg.vector_norm(g.flatten(1), dim=1) for g in by_member])
        factors = (self.value / (norms.norm(dim=0) + _EPS)).clamp(max=1)
        for gradient in by_member:
            gradient.mul_(factors.view(-1, *[1] * (gradient.ndim - 1)))
