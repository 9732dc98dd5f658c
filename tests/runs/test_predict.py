import csv
import gzip
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import DictConfig
from PIL import Image

from mlp_lab.data.mnist import MNIST, FashionMNIST
from mlp_lab.errors import UserError
from mlp_lab.images.digit_files import fit_square, light_on_dark, read_digits, read_grey
from mlp_lab.images.mnist_preprocessing import preprocess
from mlp_lab.nn.mlp import MLP
from mlp_lab.runs.predict import Prediction, predict
from mlp_lab.storage.run_folder import RunFolder

Predict = Callable[..., list[Prediction]]


@pytest.fixture
def digit_images(tiny_mnist: Path) -> np.ndarray:
    """Return the test images as bytes with a dark border, as in MNIST."""
    content = (tiny_mnist / "MNIST" / "raw" / "t10k-images-idx3-ubyte").read_bytes()
    pixels = np.frombuffer(content, np.uint8, offset=16).reshape(-1, 28, 28)
    return np.pad(pixels[:, 3:-3, 3:-3], ((0, 0), (3, 3), (3, 3)))


@pytest.fixture
def expected(run_folder: Path, digit_images: np.ndarray) -> tuple[list[str], list[float]]:
    """Return class and confidence of each image, computed with plain torch."""
    network = MLP(784, 10, width=64)
    content = torch.load(run_folder / "checkpoints" / "best.ckpt", weights_only=True)
    state = content["state_dict"].items()
    network.load_state_dict({k.removeprefix("network."): v for k, v in state})
    with torch.no_grad():
        x = (torch.tensor(digit_images).reshape(-1, 784) / 255 - 0.1307) / 0.3081
        p = network(x).softmax(1)
    assert len(set(p.argmax(1).tolist())) >= 5, "nothing to tell apart"
    return [str(digit) for digit in p.argmax(1).tolist()], p.amax(1).tolist()


@pytest.fixture
def predicted(run_folder: Path, compose: Callable[..., DictConfig]) -> Predict:
    """``predicted(images, "invert=no", ...)``: return one row per image."""

    def act(images: object, *rest: str) -> list[Prediction]:
        cfg = compose(f"run='{run_folder}'", f"images='{images}'", *rest, root="predict")
        return predict(cfg)

    return act


def idx(array: np.ndarray, kind: int = 8) -> bytes:
    """Return an array in the idx format."""
    return struct.pack(f">HBB{array.ndim}i", 0, kind, array.ndim, *array.shape) + array.tobytes()


def save_npz(path: Path, **arrays: np.ndarray) -> None:
    np.savez(path, **arrays)


def agree(rows: list[Prediction], expected: tuple[list[str], list[float]]) -> None:
    classes, confidences = expected
    assert [row.label for row in rows] == classes[: len(rows)]
    assert [row.confidence for row in rows] == pytest.approx(confidences[: len(rows)], abs=1e-5)


@pytest.mark.parametrize(
    ("ground", "invert"), [("dark", "auto"), ("light", "auto"), ("dark", "no"), ("light", "yes")]
)
def test_png_files_are_classified_as_by_the_network(
    ground: str,
    invert: str,
    digit_images: np.ndarray,
    expected: tuple[list[str], list[float]],
    predicted: Predict,
    tmp_path: Path,
) -> None:
    names = [tmp_path / f"{i:03}.png" for i in range(40)]
    for name, picture in zip(names, digit_images, strict=False):
        Image.fromarray(picture if ground == "dark" else 255 - picture).save(name)
    (tmp_path / "notes.txt").write_text("not a picture")
    for images in (tmp_path, f"{tmp_path}/*.png"):
        rows = predicted(images, f"invert={invert}", "preprocessing=none")
        assert [row.image for row in rows] == list(map(str, names))
        agree(rows, expected)
    agree(predicted(names[0], f"invert={invert}", "preprocessing=none"), expected)


WRITERS = {
    "idx": lambda path, x: path.write_bytes(idx(x)),
    "idx.gz": lambda path, x: path.write_bytes(gzip.compress(idx(x))),
    "npz of bytes": lambda path, x: save_npz(path, images=x, labels=np.zeros(3)),
    "npz of rows": lambda path, x: save_npz(path, x=x.reshape(-1, 784)),
    "npz of float32": lambda path, x: save_npz(path, x=x / np.float32(255)),
    "npz of float64": lambda path, x: save_npz(path, images=x.reshape(-1, 784) / 255),
}


