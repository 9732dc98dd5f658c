"""Pictures of text: sharp edges at all scales, which natural images have fewer of."""

from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

_LETTERS = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"))
_STRINGS = 6
_LENGTHS = (3, 12)
_FONT_SIZES = (1 / 32, 1 / 6)  # in parts of the picture's side


def text_image(size: int, seed: int, grey: bool) -> np.ndarray:
    """Random strings on white: float32 ``[size, size, 3]`` in [0, 1], or ``[size, size, 1]``.

    Tancik et al. 2020 (section 6) have pictures of text of random size and colour, and say no
    more. Here they are 6 strings of 3 to 12 letters and digits in DejaVu Sans: with so much ink
    a single colour has a PSNR of 18 dB, as raw coordinates, which see little more, have on theirs.
    The font's size, 1/32 to 1/6 of the picture's side, the RGB colour, and the place of the
    string's centre in the picture are uniformly random for each; later ones lie on earlier ones.
    The same seed gives the same picture in each size, but for what a font does to fit its letters
    to the pixels.

    Args:
        size: pixels of a side.
        seed: of all that is random.
        grey: make colours grey, by their luma (ITU-R BT.601).
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
