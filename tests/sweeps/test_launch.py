"""How a sweep is planned, numbered and started; the training is replaced by a stub."""

import math
import os
from pathlib import Path
from unittest.mock import Mock

import hydra
import pytest
from helpers import composed, forks, set_cores, start_sweep
from launch_helpers import TrainingStub, sweep_folder
from omegaconf import DictConfig

from mlp_lab.config.check import check
from mlp_lab.config.compose import CONFIG_FOLDER
from mlp_lab.storage.sweep_folder import SweepFolder
from mlp_lab.sweeps import planning
from mlp_lab.sweeps.job_runner import JobRunner
from mlp_lab.sweeps.overrides import grid_axes


def test_all_jobs_are_trained_in_one_call(
    training_stub: TrainingStub, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    axes = Mock(wraps=grid_axes)
    monkeypatch.setattr(planning, "grid_axes", axes)
    assert start_sweep(["optimizer.lr=0.1,0.2", "seed=0,1", "network.width=8"])
    assert training_stub.names == [
        ["0_lr=0.1,seed=0", "1_lr=0.1,seed=1", "2_lr=0.2,seed=0", "3_lr=0.2,seed=1"]
    ]
    assert training_stub.calls[0][1][1] == ["optimizer.lr=0.1", "seed=1", "network.width=8"]
    out, err = capsys.readouterr()
    assert (out, err) == (f"\nthe answer of {sweep_folder().absolute()}\n", "")  # fmt: skip
    assert axes.call_count == 1  # planned once


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        (["seed=0,1", "experiment=parity"], "parity"),
        (["sweep=perceptron_limits"], "perceptron_limits"),
        (["experiment=parity,curve_fit"], "experiments"),
        (["sweep=perceptron_limits", "experiment=parity"], "parity"),
    ],
)
def test_a_sweep_over_experiments_has_the_name_of_the_sweep(
    overrides: list[str], name: str, training_stub: TrainingStub
) -> None:
    overrides += ["data=points"] if "sweep=perceptron_limits" in overrides else []
    assert planning.plan(overrides).name == name


@pytest.mark.parametrize(
    ("overrides", "batches"),
    [
        (["hydra/launcher=basic"], [["0_seed=5"], ["1_seed=6"], ["2_seed=7"]]),
        (["hydra.sweeper.max_batch_size=2"], [["0_seed=5", "1_seed=6"], ["2_seed=7"]]),
    ],
)
def test_job_numbers_continue_across_batches(
    overrides: list[str], batches: list[list[str]], training_stub: TrainingStub
) -> None:
    assert start_sweep(["seed=5,6,7", *overrides])
    assert training_stub.names == batches


def test_zipped_keys_vary_together(training_stub: TrainingStub) -> None:
    zipped = "sweep.zip=[network.width,optimizer.lr]"
    overrides = [zipped, "network.width=16,64,256", "optimizer.lr=0.3,0.1,0.03", "seed=0,1"]
    assert start_sweep(overrides)
    pairs = [("16", "0.3"), ("64", "0.1"), ("256", "0.03")]
    labels = [f"width={width},lr={lr},seed={seed}" for width, lr in pairs for seed in (0, 1)]
    assert training_stub.names == [[f"{number}_{label}" for number, label in enumerate(labels)]]


def test_overrides_replace_axes_of_a_preset(training_stub: TrainingStub) -> None:
    assert start_sweep(["sweep=widths_and_depths", "network.depth=2"])
    assert training_stub.names == [["0_width=16", "1_width=64", "2_width=256"]]


def test_keys_of_a_swept_choice_can_be_set(training_stub: TrainingStub) -> None:
    assert start_sweep(["optimizer=adam,adamw", "++optimizer.betas=[0.8,0.9]"])
    assert training_stub.names == [["0_optimizer=adam", "1_optimizer=adamw"]]


def test_all_options_of_a_choice(training_stub: TrainingStub) -> None:
    names = sorted(path.stem for path in CONFIG_FOLDER.glob("optimizer/ad*.yaml"))
    assert {"adagrad", "adam", "adamw"} < set(names)
    assert start_sweep(["optimizer=glob(ad*)"])
    assert training_stub.names == [[f"{i}_optimizer={name}" for i, name in enumerate(names)]]


