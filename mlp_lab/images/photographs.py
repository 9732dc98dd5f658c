"""Reading of colour and greyscale images: a user's file, or a photograph of scikit-image."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from mlp_lab.errors import UserError
from mlp_lab.images.image_decoding import decode_channels, open_image

#: Files in scikit-image's wheel. Most of the keys are names in ``skimage.data``.
SCIKIT_IMAGE_FILES = {
    "astronaut": "astronaut.png",
    "brick": "brick.png",
    "camera": "camera.png",
    "cat": "chelsea.png",
    "cell": "cell.png",
    "coffee": "coffee.png",
    "coins": "coins.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "hubble_deep_field": "hubble_deep_field.jpg",
    "immunohistochemistry": "ihc.png",
    "moon": "moon.png",
    "motorcycle": "motorcycle_left.png",
    "page": "page.png",
    "retina": "retina.jpg",
    "rocket": "rocket.jpg",
}


def read_image(image: str, size: int, crop: int | None, grey: bool) -> np.ndarray:
    """Read a square image, float32 ``[size, size, channels]`` in [0, 1].

    The central square of ``crop`` pixels is cut out and reduced to ``size`` pixels with a Lanczos
    filter. The image is rotated according to its EXIF data. Transparent pixels become white. CMYK
    is converted to RGB without a colour profile. Greyscale images keep 16 bits.

    Args:
        image: key of ``SCIKIT_IMAGE_FILES``, or a file.
        size: height and width of the result in pixels.
        crop: side of the central square in pixels; None: the largest possible square.
        grey: whether to return one channel of luma (ITU-R BT.601) instead of three colours.

    Raises:
        UserError: the image does not exist, cannot be read, has several frames, or is smaller than
            ``size`` or ``crop``.
    """
    path = find_image(image)
    with open_image(path) as opened:
        rotated = ImageOps.exif_transpose(opened)
        width, height = rotated.size
        side = crop or min(rotated.size)
        if side > min(rotated.size):
            raise UserError(
                f"data.crop={side}: must be at most {min(rotated.size)}:"
                f" {path} is {width} x {height} pixels"
            )
        if size > side:
            reason = f"{path} is {width} x {height} pixels" if crop is None else f"data.crop={crop}"
            raise UserError(f"data.size={size}: must be at most {side}: {reason}")
        left, top = (width - side) // 2, (height - side) // 2
        square = rotated.crop((left, top, left + side, top + side))
        channels = [_resize(channel, size) for channel in decode_channels(square, grey)]
    return np.stack(channels * (1 if grey or len(channels) == 3 else 3), 2)


def image_size(image: str) -> tuple[int, int]:
    """Return width and height of an image in pixels, given as for ``read_image``."""
    with open_image(find_image(image)) as opened:
        return ImageOps.exif_transpose(opened).size


def is_file(image: str) -> bool:
    """Return whether a value of ``data.image`` is a path: not a text or a photograph by name."""
    return image != "text" and image not in SCIKIT_IMAGE_FILES


def find_image(image: str) -> Path:
    """Return the file of an image, given its path or its name in ``SCIKIT_IMAGE_FILES``.

    Raises:
        UserError: there is no such file.
    """
    if image not in SCIKIT_IMAGE_FILES:
        if Path(image).is_file():
            return Path(image)
        names = ", ".join(SCIKIT_IMAGE_FILES)
        raise UserError(
            f"data.image={image}: no such file; must be a file, one of {names} or, for data=image,"
            " text"
        )
    package = find_spec("skimage")
    if package is None or package.origin is None:
        raise UserError(
            f"data.image={image}: comes with scikit-image: pip install 'mlp-lab[images]'"
        )
    return Path(package.origin).parent / "data" / SCIKIT_IMAGE_FILES[image]


def _resize(channel: np.ndarray, size: int) -> np.ndarray:
    if len(channel) == size:
        return channel
    smaller = Image.fromarray(channel).resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(smaller).clip(0, 1)
