"""Posed images as data: a network learns a scene from the colours of rays."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Generator, Tensor

from mlp_lab.config.names import SPLITS
from mlp_lab.data.batches import ChunkLoader, EpochOrder
from mlp_lab.data.datamodule import DataModule
from mlp_lab.data.encoded import Splits
from mlp_lab.data.fetch import checksum
from mlp_lab.data.fresh_batches import FreshLoader
from mlp_lab.data.ray_samples import RayLoader, RaySamples
from mlp_lab.data.scenes.analytic_scene import SCENES
from mlp_lab.data.scenes.camera import ANGLE, Camera
from mlp_lab.data.scenes.mesh_scene import MeshScene
from mlp_lab.data.scenes.posed_images import PosedImages
from mlp_lab.data.scenes.transforms_folder import TransformsFolder
from mlp_lab.errors import UserError

_MAX_POINTS = 2**14  # in a batch of evaluation: with 512 features each, 32 MiB


class Views(DataModule):
    """Rays through the pixels of images whose cameras are known, and the colours of the pixels.

    An example is a ray. Its input is points on it, float32 ``[rays, samples, 3]``: coordinates in
    the unit cube, which is the cube of width 2 pi around the origin of the scene. Its target is
    float32 ``[rays, 3 + samples + 1]``: the colour, followed by the distances of the points from
    the camera and of the end of the ray (``nn.operators.volume_rendering``).

    The rays of a training minibatch are uniformly drawn from all pixels of the training images,
    and one point from each of ``samples`` equal intervals of a ray, both from (seed, epoch,
    minibatch). In evaluation, the points are the middles of the intervals. ``splits`` has the rays,
    ``[rays, 6]``, and their colours, ``[rays, 3]``; points are encoded in each step.

    ``target_image`` is the first validation image, which ``camera`` took.

    Args:
        path: folder of ``TransformsFolder``, or mesh of ``MeshScene``; None: ``scene``.
        scene: a key of ``SCENES``.
        distance: distance of the cameras of a scene or mesh from the origin.
        size: width of the images in pixels.
        views: number of training images; of a folder, at most.
        held_out_views: number of validation images, and of test images; of a folder, at most.
        near: distance from the camera at which the samples of a ray begin.
        far: distance at which they end.
        samples: number of samples of a ray.
        common: arguments of ``DataModule``; ``passes`` is the number of minibatches per epoch.

    Raises:
        KeyError: there is no such scene.
        UserError: ``near`` is not below ``far``.
    """

    in_features = 3
    in_unit_cube = True
    out_features = 4

    def __init__(
        self,
        *,
        path: str | None,
        scene: str,
        distance: float,
        size: int,
        views: int,
        held_out_views: int,
        near: float,
        far: float,
        samples: int,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        if near >= far:
            raise UserError(f"data.near={near:g}: must be below data.far={far:g}")
        self.path = path
        self.samples = RaySamples(near, far, samples)
        self.target_size = size, size
        self.target_parts = dict.fromkeys(SPLITS, (slice(None), slice(None)))
        self._scene, self._distance, self._size = scene, distance, size
        self._counts = {"train": views, "validation": held_out_views, "test": held_out_views}
        self._posed: dict[str, PosedImages] = {}
        self._digest: str | None = None

    @property
    def target_kind(self) -> str:
        return "views"

    def check_batch_normalization(self, processes: int) -> None:
        """Raise UserError, because an example is many points."""
        raise UserError(
            "network: has batch normalization, but an example of data=views is many points"
        )

    def prepare_data(self) -> None:
        """Render or read the images. Raises UserError if they cannot be used."""
        if self._posed:
            return
        if (folder := self._folder) is not None:
            posed = {
                split: folder.posed_images(split, count, self._size)
                for split, count in self._counts.items()
            }
            self._posed, self._digest = posed, folder.digest
            return
        scene = SCENES[self._scene] if self.path is None else MeshScene(self.path)
        self._posed = {
            split: scene.posed_images(split, count, self._size, self._distance)
            for split, count in self._counts.items()
        }
        self._digest = None if self.path is None else checksum(Path(self.path), "sha256")

    @property
    def _folder(self) -> TransformsFolder | None:
        """The folder of the images; None: a scene or a mesh is rendered."""
        if self.path is None or Path(self.path).is_file():
            return None
        return TransformsFolder(self.path)

    def image_format(self) -> tuple[tuple[int, int], float]:
        """Return width and height of the target image, and its horizontal angle of view in radians.

        The images are not rendered, and of a folder only one is read. Raises UserError if that is
        not possible.
        """
        folder = self._folder
        if folder is None:
            return (self._size, self._size), ANGLE
        images, [camera] = folder.posed_images("validation", 1, self._size)
        _, height, width, _ = images.shape
        return (width, height), camera.angle

    @property
    def content_digest(self) -> str | None:
        return self._digest

    def posed_images(self, split: str) -> PosedImages:
        """Return the images of a split and their cameras. Raises UserError as ``prepare_data``."""
        self.prepare_data()
        return self._posed[split]

    @property
    def camera(self) -> Camera:
        """The camera of the target image."""
        return self.posed_images("validation").cameras[0]

    @property
    def target_image(self) -> np.ndarray:
        return self.posed_images("validation").images[0]

    def read(self, device: torch.device) -> dict[str, tuple[Tensor, Tensor]]:
        pairs = {split: self.posed_images(split).rays_and_colours() for split in SPLITS}
        return {split: (x.to(device), y.to(device)) for split, (x, y) in pairs.items()}

    def encoded(self, splits: Splits) -> Splits:
        return splits  # rays; the points on them are encoded in each step

    def _training_loader(
        self, tensors: tuple[Tensor, Tensor], order: EpochOrder | None
    ) -> ChunkLoader:
        rays, colours = tensors

        def draw(generator: Generator) -> tuple[Tensor, Tensor]:
            rows = torch.randint(len(rays), (self.batch_size,), generator=generator).to(rays.device)
            points, distances = self.samples.points(rays[rows], generator)
            return points, torch.cat([colours[rows], distances], 1)

        seeds = EpochOrder(self.batch_size, self.seed, rays.device)
        limit = self.limits["train"]
        return FreshLoader(draw, self.encoding, tensors, self.batch_size, seeds, limit, self.passes)

    def _evaluation_loader(
        self, tensors: tuple[Tensor, Tensor], limit: int | None = None
    ) -> ChunkLoader:
        size = max(1, _MAX_POINTS // self.samples.per_ray)
        return RayLoader(self.samples, self.encoding, tensors, size, limit)


def views_of(data: DataModule) -> Views:
    """Return the data of a task that learns from posed images."""
    return cast(Views, data)
