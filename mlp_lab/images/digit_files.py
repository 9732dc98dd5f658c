"""Reading of a user's images of digits in greyscale, float32 in [0, 1]."""

import glob
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from mlp_lab.errors import UserError
from mlp_lab.images.image_decoding import (
    FORMATS,
    READ_ERRORS,
    decode_channels,
    gunzip,
    open_image,
    read_error_reason,
)
from mlp_lab.images.npz_files import open_npz

_SUFFIXES = {
    *(".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"),
    *(".pgm", ".ppm", ".pbm"),
}
_ALLOWED = f"an image ({', '.join(FORMATS)}), an idx file (also .gz) or an .npz file"
_GZIP_MAGIC = b"\x1f\x8b"
_MAX_BYTES = 2**30  # of an idx file without its compression: a million images


def light_on_dark(images: np.ndarray, invert: str) -> np.ndarray:
    """Return images with light digits on a dark background, as in the training data.

    Args:
        images: pixel values, float32 ``[images, height, width]`` in [0, 1].
        invert: ``yes``: invert all images; ``no``: none; ``auto``: those whose border has a mean
            above 1/2.
    """
    if invert == "auto":
        inverted = _border(images).mean(1) > 0.5
    else:
        inverted = np.full(len(images), invert == "yes")
    return np.where(inverted[:, None, None], 1 - images, images)


def read_digits(images: str, side: int = 28) -> tuple[str, list[str], Iterable[np.ndarray]]:
    """Read all images of a file, a folder or a glob pattern.

    Args:
        images: the path or pattern.
        side: height and width of the images in an idx or npz file, in pixels.

    Returns:
        The kind of the names (``file``, or ``index`` for a file with several images), the name of
        each image, and the images in greyscale, float32 ``[height, width]`` in [0, 1]. Image files
        are read during the iteration, since many photographs may not fit in memory.

    Raises:
        UserError: a file does not exist or cannot be read. The message names the file.
    """
    files = _find_files(images)
    if len(files) == 1:
        array = None
        start = _read_start(files[0])
        if files[0].suffix.lower() == ".npz":
            array = _read_npz(files[0], side)
        elif start[:2] == _GZIP_MAGIC or _is_idx(start):
            array = _read_idx(files[0], side)
        if array is not None:
            return "index", [str(i) for i in range(len(array))], array
    return "file", [str(file) for file in files], map(read_grey, files)


def read_grey(path: Path) -> np.ndarray:
    """Read an image in greyscale, float32 ``[height, width]`` in [0, 1].

    The image is rotated according to its EXIF data. Transparent pixels become white, or black if
    they are the paper of light ink.

    Raises:
        UserError: the file is empty or cannot be read.
    """
    _read_start(path)
    with open_image(path, f"; images must be {_ALLOWED}") as image:
        rotated = _on_visible_paper(ImageOps.exif_transpose(image))
        [channel] = decode_channels(rotated, grey=True)
    return np.asarray(channel, np.float32)


def fit_square(pixels: np.ndarray, side: int = 28) -> np.ndarray:
    """Return an image ``[height, width]`` as ``[side, side]``.

    The longer side is scaled to ``side`` pixels, and the shorter one is padded with the median of
    the border.
    """
    grey = Image.fromarray(pixels)
    width, height = (max(1, round(length * side / max(grey.size))) for length in grey.size)
    if (width, height) != grey.size:
        # When Pillow reduces an image, this filter averages over all source pixels of a pixel.
        grey = grey.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.clip(np.asarray(grey, np.float32), 0, 1)
    square = np.full((side, side), np.median(_border(pixels)), np.float32)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = pixels
    return square


def files_in_folder(folder: Path) -> list[Path]:
    """Return the image files in a folder, sorted. Raises UserError if there are none."""
    visible = (f for f in folder.iterdir() if f.is_file() and not f.name.startswith("."))
    files = sorted(f for f in visible if f.suffix.lower() in _SUFFIXES)
    if not files:
        suffixes = ", ".join(sorted(_SUFFIXES))
        raise UserError(f"{folder}: no images in this folder (allowed suffixes: {suffixes})")
    return files


