"""Decoding of image files: formats, errors, and pixel values of all Pillow modes in [0, 1]."""

import gzip
import io
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from struct import error as StructError
from tokenize import TokenError

import numpy as np
from PIL import Image, UnidentifiedImageError

from mlp_lab.errors import UserError, first_line

#: Formats that are read. Pillow knows many more, but some of them start other programs.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")

#: Exceptions that file readers raise for damaged files.
READ_ERRORS = (
    *(OSError, SyntaxError, ValueError, EOFError, RuntimeError),
    *(MemoryError, TypeError, OverflowError, TokenError),
    *(StructError, zlib.error, zipfile.BadZipFile, Image.DecompressionBombError),
)
# The pixels, and one or two copies during the conversion to [0, 1], need about two gigabytes.
_MAX_PIXELS = 100_000_000


def read_error_reason(error: Exception) -> str:
    """Return in one line why a file cannot be read, without the file name."""
    if isinstance(error, UnidentifiedImageError):
        return "unknown format"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return first_line(error)


@contextmanager
def open_image(path: Path, hint: str = "", *, animated: bool = False) -> Iterator[Image.Image]:
    """Open an image file for reading its pixels.

    Args:
        path: the file.
        hint: end of the error message.
        animated: whether the file may contain several frames.

    Raises:
        UserError: the file cannot be read, is too large or has several frames; also if reading
            fails in the body of the with statement.
    """
    # _check_size replaces Pillow's limit, because a user error has a message of one line.
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of readable files with small defects
            with Image.open(path, formats=FORMATS) as image:
                _check_size(path, image)
                frames = getattr(image, "n_frames", 1)
                # MPO: a JPEG file with previews.
                if frames > 1 and not animated and image.format != "MPO":
                    raise UserError(f"{path}: contains {frames} frames; must contain one image")
                yield image
    except READ_ERRORS as error:
        raise UserError(
            f"{path}: cannot be read as an image ({read_error_reason(error)}){hint}"
        ) from error
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def gunzip(content: bytes, most: int) -> bytes:
    """Return the unpacked content of a gzip file. Raises ValueError if it has more than ``most``.

    A packed file can be a thousand times smaller than its content.
    """
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
        unpacked = file.read(most + 1)
    if len(unpacked) > most:
        raise ValueError(f"unpacks to more than {most:,} bytes")
    return unpacked


def _check_size(path: Path, image: Image.Image) -> None:
    width, height = image.size
    if width * height > _MAX_PIXELS:
        needed = 4 * width * height / 2**30
        raise UserError(
            f"{path}: {width:,} x {height:,} pixels need {needed:.1f} GiB;"
            f" must be at most {_MAX_PIXELS:,} pixels: reduce its size first"
        )


def decode_channels(image: Image.Image, grey: bool) -> list[np.ndarray]:
    """Return one greyscale or three RGB channels, each float32 ``[height, width]`` in [0, 1].

    Transparent pixels become white.

    Args:
        image: image of any mode. The modes F and I (16 bits) have one channel even if ``grey`` is
            false.
        grey: whether to return one channel of luma (ITU-R BT.601).

    Raises:
        ValueError: the values are outside [0, 1] (floats) or need more than 16 bits (integers).
    """
    if image.mode == "F":
        pixels: np.ndarray = np.asarray(image, np.float32)
    elif image.mode.startswith("I"):  # 16 bits; Pillow can store them in 32
        pixels = np.asarray(image, np.float32) / 65_535
    else:
        if image.has_transparency_data:
            background = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(background, image.convert("RGBA"))
        converted = image.convert("L" if grey else "RGB")
        return [np.asarray(band) / np.float32(255) for band in converted.split()]
    if not (pixels.min() >= 0 and pixels.max() <= 1):  # also true for nan
        raise ValueError("its values must be integers of at most 16 bits or lie in [0, 1]")
    return [pixels]