@pytest.mark.parametrize("ground", ["dark", "light"])
@pytest.mark.parametrize("kind", WRITERS)
def test_files_of_many_images_are_classified_as_by_the_network(
    kind: str,
    ground: str,
    digit_images: np.ndarray,
    expected: tuple[list[str], list[float]],
    predicted: Predict,
    tmp_path: Path,
) -> None:
    path = tmp_path / ("pictures.npz" if "npz" in kind else "pictures")
    WRITERS[kind](path, digit_images if ground == "dark" else 255 - digit_images)
    rows = predicted(path)
    assert [row.image for row in rows] == [str(i) for i in range(400)]
    agree(rows, expected)


def test_dropout_is_inactive_in_predictions(
    run_folder: Path,
    digit_images: np.ndarray,
    expected: tuple[list[str], list[float]],
    compose: Callable[..., DictConfig],
    tmp_path: Path,
) -> None:
    folder = shutil.copytree(run_folder, tmp_path / "run")
    config = (folder / "config.yaml").read_text().partition("\n")[2]
    (folder / "config.yaml").write_text(config.replace("dropout: 0.0", "dropout: 0.5"))
    # The dropout makes the output layer the network's fourth module; it was the third.
    path = folder / "checkpoints" / "best.ckpt"
    content = torch.load(path, weights_only=True)
    state = content["state_dict"]
    content["state_dict"] = {k.replace("network.2", "network.3"): v for k, v in state.items()}
    torch.save(content, path)
    save_npz(tmp_path / "x.npz", images=digit_images)
    cfg = compose(f"run='{folder}'", f"images='{tmp_path / 'x.npz'}'", root="predict")
    assert RunFolder.open(str(folder)).config.network.dropout == 0.5
    agree(predict(cfg), expected)


