"""Multiresolution hash encoding with trained features."""

import math
import operator
from collections.abc import Callable

import torch
from torch import Tensor, nn

# Primes of the spatial hash, one per axis (Mueller et al. 2022, section 3).
_PRIMES = (1, 2_654_435_761, 805_459_861)


def _linear(inside: Tensor, offsets: Tensor) -> Tensor:
    """Return 1 - distance for vertices at ``offsets``, 0 or 1, from a point in [0, 1]."""
    return torch.where(offsets == 1, inside, 1 - inside)


def _cubic(inside: Tensor, offsets: Tensor) -> Tensor:
    """Return the weights of cubic convolution (Keys 1981, equation 15) for offsets -1 to 2."""
    distance = (inside - offsets).abs()
    near = (1.5 * distance - 2.5) * distance.square() + 1
    far = ((2.5 - 0.5 * distance) * distance - 4) * distance + 2
    return torch.where(distance <= 1, near, far)


#: For each interpolation, the vertices along an axis, relative to the one below the point, and the
#: function from the point's place in its cell and these offsets to the weights.
INTERPOLATIONS: dict[str, tuple[tuple[int, ...], Callable[[Tensor, Tensor], Tensor]]] = {
    "linear": ((0, 1), _linear),
    "cubic": ((-1, 0, 1, 2), _cubic),
}


class HashGrid(nn.Module):
    """Interpolation of trained features at the vertices of coarse to fine grids.

    Mueller et al. 2022, section 3. Level l divides [0, 1] into floor(coarsest * b^l) cells along
    each axis. The factor b gives the last level ``finest`` cells (equations 2 and 3). The features
    of a level are the rows of a table with at most ``table_size`` rows. If there are enough rows,
    each vertex has its own row. Otherwise a hash of the vertex determines its row (equation 4),
    and several vertices share a row.

    Features between the vertices are ``linear`` in each coordinate, as in the paper, or ``cubic``:
    cubic convolution (Keys 1981), also known as bicubic interpolation, of the four nearest vertices
    along each axis. It has a continuous derivative. Beyond the border, it repeats the border's
    vertices.

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
        interpolation: ``linear`` or ``cubic``.

    Raises:
        ValueError: there are more than 3 coordinates, or ``finest`` is less than ``coarsest``.
    """

    resolutions: Tensor
    strides: Tensor
    primes: Tensor
    first_rows: Tensor
    offsets: Tensor

    def __init__(
        self,
        in_features: int,
        *,
        levels: int,
        features_per_level: int,
        table_size: int,
        coarsest: int,
        finest: int,
        interpolation: str = "linear",
    ) -> None:
        super().__init__()
        if in_features > len(_PRIMES):
            raise ValueError(f"in_features={in_features}: must be at most 3 for a hash grid")
        if levels > 1 and finest < coarsest:
            raise ValueError(f"finest={finest}: must be at least coarsest={coarsest}")
        self.table_size = table_size
        self.out_features = levels * features_per_level
        growth = (finest / coarsest) ** (1 / max(levels - 1, 1))
        # 1e-6: a power that is an integer must not lose a cell by rounding.
        cells = [math.floor(coarsest * growth**level + 1e-6) for level in range(levels)]
        rows = [min((n + 1) ** in_features, table_size) for n in cells]
        dense = [(n + 1) ** in_features <= table_size for n in cells]
        axes = range(in_features)
        offsets, self._weights = INTERPOLATIONS[interpolation]
        strides = [
            [(n + 1) ** axis * fits for axis in axes] for n, fits in zip(cells, dense, strict=True)
        ]
        primes = [[_PRIMES[axis] * (not fits) for axis in axes] for fits in dense]
        constants = {
            "resolutions": torch.tensor(cells).unsqueeze(1),
            "strides": torch.tensor(strides).unsqueeze(2),
            "primes": torch.tensor(primes).unsqueeze(2),
            "first_rows": torch.tensor([0, *rows[:-1]]).cumsum(0).unsqueeze(1),
            "offsets": torch.tensor(offsets),
        }
        for name, constant in constants.items():
            self.register_buffer(name, constant, persistent=False)
        self.table = nn.Parameter(torch.empty(sum(rows), features_per_level))
        nn.init.uniform_(self.table, -1e-4, 1e-4)

    def forward(self, x: Tensor) -> Tensor:
        scaled = x.clamp(0, 1).unsqueeze(-2) * self.resolutions
        cell = scaled.detach().long().minimum(self.resolutions - 1)
        # Along each axis, [..., levels, d, vertices]; their products are computed last.
        weights = self._weights((scaled - cell).unsqueeze(-1), self.offsets)
        vertices = (cell.unsqueeze(-1) + self.offsets).clamp(min=0)
        rows = self._rows(vertices.minimum(self.resolutions.unsqueeze(-1)))
        weight = _of_all_vertices(operator.mul, weights).unsqueeze(-1)
        return (weight * self.table[rows]).sum(-2).flatten(-2)

    def _rows(self, vertices: Tensor) -> Tensor:
        """Return the rows of the features of vertices, ``[..., levels, vertices^d]``.

        Args:
            vertices: integer coordinates of the vertices, ``[..., levels, d, vertices]``.
        """
        # On each level, either the strides or the primes are 0, and so is one of the summands.
        dense = _of_all_vertices(operator.add, vertices * self.strides)
        hashed = _of_all_vertices(operator.xor, vertices * self.primes)
        return self.first_rows + dense + hashed % self.table_size


def _of_all_vertices(operation: Callable[[Tensor, Tensor], Tensor], values: Tensor) -> Tensor:
    """Combine values of the axes, ``[..., d, vertices]``, for each vertex: ``[..., vertices^d]``.

    The vertices are in the order of ``itertools.product``.
    """
    combined, *others = values.unbind(-2)
    for other in others:
        combined = operation(combined.unsqueeze(-1), other.unsqueeze(-2)).flatten(-2)
    return combined
