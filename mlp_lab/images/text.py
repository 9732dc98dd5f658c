"""Images of random text, which have more sharp edges at all scales than natural images."""

from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

_LETTERS = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"))
_STRINGS = 6
_LENGTHS = (3, 12)
_FONT_SIZES = (1 / 32, 1 / 6)  # as fractions of the image's side


def text_image(size: int, seed: int, grey: bool) -> np.ndarray:
    """Return an image of random strings on white, float32 ``[size, size, channels]`` in [0, 1].

    Tancik et al. 2020 (section 6) use images of text of random size and colour without further
    details. Here, an image contains 6 strings of 3 to 12 letters and digits in DejaVu Sans. With
    this amount of text, the best constant colour has a PSNR of 18 dB, which is the PSNR of raw
    coordinates on the images of Tancik et al.

    The font size (1/32 to 1/6 of the image's side), the RGB colour and the position of the centre
    of each string are uniformly random. Later strings cover earlier ones. The same seed gives the
    same image at each size, except for the rasterization of the font.

    Args:
        size: height and width in pixels.
        seed: seed of the strings, sizes, colours and positions.
        grey: whether to return one channel of luma (ITU-R BT.601) instead of three colours.
    """
    random = np.random.default_rng(seed)
    font = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    image = Image.new("RGB", (size, size), "white")
    draw = ImageDraw.Draw(image)
    for _ in range(_STRINGS):
        letters = random.choice(_LETTERS, random.integers(*_LENGTHS, endpoint=True))
        points = random.uniform(*_FONT_SIZES) * size
        red, green, blue = (int(level) for level in random.integers(0, 256, 3))
        x, y = random.uniform(0, size, 2)
        truetype = ImageFont.truetype(str(font), max(1.0, points))
        draw.text((x, y), "".join(letters), (red, green, blue), truetype, anchor="mm")
    pixels = np.asarray(image.convert("L") if grey else image, np.float32) / 255
    return pixels.reshape(size, size, -1)
