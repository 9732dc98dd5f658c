"""Damaged and hostile images and archives end in one line, without much memory."""

import gzip
import io
import resource
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from damage import damaged
from PIL import Image

from mlp_lab.data.idx_format import to_idx
from mlp_lab.data.image_folder import ImageFolder
from mlp_lab.data.npz_file import NpzFile
from mlp_lab.errors import UserError
from mlp_lab.images.codecs import read_png
from mlp_lab.images.digit_files import read_digits
from mlp_lab.images.photographs import read_image


def png_bomb(path: Path, side: int = 60_000) -> None:
    """Write a PNG file of a few bytes whose header declares many pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = zlib.crc32(kind + content).to_bytes(4, "big")
        return len(content).to_bytes(4, "big") + kind + content + crc

    header = side.to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    parts = (
        chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)


def npz_of_objects(path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple:
            return (Path.touch, (path.parent / "harmed",))

    np.savez(path, images=np.array([Harm()], object))


def npz_with_header(path: Path, header: str) -> None:
    """Write an npz file whose array has a header of the given text, and no data."""
    content = (
        b"\x93NUMPY\x01\x00" + (len(header) + 1).to_bytes(2, "little") + header.encode() + b"\n"
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", content)


def npz_outside(path: Path) -> None:
    content = io.BytesIO()
    np.save(content, np.zeros((1, 3), np.uint8))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../harmed.npy", content.getvalue())


def compressed_bomb(path: Path) -> None:
    """Write an npz file of one entry whose declared size is 4 GB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", bytes(1000))
        archive.infolist()[0].file_size = 2**32 - 10


def gzip_bomb(path: Path) -> None:
    zeros = gzip.compress(bytes(2**24), compresslevel=1)
    path.write_bytes(zeros * 65)  # members of 16 MB each


HUGE = "{'descr': '|u1', 'fortran_order': False, 'shape': (10000000, 10000000)}"
HOSTILE: dict[str, tuple[str, Callable[[Path], None]]] = {
    "png bomb": ("x.png", png_bomb),
    "png bomb below Pillow's limit": ("x.png", lambda path: png_bomb(path, 11_000)),
    "npz of objects": ("x.npz", npz_of_objects),
    "npz with a huge array": ("x.npz", lambda path: npz_with_header(path, HUGE)),
    "npz with code": ("x.npz", lambda path: npz_with_header(path, "__import__('os').getcwd()")),
    "npz with an open string": ("x.npz", lambda path: npz_with_header(path, "{'descr': '''")),
    "npz with a deep header": ("x.npz", lambda path: npz_with_header(path, "[" * 5000)),
    "npz with a name outside": ("x.npz", npz_outside),
    "npz bomb": ("x.npz", compressed_bomb),
    "idx of 4 GB": ("x", lambda path: path.write_bytes(b"\0\0\x08\3" + b"\0\1\0\0" * 3)),
    "idx of 255 dimensions": (
        "x",
        lambda path: path.write_bytes(b"\0\0\x08\xff" + b"\0\0\0\1" * 255),
    ),
}


@pytest.mark.parametrize("kind", [*HOSTILE, pytest.param("gzip bomb", marks=pytest.mark.faults)])
def test_hostile_images_are_refused(
    kind: str, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    name, write = HOSTILE.get(kind, ("x.gz", gzip_bomb))
    path = tmp_path / "images" / name
    path.parent.mkdir()
    write(path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError) as caught:
        list(read_digits(str(path))[2])
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value).splitlines()) == 1
    if kind != "gzip bomb":
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # in KiB
    assert [str(p) for p in tmp_path.rglob("*") if p.is_file()] == [str(path)]
    assert not recwarn.list


@pytest.mark.parametrize("kind", [kind for kind in HOSTILE if kind.startswith(("npz", "png"))])
def test_hostile_data_of_a_user_are_refused(
    kind: str, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    name, write = HOSTILE[kind]
    path = tmp_path / "data" / "class" / name
    path.parent.mkdir(parents=True)
    write(path)
    (tmp_path / "data" / "other").mkdir()
    Image.new("L", (2, 2)).save(tmp_path / "data" / "other" / "x.png")
    options = {"batch_size": 1, "seed": 0, "limits": {}, "train_size": None, "split_seed": 0}
    options |= {"stratify": True, "standardize": True}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cls, options = ImageFolder, options | {"path": str(tmp_path / "data"), "side": 8}
    if path.suffix == ".npz":
        arrays = {"inputs": "images", "targets": "images", "kind": "regression"}
        cls, options = NpzFile, options | arrays | {"path": str(path), "standardize_targets": True}
        del options["side"]
    with pytest.raises(UserError) as caught:
        cls(**options)
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value).splitlines()) == 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # in KiB
    assert not (path.parent / "harmed").exists()
    assert not recwarn.list


def test_image_bombs_are_refused_in_all_places(tmp_path: Path) -> None:
    png_bomb(tmp_path / "x.png")
    for read in (read_png, lambda path: read_image(str(path), 8, None, True)):
        with pytest.raises(UserError, match=r"60,000 x 60,000 pixels .* at most 100,000,000"):
            read(tmp_path / "x.png")


def files(folder: Path) -> list[Path]:
    pixels = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    paths = []
    for suffix in ("png", "jpg", "bmp", "gif", "tif", "webp", "pgm"):
        paths.append(folder / f"x.{suffix}")
        Image.fromarray(pixels).save(paths[-1])
    (folder / "x").write_bytes(to_idx(pixels[None]))
    (folder / "x.gz").write_bytes(gzip.compress(to_idx(pixels[None])))
    np.savez(folder / "x.npz", pixels[None])
    np.savez_compressed(folder / "y.npz", pixels[None] / 255)
    return [*paths, folder / "x", folder / "x.gz", folder / "x.npz", folder / "y.npz"]


@pytest.mark.parametrize("cases", [10, pytest.param(600, marks=pytest.mark.faults)])
def test_damaged_images_are_refused_or_read(cases: int, tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    refusals = 0
    for path in files(tmp_path):
        whole, [expected] = path.read_bytes(), list(read_digits(str(path))[2])
        for _ in range(-(-cases // 11)):
            path.write_bytes(damaged(whole, generator))
            try:
                images = list(read_digits(str(path))[2])
            except UserError as error:
                refusals += len(str(error).splitlines()) == 1
                continue
            for image in images:  # formats without a checksum may have other pixels
                assert image.dtype == expected.dtype
                assert np.isfinite(image).all()
                if path.suffix in (".npz", ".gz"):
                    np.testing.assert_array_equal(image, expected)
        path.write_bytes(whole)
    assert refusals >= cases // 4


@pytest.mark.parametrize("cases", [20, pytest.param(300, marks=pytest.mark.faults)])
def test_damaged_pictures_of_a_run_never_have_other_pixels(cases: int, tmp_path: Path) -> None:
    generator = np.random.default_rng(2)
    pixels = generator.integers(0, 256, (20, 20, 3), np.uint8)
    path = tmp_path / "truth.png"
    Image.fromarray(pixels).save(path)
    whole, refusals = path.read_bytes(), 0
    for _ in range(cases):
        path.write_bytes(damaged(whole, generator))
        try:
            actual = read_png(path)
        except UserError as error:
            refusals += str(error).startswith(f"{path}: ")
        else:
            np.testing.assert_array_equal(actual, pixels)
    assert refusals > cases / 2
