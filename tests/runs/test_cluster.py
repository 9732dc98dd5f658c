"""Runs in the environments of clusters and torchrun."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import SCRIPT, weights
from omegaconf import DictConfig, OmegaConf

from mlp_lab.errors import UserError
from mlp_lab.runs.cluster import (
    FOLDER_VARIABLE,
    check_processes,
    shared_folder,
    without_cluster_variables,
)
from mlp_lab.runs.train import train

TORCHRUN = {"TORCHELASTIC_RUN_ID": "none", "RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2",
            "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}  # fmt: skip


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*TORCHRUN, FOLDER_VARIABLE, "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)


def trainer(devices: int) -> DictConfig:
    return OmegaConf.create({"devices": devices})


def with_variables(monkeypatch: pytest.MonkeyPatch, values: dict[str, str]) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    "name", ["RANK", "LOCAL_RANK", "SLURM_PROCID", "SLURM_NTASKS", "WORLD_SIZE", "NODE_RANK"]
)
def test_variables_of_other_programs_are_hidden(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "3")
    with without_cluster_variables():
        assert name not in os.environ
    assert os.environ[name] == "3"


@pytest.mark.parametrize("values", [TORCHRUN, {FOLDER_VARIABLE: "x", "LOCAL_RANK": "1"}])
def test_variables_of_distributed_runs_remain(
    values: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_variables(monkeypatch, values)
    with without_cluster_variables():
        assert {name: os.environ[name] for name in values} == values


def test_wrong_numbers_of_processes_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    check_processes(trainer(1))
    check_processes(trainer(2))
    check_processes(None)
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")
    check_processes(trainer(1))
    with pytest.raises(UserError, match="srun started 4 tasks, but the first one starts"):
        check_processes(trainer(2))
    with_variables(monkeypatch, TORCHRUN)
    check_processes(trainer(2))
    with pytest.raises(UserError, match=r"but trainer\.devices=3"):
        check_processes(trainer(3))
    with pytest.raises(UserError, match="torchrun started 2 processes, but a sweep needs one"):
        check_processes(None)


def test_started_processes_get_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, "before")
    assert shared_folder("logs/run") == "logs/run"
    assert shared_folder(None) == "logs/run"


@pytest.mark.slow
def test_torchrun_trains_the_network_of_one_process(compose: Callable, tmp_path: Path) -> None:
    overrides = ["experiment=points_mlp", "data.size=60", "trainer.max_epochs=2", "logger=none",
                 "callbacks=none", "trainer.accelerator=cpu"]  # fmt: skip
    alone = train(compose(*overrides, f"logs='{tmp_path}/alone'"))
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", SCRIPT]
    done = subprocess.run(
        [*command, *overrides, f"logs='{tmp_path}/torchrun'", "trainer=ddp"],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    [together] = tmp_path.glob("torchrun/points_mlp/*")
    for name, value in weights(alone).items():
        assert weights(together)[name].sub(value).abs().max() < 1e-5
