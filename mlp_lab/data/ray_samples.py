"""Points on rays, at which a network represents a scene, and batches of them."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from mlp_lab.data.batches import Chunk, ChunkLoader, chunk_length
from mlp_lab.nn.operators.volume_rendering import stratified

#: Width of the cube around the origin that becomes the unit cube, in which encodings are defined.
#: An encoding of frequencies B is then [sin Bx, cos Bx] in the units of the scene.
EXTENT = 2 * math.pi


class RaySamples(NamedTuple):
    """Where rays are sampled.

    Attributes:
        near: distance from the camera at which the first interval starts.
        far: distance at which the last interval ends.
        per_ray: number of intervals, each with one sample.
    """

    near: float
    far: float
    per_ray: int

    def points(self, rays: Tensor, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
        """Return coordinates in the unit cube, ``[rays, per_ray, 3]``, and their distances.

        The distances from the camera, ``[rays, per_ray + 1]``, end with ``far`` (``stratified``).

        Args:
            rays: origins and directions, ``[rays, 6]``.
            generator: generator of random places within the intervals; None: the middles.
        """
        distances = stratified(self.near, self.far, len(rays), self.per_ray, generator).to(rays)
        origins, directions = rays.unsqueeze(1).split(3, 2)
        points = origins + distances[:, :-1, None] * directions
        return points / EXTENT + 0.5, distances


class RayLoader(ChunkLoader):
    """Chunks of batches of rays, in their stored order, for evaluation.

    The points on the rays and their features would take hundreds of times the memory of the rays.
    Hence they are computed for one chunk, or batch, at a time.

    Args:
        samples: where the rays are sampled.
        encoding: module from the points of a batch to the inputs of the network.
        tensors: rays ``[rays, 6]`` and colours ``[rays, 3]``.
        batch_size: number of rays in a batch.
        limit: maximum number of batches; None: no limit.
    """

    def __init__(
        self,
        samples: RaySamples,
        encoding: nn.Module,
        tensors: Sequence[Tensor],
        batch_size: int,
        limit: int | None = None,
    ) -> None:
        super().__init__(tensors, batch_size, limit=limit)
        self._samples, self._encoding = samples, encoding

    def __iter__(self) -> Iterator[Chunk]:
        rows, length = self._rows(), chunk_length(self.batch_size)
        rays, colours = self.tensors
        for start in range(0, self.batches, length):
            parts = rows[start : start + length]
            points, distances = self._samples.points(torch.cat([rays[part] for part in parts]))
            seen = torch.cat([colours[part] for part in parts])
            ends = torch.tensor([len(rays[part]) for part in parts]).cumsum(0).tolist()
            slices = [slice(*pair) for pair in zip([0, *ends], ends, strict=False)]
            yield Chunk((points, torch.cat([seen, distances], 1)), slices, self._encoding)
