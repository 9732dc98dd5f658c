"""A picture as an array of colours: a user's file, or a photograph that scikit-image ships."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from mlp_lab.errors import UserError
from mlp_lab.images.digit_files import DAMAGE, FORMATS, reason

#: The files in scikit-image's wheel, by the names under which it offers most of them.
SHIPPED = {
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
# Decoded, and with a copy or two on the way to numbers in [0, 1], these take about two gigabytes.
_MOST_PIXELS = 100_000_000


def read_image(image: str, size: int, crop: int | None, grey: bool) -> np.ndarray:
    """A square picture: float32 ``[size, size, 3]`` in [0, 1], or ``[size, size, 1]`` of greys.

    The square of ``crop`` pixels in the middle is cut out (None: the largest that there is) and
    made smaller, each pixel an average of those that it comes from (Lanczos).

    A file is turned as its EXIF data say. What is transparent becomes white, as paper is; CMYK
    becomes RGB by the plain formula, without a colour profile; of 16 bits none is lost where the
    picture is grey.

    Args:
        image: a key of ``SHIPPED``, or a file.
        size: pixels of a side.
        crop: pixels of a side of the square that is cut out.
        grey: make colours grey, by their luma (ITU-R BT.601).

    Raises:
        UserError: there is no such picture, it can't be read, it moves, or its size doesn't do.
    """
    path = _path(image)
    with _opened(path) as opened:
        turned = ImageOps.exif_transpose(opened)
        width, height = turned.size
        side = crop or min(turned.size)
        if side > min(turned.size):
            raise UserError(
                f"data.crop={side}: must be at most {min(turned.size)}:"
                f" {path} is {width} x {height} pixels"
            )
        if size > side:
            because = (
                f"{path} is {width} x {height} pixels" if crop is None else f"data.crop={crop}"
            )
            raise UserError(f"data.size={size}: must be at most {side}: {because}")
        left, top = (width - side) // 2, (height - side) // 2
        square = turned.crop((left, top, left + side, top + side))
        channels = [_resized(channel, size) for channel in _channels(square, grey)]
    return np.stack(channels * (1 if grey or len(channels) == 3 else 3), 2)


def _path(image: str) -> Path:
    if image not in SHIPPED:
        if Path(image).is_file():
            return Path(image)
        raise UserError(
            f"data.image={image}: no such file; must be one, text, or one of {', '.join(SHIPPED)}"
        )
    package = find_spec("skimage")
    if package is None or package.origin is None:
        raise UserError(
            f"data.image={image}: comes with scikit-image: pip install 'mlp-lab[images]'"
        )
    return Path(package.origin).parent / "data" / SHIPPED[image]


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """A picture file whose pixels are about to be read; what is wrong with it ends in UserError."""
    known, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # the limit is ours, and told so
    try:
        with warnings.catch_warnings(), Image.open(path, formats=FORMATS) as image:
            warnings.simplefilter("ignore")  # what can be read is as good as it is
            _refuse_size(path, image)
            if (pictures := getattr(image, "n_frames", 1)) > 1:
                raise UserError(f"{path}: holds {pictures} pictures, as animations do; must be one")
            image.load()
            yield image
    except DAMAGE as error:
        raise UserError(f"{path}: can't be read as a picture ({reason(error)})") from error
    finally:
        Image.MAX_IMAGE_PIXELS = known


def _refuse_size(path: Path, image: Image.Image) -> None:
    width, height = image.size
    if width * height > _MOST_PIXELS:
        needed = 4 * width * height / 2**30
        raise UserError(
            f"{path}: {width:,} x {height:,} pixels take {needed:.1f} GiB to decode;"
            f" at most {_MOST_PIXELS:,} pixels are read: make it smaller first"
        )


def _channels(image: Image.Image, grey: bool) -> list[np.ndarray]:
    """One array of greys or three of colours, float32 ``[height, width]`` in [0, 1]."""
    if image.mode == "F":
        pixels: np.ndarray = np.asarray(image, np.float32)
    elif image.mode.startswith("I"):  # 16 bits, which Pillow may keep in 32
        pixels = np.asarray(image, np.float32) / 65_535
    else:
        if image.has_transparency_data:
            paper = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(paper, image.convert("RGBA"))
        converted = image.convert("L" if grey else "RGB")
        return [np.asarray(band) / np.float32(255) for band in converted.split()]
    if not (pixels.min() >= 0 and pixels.max() <= 1):  # so that nan is refused
        raise ValueError("its numbers must be whole and of at most 16 bits, or lie in [0, 1]")
    return [pixels]


def _resized(channel: np.ndarray, size: int) -> np.ndarray:
    if len(channel) == size:
        return channel
    smaller = Image.fromarray(channel).resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(smaller).clip(0, 1)
