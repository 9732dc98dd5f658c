"""Pictures of bytes ``[height, width, channels]``, 1 or 3 channels, as files."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

_SMALLEST = 256  # pixels of a side of an animation: smaller ones can hardly be seen
_LAST = 2.0  # seconds of the last picture of an animation


def as_bytes(picture: np.ndarray) -> np.ndarray:
    """Numbers as bytes, 1 as 255; those outside [0, 1] as the nearest inside."""
    return np.rint(255 * picture.clip(0, 1)).astype(np.uint8)


def png(pixels: np.ndarray) -> bytes:
    """The content of a PNG file."""
    return _written([_image(pixels)], format="PNG")


def gif(pictures: Sequence[np.ndarray], seconds: float) -> bytes:
    """The content of an animation, each picture for some ``seconds``, which starts again and again.

    It stays at its last picture for a while. Each pixel of small pictures becomes a square of some.
    """
    height, width, _ = pictures[0].shape
    factor = -(-_SMALLEST // max(height, width))
    images = [_image(p.repeat(factor, 0).repeat(factor, 1)) for p in pictures]
    durations = [round(1000 * s) for s in (*[seconds] * (len(images) - 1), _LAST)]
    return _written(images, format="GIF", save_all=True, duration=durations, loop=0)


def read_pixels(path: Path) -> np.ndarray:
    """The bytes of a PNG file."""
    with Image.open(path) as image:
        return np.asarray(image).reshape(image.height, image.width, -1)


def _image(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)


def _written(images: Sequence[Image.Image], **options: object) -> bytes:
    content = io.BytesIO()
    images[0].save(content, **options, **({"append_images": images[1:]} if images[1:] else {}))  # type: ignore[arg-type]
    return content.getvalue()
