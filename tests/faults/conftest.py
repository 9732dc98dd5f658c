"""Fixtures for tests with damaged and hostile files and wrong command lines."""

import shutil
from pathlib import Path

import pytest
from helpers import composed

from mlp_lab.runs.train import train

OVERRIDES = ["experiment=curve_fit", "callbacks=none", "trainer.accelerator=cpu"]


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished run of two epochs on a curve, which tests must copy."""
    logs = tmp_path_factory.mktemp("logs")
    overrides = [*OVERRIDES, "trainer.max_epochs=2", f"logs='{logs}'"]
    return Path(train(composed(*overrides), overrides).folder)


@pytest.fixture
def run_copy(finished_run: Path, tmp_path: Path) -> Path:
    """Return a copy of ``finished_run`` that a test may change."""
    return shutil.copytree(finished_run, tmp_path / "run")
