"""Pictures that a user brings, of whatever kind, as float32 ``[pictures, 28, 28]`` in [0, 1]."""

import glob
import gzip
import math
import zipfile
import zlib
from pathlib import Path
from struct import error as StructError

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from mlp_lab.errors import UserError

_SIDE = 28
# Pillow knows many more; some of them run other programs to read a file.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
_SUFFIXES = {
    *(".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"),
    *(".pgm", ".ppm", ".pbm"),
}
_ALLOWED = f"a picture ({', '.join(FORMATS)}), an idx file (also .gz) or an .npz file"
# What the readers of files raise when they meet a file that is not as it should be.
DAMAGE = (
    *(OSError, SyntaxError, ValueError, EOFError, RuntimeError),
    *(StructError, zlib.error, zipfile.BadZipFile, Image.DecompressionBombError),
)


def light_on_dark(pictures: np.ndarray, invert: str) -> np.ndarray:
    """Pictures as a network knows them: what is shown is light, the ground is dark.

    Args:
        pictures: float32 ``[pictures, height, width]`` in [0, 1].
        invert: ``yes``, ``no``, or ``auto``: where the mean of the border is above 1/2.
    """
    if invert == "auto":
        light = _border(pictures).mean(1) > 0.5
    else:
        light = np.full(len(pictures), invert == "yes")
    return np.where(light[:, None, None], 1 - pictures, pictures)


def read_pictures(images: str) -> tuple[str, list[str], np.ndarray]:
    """The pictures that ``images`` stands for: a file, a folder or a glob pattern.

    Returns what their names are (``file``, or ``index`` in a file of many), the names, and the
    pictures, float32 ``[pictures, 28, 28]`` in [0, 1].
    Raises UserError, which names the file, for what is not there or can't be read.
    """
    files = _files(images)
    if len(files) == 1:
        many = None
        start = _start(files[0])
        if files[0].suffix.lower() == ".npz":
            many = _read_npz(files[0])
        elif start[:2] == b"\x1f\x8b" or _is_idx(start):
            many = _read_idx(files[0])
        if many is not None:
            return "index", [str(i) for i in range(len(many))], many
    return "file", [str(file) for file in files], np.stack([read_picture(f) for f in files])


def read_picture(path: Path) -> np.ndarray:
    """A picture of any size, in grey: float32 ``[28, 28]`` in [0, 1].

    It is turned as its EXIF data say. What is transparent becomes white, as paper is. The longer
    side becomes 28 pixels; beside the shorter one, the colour of the border is added.
    """
    _start(path)
    try:
        with Image.open(path, formats=FORMATS) as image:
            grey = _grey(ImageOps.exif_transpose(image))
    except DAMAGE as error:
        raise UserError(
            f"{path}: can't be read as a picture ({reason(error)}); images takes {_ALLOWED}"
        ) from error
    width, height = (max(1, round(side * _SIDE / max(grey.size))) for side in grey.size)
    if (width, height) != grey.size:
        # In Pillow this averages over all the pixels that become one.
        grey = grey.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.clip(np.asarray(grey, np.float32), 0, 1)
    square = np.full((_SIDE, _SIDE), np.median(_border(pixels)), np.float32)
    top, left = (_SIDE - height) // 2, (_SIDE - width) // 2
    square[top : top + height, left : left + width] = pixels
    return square


def _grey(image: Image.Image) -> Image.Image:
    """Any picture as one of Pillow's mode F: numbers in [0, 1]."""
    if image.mode == "F":
        pixels = np.asarray(image)
    elif image.mode.startswith("I"):  # 16 bits, which Pillow may keep in 32
        pixels = np.asarray(image) / 65_535
    else:
        if image.has_transparency_data:
            paper = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(paper, image.convert("RGBA"))
        pixels = np.asarray(image.convert("L")) / np.float32(255)
    if not (pixels.min() >= 0 and pixels.max() <= 1):  # so that nan is refused
        raise ValueError("its numbers must be whole and of at most 16 bits, or lie in [0, 1]")
    return Image.fromarray(pixels.astype(np.float32))


