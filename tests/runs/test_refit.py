"""Training on the training and validation images together: data.refit=true."""

import csv
import itertools
import json
import math
import re
import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import assert_same_runs, single_spaced, start_sweep, weights

from mlp_lab.data.mnist import IdxImages
from mlp_lab.errors import UserError
from mlp_lab.runs import ensemble
from mlp_lab.runs.build import build, build_task
from mlp_lab.runs.evaluate import evaluate
from mlp_lab.runs.train import Training, fit_alone, resume, train
from mlp_lab.storage.checkpoints import read_checkpoint
from mlp_lab.storage.results import Status
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.sweeps.comparison import answer
from mlp_lab.sweeps.groups import Job
from mlp_lab.sweeps.jobs import train_jobs


@pytest.fixture
def refit_config(mnist_config: Callable) -> Callable[..., Any]:
    """``refit_config("network.width=3", ...)``: return the config of a short refit."""
    common = ["trainer.max_epochs=2", "data.batch_size=50", "seed=3", "data.refit=true"]
    return lambda *overrides: mnist_config(*common, *overrides)


def test_a_refit_trains_on_the_whole_file(refit_config: Callable, tiny_mnist: Path) -> None:
    splits = {}
    for refit in (True, False):
        data: IdxImages = build(refit_config(f"data.refit={refit}").data, seed=0, limits={})
        splits[refit] = data.read(torch.device("cpu"))
    assert list(splits[True]) == ["train", "test"]
    raw = (tiny_mnist / "MNIST" / "raw" / "train-labels-idx1-ubyte").read_bytes()
    np.testing.assert_array_equal(splits[True]["train"][1], np.frombuffer(raw, np.uint8, offset=8))
    for place in (0, 1):
        both = [splits[False][name][place] for name in ("train", "validation")]
        assert torch.equal(splits[True]["train"][place], torch.cat(both))
        assert torch.equal(splits[True]["test"][place], splits[False]["test"][place])


def test_a_refit_selects_the_last_epoch(
    refit_config: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    # The second epoch is worse than the first.
    result = train(refit_config("schedule=step", "schedule.step_size=1", "optimizer.lr=0.5"))
    run = RunFolder(result.folder)
    assert result.status == "finished"
    assert result.best == result.last == run.history[-1]
    assert result.best["epoch"] == 2
    assert result.steps == 2 * math.ceil(1920 / 50)
    assert not any("validation" in key for key in result.best)
    best, last = (read_checkpoint(run.checkpoints.existing(which)) for which in ("best", "last"))
    assert all(torch.equal(best["state_dict"][k], v) for k, v in last["state_dict"].items())
    [entry] = result.evaluations
    assert (entry.split, entry.epoch) == ("test", 2)
    assert json.loads((run.folder / "result.json").read_text())["refit"] is True
    output = capsys.readouterr().out
    assert "a refit: it also trained on the validation data; the last epoch is used" in output
    assert (run.folder / "figures" / "loss_curves.png").is_file()


def test_a_refit_is_resumed(refit_config: Callable) -> None:
    lean = ["callbacks=none", "logger=none"]
    whole = train(refit_config(*lean))
    part = resume(
        train(refit_config("trainer.max_epochs=1", *lean)).folder, {"trainer.max_epochs": 2}
    )
    one, other = (weights(result, "best") for result in (whole, part))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_refit_is_evaluated_on_the_existing_splits(
    refit_config: Callable, compose: Callable
) -> None:
    result = train(refit_config("trainer.max_epochs=1", "callbacks=none", "logger=none"))
    [tested] = result.evaluations
    for split in ("test", "train"):
        entry = evaluate(compose(f"run='{result.folder}'", f"split={split}", root="evaluate"))
        assert entry.tables["calibration"][0]["error"] == pytest.approx(entry.metrics["error"])
        if split == "test":
            assert entry.metrics["error"] == tested.metrics["error"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data.train_size=100"], "data.train_size=100: must be null with data.refit=true"),
        (["callbacks=early_stopping"], "callbacks.early_stopping: data.refit=true leaves no"),
    ],
)
def test_options_without_effect_on_a_refit_are_refused(
    overrides: list[str], message: str, refit_config: Callable
) -> None:
    with pytest.raises(UserError) as caught:
        build_task(refit_config(*overrides))
    assert str(caught.value).startswith(message)


def test_a_search_over_refits_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"^data\.refit=true: leaves no validation data for a search"
    ):
        start_sweep(["hydra/sweeper=search", "optimizer.lr=interval(0.1,1)", "data.refit=true"])