@forks
@pytest.mark.parametrize(
    ("overrides", "variables", "processes"),
    [
        ([], {}, 2),
        pytest.param([], {"OMP_NUM_THREADS": "1"}, 2, marks=pytest.mark.slow),
        ([], {"OMP_NUM_THREADS": "2"}, 1),
        pytest.param([], {"OMP_NUM_THREADS": ""}, 2, marks=pytest.mark.slow),
        pytest.param([], {"OMP_NUM_THREADS": "1,1"}, 2, marks=pytest.mark.slow),
        (["hydra.sweeper.max_batch_size=2"], {}, 1),  # of the second batch, which has one job
        (["threads=1"], {"OMP_NUM_THREADS": "2"}, 2),
        pytest.param(["threads=2"], {}, 1, marks=pytest.mark.slow),
        pytest.param(
            ["hydra.launcher.processes=2"], {"OMP_NUM_THREADS": "2"}, 2, marks=pytest.mark.slow
        ),
        (["hydra.launcher.processes=9"], {}, 3),
        pytest.param(["hydra.launcher.processes=1"], {}, 1, marks=pytest.mark.slow),
        (["sweep.fail_fast=true"], {}, 1),
        pytest.param(["hydra/launcher=basic"], {}, 1, marks=pytest.mark.slow),
    ],
)
def test_processes_have_one_thread_each(
    overrides: list[str],
    variables: dict[str, str],
    processes: int,
    training_stub: TrainingStub,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "")  # known to monkeypatch, so that it is put back
    monkeypatch.delenv("OMP_NUM_THREADS")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    set_cores(monkeypatch, 2)
    assert start_sweep(["seed=range(3)", *overrides])
    assert training_stub.processes == processes
    if processes > 1:
        assert os.environ["OMP_NUM_THREADS"] == "1"


def test_hydra_composes_only_once_per_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    overrides = ["optimizer=sgd,adam", "optimizer.lr=0.1,1e-3", "network.widths=null,[3],[4,5]"]
    overrides += ["data.root=a,'b c'", "trainer.max_epochs=1"]
    first = ["optimizer=sgd", "optimizer.lr=0.1", "network.widths=null", "data.root=a"]
    others = [(0, "optimizer=adam"), (1, "optimizer.lr=1e-3"), (2, "network.widths=[3]")]
    others += [(2, "network.widths=[4,5]"), (3, "data.root='b c'")]
    jobs = [first, *([*first[:i], override, *first[i + 1 :]] for i, override in others)]
    expected = [composed(*job, "trainer.max_epochs=1") for job in jobs]

    checked: list[DictConfig] = []
    with monkeypatch.context() as patch:
        patch.setattr(planning, "check", lambda cfg, root: checked.append(check(cfg, root)) or cfg)
        compose = Mock(wraps=hydra.compose)
        patch.setattr(hydra, "compose", compose)
        planning.plan(overrides)
    assert [cfg for cfg in checked if "optimizer" in cfg] == expected
    assert compose.call_count == 3  # without what varies, then with sgd, then with adam


def test_values_may_need_options_of_the_swept_experiments(
    training_stub: TrainingStub,
) -> None:
    assert start_sweep(["experiment=perceptron,points_mlp", "data.set=xor", "seed=3"])
    expected = [f"{i}_experiment={name}" for i, name in enumerate(("perceptron", "points_mlp"))]
    assert training_stub.calls == [
        [(name, [name.partition("_")[2], "data.set=xor", "seed=3"]) for name in expected]
    ]


def test_a_job_returns_its_best_value(training_stub: TrainingStub, tmp_path: Path) -> None:
    sweep = SweepFolder.create(str(tmp_path), "fit", [], ["seed"])
    cfgs = [composed(f"select.metric={metric}") for metric in ("loss", "error", "accuracy")]
    values = JobRunner(sweep).train([(i, cfg, [f"seed={i}"]) for i, cfg in enumerate(cfgs, 4)])
    assert values[:2] == [14.0, 0.5]
    assert math.isnan(values[2])
