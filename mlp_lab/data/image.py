"""One image as data: a network learns the colour of a pixel from its coordinates."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mlp_lab.config.names import SPLITS
from mlp_lab.data.target_image import TargetImage
from mlp_lab.errors import UserError
from mlp_lab.images.interpolation import interpolations
from mlp_lab.images.photographs import read_image
from mlp_lab.images.text import text_image

_Part = tuple[slice, slice]
_ALL, _EVEN, _ODD = slice(None), slice(0, None, 2), slice(1, None, 2)

#: Rows and columns of the pixels of each split.
PROTOCOLS: dict[str, dict[str, _Part]] = {
    "fit": dict.fromkeys(SPLITS, (_ALL, _ALL)),
    "upsample": {"train": (_EVEN, _EVEN), "validation": (_EVEN, _ODD), "test": (_ODD, _ODD)},
}


class Image(TargetImage):
    """The pixels of a square image.

    Inputs are float32 ``[pixels, 2]``, x to the right and y downwards in [0, 1): pixel i of n is at
    i / n. Targets are float32 ``[pixels, channels]`` in [0, 1]: red, green and blue, or grey.

    Protocols:

    - ``fit``: all pixels are training, validation and test data: how well can a network store
      them?
    - ``upsample`` (Tancik et al. 2020, section 6): the training data are every second pixel of
      every second row, a quarter of all; the test data are their diagonal neighbours. The paper
      has no validation data and takes the last step. Here, the validation data are the pixels
      between two training pixels of a row, which are separate from the test data. The classical
      ``interpolations`` have the same training pixels.

    Args:
        image: path of a file, a name of ``photographs.SCIKIT_IMAGE_FILES``, or ``text``.
        text_seed: seed of the words in an image of text.
        size: width and height in pixels.
        crop: width and height in pixels of the square that is cut from the middle of the file;
            None: the largest square.
        grey: whether the image has one channel instead of three.
        protocol: a key of ``PROTOCOLS``.

    Raises:
        UserError: ``crop`` is set for a text.
        KeyError: there is no such protocol.
    """

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
        is_text = image == "text"
        if is_text and crop is not None:
            raise UserError(f"data.crop={crop}: must be null for a text")
        super().__init__(file=None if is_text else image, size=size, **common)
        self.out_features = 1 if grey else 3
        self.target_parts = PROTOCOLS[protocol]
        self.held_out = self.target_parts["test"] != self.target_parts["train"]
        self._text_seed, self._crop, self._grey = text_seed, crop, grey

    def make_image(self) -> np.ndarray:
        if self.file is None:
            return text_image(self.size, self._text_seed, self._grey)
        return read_image(self.file, self.size, self._crop, self._grey)

    def warnings(self) -> Sequence[str]:
        if self._crop is not None:
            return ()
        return tuple(f"{warning} (data.crop)" for warning in super().warnings())

    @property
    def nyquist(self) -> float:
        """The highest frequency that the training pixels can show, in cycles over the image.

        Its period is twice the distance of two training pixels. A higher frequency has the same
        values at these pixels as a lower one.
        """
        return self.size / (2 * (self.target_parts["train"][0].step or 1))

    @cached_property
    def interpolations(self) -> Mapping[str, np.ndarray]:
        rows, columns = self.target_parts["train"]
        if rows.step is None:
            return {}
        enlarged = interpolations(self.target_image[rows, columns], rows.step)
        return {name: image[: self.size, : self.size] for name, image in enlarged.items()}

    def read(self, device: torch.device) -> dict[str, tuple[Tensor, Tensor]]:
        along = axis(self.size)
        places = grid(along, along).view(self.size, self.size, 2)
        pixels = torch.from_numpy(self.target_image)
        made: dict[int, tuple[Tensor, Tensor]] = {}
        for part in self.target_parts.values():  # splits of the same part share its tensors
            if id(part) not in made:
                x, y = (whole[part].flatten(0, 1).to(device) for whole in (places, pixels))
                made[id(part)] = x, y
        return {split: made[id(part)] for split, part in self.target_parts.items()}


def axis(pixels: int, first: float = 0.0, last: float = 1.0) -> Tensor:
    """Return the coordinates of pixels along an axis, ``[pixels]``, in [first, last)."""
    return torch.from_numpy(np.linspace(first, last, pixels, endpoint=False, dtype=np.float32))


def grid(x: Tensor, y: Tensor) -> Tensor:
    """Return the points of a grid, row by row: ``[len(y) * len(x), 2]``."""
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), 2).flatten(0, 1)
