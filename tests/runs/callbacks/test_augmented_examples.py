"""Figure of augmented variants of one digit, drawn before training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import assert_equal_weights
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mlp_lab.figures import image_grid
from mlp_lab.runs.train import resume, train

Drawn = list[tuple[np.ndarray, list[str]]]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Drawn:
    """Return the images and captions of each figure."""
    calls: Drawn = []
    real = image_grid.image_grid

    def examples(images: np.ndarray, captions: list[str], title: str, columns: int) -> object:
        calls.append((images, captions))
        return real(images, captions, title, columns)

    monkeypatch.setattr(image_grid, "image_grid", examples)
    return calls


@pytest.fixture
def augmented_config(mnist_config: Callable) -> Callable[..., Any]:
    """``augmented_config("seed=1", ...)``: return the config of one step with five variants."""
    common = ["trainer.max_epochs=1", "trainer.limit_train_batches=1"]
    common += [
        "callbacks=augmented_examples",
        "augmentation=affine_elastic",
        "callbacks.augmented_examples.count=5",
    ]
    common += ["callbacks.loss_curves=null", "callbacks.weights=null"]
    return lambda *overrides: mnist_config(*common, *overrides)


@pytest.mark.draws
def test_the_digit_and_its_variants(
    drawn: Drawn, augmented_config: Callable, tiny_mnist: Path
) -> None:
    for overrides in (["seed=1"], ["seed=1", "data.standardize=false"], ["seed=2"]):
        result = train(augmented_config(*overrides))
    raw = (tiny_mnist / "MNIST" / "raw" / "train-images-idx3-ubyte").read_bytes()
    first = np.frombuffer(raw, np.uint8, 784, offset=16).reshape(28, 28) / 255
    for images, captions in drawn:
        assert captions == ["original", "", "", "", "", ""]
        np.testing.assert_allclose(images[0], first, atol=1e-6)
        assert images.min() > -1e-6
        assert images.max() < 1 + 1e-6
        apart = np.abs(images[:, None] - images[None]).mean((2, 3)) + np.eye(6)
        assert apart.min() > 0.01, "two are the same"
    one, unit, other = (images for images, _ in drawn)
    np.testing.assert_allclose(one, unit, atol=1e-5)
    assert np.abs(one[1:] - other[1:]).mean() > 0.01
    assert (Path(result.folder) / "figures" / "variants.png").is_file()
    assert "variants" in EventAccumulator(result.folder).Reload().Tags()["images"]


def test_augmented_examples_do_not_change_the_training(augmented_config: Callable) -> None:
    with_it, without = (
        train(augmented_config(*overrides))
        for overrides in ([], ["callbacks.augmented_examples=null"])
    )
    assert_equal_weights(with_it, without)


@pytest.mark.draws
def test_augmented_examples_are_drawn_once_and_only_with_augmentation(
    drawn: Drawn, augmented_config: Callable
) -> None:
    train(augmented_config("augmentation=none"))
    assert not drawn
    result = train(augmented_config())
    resume(result.folder, {"trainer.max_epochs": 2})
    assert len(drawn) == 1


@pytest.mark.draws
def test_normalized_examples(drawn: Drawn, augmented_config: Callable, tiny_mnist: Path) -> None:
    train(augmented_config("augmentation=none", "data.normalize_width=9", "data.deslant=true"))
    [(images, captions)] = drawn
    assert captions[:2] + captions[7:10] == [
        "original", "width 10", "deslanted", "this run", "original",
    ]  # fmt: skip
    raw = (tiny_mnist / "MNIST" / "raw" / "train-images-idx3-ubyte").read_bytes()
    tenth = np.frombuffer(raw, np.uint8, 784, offset=16 + 9 * 784).reshape(28, 28) / 255
    np.testing.assert_allclose(images[-9], tenth, atol=1e-6)
    widths = [np.nonzero(image.any(0))[0] for image in images[-8:-2]]
    assert [width[-1] - width[0] + 1 for width in widths] == [10, 12, 14, 16, 18, 20]
