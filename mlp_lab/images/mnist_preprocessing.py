"""MNIST's preprocessing, for digits that a user has written, scanned or photographed.

LeCun, Bottou, Bengio and Haffner 1998, section III.A: each digit was scaled to fit a box of
20 x 20 pixels while its aspect ratio was kept, antialiased, and translated so that its centre of
mass is in the middle of 28 x 28 pixels. Paper is 0 and ink is 1.

MNIST's authors had binary images. Here the ink is separated from the paper first: the level of the
paper is estimated everywhere, so that uneven light and noise do not matter.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from PIL import Image

# The digit is located in an image whose longer side has at most this number of pixels: the mean
# over many pixels of a photograph has little noise.
_SEARCH_SIDE = 80
# The smallest difference of brightness in [0, 1] between ink and paper.
_MIN_CONTRAST = 0.03
# A pixel belongs to the digit above this share of the ink's level, and above the noise.
_MIN_INK = 0.2
# In standard deviations of the noise: of a pixel of the digit, and of the ink's level.
_MIN_SIGNAL, _MIN_LEVEL = 4, 6
# Parts of the ink below this share of the largest part's area are specks.
_MIN_PART = 0.05
# A square of ink fills its bounding box; no digit does, except a 1, whose box is narrow.
_MAX_FILLED, _NARROW = 0.95, 0.5
# Separate parts, each higher than this share of the highest, are several digits.
_TALL = 0.6


class _Search(NamedTuple):
    """The result of a search for a digit.

    Attributes:
        box: rows and columns of the bounding box in the image.
        ink: density of the ink in the box, float32, 0 for paper and about 1 for ink.
        remark: why there is no digit, or an empty string.
    """

    box: tuple[slice, slice]
    ink: np.ndarray
    remark: str


def preprocess(grey: np.ndarray, side: int = 28, invert: str = "auto") -> tuple[np.ndarray, str]:
    """Return a digit as in MNIST, float32 ``[side, side]`` in [0, 1], and a remark.

    The remark is empty, or says why the image does not show one digit; then the digit is zeros.

    Args:
        grey: brightness of an image, float32 ``[height, width]`` in [0, 1].
        side: height and width of the result in pixels. The box of the digit has 20/28 of it.
        invert: whether the ink is darker than the paper: ``yes``, ``no``, or ``auto`` to detect it.
    """
    dark_ink = _has_dark_ink(grey) if invert == "auto" else invert == "yes"
    image = grey if dark_ink else 1 - grey
    image = image - _slope(image)
    search = _search(image)
    if not search.remark:
        # The digit may be small in a photograph; around it, the second search is more exact.
        search = _search(_with_margin(image, search.box))
    if search.remark:
        return np.zeros((side, side), np.float32), search.remark
    factor = round(side * 20 / 28) / max(search.ink.shape)
    ink = _resize(search.ink, _scaled(search.ink.shape, factor)).clip(0, 1)
    return _centre(ink / ink.max(), side), ""


def _has_dark_ink(grey: np.ndarray) -> bool:
    """Return whether the pixels that differ most from the border are darker than it."""
    small = _reduce(grey)
    border = np.median(np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]]))
    return bool(border - small.min() > small.max() - border)


def _slope(grey: np.ndarray) -> np.ndarray:
    """Return the plane, 0 in the middle, that light from one side adds to the brightness."""
    small = _reduce(grey)
    darkness = _paper_level(small) - small
    paper = darkness <= darkness.max() / 4
    y, x = _coordinates(small.shape)
    plane = np.stack([np.ones(small.shape), y + 0 * x, x + 0 * y], 2)
    _, *slopes = np.linalg.lstsq(plane[paper], small[paper], rcond=None)[0]
    y, x = _coordinates(grey.shape)
    return np.float32(slopes[0]) * y + np.float32(slopes[1]) * x


def _coordinates(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return y ``[height, 1]`` and x ``[1, width]`` of the pixels' centres, from -1 to 1."""
    y, x = ((2 * np.arange(n, dtype=np.float32) + 1 - n) / n for n in shape)
    return y[:, None], x[None]


def _search(grey: np.ndarray) -> _Search:
    """Return the digit of dark ink on lighter paper."""
    small = _reduce(grey)
    paper = _paper_level(small)
    darkness = paper - small
    peak = darkness.max()
    if peak < _MIN_CONTRAST:
        return _nothing("no digit: no ink on paper")
    # Noise raises the estimated level of the paper.
    offset = np.median(darkness[darkness < peak / 4])
    darkness, paper = darkness - offset, paper - offset
    level = np.median(darkness[darkness > peak / 2])
    noise = _noise(small)
    if level < _MIN_LEVEL * noise:
        return _nothing("no digit: noise only")
    parts = _parts(darkness > max(_MIN_INK * level, _MIN_SIGNAL * noise))
    inner = _bounding_box(parts > 0)
    if remark := _remark(parts[inner]):
        return _nothing(remark)
    scales = np.divide(grey.shape, small.shape)
    rows, columns = (
        slice(round(part.start * scale), round(part.stop * scale))
        for part, scale in zip(inner, scales, strict=True)
    )
    ink = grey[rows, columns]
    # Specks are removed. The mask is wider by a pixel, so that the edges of strokes remain.
    mask = _maximum((parts > 0).astype(np.float32), 3)[inner]
    ink = (_resize(paper[inner], ink.shape) - ink) / level * _resize(mask, ink.shape)
    return _Search((rows, columns), ink, "")


