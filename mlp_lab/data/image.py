"""One picture as data: from the place of a pixel to its colour."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mlp_lab.config.names import SPLITS
from mlp_lab.data.datamodule import DataModule
from mlp_lab.errors import UserError
from mlp_lab.images.photographs import read_image
from mlp_lab.images.text import text_image

_Part = tuple[slice, slice]
_ALL, _EVEN, _ODD = slice(None), slice(0, None, 2), slice(1, None, 2)

#: The pixels of each split, by rows and columns.
PROTOCOLS: dict[str, dict[str, _Part]] = {
    "fit": dict.fromkeys(SPLITS, (_ALL, _ALL)),
    "upsample": {"train": (_EVEN, _EVEN), "validation": (_EVEN, _ODD), "test": (_ODD, _ODD)},
}


class Image(DataModule):
    """The pixels of a square picture.

    Inputs are float32 ``[pixels, 2]``, x to the right and y downwards in [0, 1): pixel i of n lies
    at i / n. Targets are float32 ``[pixels, channels]`` in [0, 1]: red, green and blue, or a grey.

    Protocols:

    - ``fit``: train on all pixels, and measure on the same: how well can a network store them?
    - ``upsample`` (Tancik et al. 2020, section 6): train on every second pixel of every second
      row, a quarter of all, and test on those that are diagonally next to them. The paper has no
      validation data: its last step counts. What is chosen here is chosen by the pixels between
      two training pixels of a row, so that those of the test have no part in it.

    Args:
        image: a file, a name of ``photographs.SCIKIT_IMAGE_FILES``, or ``text``.
        text_seed: of what a picture of text says.
        size: pixels of a side.
        crop: pixels of a side of the square that is cut from the middle; None: the largest.
        grey: one channel, else three.
        protocol: a key of ``PROTOCOLS``.

    Raises:
        UserError: ``crop`` of a text, or what ``read_image`` has to say of a picture.
        KeyError: for a protocol that doesn't exist.
    """

    in_features = 2

    def __init__(
        self,
        *,
        image: str,
        text_seed: int,
        size: int,
        crop: int | None,
        grey: bool,
        protocol: str,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.out_features = 1 if grey else 3
        self.size = size
        self.parts = PROTOCOLS[protocol]
        if image == "text":
            if crop is not None:
                raise UserError(f"data.crop={crop}: a text has data.size alone; must be null")
            self._make: Callable[[], np.ndarray] = lambda: text_image(size, text_seed, grey)
        else:
            self._make = lambda: read_image(image, size, crop, grey)
        self._pixels: np.ndarray | None = None

    def prepare_data(self) -> None:
        """Make sure that the picture is there, and can be read."""
        if self._pixels is None:
            self._pixels = self._make()

    @property
    def pixels(self) -> np.ndarray:
        """The picture: float32 ``[size, size, channels]`` in [0, 1]."""
        self.prepare_data()
        assert self._pixels is not None
        return self._pixels

    @property
    def nyquist(self) -> float:
        """The highest frequency that the training pixels can show, in cycles over the picture.

        It goes through half a cycle from one of them to the next; higher ones look like lower ones.
        """
        return self.size / (2 * (self.parts["train"][0].step or 1))

    def read(self, device: torch.device) -> dict[str, tuple[Tensor, Tensor]]:
        along = axis(self.size)
        places = grid(along, along).view(self.size, self.size, 2)
        pixels = torch.from_numpy(self.pixels)
        made: dict[int, tuple[Tensor, Tensor]] = {}
        for part in self.parts.values():  # splits of the same part share its tensors
            if id(part) not in made:
                x, y = (whole[part].flatten(0, 1).to(device) for whole in (places, pixels))
                made[id(part)] = x, y
        return {split: made[id(part)] for split, part in self.parts.items()}


def axis(pixels: int, first: float = 0.0, last: float = 1.0) -> Tensor:
    """The places of pixels along an axis, from ``first`` to before ``last``: ``[pixels]``."""
    return torch.from_numpy(np.linspace(first, last, pixels, endpoint=False, dtype=np.float32))


def grid(x: Tensor, y: Tensor) -> Tensor:
    """The points of a grid, row by row: ``[len(y) * len(x), 2]``."""
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), 2).flatten(0, 1)
