"""Denormal numbers are 0 in trainings, and only there."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers import composed, start_sweep

from mlp_lab.runs import train as runs_train
from mlp_lab.runs.denormals import denormals_as_zero
from mlp_lab.sweeps import group_trainer

TINY = ["experiment=points_mlp", "trainer.max_epochs=1", "callbacks=none", "logger=none"]


def denormal() -> float:
    """Return the double of a denormal number, which is 0 if those are treated as 0."""
    smallest = torch.tensor([1], dtype=torch.int32).view(torch.float32)
    return float(smallest * 2)


def test_the_mode_is_restored() -> None:
    assert denormal() > 0
    with denormals_as_zero():
        assert denormal() == 0
        with denormals_as_zero():
            assert denormal() == 0
        assert denormal() == 0
    assert denormal() > 0


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Values of ``denormal`` in the trainings of a test."""
    values: list[float] = []

    def recorded(fit: Callable) -> Callable:
        return lambda *arguments: values.append(denormal()) or fit(*arguments)

    for module in (runs_train, group_trainer):
        monkeypatch.setattr(module, "fit", recorded(module.fit))
    return values


def test_runs_train_with_denormals_as_zero(seen: list[float], tmp_path: Path) -> None:
    folder = runs_train.train(composed(*TINY, f"logs='{tmp_path}'")).folder
    runs_train.resume(folder, {"trainer.max_epochs": 2})
    assert seen == [0, 0]
    assert denormal() > 0


def test_sweeps_train_with_denormals_as_zero(
    seen: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert start_sweep([*TINY, "data.points_seed=0", "seed=0,1", "hydra/launcher=basic"])
    assert seen
    assert set(seen) == {0}
    assert denormal() > 0


def test_averages_of_gradients_that_stay_0_become_0() -> None:
    weights = torch.nn.Parameter(torch.ones(4))
    optimizer = torch.optim.AdamW([weights], betas=(0.5, 0.5))
    weights.grad = torch.ones(4)
    with denormals_as_zero():
        for step in range(200):
            optimizer.step()
            if step == 0:
                weights.grad.zero_()
    state = optimizer.state[weights]
    assert not state["exp_avg"].any()
    assert not state["exp_avg_sq"].any()
