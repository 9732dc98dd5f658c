"""Fixtures for tests of single runs."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers import Evaluate, Experiment
from omegaconf import DictConfig

from mlp_lab.runs import evaluate as evaluation
from mlp_lab.runs.evaluate import evaluate
from mlp_lab.runs.train import train


@pytest.fixture
def short(mnist_config: Callable[..., DictConfig]) -> Callable[..., DictConfig]:
    """``short("network.width=3", ...)``: return the config of three epochs without figures."""
    common = ["trainer.max_epochs=3", "data.batch_size=30", "callbacks=none"]
    return lambda *overrides: mnist_config(*common, *overrides)


@pytest.fixture
def experiment(short: Callable[..., DictConfig]) -> Experiment:
    """``experiment("network.width=3", ...)``: train for three epochs."""
    return lambda *overrides: train(short(*overrides), overrides)


@pytest.fixture
def folder(run_folder: Path, tmp_path: Path, tiny_mnist: Path) -> Path:
    """Return a run with many errors, other ones in each checkpoint; ``best`` is the first epoch.

    The network of ``run_folder`` itself makes no errors, and its best epoch is its last.
    """
    copy = shutil.copytree(run_folder, tmp_path / "run")
    for seed, which in enumerate(("best", "last")):
        path = copy / "checkpoints" / f"{which}.ckpt"
        content = torch.load(path, weights_only=True)
        weight = content["state_dict"]["network.2.weight"]
        weight += 0.3 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(seed))
        if which == "best":
            del content["callbacks"]["EpochCheckpoint"]["history"][1:]
        torch.save(content, path)
    return copy


@pytest.fixture
def without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the figures, which take most of the time of an evaluation."""
    monkeypatch.setattr(evaluation, "_report", lambda *_: None)


@pytest.fixture
def evaluated(compose: Callable[..., DictConfig]) -> Evaluate:
    """``evaluated(folder, "split=train", ...)``: evaluate a run and return the evaluation."""
    return lambda folder, *rest: evaluate(compose(f"run='{folder}'", *rest, root="evaluate"))
