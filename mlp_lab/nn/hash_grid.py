"""Multiresolution hash encoding with trained features."""

import math
from itertools import product

import torch
from torch import Tensor, nn

# Primes of the spatial hash, one per axis (Mueller et al. 2022, section 3).
_PRIMES = (1, 2_654_435_761, 805_459_861)


class HashGrid(nn.Module):
    """Multilinear interpolation of trained features at the vertices of coarse to fine grids.

    Mueller et al. 2022, section 3. Level l divides [0, 1] into floor(coarsest * b^l) cells along
    each axis. The factor b gives the last level ``finest`` cells (equations 2 and 3). The features
    of a level are the rows of a table with at most ``table_size`` rows. If there are enough rows,
    each vertex has its own row. Otherwise a hash of the vertex determines its row (equation 4),
    and several vertices share a row.

    Unlike the other encodings, this one has parameters. Initially, the features are uniform in
    +-1e-4. Points outside [0, 1] are clamped to the border.

    Shapes: ``[..., in_features]`` to ``[..., levels * features_per_level]``, the coarsest level
    first.

    Args:
        in_features: number d of coordinates, at most 3.
        levels: number L of levels.
        features_per_level: number F of features of each vertex.
        table_size: largest number T of rows of a level.
        coarsest: number N_min of cells along an axis of the first level.
        finest: number N_max of cells along an axis of the last level, for two or more levels.

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
        # 1e-6: a power that is an integer must not lose a cell by rounding.
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
        """Return the rows of the features of vertices, ``[..., levels, corners]``.

        Args:
            vertices: integer coordinates of the vertices, ``[..., levels, corners, d]``.
        """
        # On each level, either the strides or the primes are 0, and so is one of the summands.
        dense = (vertices * self.strides).sum(-1)
        first, *others = (vertices * self.primes).unbind(-1)
        for other in others:
            first = first ^ other
        return self.offsets + dense + first % self.table_size
