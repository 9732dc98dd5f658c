"""Multiresolution hash encoding, whose features are trained."""

import math
from itertools import product

import torch
from torch import Tensor, nn

# Of the spatial hash, an axis each (Mueller et al. 2022, section 3).
_PRIMES = (1, 2_654_435_761, 805_459_861)


class HashGrid(nn.Module):
    """Features at the vertices of grids, coarse to fine, between which it interpolates linearly.

    Mueller et al. 2022, section 3. Level l divides [0, 1] into floor(coarsest * b^l) cells along
    each axis, with b such that the last level has ``finest`` (equations 2 and 3). A level whose
    vertices fit into ``table_size`` rows has a row for each; on a finer one, vertices share rows
    by a hash of their place (equation 4), and the training has to find out whose row it is.

    Unlike other encodings it is trained. Its features start in +-1e-4. Points outside [0, 1] are
    taken for the nearest of its border.

    Shapes: ``[..., in_features]`` to ``[..., levels * features_per_level]``, the coarsest first.

    Args:
        in_features: d, the number of coordinates, at most 3.
        levels: L.
        features_per_level: F, features of each vertex.
        table_size: T, the most rows that a level has.
        coarsest: N_min, cells along an axis of the first level.
        finest: N_max, cells along an axis of the last, where there are two levels or more.

    Raises:
        ValueError: there are more than 3 coordinates, or ``finest`` is less than ``coarsest``.
    """

    resolutions: Tensor
    strides: Tensor
    primes: Tensor
    offsets: Tensor
    corners: Tensor

    def __init__(
        self,
        in_features: int,
        *,
        levels: int,
        features_per_level: int,
        table_size: int,
        coarsest: int,
        finest: int,
    ) -> None:
        super().__init__()
        if in_features > len(_PRIMES):
            raise ValueError(f"in_features={in_features}: must be at most 3 for a hash grid")
        if finest < coarsest:
            raise ValueError(f"finest={finest}: must be at least coarsest={coarsest}")
        self.table_size = table_size
        self.out_features = levels * features_per_level
        growth = (finest / coarsest) ** (1 / max(levels - 1, 1))
        # Rounding must not take a cell away from a power that is a whole number.
        cells = [math.floor(coarsest * growth**level + 1e-6) for level in range(levels)]
        rows = [min((n + 1) ** in_features, table_size) for n in cells]
        dense = [(n + 1) ** in_features <= table_size for n in cells]
        axes = range(in_features)
        strides = [
            [(n + 1) ** axis * fits for axis in axes] for n, fits in zip(cells, dense, strict=True)
        ]
        primes = [[_PRIMES[axis] * (not fits) for axis in axes] for fits in dense]
        constants = {
            "resolutions": torch.tensor(cells).unsqueeze(1),
            "strides": torch.tensor(strides).unsqueeze(1),
            "primes": torch.tensor(primes).unsqueeze(1),
            "offsets": torch.tensor([0, *rows[:-1]]).cumsum(0).unsqueeze(1),
            "corners": torch.tensor(list(product((0, 1), repeat=in_features))),
        }
        for name, constant in constants.items():
            self.register_buffer(name, constant, persistent=False)
        self.table = nn.Parameter(torch.empty(sum(rows), features_per_level))
        nn.init.uniform_(self.table, -1e-4, 1e-4)

    def forward(self, x: Tensor) -> Tensor:
        scaled = x.clamp(0, 1).unsqueeze(-2) * self.resolutions
        cell = scaled.detach().long().minimum(self.resolutions - 1)
        inside = (scaled - cell).unsqueeze(-2)
        weights = torch.where(self.corners == 1, inside, 1 - inside).prod(-1)
        values = self.table[self._rows(cell.unsqueeze(-2) + self.corners)]
        return (weights.unsqueeze(-1) * values).sum(-2).flatten(-2)

    def _rows(self, vertices: Tensor) -> Tensor:
        """Where the features of vertices lie: ``[..., levels, corners, d]`` without the last."""
        # On each level, one of the two is 0.
        counted = (vertices * self.strides).sum(-1)
        first, *others = (vertices * self.primes).unbind(-1)
        for other in others:
            first = first ^ other
        return self.offsets + counted + first % self.table_size
