"""Images of a user: a folder for each class, and arrays of npz files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mlp_lab.data.image_folder import ImageFolder
from mlp_lab.data.npz_file import NpzFile
from mlp_lab.errors import UserError

OPTIONS: dict[str, Any] = {
    "batch_size": 10, "seed": 0, "limits": {}, "train_size": None, "split_seed": 0,
    "stratify": True, "standardize": False,
}  # fmt: skip
NPZ = {"inputs": "x", "targets": "y", "kind": "classification", "standardize_targets": False}
CPU = torch.device("cpu")


def from_folder(folder: Path, **options: Any) -> ImageFolder:
    return ImageFolder(path=str(folder), **OPTIONS | {"side": 8} | options)


def from_npz(path: Path, **options: Any) -> NpzFile:
    return NpzFile(path=str(path), **OPTIONS | NPZ | options)


@pytest.fixture
def pixels() -> np.ndarray:
    """Return 30 random images, uint8 ``[30, 8, 8]``."""
    return np.random.default_rng(0).integers(0, 256, (30, 8, 8), np.uint8)


@pytest.fixture
def letters(pixels: np.ndarray, tmp_path: Path) -> Path:
    """Return a folder with the images of the classes a, b and c."""
    folder = tmp_path / "letters"
    for i, image in enumerate(pixels):
        path = folder / "abc"[i % 3] / f"{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    (folder / ".cache").mkdir()
    (folder / "a" / "notes.txt").write_text("no image")
    (folder / "labels.txt").write_text("no class")
    return folder


def rows(data: ImageFolder | NpzFile) -> list[tuple[list[float], Any]]:
    """Return the inputs and targets of all splits, sorted."""
    splits = data.read(CPU).values()
    return sorted(
        (x, y) for xs, ys in splits for x, y in zip(xs.tolist(), ys.tolist(), strict=True)
    )


def test_folders_are_classes(letters: Path, pixels: np.ndarray) -> None:
    data = from_folder(letters)
    assert data.class_names == ("a", "b", "c")
    assert (data.in_features, data.out_features, data.image_side) == (64, 3, 8)
    expected = np.float32(pixels.reshape(30, 64) / np.float32(255)).tolist()
    assert rows(data) == sorted((x, i % 3) for i, x in enumerate(expected))
    assert [len(y) for _, y in data.read(CPU).values()] == [18, 6, 6]


def test_pixels_are_standardized_by_the_training_images(letters: Path) -> None:
    plain, data = from_folder(letters), from_folder(letters, standardize=True)
    x, _ = data.read(CPU)["train"]
    assert float(x.mean()) == pytest.approx(0, abs=1e-6)
    assert float(x.std(unbiased=False)) == pytest.approx(1)
    for split, (x, _) in data.read(CPU).items():
        images = data.images(x)
        assert images is not None
        torch.testing.assert_close(images.flatten(1), plain.read(CPU)[split][0])
        torch.testing.assert_close(data.inputs(255 * images), x)
    assert data.image_fill == pytest.approx(float(data.inputs(torch.zeros(1, 8, 8))[0, 0]))


def test_images_are_scaled_and_padded(tmp_path: Path) -> None:
    for i in range(6):
        (tmp_path / "ab"[i % 2]).mkdir(exist_ok=True)
        image = np.full((20, 40), 40 * i, np.uint8)
        Image.fromarray(image).save(tmp_path / "ab"[i % 2] / f"{i}.png")
    for x, _ in rows(from_folder(tmp_path)):
        assert len(set(x)) == 1  # the padding has the colour of the border


@pytest.mark.parametrize("kind", ["images", "features", "column"])
def test_arrays_are_read_as_numpy_reads_them(kind: str, pixels: np.ndarray, tmp_path: Path) -> None:
    x = pixels if kind == "images" else pixels.reshape(30, 64) * 1000.0
    y = np.arange(30) % 3 + 7
    np.savez_compressed(tmp_path / "x.npz", x=x, y=y[:, None] if kind == "column" else y)
    data = from_npz(tmp_path / "x.npz")
    assert data.class_names == ("7", "8", "9")
    assert data.image_side == (8 if kind == "images" else None)
    assert len(data.feature_names) == (0 if kind == "images" else 64)
    flat = x.reshape(30, 64) / np.float32(255) if kind == "images" else np.float32(x)
    assert rows(data) == sorted(zip(flat.tolist(), (y - 7).tolist(), strict=True))


def test_npz_targets_may_be_texts_or_several_numbers(pixels: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, x=pixels, y=np.array(["cat", "dog"] * 15))
    assert (from_npz(path).class_names, from_npz(path).out_features) == (("cat", "dog"), 1)
    values = np.random.default_rng(0).normal(3, 2, (30, 2))
    np.savez(path, x=pixels, y=values)
    data = from_npz(path, kind="regression", standardize_targets=True)
    assert data.out_features == 2
    targets = np.concatenate([data.values(y.numpy()) for _, y in data.read(CPU).values()])
    np.testing.assert_allclose(np.sort(targets, 0), np.sort(values, 0), rtol=1e-5)


X, Y = np.zeros((10, 3)), np.arange(10) % 2


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        ({"x": X}, {}, r"x\.npz: has no array y; its arrays: x"),
        ({"x": X, "y": Y}, {"inputs": "z"}, r"x\.npz: has no array z; its arrays: x, y"),
        ({"x": X, "y": Y[1:]}, {}, r"y: has the shape \[9\]; must be one target for each of"),
        ({"x": X[:0], "y": Y[:0]}, {}, r"x: has the shape \[0, 3\]; must be"),
        ({"x": X[0], "y": Y}, {}, r"x: has the shape \[3\]; must be \[examples, features\]"),
        ({"x": np.zeros((10, 2, 3)), "y": Y}, {}, r"x: has the shape \[10, 2, 3\]"),
        ({"x": X.astype(str), "y": Y}, {}, r"x: contains <U32; must be numbers"),
        ({"x": X + 1j, "y": Y}, {}, r"x: contains complex128; must be numbers"),
        ({"x": np.where(np.eye(10, 3) > 0, np.nan, X), "y": Y}, {}, r"x: example 0 has values"),
        ({"x": np.full((10, 2, 2), 7.0), "y": Y}, {}, r"images must be bytes, or floats"),
        ({"x": X, "y": Y + 0.5}, {}, r"y: contains float64 \[10\]; labels must be integers"),
        ({"x": X, "y": Y.astype(str)}, {"kind": "regression"}, r"y: contains <U\d+; must be"),
        ({"x": X, "y": np.array([{}] * 10)}, {}, r"x\.npz: damaged: Object arrays"),
        ({"x": np.full((10, 4), np.inf, np.float16), "y": Y}, {},
         r"x\.npz: x: example 0 has values that are missing or not finite"),
        ({"x": X[:4], "y": Y[:4]}, {}, r"x\.npz: examples: 4; must be at least 5"),
        ({"x": X, "y": 0 * Y}, {}, r"x\.npz: all examples have the label '0'"),
    ],
)  # fmt: skip
def test_wrong_arrays_are_reported(
    arrays: dict[str, np.ndarray], options: dict[str, str], message: str, tmp_path: Path
) -> None:
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(UserError, match=message) as caught:
        from_npz(tmp_path / "x.npz", **options)
    assert str(tmp_path) in str(caught.value)


def an_empty_class(folder: Path) -> None:
    (folder / "d").mkdir()


def no_classes(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()


def a_damaged_image(folder: Path) -> None:
    (folder / "b" / "01.png").write_bytes(b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (an_empty_class, r"letters/d: no images in this folder"),
        (no_classes, r"letters: must contain a folder of images for each class"),
        (a_damaged_image, r"letters/b/01\.png: cannot be read as an image"),
        (lambda folder: folder.rename(folder.with_name("moved")), r"letters: no such folder"),
    ],
)
def test_wrong_folders_are_reported(
    damage: Callable[[Path], None], message: str, letters: Path
) -> None:
    damage(letters)
    with pytest.raises(UserError, match=message):
        from_folder(letters)


def test_missing_npz_files_are_reported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.npz: no such file"):
        from_npz(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(UserError, match=r"text\.npz: damaged: not an npz file"):
        from_npz(tmp_path / "text.npz")


def test_too_many_pixels_are_refused(letters: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlp_lab.data.image_folder._MAX_PIXELS", 1000)
    with pytest.raises(UserError, match=r"data\.side=8: 30 images of 8 x 8 have 1,920 pixels"):
        from_folder(letters)