def _border(pictures: np.ndarray) -> np.ndarray:
    """The outermost pixels of ``[..., height, width]``: ``[..., pixels]``."""
    outermost = np.ones(pictures.shape[-2:], bool)
    outermost[1:-1, 1:-1] = False
    return pictures[..., outermost]


def _files(images: str) -> list[Path]:
    """The picture files of a folder or a pattern, sorted; a file as it is."""
    path = Path(images)
    if path.is_file():
        return [path]
    if path.is_dir():
        inside = (f for f in path.iterdir() if f.is_file() and not f.name.startswith("."))
        files = sorted(f for f in inside if f.suffix.lower() in _SUFFIXES)
        if not files:
            known = ", ".join(sorted(_SUFFIXES))
            raise UserError(f"{images}: no pictures in this folder (files that end in {known})")
        return files
    files = sorted(f for f in map(Path, glob.glob(images, recursive=True)) if f.is_file())
    if not files:
        raise UserError(
            f"{images}: no such file or folder, and no file matches; images takes {_ALLOWED},"
            " or a folder or pattern of pictures"
        )
    return files


def _start(path: Path) -> bytes:
    """The first four bytes of a file. Raises UserError if it is empty."""
    with path.open("rb") as file:
        start = file.read(4)
    if not start:
        raise UserError(f"{path}: is empty; images takes {_ALLOWED}")
    return start


def _is_idx(start: bytes) -> bool:
    """Whether a file that starts so is in the idx format: two zero bytes, a type, dimensions."""
    return len(start) == 4 and start[:2] == b"\0\0" and start[2] in {8, 9, 11, 12, 13, 14}


def _read_idx(path: Path) -> np.ndarray:
    """The pictures of an idx file, as ``_checked`` returns them."""
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except DAMAGE as error:
        raise UserError(f"{path}: damaged: {reason(error)}") from error
    if not _is_idx(content[:4]):
        raise UserError(f"{path}: no idx file is packed in it; images takes {_ALLOWED}")
    if content[2] != 8:
        raise UserError(f"{path}: holds numbers of another type than bytes, as pixels must be")
    header = 4 + 4 * content[3]
    shape = [int.from_bytes(content[i : i + 4], "big") for i in range(4, header, 4)]
    if len(content) != header + math.prod(shape):
        expected = header + math.prod(shape)
        raise UserError(f"{path}: damaged: {len(content):,} bytes, but should be {expected:,}")
    return _checked(path, np.frombuffer(content, np.uint8, offset=header).reshape(shape))


def _read_npz(path: Path) -> np.ndarray:
    """The pictures of an npz file, as ``_checked`` returns them."""
    try:
        if not zipfile.is_zipfile(path):
            raise ValueError("not an npz file")
        with np.load(path) as archive:
            keys = archive.files
            key = keys[0] if len(keys) == 1 else "images"
            if key not in keys:
                found = ", ".join(keys) or "no arrays"
                raise UserError(f"{path}: holds {found}; must hold images, or one array only")
            array = archive[key]
    except DAMAGE as error:
        raise UserError(f"{path}: damaged: {reason(error)}") from error
    return _checked(path, np.asarray(array))


def _checked(path: Path, array: np.ndarray) -> np.ndarray:
    """An array of a file as pictures: float32 ``[pictures, 28, 28]`` in [0, 1]."""
    if array.shape[1:] not in {(_SIDE, _SIDE), (_SIDE**2,)} or len(array) == 0:
        allowed = f"[pictures, {_SIDE}, {_SIDE}] or [pictures, {_SIDE**2}]"
        raise UserError(f"{path}: has the shape {list(array.shape)}; must be {allowed}")
    if array.dtype == np.uint8:
        array = array / np.float32(255)
    elif not np.issubdtype(array.dtype, np.floating):
        raise UserError(f"{path}: holds {array.dtype}; must be uint8, or floats in [0, 1]")
    elif not (array.min() >= 0 and array.max() <= 1):  # so that nan is refused
        raise UserError(f"{path}: holds numbers outside [0, 1]; floats must lie in it")
    return np.asarray(array, np.float32).reshape(-1, _SIDE, _SIDE)


def reason(error: Exception) -> str:
    """Why a file can't be read, without its name."""
    if isinstance(error, UnidentifiedImageError):
        return "unknown format"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).partition("\n")[0] or type(error).__name__
