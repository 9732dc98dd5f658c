"""PNG and GIF files of uint8 images ``[height, width, channels]`` with 1 or 3 channels."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mlp_lab.images.image_decoding import open_image

_MIN_SIDE = 256  # in pixels: smaller animations are enlarged
_FONT_SIZE = 14  # of captions, in pixels
_LAST_SECONDS = 2.0  # duration of the last frame of an animation


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Convert pixel values from [0, 1] to uint8, 1 to 255. Values outside [0, 1] are clipped."""
    return np.rint(255 * image.clip(0, 1)).astype(np.uint8)


def encode_png(pixels: np.ndarray) -> bytes:
    """Return the contents of a PNG file, given uint8 pixels ``[height, width, channels]``."""
    return _encode([_image(pixels)], format="PNG")


def encode_gif(frames: Sequence[np.ndarray], seconds: float, captions: Sequence[str] = ()) -> bytes:
    """Return the contents of a GIF file with an animation that repeats.

    The last frame is shown for 2 seconds. Small frames are enlarged by an integer factor.

    Args:
        frames: frames of the same size, uint8 ``[height, width, channels]``.
        seconds: duration of each frame except the last.
        captions: text below each frame; none by default.
    """
    height, width, _ = frames[0].shape
    factor = -(-_MIN_SIDE // max(height, width))
    images = [_image(frame.repeat(factor, 0).repeat(factor, 1)) for frame in frames]
    if captions:
        images = [_captioned(*pair) for pair in zip(images, captions, strict=True)]
    durations = [round(1000 * s) for s in (*[seconds] * (len(images) - 1), _LAST_SECONDS)]
    return _encode(images, format="GIF", save_all=True, duration=durations, loop=0)


def read_png(path: Path) -> np.ndarray:
    """Read the pixels of a PNG file, uint8 ``[height, width, channels]``.

    Raises UserError if the file is damaged.
    """
    with open_image(path) as image:
        image.verify()  # the checksums; Pillow must open the file again to read its pixels
    with open_image(path) as image:
        return np.asarray(image).reshape(image.height, image.width, -1)


def _image(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)


def _captioned(image: Image.Image, caption: str) -> Image.Image:
    """Return an image with a line of text below it, black on white."""
    font = ImageFont.load_default(_FONT_SIZE)
    whole = Image.new(image.mode, (image.width, image.height + 2 * _FONT_SIZE), "white")
    whole.paste(image)
    middle = image.width / 2, image.height + _FONT_SIZE
    ImageDraw.Draw(whole).text(middle, caption, "black", font, anchor="mm")
    return whole


def _encode(images: Sequence[Image.Image], **options: Any) -> bytes:
    content = io.BytesIO()
    if len(images) > 1:
        options["append_images"] = images[1:]
    images[0].save(content, **options)
    return content.getvalue()
