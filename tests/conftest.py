"""Settings of the test suite, and fixtures that several test modules use."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is loaded, hence before all imports

import hashlib
import json
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from helpers import SCRIPT, Start, TinyFiles, accepted, composed
from omegaconf import DictConfig

hypothesis.settings.register_profile("mlp_lab", deadline=None, max_examples=50)
hypothesis.settings.load_profile("mlp_lab")


@pytest.fixture
def compose() -> Callable[..., DictConfig]:
    """``compose("network.width=3", ...)``: the checked config; ``root=`` names the command."""
    return composed


@pytest.fixture(scope="session")
def tiny_files(tmp_path_factory: pytest.TempPathFactory) -> TinyFiles:
    """Ten noisy patterns in the layout and format of MNIST; a twentieth is labelled at random."""
    root = tmp_path_factory.mktemp("data")
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    random = np.random.default_rng(0)
    patterns = random.integers(0, 2, (10, 28, 28)) * 128
    md5 = {}
    for prefix, size in (("train", 2_000), ("t10k", 400)):
        labels = random.permutation(size) % 10
        images = patterns[labels] + random.integers(0, 128, (size, 28, 28))
        labels = np.where(random.random(size) < 0.05, random.integers(0, 10, size), labels)
        contents = {
            "images-idx3": struct.pack(">4i", 0x0803, size, 28, 28) + images.astype("u1").tobytes(),
            "labels-idx1": struct.pack(">2i", 0x0801, size) + labels.astype("u1").tobytes(),
        }
        for name, content in contents.items():
            (raw / f"{prefix}-{name}-ubyte").write_bytes(content)
            md5[f"{prefix}-{name}-ubyte"] = hashlib.md5(content).hexdigest()
    return TinyFiles(root, md5)


@pytest.fixture
def tiny_mnist(tiny_files: TinyFiles) -> Iterator[Path]:
    """A ``data.root`` with a small MNIST: 1,600 to train, 400 to validate, 400 to test."""
    with accepted(tiny_files):
        yield tiny_files.root


@pytest.fixture(scope="session")
def run_folder(tiny_files: TinyFiles, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of two epochs, of 100 minibatches each, on the small MNIST.

    Look, but copy before you change something. What reads its data needs ``tiny_mnist`` as well.
    """
    from mlp_lab.runs.train import train

    overrides = [
        "experiment=mnist_hw4",
        "data.batch_size=16",
        "trainer.max_epochs=2",
        "trainer.accelerator=cpu",
        f"data.root='{tiny_files.root}'",
        f"logs='{tmp_path_factory.mktemp('logs')}'",
    ]
    with accepted(tiny_files):
        result = train(composed(*overrides), overrides)
    assert result.status == "finished"
    return Path(result.folder)


@pytest.fixture
def start(tiny_files: TinyFiles, tmp_path: Path) -> Start:
    """``start("network.width=3", ...)``: a training process on the small MNIST."""

    def run(*overrides: str, **options: object) -> subprocess.Popen:
        common = [f"data.root='{tiny_files.root}'", f"logs='{tmp_path}'", "trainer.accelerator=cpu"]
        if overrides[0].startswith("resume="):
            common = []  # the run's own config says it all
        return subprocess.Popen(
            [sys.executable, SCRIPT, *overrides, *common],
            env=os.environ | {"TINY_MD5": json.dumps(tiny_files.md5)},
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options,
        )

    return run
