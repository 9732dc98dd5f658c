"""Errors of 200 test digits of MNIST as image files of many kinds.

``pytest -m 'slow and index' -n 0 -s tests/runs/test_digit_errors.py`` prints the table of
``mlp_lab/runs/README.md``.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers import composed
from PIL import Image

from mlp_lab.data.mnist import MNIST
from mlp_lab.formatting import markdown
from mlp_lab.runs.build import build
from mlp_lab.runs.predict import predict
from mlp_lab.runs.train import train

COUNT = 200
Kind = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def enlarged(digit: np.ndarray, height: int) -> np.ndarray:
    """Return the ink of a digit ``[28, 28]``, cropped to its bounding box, ``height`` high."""
    rows, columns = np.nonzero(digit.any(1))[0], np.nonzero(digit.any(0))[0]
    factor = height / (rows[-1] - rows[0] + 1)
    side = round(28 * factor)
    image = Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC)
    top, bottom = round(rows[0] * factor), round((rows[-1] + 1) * factor)
    left, right = round(columns[0] * factor), round((columns[-1] + 1) * factor)
    return np.asarray(image).clip(0, 1)[top:bottom, left:right]


def on_paper(
    digit: np.ndarray, height: int, random: np.random.Generator | None = None
) -> np.ndarray:
    """Return the ink of a digit on paper of 280 pixels, in the middle or anywhere."""
    ink = enlarged(digit, height)
    paper = np.zeros((280, max(280, ink.shape[1])), np.float32)
    free = np.subtract(paper.shape, ink.shape)
    top, left = free // 2 if random is None else random.integers(0, free + 1)
    paper[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return paper


def grey(
    ink: np.ndarray, paper: float, dark: float, noise: float, light: float, random
) -> np.ndarray:
    """Return dark ink on grey paper. The light varies by the share ``light`` over the image."""
    angle = random.uniform(0, 2 * np.pi)
    y, x = (np.linspace(-0.5, 0.5, n) for n in ink.shape)
    lit = 1 + light * (np.sin(angle) * y[:, None] + np.cos(angle) * x)
    return lit * (paper + (dark - paper) * ink) + random.normal(0, noise, ink.shape)


KINDS: dict[str, Kind] = {
    "28 x 28 pixels, as they are": lambda digit, random: digit,
    "the same, dark on light": lambda digit, random: 1 - digit,
    "200 px high, centred on 280 px paper": lambda digit, random: 1 - on_paper(digit, 200),
    "120 px high, centred on 280 px paper": lambda digit, random: 1 - on_paper(digit, 120),
    "200 px high, tightly cropped": lambda digit, random: 1 - enlarged(digit, 200),
    "120 px high, anywhere on the paper": lambda digit, random: 1 - on_paper(digit, 120, random),
    "the same, light on dark": lambda digit, random: on_paper(digit, 120, random),
    "grey level 50 on 180": lambda digit, random: grey(
        on_paper(digit, 120, random), 180 / 255, 50 / 255, 0, 0, random
    ),
    "50 on 180, noise 10, light 20 %": lambda digit, random: grey(
        on_paper(digit, 120, random), 180 / 255, 50 / 255, 10 / 255, 0.2, random
    ),
    "25 on 125, noise 10, light 30 %": lambda digit, random: grey(
        on_paper(digit, 120, random), 125 / 255, 25 / 255, 10 / 255, 0.3, random
    ),
    "100 on 150, noise 5, light 30 %": lambda digit, random: grey(
        on_paper(digit, 200), 150 / 255, 100 / 255, 5 / 255, 0.3, random
    ),
    "130 on 215, noise 25, light 20 %": lambda digit, random: grey(
        on_paper(digit, 200), 215 / 255, 130 / 255, 25 / 255, 0.2, random
    ),
}


def saved(folder: Path, kind: Kind, digits: np.ndarray) -> Path:
    """Write a PNG file of each digit; return the folder."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for place, digit in enumerate(digits):
        pixels = (255 * kind(digit, random)).round().clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{place:04}.png", compress_level=1)
    return folder


@pytest.mark.slow
@pytest.mark.index
def test_errors_of_digits_as_image_files(tmp_path: Path) -> None:
    cfg = composed(f"logs='{tmp_path}'", "trainer.max_epochs=10", "callbacks=none")
    run = train(cfg, []).folder
    data = build(cfg.data, seed=0, limits={"train": None, "validation": None})
    assert isinstance(data, MNIST)
    data.setup()
    inputs, targets = data.splits["test"]
    digits, labels = data.images(inputs[:COUNT]).numpy(), targets[:COUNT].tolist()

    def error(folder: Path, preprocessing: str) -> float:
        overrides = (f"run='{run}'", f"images='{folder}'", f"preprocessing={preprocessing}")
        rows = predict(composed(*overrides, f"output='{folder}.csv'", root="predict"))
        return np.mean([row.label != str(c) for row, c in zip(rows, labels, strict=True)])

    errors = {}
    for number, (name, kind) in enumerate(KINDS.items()):
        folder = saved(tmp_path / str(number), kind, digits)
        errors[name] = error(folder, "none"), error(folder, "auto")
    rows = [[name, *(f"{100 * e:.1f} %" for e in pair)] for name, pair in errors.items()]
    print(f"\n{markdown(['digits', 'none', 'mnist'], rows)}")
    original, _ = errors["28 x 28 pixels, as they are"]
    for name, (_, with_preprocessing) in errors.items():
        assert with_preprocessing <= original + 0.01, name