def test_the_printed_table_is_shortened_and_the_file_is_complete(
    digit_images: np.ndarray,
    expected: tuple[list[str], list[float]],
    predicted: Predict,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    save_npz(tmp_path / "x.npz", images=digit_images)
    capsys.readouterr()
    predicted(tmp_path / "x.npz")
    header, *rows, more = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert header == ["index", "prediction", "confidence"]
    shown = zip(*expected, strict=True)
    assert rows == [[str(i), c, f"{100 * p:.2f}", "%"] for i, (c, p) in enumerate(shown)][:50]
    assert more[:4] == ["...", "and", "350", "more"]

    predicted(tmp_path / "x.npz", f"output='{tmp_path / 'new' / 'x.csv'}'")
    with (tmp_path / "new" / "x.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    assert [row["index"] for row in written] == [str(i) for i in range(400)]
    assert [row["prediction"] for row in written] == expected[0]
    assert [float(row["confidence"]) for row in written] == pytest.approx(expected[1], abs=1e-5)


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("grey.png", Image.fromarray),
        ("colour.png", lambda x: Image.fromarray(np.stack([x] * 3, 2))),
        ("palette.gif", lambda x: Image.fromarray(x).convert("P")),
        ("deep.png", lambda x: Image.fromarray(x.astype(np.uint16) * 257)),
        ("deep.pgm", lambda x: Image.fromarray(x.astype(np.uint16) * 257)),
        ("float.tif", lambda x: Image.fromarray(x / np.float32(255))),
        ("opaque.png", lambda x: Image.fromarray(x).convert("RGBA")),
        # black on transparent, which becomes white
        ("ink.png", lambda x: Image.fromarray(np.stack([0 * x] * 3 + [255 - x], 2), "RGBA")),
        # white on transparent, which becomes black
        ("chalk.png", lambda x: Image.fromarray(np.stack([0 * x + 255] * 3 + [x // 4], 2), "RGBA")),
        ("ink.webp", lambda x: Image.fromarray(np.stack([0 * x] * 3 + [255 - x], 2), "RGBA")),
    ],
)
@pytest.mark.filterwarnings("ignore:'mode' parameter:DeprecationWarning")
def test_an_image_is_read_equally_from_every_format(
    name: str, made: Callable[[np.ndarray], Image.Image], tmp_path: Path
) -> None:
    x = np.random.default_rng(0).integers(0, 256, (28, 28), dtype=np.uint8)
    made(x).save(tmp_path / name, lossless=True)
    x = x // 4 if name == "chalk.png" else x
    np.testing.assert_allclose(read_grey(tmp_path / name), x / 255, atol=1e-6)


@pytest.mark.parametrize(("width", "height"), [(280, 140), (140, 280), (28, 14), (14, 28)])
def test_an_image_keeps_its_aspect_ratio(width: int, height: int, tmp_path: Path) -> None:
    """A square stays a square in the middle of a constant background."""
    side = min(width, height) * 4 // 7
    picture = np.full((height, width), 51, np.uint8)
    top, left = (height - side) // 2, (width - side) // 2
    picture[top : top + side, left : left + side] = 255
    Image.fromarray(picture).save(tmp_path / "x.png")
    read = fit_square(read_grey(tmp_path / "x.png"))
    assert read.shape == (28, 28)
    rows, columns = np.nonzero(read > 0.6)
    # 4/7 of the shorter side, which became 14 pixels
    assert rows.min() == columns.min() == 10
    assert rows.max() == columns.max() == 17
    np.testing.assert_allclose(read[[0, -1]], 0.2, atol=1e-6)
    np.testing.assert_allclose(read[:, [0, -1]], 0.2, atol=1e-6)


def test_exif_orientation_of_photographs_is_applied(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (28, 28), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # EXIF orientation: rotate clockwise
    Image.fromarray(x).save(tmp_path / "x.png", exif=exif)
    np.testing.assert_allclose(read_grey(tmp_path / "x.png"), np.rot90(x, -1) / 255, atol=1e-6)


def test_the_previews_in_photographs_of_phones_are_ignored(tmp_path: Path) -> None:
    photograph, preview = (Image.new("L", (28, 28), level) for level in (200, 50))
    photograph.save(tmp_path / "x.mpo", save_all=True, append_images=[preview])
    np.testing.assert_allclose(read_grey(tmp_path / "x.mpo"), 200 / 255, atol=0.01)


def test_light_on_dark_equals_a_loop() -> None:
    random = np.random.default_rng(0)
    images = random.random((200, 28, 28), np.float32)
    images[:, [0, -1]] += random.uniform(-0.5, 0.5, (200, 1, 1)).astype(np.float32)
    inverted = 0
    for before, after in zip(images, light_on_dark(images, "auto"), strict=True):
        border = [before[r, c] for r in range(28) for c in range(28) if {r, c} & {0, 27}]
        light = sum(border) / len(border) > 0.5
        np.testing.assert_array_equal(after, 1 - before if light else before)
        inverted += light
    assert 50 < inverted < 150, "nothing to tell apart"


def damaged_png(path: Path) -> None:
    whole = path.with_suffix(".whole")
    noise = np.random.default_rng(0).integers(0, 256, (28, 28), dtype=np.uint8)
    Image.fromarray(noise).save(whole, "png")
    path.write_bytes(whole.read_bytes()[:400])


X = np.zeros((3, 28, 28), np.uint8)
BAD: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "no file": ("x.png", lambda path: None, "no such file"),
    "no match": ("*.png", lambda path: None, "no file matches"),
    "folder without pictures": ("x", Path.mkdir, "no images in this folder"),
    "empty file": ("x.png", Path.touch, "is empty"),
    "text": ("x.png", lambda path: path.write_text("hello"), "unknown format"),
    "text without suffix": ("x", lambda path: path.write_text("hello"), "an idx file"),
    "truncated picture": ("x.png", damaged_png, "cannot be read as an image"),
    "float picture": (
        "x.tif",
        lambda path: Image.fromarray(np.full((28, 28), 3.5, np.float32)).save(path),
        "lie in [0, 1]",
    ),
    "pages": (
        "x.tif",
        lambda path: Image.fromarray(X[0]).save(
            path, save_all=True, append_images=[Image.fromarray(X[1])]
        ),
        "contains 2 frames; must contain one image",
    ),
    "truncated idx": ("x", lambda path: path.write_bytes(idx(X)[:-1]), "instead of 2,368"),
    "long idx": ("x", lambda path: path.write_bytes(idx(X) + b"x"), "instead of 2,368"),
    "header of idx": ("x", lambda path: path.write_bytes(idx(X)[:9]), "damaged"),
    "idx of labels": ("x", lambda path: path.write_bytes(idx(X[:, 0, 0])), "has the shape [3]"),
    "idx of other size": (
        "x",
        lambda path: path.write_bytes(idx(X[:, 1:])),
        "[3, 27, 28]; must be [images, 28, 28] or [images, 784]",
    ),
    "idx of floats": ("x", lambda path: path.write_bytes(idx(X, kind=13)), "not unsigned byte"),
    "idx of none": ("x", lambda path: path.write_bytes(idx(X[:0])), "[0, 28, 28]"),
    "gz of text": (
        "x.gz",
        lambda path: path.write_bytes(gzip.compress(b"hello")),
        "an idx file",
    ),
    "truncated gz": (
        "x.gz",
        lambda path: path.write_bytes(gzip.compress(idx(X))[:-9]),
        "damaged",
    ),
    "text as npz": ("x.npz", lambda path: path.write_text("hello"), "not an npz file"),
    "truncated npz": (
        "x.npz",
        lambda path: (save_npz(path, x=X), path.write_bytes(path.read_bytes()[:-30])),
        "damaged",
    ),
    "npz of two": (
        "x.npz",
        lambda path: save_npz(path, a=X, b=X),
        "contains a, b; must",
    ),
    "npz of none": ("x.npz", save_npz, "no arrays"),
    "npz of objects": ("x.npz", lambda path: save_npz(path, x=X.astype(object)), "damaged"),
    "npz of int64": (
        "x.npz",
        lambda path: save_npz(path, x=X.astype(int)),
        "contains int64; must",
    ),
    "npz of a number": ("x.npz", lambda path: save_npz(path, x=np.array(1.0)), "shape []"),
    "npz beyond 1": ("x.npz", lambda path: save_npz(path, x=X + 1.5), "outside [0, 1]"),
    "npz of nan": ("x.npz", lambda path: save_npz(path, x=X + np.nan), "outside [0, 1]"),
}


@pytest.mark.parametrize("case", BAD)
def test_invalid_files_are_reported(case: str, tmp_path: Path) -> None:
    name, make, reason = BAD[case]
    make(tmp_path / name)
    with pytest.raises(UserError) as caught:
        list(read_digits(str(tmp_path / name))[2])
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / name}: ")
    assert reason in message
    assert len(message.splitlines()) == 1


def test_one_invalid_file_prevents_the_output(
    tiny_mnist: Path, predicted: Predict, tmp_path: Path
) -> None:
    Image.fromarray(X[0]).save(tmp_path / "a.png")
    damaged_png(tmp_path / "b.png")
    with pytest.raises(UserError, match=r"b\.png: "):
        predicted(tmp_path, f"output='{tmp_path / 'out.csv'}'")
    assert not (tmp_path / "out.csv").exists()


# --- preprocessing ------------------------------------------------------------------------------


@pytest.fixture
def digit_file(tmp_path: Path) -> Path:
    """Return an image file of strokes that are not in the middle."""
    picture = np.full((200, 300), 200, np.uint8)
    picture[20:140, 40:60] = picture[70:90, 60:110] = 60
    Image.fromarray(picture).save(tmp_path / "one.png")
    return tmp_path / "one.png"


def test_image_files_have_the_preprocessing_of_mnist(
    digit_file: Path, predicted: Predict, tmp_path: Path
) -> None:
    """They are predicted as the array that the preprocessing returns; ``none`` only fits them."""
    grey = np.asarray(Image.open(digit_file), np.float32) / 255
    prepared, unprepared = tmp_path / "prepared.npz", tmp_path / "unprepared.npz"
    save_npz(prepared, x=preprocess(grey)[0][None])
    save_npz(unprepared, x=fit_square(grey)[None])
    with_it, without = predicted(prepared)[0], predicted(unprepared)[0]
    assert with_it.confidence != without.confidence
    for images, preprocessing, expected in [
        (digit_file, "auto", with_it),
        (digit_file, "mnist", with_it),
        (digit_file, "none", without),
        (unprepared, "auto", without),  # an array has had the preprocessing of its author
        (unprepared, "none", without),
    ]:
        [row] = predicted(images, f"preprocessing={preprocessing}")
        assert row[1:] == (expected.label, pytest.approx(expected.confidence, abs=1e-6), "")
    [row] = predicted(unprepared, "preprocessing=mnist")
    assert row.confidence != without.confidence


def test_only_digits_have_the_preprocessing_of_mnist() -> None:
    assert MNIST.mnist_preprocessing
    assert not FashionMNIST.mnist_preprocessing


@pytest.mark.parametrize("preprocessing", ["auto", "none"])
def test_an_image_without_a_digit_has_a_remark_in_the_table_and_the_file(
    preprocessing: str,
    digit_file: Path,
    predicted: Predict,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in (("blank", 255), ("full", 0)):
        Image.fromarray(np.full((40, 30), value, np.uint8)).save(tmp_path / f"{name}.png")
    option = f"preprocessing={preprocessing}"
    capsys.readouterr()
    blank, full, one = predicted(tmp_path, option)
    remark = "no digit: no ink on paper" if preprocessing == "auto" else "all pixels are equal"
    assert blank[1:] == full[1:] == (None, None, remark)
    assert one.label is not None
    assert one.remark == ""
    _, *lines = capsys.readouterr().out.splitlines()
    assert [line.rstrip().endswith(remark) for line in lines] == [True, True, False]

    predicted(tmp_path, option, f"output='{tmp_path / 'x.csv'}'")
    with (tmp_path / "x.csv").open(newline="") as file:
        first, _, last = csv.DictReader(file)
    assert first["prediction"] == first["confidence"] == ""
    assert first["remark"] == remark
    assert last["prediction"] == one.label
    assert last["remark"] == ""


def test_a_blank_image_in_an_array_has_a_remark(predicted: Predict, tmp_path: Path) -> None:
    save_npz(tmp_path / "x.npz", x=X)
    assert [row.label for row in predicted(tmp_path / "x.npz")] == [None] * 3
