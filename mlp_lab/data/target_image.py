"""The base class of data modules whose targets come from one image."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from mlp_lab.data.datamodule import DataModule
from mlp_lab.data.fetch import checksum
from mlp_lab.images.photographs import find_image, image_size


class TargetImage(DataModule):
    """Data that a square image determines; the inputs are coordinates of its pixels.

    A subclass defines ``make_image``, which is called once.

    Args:
        file: path of a file or a name of ``photographs.SCIKIT_IMAGE_FILES``; None: the image is
            computed.
        size: width and height in pixels.
        common: arguments of ``DataModule``.
    """

    in_features = 2
    in_unit_cube = True

    def __init__(self, *, file: str | None, size: int, **common: Any) -> None:
        super().__init__(**common)
        self.file = file
        self.size = size
        self.target_size = size, size
        self._pixels: np.ndarray | None = None

    @abstractmethod
    def make_image(self) -> np.ndarray:
        """Read or compute the image, float32 ``[size, size, channels]`` in [0, 1].

        Raises UserError if the file cannot be read.
        """

    def prepare_data(self) -> None:
        """Read or compute the image. Raises UserError if the file cannot be read."""
        if self._pixels is None:
            self._pixels = self.make_image()

    def warnings(self) -> Sequence[str]:
        if self.file is None:
            return ()
        width, height = image_size(self.file)
        side = min(width, height)
        cut = f"of its {width} x {height} pixels, the central {side} x {side} are used"
        return () if width == height else (f"{self.file}: {cut}",)

    @property
    def content_digest(self) -> str | None:
        return None if self.file is None else checksum(find_image(self.file), "sha256")

    @property
    def target_image(self) -> np.ndarray:
        """The image: float32 ``[size, size, channels]`` in [0, 1]."""
        self.prepare_data()
        assert self._pixels is not None
        return self._pixels
