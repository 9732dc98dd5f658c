"""Solids as data: a network learns which points of space are inside."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Generator, Tensor

from mlp_lab.config.names import SPLITS
from mlp_lab.data.batches import ChunkLoader, EpochOrder
from mlp_lab.data.datamodule import DataModule
from mlp_lab.data.fetch import checksum
from mlp_lab.data.fresh_batches import FreshLoader
from mlp_lab.data.image import axis, grid
from mlp_lab.data.section import Section
from mlp_lab.data.solids.analytic import SOLIDS
from mlp_lab.data.solids.mesh_file import MeshFile
from mlp_lab.data.solids.solid import Solid
from mlp_lab.nn.seeds import epoch_seed

# Width and height in pixels of the section that is shown as an image.
_SIDE = 128
# Standard deviation of the distance of points near the surface (Tancik et al. 2020).
_NOISE = 0.01
# Each n-th training point is drawn from the whole cube.
_ANYWHERE = 4


class Shape(DataModule):
    """Points of space, and whether they are inside a solid.

    Inputs are float32 ``[points, 3]``, coordinates in the unit cube. Targets are float32
    ``[points, 1]``: 1 inside, 0 outside.

    The points of each training minibatch are drawn from (seed, epoch, minibatch): three quarters
    uniformly from the bounding box, and the others from the whole unit cube, so that the network
    is also defined outside the box. (Tancik et al. 2020 draw all from the box, and cut off what is
    outside.) The points of validation and test are uniform in the box, and the same in all runs.
    The split ``test near surface``, and so on, has uniform points of the surface plus
    N(0, 0.01^2), the more difficult test points of Tancik et al. 2020.

    ``target_image`` is the section of the solid at z = 1/2.

    Args:
        path: file of a closed mesh; None: ``solid``.
        solid: a key of ``SOLIDS``.
        evaluation_size: number of points of each split, and as many near the surface.
        common: arguments of ``DataModule``; ``passes`` is the number of minibatches per epoch.

    Raises:
        KeyError: there is no such solid.
    """

    in_features = 3
    in_unit_cube = True
    out_features = 1
    target_size = _SIDE, _SIDE
    section = Section()
    has_surface = True

    def __init__(
        self, *, path: str | None, solid: str, evaluation_size: int, **common: Any
    ) -> None:
        super().__init__(**common)
        self.target_parts = dict.fromkeys(SPLITS, (slice(None), slice(None)))
        self.path = path
        self._analytic = SOLIDS[solid]
        self._evaluation_size = evaluation_size
        self._solid: Solid | None = None
        self._image: np.ndarray | None = None

    @property
    def target_kind(self) -> str:
        return "occupancies"

    def prepare_data(self) -> None:
        """Read the mesh, if there is one. Raises UserError if it cannot be used."""
        if self._solid is None:
            self._solid = self._analytic() if self.path is None else MeshFile(self.path)

    @property
    def content_digest(self) -> str | None:
        return None if self.path is None else checksum(Path(self.path), "sha256")

    @property
    def solid(self) -> Solid:
        """The solid. Raises UserError if its mesh cannot be used."""
        self.prepare_data()
        assert self._solid is not None
        return self._solid

    @property
    def target_image(self) -> np.ndarray:
        if self._image is None:
            along = axis(_SIDE)
            inside = self.solid.contains(self.section.points(grid(along, along)))
            self._image = inside.view(_SIDE, _SIDE, 1).float().numpy()
        return self._image

    def read(self, device: torch.device) -> dict[str, tuple[Tensor, Tensor]]:
        splits = {}
        for split in SPLITS:
            for name, draw in ((split, self._uniform), (near_surface(split), self._near_surface)):
                generator = Generator().manual_seed(epoch_seed(0, 0, name))
                splits[name] = self._labelled(draw(self._evaluation_size, generator).to(device))
        return splits

    def _training_loader(
        self, tensors: tuple[Tensor, Tensor], order: EpochOrder | None
    ) -> ChunkLoader:
        x, y = tensors  # whose order does not matter, since training draws other points

        def draw(generator: Generator) -> tuple[Tensor, Tensor]:
            points = self._uniform(self.batch_size, generator)
            points[::_ANYWHERE] = torch.rand(points[::_ANYWHERE].shape, generator=generator)
            points, inside = self._labelled(points.to(x.device))
            return points.to(x.dtype), inside.to(y.dtype)

        seeds = EpochOrder(self.batch_size, self.seed, x.device)
        limit = self.limits["train"]
        return FreshLoader(draw, self.encoding, tensors, self.batch_size, seeds, limit, self.passes)

    def _uniform(self, count: int, generator: Generator) -> Tensor:
        """Return uniform points of the bounding box, ``[count, 3]``."""
        low, high = self.solid.bounds
        return low + (high - low) * torch.rand(count, 3, generator=generator)

    def _near_surface(self, count: int, generator: Generator) -> Tensor:
        """Return points at a normally distributed distance from the surface, ``[count, 3]``."""
        points = self.solid.surface_points(count, generator)
        return points + _NOISE * torch.randn(count, 3, generator=generator)

    def _labelled(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return points and whether they are inside, ``[count, 1]``."""
        return points, self.solid.contains(points).float().unsqueeze(1)


def near_surface(split: str) -> str:
    """Return the name of the points of a split that are near the surface."""
    return f"{split} near surface"


def shape_of(data: DataModule) -> Shape:
    """Return the data of a task that learns occupancies."""
    return cast(Shape, data)
