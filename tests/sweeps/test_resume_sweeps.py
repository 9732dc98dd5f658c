"""Sweeps that are interrupted and resumed."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from helpers import Start, resume_sweep, start_sweep, wait_for
from launch_helpers import SEARCH, TrainingStub, summary_of, sweep_folder

from mlp_lab.errors import UserError
from mlp_lab.storage.sweep_folder import SweepFolder
from mlp_lab.sweeps import jobs, planning
from mlp_lab.sweeps import launch as sweeps
from mlp_lab.sweeps.comparison import answer


def test_an_interrupted_sweep_prints_the_command_to_resume(
    training_stub: TrainingStub, capsys: pytest.CaptureFixture
) -> None:
    training_stub.endings = {1: "interrupted"}
    with pytest.raises(KeyboardInterrupt):
        start_sweep(["seed=5,6,7", "hydra/launcher=basic"])
    assert training_stub.names == [["0_seed=5"], ["1_seed=6"]]
    out, err = capsys.readouterr()
    assert f"python scripts/train.py resume={sweep_folder().absolute()}\n" in out
    assert err == ""


def test_a_resumed_sweep_keeps_its_settings(
    training_stub: TrainingStub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = [
        "seed=5,6",
        "hydra/launcher=processes",
        "hydra.launcher.n_jobs=1",
        "data.root=here",
    ]
    monkeypatch.setattr(planning, "_check_plugins", lambda settings: None)
    monkeypatch.setattr(sweeps, "_launch", lambda *args: None)
    start_sweep(overrides)
    monkeypatch.undo()
    monkeypatch.setattr(jobs, "train_jobs", training_stub)
    monkeypatch.setattr(answer, "conclude", lambda folder, *_, **__: summary_of(folder, folder))
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    folder = sweep_folder(tmp_path / "logs")
    before = yaml.safe_load((folder / "sweep.yaml").read_text())
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert resume_sweep(f"../{folder.relative_to(tmp_path)}", ["hydra/launcher=basic", "threads=1"])
    assert training_stub.names == [["0_seed=5"], ["1_seed=6"]]
    assert training_stub.calls[0][0][1] == ["seed=5", "data.root=here", "threads=1"]
    assert {path.parent for path in folder.glob("*/result.json")} == {
        folder / "0_seed=5", folder / "1_seed=6",
    }  # fmt: skip
    assert training_stub.directory == str(tmp_path)  # which `here` is relative to
    assert os.getcwd() == str(elsewhere)
    assert yaml.safe_load((folder / "sweep.yaml").read_text()) == before


def test_batch_size_of_jobs_can_change_on_resume(training_stub: TrainingStub) -> None:
    start_sweep(["seed=5,6", "hydra.sweeper.max_batch_size=2"])
    resume_sweep(str(sweep_folder()), ["hydra.sweeper.max_batch_size=1"])
    assert training_stub.names == [["0_seed=5", "1_seed=6"], ["0_seed=5"], ["1_seed=6"]]


def test_fail_fast_can_change_on_resume(training_stub: TrainingStub) -> None:
    training_stub.endings = {0: "failed"}
    overrides = ["seed=5,6", "hydra/launcher=basic"]
    start_sweep([*overrides, "sweep.fail_fast=true"])
    resume_sweep(str(sweep_folder()), ["sweep.fail_fast=false"])
    assert training_stub.names == [["0_seed=5"], ["0_seed=5"], ["1_seed=6"]]


def test_a_search_can_be_resumed_with_more_trials(training_stub: TrainingStub) -> None:
    pytest.importorskip("optuna")
    start_sweep([*SEARCH, "hydra.sweeper.n_trials=3"])
    resume_sweep(str(sweep_folder()), ["hydra.sweeper.n_trials=6", "hydra.sweeper.n_jobs=2"])
    numbers = [[name.partition("_")[0] for name in batch] for batch in training_stub.names]
    assert numbers == [["0", "1", "2"], ["3", "4"], ["5"]]


def test_other_keys_cannot_change_on_resume(training_stub: TrainingStub) -> None:
    start_sweep(["seed=5"])
    for override in ("optimizer.lr=1", "seed=0,1", "hydra/sweeper=grid", "logs=x"):
        key = override.partition("=")[0]
        with pytest.raises(UserError, match=f"^{key}: can't be changed when a sweep is resumed"):
            resume_sweep(str(sweep_folder()), [override])
    for key in ("threads", "hydra.launcher.n_jobs", "sweep.fail_fast"):
        with pytest.raises(UserError, match=f"^{key}: can't vary in a sweep"):
            resume_sweep(str(sweep_folder()), [f"{key}=1,2"])
    assert training_stub.names == [["0"]]


def test_a_sweep_is_resumed_after_ctrl_c(start: Start, command: Callable, tmp_path: Path) -> None:
    overrides = ["hydra/launcher=basic", "network.width=8,9", "network.dropout=0.1"]
    process = start("-m", *overrides, "trainer.max_epochs=25", "callbacks=none", "logger=none")
    # The first job is done, the second has begun.
    wait_for("mnist_hw4/sweeps/*/1_width=9/checkpoints/last.ckpt", tmp_path, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    [sweep] = tmp_path.glob("mnist_hw4/sweeps/*")
    assert f"resume:  python scripts/train.py resume={sweep}" in out
    assert "Traceback" not in err
    status = [
        json.loads((run / "result.json").read_text())["status"] for run in sorted(sweep.glob("?_*"))
    ]
    assert status == ["finished", "interrupted"]
    first = (sweep / "0_width=8" / "checkpoints" / "last.ckpt").stat().st_mtime_ns

    for _ in range(2):  # the second time there is nothing left to do
        status, out, err = command(f"resume={sweep}")
        assert status == 0, err
        assert "chosen by validation loss" in out
        assert [run.folder.name for run in SweepFolder.open(sweep).runs()] == [
            "0_width=8",
            "1_width=9",
        ]
        assert {run.result.epochs for run in SweepFolder.open(sweep).runs()} == {25}
    assert (sweep / "0_width=8" / "checkpoints" / "last.ckpt").stat().st_mtime_ns == first


def test_config_dir_is_kept_on_resume(
    training_stub: TrainingStub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine" / "network").mkdir(parents=True)
    text = "_target_: mlp_lab.nn.mlp.MLP\ndefaults: [mlp]\nwidth: 5\n"
    (tmp_path / "mine" / "network" / "narrow.yaml").write_text(text)
    monkeypatch.setattr("sys.argv", ["train.py", "-m", "--config-dir=mine", "network=mlp,narrow"])
    from mlp_lab.commands.train import train

    monkeypatch.delenv("HYDRA_FULL_ERROR")
    train()
    monkeypatch.setattr("sys.argv", ["train.py", f"resume={sweep_folder()}"])
    train()
    assert training_stub.names == [["0_network=mlp", "1_network=narrow"]] * 2


def test_a_sweep_with_old_names_of_options_is_resumed(
    training_stub: TrainingStub, tmp_path: Path
) -> None:
    folder = tmp_path / "logs" / "fit" / "sweeps" / "old"
    old = folder / "0_optimizer=adam_fast,every=1"
    old.mkdir(parents=True)
    (old / "overrides.yaml").write_text("- optimizer=adam_fast\n- callbacks.pictures.every=1\n")
    content = {
        "words": ["optimizer=adam_fast,adam_slow", "callbacks=[default,pictures]",
                  "callbacks.pictures.every=1,2", "experiment=image_hw"],
        "varied": ["optimizer", "callbacks.pictures.every"],
        "started": "2026-11-27T10:00:00+01:00",
        "directory": str(tmp_path),
    }  # fmt: skip
    (folder / "sweep.yaml").write_text(yaml.safe_dump(content))
    assert resume_sweep(str(folder), [])
    names = [
        "1_optimizer=adam_lr_0_03,every=2",
        "2_optimizer=adam_lr_0_0003,every=1",
        "3_optimizer=adam_lr_0_0003,every=2",
    ]
    assert training_stub.names == [[old.name, *names]]
    assert {path.name for path in folder.glob("[0-9]*")} == {old.name, *names}