def test_a_sweep_of_refits(refit_config: Callable, compose: Callable, tmp_path: Path) -> None:
    job_overrides = [["seed=1"], ["optimizer.lr=0.05"]]
    jobs = {
        name: [
            Job(refit_config(*values, "network.width=12"), values, tmp_path / name / str(n))
            for n, values in enumerate(job_overrides)
        ]
        for name in ("apart", "stacked")
    }
    trainings = [Training.new(job.cfg, job.overrides, job.folder) for job in jobs["apart"]]
    apart = [fit_alone(training, test=False, terminal=False) for training in trainings]
    assert_same_runs(apart, train_jobs(jobs["stacked"]))
    text = answer.conclude(str(tmp_path / "stacked")).text
    assert "no run is chosen: there are no validation data (data.refit=true)" in text
    assert not any(RunFolder(job.folder).result.evaluations for job in jobs["stacked"])
    folder = jobs["stacked"][0].folder
    with pytest.raises(
        UserError, match=r"^split=validation: data\.refit=true trains on these data"
    ):
        evaluate(compose(f"run='{folder}'", "split=validation", root="evaluate"))
    plain = train(refit_config("data.refit=false", "callbacks=none", "logger=none"))
    both = f"run=['{folder}','{plain.folder}']"
    assert len(ensemble.evaluate(compose(both, root="evaluate")).members) == 2
    with pytest.raises(UserError, match=r"data\.refit=false differs from data\.refit=true"):
        ensemble.evaluate(compose(both, "split=validation", root="evaluate"))


def test_seeds_without_metrics_have_no_table(tiny_mnist: Path, tmp_path: Path) -> None:
    overrides = ["seed=0,1", "data.refit=true", f"data.root='{tiny_mnist}'", f"logs='{tmp_path}'"]
    assert start_sweep([*overrides, "trainer.max_epochs=1", "callbacks=none"])
    [text] = (path.read_text() for path in tmp_path.glob("mnist_hw4/sweeps/*/summary.md"))
    assert "| seeds |" not in single_spaced(text)


@pytest.mark.parametrize("tested", ["each", pytest.param("last", marks=pytest.mark.slow)])
def test_a_sweep_tests_all_its_refits(
    tiny_mnist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], tested: str
) -> None:
    overrides = ["network.width=3,4", "seed=0,1", "data.refit=true", f"sweep.test={tested}"]
    overrides += [f"data.root='{tiny_mnist}'", f"logs='{tmp_path}'", "trainer.max_epochs=2"]
    assert start_sweep([*overrides, "trainer.accelerator=cpu", "callbacks=none"])
    assert "no run is chosen" in capsys.readouterr().out
    [folder] = tmp_path.glob("mnist_hw4/sweeps/*")
    evaluations = [
        RunFolder(path.parent).result.evaluations for path in folder.glob("*/result.json")
    ]
    assert [[(e.split, e.epoch) for e in values] for values in evaluations] == [[("test", 2)]] * 4
    reached = list(csv.DictReader((folder / "summary.csv").read_text().splitlines()))
    written = sorted(float(row["error/test"]) for row in reached)
    assert written == sorted(entry.metrics["error"] for [entry] in evaluations)
    text = (folder / "summary.md").read_text()
    for width in "34":
        values = [float(row["error/test"]) for row in reached if row["network.width"] == width]
        mean = f"{100 * statistics.fmean(values):.2f} %"
        assert re.search(rf"\| {width} +\| +2 \| error/test +\| +{mean}", text), text


def test_refits_are_compared_with_others(refit_config: Callable, tmp_path: Path) -> None:
    for width, refit, seed in itertools.product((3, 4), (True, False), (0, 1)):
        overrides = [
            f"network.width={width}",
            f"data.refit={refit}",
            f"seed={seed}",
            "callbacks=none",
        ]
        train(refit_config(*overrides, "logger=none"))
    text = answer.compare([str(tmp_path)], "error", output=str(tmp_path / "comparison")).text
    [chosen] = re.findall("chosen by validation error: .*", text)
    assert "refit=false" in chosen
    for run in map(RunFolder, tmp_path.glob("mnist_hw4/*")):
        if not run.result.refit:
            run.write_result(replace(run.result, status=Status.INTERRUPTED))
    text = answer.compare(
        [str(tmp_path / "mnist_hw4")], "error", output=str(tmp_path / "later")
    ).text
    assert "no run is chosen: there are no validation data" in text


@pytest.mark.parametrize(
    ("preset", "names"),
    [
        pytest.param(
            "mnist_ensemble",
            [f"{seed}_seed={seed}" for seed in range(6)],
            marks=pytest.mark.slow,
        ),
        (
            "mnist_normalized_ensemble",
            [
                *(
                    f"{seed}_normalize_width={width},deslant=False,seed={seed}"
                    for seed, width in enumerate((10, 12, 14, 16, 18, 20))
                ),
                "6_normalize_width=null,deslant=True,seed=6",
            ],
        ),
    ],
)
def test_an_ensemble_of_refits_uses_all_training_images(
    preset: str,
    names: list[str],
    compose: Callable,
    tiny_mnist: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    overrides = [
        "experiment=mnist_fast",
        f"sweep={preset}",
        "network.width=8",
        "callbacks=none",
    ]
    overrides += [f"data.root='{tiny_mnist}'", f"logs='{tmp_path}'", "trainer.max_epochs=1"]
    assert start_sweep([*overrides, "trainer.accelerator=cpu", "trainer.precision=32-true"])
    assert "no run is chosen" in capsys.readouterr().out
    [folder] = tmp_path.glob("mnist_fast/sweeps/*")
    assert not any(RunFolder(path).result.evaluations for path in folder.glob("?_*seed=?"))
    entry = ensemble.evaluate(compose(f"run='{folder}'", root="evaluate"))
    assert list(entry.members) == names
    assert all(RunFolder(folder / name).result.refit for name in entry.members)
