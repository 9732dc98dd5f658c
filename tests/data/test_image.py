"""Images as data: reading, refusals, splits and training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow
from skimage import data as shipped
from skimage.metrics import structural_similarity

from mlp_lab.data.image import Image, axis, grid
from mlp_lab.errors import UserError
from mlp_lab.images import photographs as reader
from mlp_lab.images.photographs import SCIKIT_IMAGE_FILES, read_image
from mlp_lab.images.text import text_image
from mlp_lab.nn.hash_grid import HashGrid
from mlp_lab.nn.probes import count_parameters
from mlp_lab.runs.build import build_task
from mlp_lab.runs.evaluate import measure
from mlp_lab.runs.train import Training, fit_alone

CPU = torch.device("cpu")
random = np.random.default_rng(0)
COLOURS = random.integers(0, 256, (12, 16, 3), dtype=np.uint8)


def data(image: str = "text", size: int = 16, protocol: str = "fit", **other: Any) -> Image:
    common = {"batch_size": 10**9, "seed": 0, "limits": {"train": None, "validation": None}}
    settings = {"text_seed": 0, "crop": None, "grey": False} | other
    return Image(image=image, size=size, protocol=protocol, **settings, **common)


def saved(path: Path, pixels: np.ndarray, mode: str | None = None, **options: Any) -> str:
    image = Pillow.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path, **options)
    return str(path)


# --- files --------------------------------------------------------------------------------------


def test_the_central_square_is_read_unchanged(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", COLOURS)
    assert np.array_equal(read_image(path, 12, None, False), COLOURS[:, 2:14] / np.float32(255))
    assert np.array_equal(read_image(path, 6, 6, False), COLOURS[3:9, 5:11] / np.float32(255))


def test_images_are_downscaled_by_averaging(tmp_path: Path) -> None:
    # A linear ramp stays the same ramp, except near the margin.
    x, y = np.meshgrid(np.arange(60), np.arange(60))
    path = saved(tmp_path / "a.png", np.uint8(2 * x + y))
    actual = read_image(path, 20, None, True)[:, :, 0] * 255
    expected = np.float32(2 * x + y).reshape(20, 3, 20, 3).mean((1, 3))
    assert np.abs(actual - expected)[3:-3, 3:-3].max() < 0.05
    assert np.abs(actual - expected).max() < 2


def test_images_are_converted_between_grey_and_colour(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", COLOURS)
    luma = COLOURS[:, 2:14] @ np.array([0.299, 0.587, 0.114]) / 255
    assert np.abs(read_image(path, 12, None, True)[:, :, 0] - luma).max() < 1 / 255
    path = saved(tmp_path / "b.png", COLOURS[:, :, 0])
    actual = read_image(path, 12, None, False)
    assert actual.shape == (12, 12, 3)
    assert np.array_equal(actual[:, :, 1], COLOURS[:, 2:14, 0] / np.float32(255))


def test_sixteen_bit_images_keep_their_precision(tmp_path: Path) -> None:
    pixels = random.integers(0, 65_536, (4, 4), dtype=np.uint16)
    path = saved(tmp_path / "a.png", pixels)
    np.testing.assert_allclose(read_image(path, 4, None, True)[:, :, 0], pixels / 65_535, 1e-6)
    path = saved(tmp_path / "a.tif", pixels / np.float32(65_535))
    np.testing.assert_allclose(read_image(path, 4, None, False)[:, :, 2], pixels / 65_535, 1e-6)


def test_transparent_pixels_are_white(tmp_path: Path) -> None:
    pixels = np.dstack([COLOURS[:4, :4], np.uint8(255 * (np.eye(4) > 0))])
    actual = read_image(saved(tmp_path / "a.png", pixels), 4, None, False)
    expected = np.where(np.eye(4)[:, :, None] > 0, COLOURS[:4, :4] / 255, 1)
    np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_cmyk_is_read_as_rgb(tmp_path: Path) -> None:
    plain = np.full((8, 8, 3), (200, 100, 50), np.uint8)
    path = saved(tmp_path / "a.tif", plain, "CMYK")
    assert np.abs(read_image(path, 8, None, False) - plain / 255).max() < 2 / 255


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    exif = Pillow.Exif()
    exif[274] = 6  # a quarter turn clockwise
    path = saved(tmp_path / "a.png", COLOURS[:4, :4], exif=exif)
    expected = np.rot90(COLOURS[:4, :4], -1) / np.float32(255)
    assert np.array_equal(read_image(path, 4, None, False), expected)


@pytest.mark.parametrize("name", ["astronaut", "cat", "coffee", "rocket", "camera", "retina"])
def test_named_images_equal_scikit_images(name: str) -> None:
    pixels = getattr(shipped, name)()
    pixels = pixels if pixels.ndim == 3 else np.stack([pixels] * 3, 2)
    side = min(pixels.shape[:2])
    top, left = ((length - side) // 2 for length in pixels.shape[:2])
    expected = pixels[top : top + side, left : left + side] / np.float32(255)
    actual = read_image(name, side, None, False)
    # Two decoders of JPEG may differ by a level.
    assert np.abs(actual - expected).max() <= (1.01 / 255 if name in {"rocket", "retina"} else 0)


def test_all_named_images_exist() -> None:
    for name in SCIKIT_IMAGE_FILES:
        assert read_image(name, 8, None, True).shape == (8, 8, 1)


def refusal(path: object, size: int = 4, crop: int | None = None) -> str:
    with pytest.raises(UserError) as caught:
        read_image(str(path), size, crop, False)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_unreadable_files_are_reported(tmp_path: Path) -> None:
    assert refusal("nowhere.png").startswith(
        "data.image=nowhere.png: no such file; must be a file, one of astronaut, brick"
    )
    assert refusal(tmp_path).startswith(f"data.image={tmp_path}: no such file")
    path = tmp_path / "a.png"
    path.write_bytes(b"")
    assert refusal(path) == f"{path}: cannot be read as an image (unknown format)"
    path.write_text("no picture")
    assert refusal(path) == f"{path}: cannot be read as an image (unknown format)"
    noise = random.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole = Path(saved(path, noise)).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert refusal(path).startswith(f"{path}: cannot be read as an image (image file is truncated")
    path.write_bytes(whole[:100] + bytes(100) + whole[200:])
    assert refusal(path).startswith(f"{path}: cannot be read as an image (")


def test_animations_are_refused(tmp_path: Path) -> None:
    frames = [Pillow.fromarray(COLOURS), Pillow.fromarray(COLOURS[::-1].copy())]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert refusal(tmp_path / "a.gif").endswith("contains 2 frames; must contain one image")


def test_sizes_above_the_images_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", COLOURS)
    assert refusal(path, 13) == f"data.size=13: must be at most 12: {path} is 16 x 12 pixels"
    assert refusal(path, 9, 8) == "data.size=9: must be at most 8: data.crop=8"
    assert refusal(path, 4, 13) == f"data.crop=13: must be at most 12: {path} is 16 x 12 pixels"
    dot = saved(tmp_path / "b.png", COLOURS[:1, :1])
    assert refusal(dot, 2) == f"data.size=2: must be at most 1: {dot} is 1 x 1 pixels"


def test_too_large_images_are_refused_with_their_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    Pillow.new("1", (20_000, 6_000)).save(path)
    limit = Pillow.MAX_IMAGE_PIXELS
    assert refusal(path) == (
        f"{path}: 20,000 x 6,000 pixels need 0.4 GiB; must be at most 100,000,000 pixels:"
        " reduce its size first"
    )
    assert limit == Pillow.MAX_IMAGE_PIXELS
    # Images for which Pillow alone would warn are read without a warning.
    monkeypatch.setattr(Pillow, "MAX_IMAGE_PIXELS", 100)
    assert read_image(saved(path, COLOURS), 4, None, False).shape == (4, 4, 3)


def test_named_images_without_scikit_image_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "find_spec", lambda name: None)
    message = "data.image=cat: comes with scikit-image: pip install 'mlp-lab[images]'"
    assert refusal("cat") == message


# --- text ---------------------------------------------------------------------------------------


def test_a_text_image_is_a_function_of_its_seed() -> None:
    one, same, other = (text_image(64, seed, False) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert np.abs(one - other).max() > 0.5
    assert one.shape == (64, 64, 3)
    assert one.dtype == np.float32
    assert 0 <= one.min() < one.max() == 1
    assert text_image(64, 1, True).shape == (64, 64, 1)


def test_a_text_image_is_the_same_in_all_sizes() -> None:
    large, small = text_image(512, 3, True)[:, :, 0], text_image(128, 3, True)[:, :, 0]
    coarse = large.reshape(32, 16, 32, 16).mean((1, 3))
    assert np.corrcoef(coarse.ravel(), small.reshape(32, 4, 32, 4).mean((1, 3)).ravel())[0, 1] > 0.9


def test_text_images_have_the_published_variance() -> None:
    """A single colour reaches what raw coordinates do in table 1: 18.40 dB."""
    texts = [text_image(512, seed, False) for seed in range(32)]
    reached = [-10 * np.log10(((text - text.mean((0, 1))) ** 2).mean()) for text in texts]
    assert np.mean(reached) == pytest.approx(18.4, abs=0.5)


# --- splits -------------------------------------------------------------------------------------


@given(st.integers(2, 20), st.booleans())
def test_the_fit_protocol_trains_on_all_pixels(size: int, grey: bool) -> None:
    made = data(size=size, grey=grey)
    splits = made.read(CPU)
    for x, y in splits.values():
        assert x is splits["train"][0]
        assert x.dtype == y.dtype == torch.float32
        expected = [(j / size, i / size) for i in range(size) for j in range(size)]
        np.testing.assert_allclose(x, expected, atol=1e-7)
        assert y.shape == (size**2, 1 if grey else 3)
        assert np.array_equal(y.view(size, size, -1), made.target_image)


@given(st.integers(2, 20))
def test_the_upsample_protocol_trains_on_a_quarter_of_the_pixels(size: int) -> None:
    made = data(size=size, protocol="upsample")
    places: dict[str, set] = {}
    for split, (x, y) in made.read(CPU).items():
        columns, rows = (x * size).round().int().T.tolist()
        places[split] = set(zip(rows, columns, strict=True))
        assert np.array_equal(y, made.target_image[rows, columns])
    for split, (row, column) in {"train": (0, 0), "validation": (0, 1), "test": (1, 1)}.items():
        span = range(size)
        assert places[split] == {(i, j) for i in span[row::2] for j in span[column::2]}


@given(st.integers(6, 20), st.booleans())
def test_interpolations_use_the_training_pixels_only(size: int, grey: bool) -> None:
    made, other = (data(size=size, grey=grey, protocol="upsample") for _ in range(2))
    held_out = np.ones((size, size), bool)
    held_out[::2, ::2] = False
    other.target_image[held_out] = random.random()
    for name, image in made.interpolations.items():
        assert image.shape == made.target_image.shape
        np.testing.assert_allclose(image[::2, ::2], made.target_image[::2, ::2], atol=1e-5)
        assert np.array_equal(image, other.interpolations[name])
    assert data(size=size, grey=grey).interpolations == {}


def test_coordinates_equal_the_published_code() -> None:
    # Half as many points over the same interval are every second point.
    whole = torch.from_numpy(np.linspace(0, 1, 513)[:-1].astype(np.float32))
    half = torch.from_numpy(np.linspace(0, 1, 257)[:-1].astype(np.float32))
    assert torch.equal(axis(512), whole)
    assert torch.equal(axis(512)[::2], half)


def test_a_crop_of_text_is_refused() -> None:
    with pytest.raises(UserError, match=r"data\.crop=3: must be null for a text"):
        data(crop=3)


# --- in trainings -------------------------------------------------------------------------------


@pytest.fixture
def small(compose: Callable, tmp_path: Path) -> Callable[..., Training]:
    """``small("encoding=basic", ...)``: return a short training on a small image."""
    common = ["data.size=16", "data.passes=20", "trainer.max_epochs=2", "trainer.accelerator=cpu"]
    common += ["schedule=constant", "logger=none", "network.width=32"]
    common = [*common, f"logs='{tmp_path}'"]
    return lambda *overrides: Training.new(compose("experiment=image_hw", *common, *overrides))


def test_the_lectures_network(compose: Callable) -> None:
    for name in ("image_hw", "image_tancik", "image_best"):
        _, task = build_task(compose(f"experiment={name}"))
        shapes = [tuple(p.shape) for p in task.network.parameters() if p.ndim == 2]
        assert shapes == [(256, 512), (256, 256), (256, 256), (3, 256)]
        assert count_parameters(task.network) == 263_683


def test_the_finest_grid_has_a_vertex_at_each_training_pixel(compose: Callable) -> None:
    made, task = build_task(compose("experiment=image_grid", "data.image=text"))
    x, _ = made.read(CPU)["train"]
    encoding = next(m for m in task.network.modules() if isinstance(m, HashGrid))
    assert torch.equal((x * encoding.resolutions[-1]).frac(), torch.zeros_like(x))
    assert encoding.resolutions.flatten().tolist() == [32, 64, 128, 256]
    assert count_parameters(task.network) == 4 * (33**2 + 65**2 + 129**2 + 257**2) + 1283


def test_a_run_measures_psnr_on_each_split(small: Callable[..., Training]) -> None:
    training = small("data.image=text", "data.protocol=upsample", "trainer.max_epochs=1")
    result = fit_alone(training, test=True)
    made = training.data
    assert isinstance(made, Image)
    with torch.no_grad():
        values = torch.sigmoid(training.task(grid(axis(16), axis(16)))).view(16, 16, 3).numpy()
    error = (values - made.target_image) ** 2
    assert result.best is not None
    for actual, part in (
        (result.best["psnr/validation"], error[::2, 1::2]),
        (result.evaluations[0].metrics["psnr"], error[1::2, 1::2]),
    ):
        assert actual == pytest.approx(-10 * np.log10(part.mean()), abs=1e-3)
    for name, image in made.interpolations.items():
        part = ((image - made.target_image) ** 2)[1::2, 1::2]
        actual = result.evaluations[0].metrics[f"psnr_{name}"]
        assert actual == pytest.approx(-10 * np.log10(part.mean()), abs=1e-3)


@pytest.mark.parametrize(("protocol", "first"), [("fit", 0), ("upsample", 1)])
def test_a_split_is_evaluated_as_an_image(
    protocol: str, first: int, small: Callable[..., Training]
) -> None:
    overrides = ["data.image=text", f"data.protocol={protocol}", "data.size=24", "callbacks=none"]
    training = small(*overrides, "trainer.max_epochs=1")
    [test] = fit_alone(training, test=True).evaluations
    made = training.data
    assert isinstance(made, Image)
    part = (slice(first, None, 1 + first),) * 2
    with torch.no_grad():
        values = torch.sigmoid(training.task(grid(axis(24), axis(24)))).view(24, 24, 3).numpy()
    expected = structural_similarity(
        values[part], made.target_image[part], channel_axis=2, data_range=1.0,
        gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
    )  # fmt: skip
    assert test.metrics["ssim"] == pytest.approx(expected, abs=1e-4)
    entry, *_ = measure(training.run, "test", "best")
    assert entry.metrics == pytest.approx(test.metrics)


def test_ssim_is_omitted_for_small_splits(small: Callable[..., Training]) -> None:
    overrides = ["data.image=text", "data.protocol=upsample", "callbacks=none"]
    [test] = fit_alone(small(*overrides, "trainer.max_epochs=1"), test=True).evaluations
    assert "psnr" in test.metrics
    assert "ssim" not in test.metrics


@pytest.mark.parametrize("protocol", ["fit", "upsample"])
@given(size=st.integers(2, 40), beyond=st.floats(0.01, 1))
def test_a_frequency_above_nyquist_equals_its_alias(
    protocol: str, size: int, beyond: float
) -> None:
    made = data(size=size, protocol=protocol)
    x = np.arange(size)[made.target_parts["train"][1]] / size
    low, high = (np.cos(2 * np.pi * (made.nyquist + sign * beyond) * x) for sign in (-1, 1))
    np.testing.assert_allclose(low, high, atol=1e-9)
    alternating = (-1.0) ** np.arange(len(x))
    np.testing.assert_allclose(np.cos(2 * np.pi * made.nyquist * x), alternating, atol=1e-9)


@pytest.mark.parametrize(("sigma", "warned"), [(10, False), (1000, True)])
def test_far_too_high_frequencies_are_reported_once(
    sigma: int, warned: bool, small: Callable[..., Training]
) -> None:
    training = small("data.size=64", "data.passes=1", f"encoding.sigma={sigma}", "callbacks=none",
                     "data.image=text", "trainer.max_epochs=1")  # fmt: skip
    fit_alone(training, test=False)
    lines = [line for line in training.run.log.read_text().splitlines() if "Nyquist" in line]
    assert len(lines) == warned
    assert all(line.endswith("suitable: encoding.sigma up to 8") for line in lines)


def test_the_papers_experiments_select_the_last_epoch(compose: Callable, tmp_path: Path) -> None:
    overrides = ["data.image=text", "data.size=16", "data.passes=1", "trainer.max_epochs=3"]
    cfg = compose("experiment=image_tancik", *overrides, "logger=none", "callbacks=none",
                  "trainer.accelerator=cpu", "optimizer.lr=0.1", f"logs='{tmp_path}'")  # fmt: skip
    result = fit_alone(Training.new(cfg), test=False)
    assert result.best is not None
    assert result.best["epoch"] == 3


def test_encodings_improve_the_fit(small: Callable[..., Training]) -> None:
    reached = {
        name: fit_alone(small("data.image=coffee", f"encoding={name}", *overrides), test=False).best
        for name, overrides in (("gaussian", ["encoding.sigma=3"]), ("identity", []))
    }
    assert reached["gaussian"] is not None
    assert reached["identity"] is not None
    assert reached["gaussian"]["psnr/validation"] > reached["identity"]["psnr/validation"] + 3


def test_a_missing_image_leaves_no_run_folder(
    small: Callable[..., Training], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"data\.image=/.*/nowhere\.png: no such file"):
        small("data.image=nowhere.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("shape", "crop", "remark"),
    [
        ((12, 16), None, "of its 16 x 12 pixels, the central 12 x 12 are used (data.crop)"),
        ((16, 12), None, "of its 12 x 16 pixels, the central 12 x 12 are used (data.crop)"),
        ((16, 12), 8, None),
        ((12, 12), None, None),
    ],
)
def test_an_image_that_is_not_square_gives_a_warning(
    shape: tuple[int, int], crop: int | None, remark: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "a.png"
    saved(path, np.zeros((*shape, 3), np.uint8))
    warnings = data(image=str(path), crop=crop, size=4).warnings()
    assert list(warnings) == ([] if remark is None else [f"{path}: {remark}"])
    assert not data().warnings()  # a text