def _on_visible_paper(image: Image.Image) -> Image.Image:
    """Return an image without transparent paper if its ink is light, else the image itself."""
    if not image.has_transparency_data:
        return image
    image = image.convert("RGBA")
    opacity = np.asarray(image.getchannel("A")) / 255
    brightness = np.asarray(image.convert("L")) / 255
    # If most of the image is transparent, the rest is the ink.
    if opacity.mean() > 0.5 or (opacity * brightness).sum() <= 0.5 * opacity.sum():
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, "black"), image)


def _border(images: np.ndarray) -> np.ndarray:
    """Return the outermost pixels of images ``[..., height, width]`` as ``[..., pixels]``."""
    outermost = np.ones(images.shape[-2:], bool)
    outermost[1:-1, 1:-1] = False
    return images[..., outermost]


def _find_files(images: str) -> list[Path]:
    """Return a file, the image files in a folder, or the files that match a pattern, sorted."""
    path = Path(images)
    if path.is_file():
        return [path]
    if path.is_dir():
        return files_in_folder(path)
    files = sorted(f for f in map(Path, glob.glob(images, recursive=True)) if f.is_file())
    if not files:
        raise UserError(
            f"{images}: no such file or folder, and no file matches; images must be {_ALLOWED},"
            " or a folder or pattern of images"
        )
    return files


def _read_start(path: Path) -> bytes:
    """Return the first four bytes of a file. Raises UserError if the file is empty."""
    with path.open("rb") as file:
        start = file.read(4)
    if not start:
        raise UserError(f"{path}: is empty; images must be {_ALLOWED}")
    return start


def _is_idx(start: bytes) -> bool:
    """Return whether the first four bytes are an idx header: 0, 0, data type, dimensions."""
    return len(start) == 4 and start[:2] == b"\0\0" and start[2] in {8, 9, 11, 12, 13, 14}


def _read_idx(path: Path, side: int) -> np.ndarray:
    """Read the images of an idx file, float32 ``[images, side, side]`` in [0, 1]."""
    try:
        content = path.read_bytes()
        if content[:2] == _GZIP_MAGIC:
            content = gunzip(content, _MAX_BYTES)
    except READ_ERRORS as error:
        raise UserError(f"{path}: damaged: {read_error_reason(error)}") from error
    if not _is_idx(content[:4]):
        raise UserError(f"{path}: does not contain an idx file; images must be {_ALLOWED}")
    if content[2] != 8:
        raise UserError(f"{path}: the data type is not unsigned byte; pixels must be bytes")
    header = 4 + 4 * content[3]
    shape = [int.from_bytes(content[i : i + 4], "big") for i in range(4, header, 4)]
    expected = header + math.prod(shape)
    if len(content) != expected:
        raise UserError(f"{path}: damaged: {len(content):,} bytes instead of {expected:,}")
    return _normalize(path, np.frombuffer(content, np.uint8, offset=header).reshape(shape), side)


def _read_npz(path: Path, side: int) -> np.ndarray:
    """Read the images of an npz file, float32 ``[images, side, side]`` in [0, 1]."""
    with open_npz(path) as archive:
        keys = archive.files
        key = keys[0] if len(keys) == 1 else "images"
        if key not in keys:
            names = ", ".join(keys) or "no arrays"
            raise UserError(f"{path}: contains {names}; must contain images, or one array only")
        array = archive[key]
    return _normalize(path, np.asarray(array), side)


def _normalize(path: Path, array: np.ndarray, side: int) -> np.ndarray:
    """Return the array of a file as float32 ``[images, side, side]`` in [0, 1].

    Raises:
        UserError: the shape, the dtype or the range of the array is wrong.
    """
    if array.shape[1:] not in {(side, side), (side**2,)} or len(array) == 0:
        allowed = f"[images, {side}, {side}] or [images, {side**2}]"
        raise UserError(f"{path}: has the shape {list(array.shape)}; must be {allowed}")
    if array.dtype == np.uint8:
        array = array / np.float32(255)
    elif not np.issubdtype(array.dtype, np.floating):
        raise UserError(f"{path}: contains {array.dtype}; must be uint8, or floats in [0, 1]")
    elif not (array.min() >= 0 and array.max() <= 1):  # also true for nan
        raise UserError(f"{path}: contains values outside [0, 1]; floats must be inside")
    return np.asarray(array, np.float32).reshape(-1, side, side)
