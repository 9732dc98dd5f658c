"""One digit in many variants, drawn before a training with augmentation."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mlp_lab.figures import image_grid
from mlp_lab.runs.train import resume, train
from mlp_lab.storage.checkpoints import read_checkpoint
from mlp_lab.storage.run_folder import RunFolder

Drawn = list[tuple[np.ndarray, list[str]]]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Drawn:
    """The pictures and captions of each figure."""
    found: Drawn = []
    real = image_grid.image_grid

    def examples(images: np.ndarray, captions: list[str], columns: int = 8) -> object:
        found.append((images, captions))
        return real(images, captions, columns)

    monkeypatch.setattr(image_grid, "image_grid", examples)
    return found


@pytest.fixture
def cfg(mnist_config: Callable) -> Callable[..., Any]:
    """``cfg("seed=1", ...)``: a config of one step with five variants."""
    usual = ["trainer.max_epochs=1", "trainer.limit_train_batches=1"]
    usual += [
        "callbacks=augmented_examples",
        "augmentation=affine_elastic",
        "callbacks.augmented_examples.count=5",
    ]
    usual += ["callbacks.loss_curves=null", "callbacks.weights=null"]
    return lambda *words: mnist_config(*usual, *words)


def test_the_digit_and_its_variants(drawn: Drawn, cfg: Callable, tiny_mnist: Path) -> None:
    for words in (["seed=1"], ["seed=1", "data.standardize=false"], ["seed=2"]):
        result = train(cfg(*words))
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


def test_the_training_does_not_notice(cfg: Callable) -> None:
    with_it, without = (
        read_checkpoint(RunFolder(train(cfg(*words)).folder).checkpoint("last"))["state_dict"]
        for words in ([], ["callbacks.augmented_examples=null"])
    )
    assert all(torch.equal(without[name], value) for name, value in with_it.items())


def test_drawn_once_and_only_where_there_is_an_augmentation(drawn: Drawn, cfg: Callable) -> None:
    train(cfg("augmentation=none"))
    assert not drawn
    result = train(cfg())
    resume(result.folder, {"trainer.max_epochs": 2})
    assert len(drawn) == 1
