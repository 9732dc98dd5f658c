"""Tomography: the density at each point is learned from integrals of the density along rays."""

import math

from torch import Tensor

from mlp_lab.nn.operators.radon import line_integrals
from mlp_lab.tasks.reconstruction import Reconstruction


class Tomography(Reconstruction):
    """Learn a density from its projections, ``[objects, projections, 1 + size]``.

    See ``data.ct.CT``.
    """

    target_kind = "projections"

    def measure_densities(self, densities: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        angles, measured = target[..., 0], target[..., 1:]
        size = math.isqrt(densities.shape[1])
        return line_integrals(densities.view(-1, size, size), angles), measured
