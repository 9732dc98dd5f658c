"""Decoding of image files: formats, errors, and pixel values of all Pillow modes in [0, 1]."""

import zipfile
import zlib
from struct import error as StructError

import numpy as np
from PIL import Image, UnidentifiedImageError

#: Formats that are read. Pillow knows many more, but some of them start other programs.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")

#: Exceptions that file readers raise for damaged files.
READ_ERRORS = (
    *(OSError, SyntaxError, ValueError, EOFError, RuntimeError),
    *(StructError, zlib.error, zipfile.BadZipFile, Image.DecompressionBombError),
)


def read_error_reason(error: Exception) -> str:
    """Return in one line why a file cannot be read, without the file name."""
    if isinstance(error, UnidentifiedImageError):
        return "unknown format"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).partition("\n")[0] or type(error).__name__


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
