import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image, ImageDraw

from mlp_lab.images.mnist_preprocessing import preprocess

SIX = [(0.75, 0.0), (0.3, 0.35), (0.1, 0.7), (0.25, 1.0), (0.6, 0.95), (0.65, 0.7), (0.2, 0.65)]
BAR_OF_FIVE = [(0.15, 0.0), (0.75, 0.0)]
REST_OF_FIVE = [(0.15, 0.25), (0.6, 0.35), (0.65, 0.8), (0.3, 1.0), (0.0, 0.9)]


def drawn(*lines: list[tuple[float, float]], height: int = 200, margin: int = 40) -> np.ndarray:
    """Return the ink of broad lines, float32 in [0, 1]."""
    pen = height // 8
    size = (round(0.75 * height) + pen + 2 * margin, height + pen + 2 * margin)
    image = Image.new("L", size)
    draw = ImageDraw.Draw(image)
    for line in lines:
        points = [(margin + pen / 2 + height * x, margin + pen / 2 + height * y) for x, y in line]
        draw.line(points, fill=255, width=pen)
        for x, y in points:
            draw.ellipse((x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2), fill=255)
    return np.asarray(image, np.float32) / 255


def cropped(ink: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(ink.any(1))[0], np.nonzero(ink.any(0))[0]
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def photograph(ink: np.ndarray, paper: float, dark: float, noise: float) -> np.ndarray:
    """Return dark ink on paper that is lit from one corner, with normal noise."""
    y, x = np.linspace(-1, 1, ink.shape[0])[:, None], np.linspace(-1, 1, ink.shape[1])
    light = 1 + 0.05 * x + 0.1 * y
    random = np.random.default_rng(0).normal(0, noise, ink.shape)
    return (light * (paper + (dark - paper) * ink) + random).clip(0, 1).astype(np.float32)


def in_corner(ink: np.ndarray) -> np.ndarray:
    return np.pad(ink, ((300, 10), (20, 500)))


def read(image: np.ndarray, invert: str = "auto") -> np.ndarray:
    digit, remark = preprocess(image.astype(np.float32), invert=invert)
    assert remark == ""
    assert digit.dtype == np.float32
    return digit


def by_definition(ink: np.ndarray) -> np.ndarray:
    """Return LeCun's preprocessing of clean ink, with means over squares instead of a filter."""
    whole = cropped(ink)
    factor = 20 / max(whole.shape)
    height, width = (round(n * factor) for n in whole.shape)
    small = np.asarray(Image.fromarray(whole).resize((width, height), Image.Resampling.BOX))
    y, x = np.indices(small.shape)
    top, left = (round(14 - float((axis * small).sum() / small.sum())) for axis in (y, x))
    digit = np.zeros((28, 28))
    digit[top : top + height, left : left + width] = small
    return digit


def centre_of_mass(digit: np.ndarray) -> list[float]:
    """Return the mean row and column of the ink."""
    return [(index * digit).sum() / digit.sum() for index in np.indices(digit.shape)]


VARIANTS = {
    "light on dark": lambda ink: ink,
    "dark on light": lambda ink: 1 - ink,
    "small": lambda ink: 1 - drawn(SIX, height=60),
    "tightly cropped": lambda ink: 1 - cropped(ink),
    "in a corner of large paper": lambda ink: 1 - in_corner(ink),
    "on grey paper": lambda ink: 0.6 - 0.3 * ink,
    "chalk": lambda ink: 0.3 + 0.3 * ink,
    "photograph": lambda ink: photograph(ink, 0.7, 0.2, 0.03),
    "noisy photograph": lambda ink: photograph(ink, 0.8, 0.2, 0.1),
    "dark photograph": lambda ink: photograph(ink, 0.35, 0.1, 0.02),
    "pale ink in a corner": lambda ink: photograph(in_corner(ink), 0.8, 0.5, 0.03),
    "specks": lambda ink: 1 - np.maximum(ink, np.pad(np.ones((3, 3)), ((5, ink.shape[0] - 8),
                                                                       (5, ink.shape[1] - 8)))),
}  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_digit_on_any_paper_becomes_as_by_definition(variant: str) -> None:
    ink = drawn(SIX)
    expected = by_definition(ink)
    assert expected.max() > 0.99
    digit = read(VARIANTS[variant](ink))
    assert all(13.5 <= mean <= 14.5 for mean in centre_of_mass(digit))
    # The rounding to whole pixels may differ if the centre of mass is near half a pixel.
    moved = [np.roll(digit, move, (0, 1)) for move in ((0, 0), (-1, 0), (1, 0))]
    assert min(np.abs(each - expected).mean() for each in moved) < 0.025
    # The shift of a pixel, or another size, has a much larger difference.
    assert np.abs(np.roll(expected, 1, 0) - expected).mean() > 0.05


@pytest.mark.parametrize("turned", [False, True])
def test_box_centre_and_contrast(turned: bool) -> None:
    ink = drawn(SIX, height=300)
    digit = read(1 - (ink.T if turned else ink))
    inked = cropped(np.where(digit > 0.1, digit, 0))
    height, width = cropped(ink).shape
    expected = (20, round(20 * width / height))
    assert inked.shape == (expected[::-1] if turned else expected)
    assert all(13.5 <= mean <= 14.5 for mean in centre_of_mass(digit))
    assert digit.max() == 1
    assert np.quantile(digit, 0.5) == 0


def test_a_digit_as_in_mnist_hardly_changes() -> None:
    digit = by_definition(drawn(SIX)).astype(np.float32)
    digit[digit < 0.25] = 0  # these pixels may be outside of the bounding box
    for image in (digit, 1 - digit):
        assert np.abs(read(image) - digit).max() < 0.04


def test_invert_replaces_the_detection() -> None:
    """A ring of ink that fills the border looks like paper with a hole."""
    ring = np.pad(np.zeros((44, 44), np.float32), 22, constant_values=1)
    for image, invert in ((1 - ring, "yes"), (ring, "no")):
        digit = read(image, invert)
        assert digit[14, 14] == 0
        assert digit[5, 14] > 0.9
    assert "filled with ink" in preprocess(ring, invert="yes")[1]


def test_parts_of_one_digit_remain() -> None:
    digit = read(1 - drawn(BAR_OF_FIVE, REST_OF_FIVE))
    inked = np.where(digit > 0.1, digit, 0)
    assert cropped(inked).shape[0] == 20
    assert (inked.sum(1)[4:24] == 0).any(), "the gap below the bar"


def noisy(level: float, noise: float, side: int = 200) -> np.ndarray:
    return photograph(np.zeros((side, side), np.float32), level, 0, noise)


WITHOUT_DIGIT = {
    "black": (np.zeros((28, 28)), "no digit"),
    "white": (np.ones((200, 150)), "no digit"),
    "grey": (np.full((1, 1), 0.5), "no digit"),
    "lit paper": (noisy(0.7, 0), "no digit"),
    "dark paper": (noisy(0.1, 0.01), "no digit"),
    "noisy paper": (noisy(0.7, 0.05), "no digit"),
    "noise": (np.random.default_rng(0).random((280, 280)), "no digit"),
    "small noise": (np.random.default_rng(0).random((28, 28)), "no digit"),
    "filled with ink": (np.pad(np.ones((100, 90)), 90), "filled with ink"),
    "side by side": (1 - np.tile(drawn(SIX), (1, 2)), "several digits"),
    "three": (np.tile(drawn(SIX), (1, 3)), "several digits"),
    "one above the other": (1 - np.tile(drawn(SIX), (2, 1)), "several digits"),
}


@pytest.mark.parametrize("case", WITHOUT_DIGIT)
def test_images_without_a_single_digit_have_a_remark(case: str) -> None:
    image, reason = WITHOUT_DIGIT[case]
    digit, remark = preprocess(image.astype(np.float32))
    assert reason in remark
    assert len(remark.splitlines()) == 1
    np.testing.assert_array_equal(digit, np.zeros((28, 28)))


@given(arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=40),
              elements=st.floats(0, 1, width=32)))  # fmt: skip
def test_any_image_has_a_digit_or_a_remark(image: np.ndarray) -> None:
    digit, remark = preprocess(image)
    assert digit.shape == (28, 28)
    assert (digit.max() == 0) if remark else (digit.min() >= 0 and digit.max() == 1)


def test_ruled_paper_is_no_error() -> None:
    ruled = 1 - drawn(SIX)
    ruled[::20] = 0.6
    preprocess(ruled)