def _nothing(remark: str) -> _Search:
    return _Search((slice(0), slice(0)), np.zeros((0, 0), np.float32), remark)


def _paper_level(small: np.ndarray) -> np.ndarray:
    """Return the brightness that the paper has at each pixel, also under the ink.

    This is the morphological closing by a square of half the image's side: ink is filled with the
    brightness of the paper beside it.
    """
    size = max(small.shape) // 2 | 1  # odd
    return -_maximum(-_maximum(small, size), size)


def _noise(small: np.ndarray) -> float:
    """Return the standard deviation of normal noise, from differences of adjacent pixels.

    The lowest decile is used because the edges of strokes have large differences.
    """
    axes = [axis for axis in (0, 1) if small.shape[axis] > 1]
    deciles = [np.quantile(np.abs(np.diff(small, axis=axis)), 0.1) for axis in axes]
    # The lowest decile of the absolute value of a standard normal variable is 0.126.
    return float(min(deciles)) / (0.126 * 2**0.5)


def _parts(mask: np.ndarray) -> np.ndarray:
    """Return the number of the connected part of each pixel: 0 outside ``mask`` and in specks."""
    numbers = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    while True:
        # Each pixel takes the largest number around it, then the number of the pixel of that
        # number: the length of the known path doubles.
        around = np.where(mask, _maximum(numbers, 3), 0)
        following = np.append(0, around)[around]
        if np.array_equal(following, numbers):
            break
        numbers = following
    areas = np.bincount(numbers.ravel())
    areas[0] = 0
    return np.where((areas >= _MIN_PART * areas.max())[numbers], numbers, 0)


def _remark(parts: np.ndarray) -> str:
    """Return why the parts in their bounding box are not one digit, or an empty string."""
    height, width = parts.shape
    if (parts > 0).mean() > _MAX_FILLED and _NARROW * height < width < height / _NARROW:
        return "no digit: an area is filled with ink"
    boxes = [_bounding_box(parts == number) for number in np.unique(parts[parts > 0])]
    heights = [rows.stop - rows.start for rows, _ in boxes]
    tall = [
        box for box, height in zip(boxes, heights, strict=True) if height > _TALL * max(heights)
    ]
    for axis in (0, 1):  # one above the other, or side by side
        spans = sorted((box[axis].start, box[axis].stop) for box in tall)
        if any(stop <= start for (_, stop), (start, _) in pairwise(spans)):
            return "several digits: must be one digit per image"
    return ""


def _bounding_box(mask: np.ndarray) -> tuple[slice, slice]:
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _with_margin(image: np.ndarray, box: tuple[slice, slice]) -> np.ndarray:
    """Return the part of an image in a box and in a margin of a quarter of its longer side."""
    margin = max(part.stop - part.start for part in box) // 4
    rows, columns = (slice(max(part.start - margin, 0), part.stop + margin) for part in box)
    return image[rows, columns]


def _centre(ink: np.ndarray, side: int) -> np.ndarray:
    """Return ``ink`` in a square, its centre of mass within half a pixel of the middle."""
    square = np.zeros((side, side), np.float32)
    corner = []
    for axis, length in enumerate(ink.shape):
        masses = ink.sum(1 - axis)
        # In MNIST, the index of the centre of mass is between 13.5 and 14.5.
        mean = float((np.arange(length) * masses).sum() / masses.sum())
        corner.append(min(max(round(side / 2 - mean), 0), side - length))
    top, left = corner
    square[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return square


def _maximum(image: np.ndarray, size: int) -> np.ndarray:
    """Return the maximum in a square of ``size`` pixels (odd) around each pixel.

    The maximum over 2 n pixels is the larger one of two maxima over n pixels.
    """
    half = size // 2
    for _ in range(2):  # along the columns, then along those of the transposed image
        image = np.pad(image, ((half, half), (0, 0)), "edge")
        length = 1
        while length < size:
            step = min(length, size - length)
            image = np.maximum(image[:-step], image[step:])
            length += step
        image = image.T
    return image


def _reduce(image: np.ndarray) -> np.ndarray:
    """Return an image whose longer side has at most ``_SEARCH_SIDE`` pixels."""
    factor = min(1, _SEARCH_SIDE / max(image.shape))
    return _resize(image, _scaled(image.shape, factor))


def _scaled(shape: tuple[int, ...], factor: float) -> tuple[int, ...]:
    """Return height and width, multiplied by ``factor``, and at least 1."""
    return tuple(max(1, round(length * factor)) for length in shape)


def _resize(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Resize an image; a smaller one averages over all pixels of the larger one."""
    if shape == image.shape:
        return image
    height, width = shape
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized)
