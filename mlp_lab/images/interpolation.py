"""Classical interpolations of an image, with which networks that predict pixels are compared."""

from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
from PIL import Image

# Training pixels that are repeated beyond each border: as many as bicubic interpolation needs.
_MARGIN = 2


def interpolations(pixels: np.ndarray, step: int) -> dict[str, np.ndarray]:
    """Return an image by each method of interpolation, given every ``step``-th pixel of its rows.

    ``bicubic`` is cubic convolution (Keys 1981) by Pillow, ``cubic_spline`` the interpolating
    B-spline by SciPy; it is left out if SciPy is not installed. Pixel ``[i, j]`` of the given ones
    is pixel ``[step i, step j]`` of the image: they are samples at the upper left, whereas an
    enlarged image would be shifted by half the difference of the pixels' sides. Beyond the last
    sample, the border is repeated (bicubic) or reflected (spline). Values are clipped to [0, 1].

    Args:
        pixels: samples, float32 ``[rows, columns, channels]`` in [0, 1].
        step: distance of two samples in pixels of the image.

    Returns:
        Images by method, float32 ``[step * rows, step * columns, channels]``.
    """
    return {
        name: np.stack([method(each, step) for each in np.moveaxis(pixels, 2, 0)], 2).clip(0, 1)
        for name, method in _METHODS.items()
        if method is not _cubic_spline or find_spec("scipy")
    }


def _bicubic(samples: np.ndarray, step: int) -> np.ndarray:
    height, width = samples.shape
    padded = Image.fromarray(np.pad(samples, _MARGIN, "edge"))
    # Pillow places pixels by their centres: the first one of the box has the centre
    # left + 1 / (2 step), and that of the first sample is _MARGIN + 1 / 2.
    left = _MARGIN + (1 - 1 / step) / 2
    box = (left, left, left + width, left + height)
    return np.asarray(padded.resize((step * width, step * height), Image.Resampling.BICUBIC, box))


def _cubic_spline(samples: np.ndarray, step: int) -> np.ndarray:
    from scipy.ndimage import map_coordinates

    places = np.meshgrid(*(np.arange(step * n) / step for n in samples.shape), indexing="ij")
    return map_coordinates(samples, places, order=3, mode="mirror")


_METHODS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "bicubic": _bicubic,
    "cubic_spline": _cubic_spline,
}
