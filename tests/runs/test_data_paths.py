"""Runs whose data were moved or changed, and values in place of a run folder."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers import Evaluate, Experiment, contents, resume_sweep, start_sweep
from omegaconf import DictConfig
from PIL import Image

from mlp_lab.errors import UserError
from mlp_lab.runs import ensemble
from mlp_lab.runs.predict import predict
from mlp_lab.runs.resumed_config import changed_config
from mlp_lab.runs.train import resume, train
from mlp_lab.storage.results import Result, Status
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.sweeps.comparison.comparison import find_runs


@pytest.fixture
def csv_run(
    compose: Callable[..., DictConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Experiment:
    """``csv_run("seed=1", ...)``: train for two epochs on ``points.csv`` of the current folder."""
    random = np.random.default_rng(0)
    rows = [f"{x:.3f},{y:.3f},{'ab'[int(x > 0)]}" for x, y in random.normal(size=(50, 2))]
    (tmp_path / "points.csv").write_text("\n".join(rows))
    monkeypatch.chdir(tmp_path)
    overrides = ["experiment=points_mlp", "data=csv", "data.path=points.csv", "network.width=4"]
    overrides += ["trainer.max_epochs=2", "callbacks=none", "logger=none", "logs=logs"]
    return lambda *more: train(compose(*overrides, *more), overrides)


def moved(path: Path) -> Path:
    """Move a file to another folder and return its new path."""
    (path.parent / "elsewhere").mkdir()
    return path.rename(path.parent / "elsewhere" / "renamed.csv")


@pytest.mark.usefixtures("without_figures")
def test_a_run_is_evaluated_from_any_folder(
    csv_run: Experiment, evaluated: Evaluate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(csv_run().folder).absolute()
    [trained] = RunFolder(folder).result.evaluations
    assert RunFolder(folder).config.data.path == str(tmp_path / "points.csv")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert evaluated(folder).metrics == trained.metrics
    path = moved(tmp_path / "points.csv")
    with pytest.raises(UserError, match=r"points\.csv: no such file or folder; data\.path=\.\.\."):
        evaluated(folder)
    assert evaluated(folder, f"data.path={path}").metrics == trained.metrics
    assert len(RunFolder(folder).result.evaluations) == 3


def test_a_resumed_run_keeps_the_new_path(csv_run: Experiment, tmp_path: Path) -> None:
    folder = csv_run().folder
    path = moved(tmp_path / "points.csv")
    with pytest.raises(UserError, match="no such file or folder"):
        resume(folder, {"trainer.max_epochs": 3})
    resume(folder, {"trainer.max_epochs": 3, "data.path": str(path.relative_to(tmp_path))})
    assert RunFolder(folder).config.data.path == str(path)
    assert resume(folder, {"trainer.max_epochs": 4}).epochs == 4


@pytest.mark.usefixtures("without_figures")
def test_changed_data_are_an_error_or_a_warning(
    csv_run: Experiment, evaluated: Evaluate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, path = Path(csv_run().folder), tmp_path / "points.csv"
    before = contents(folder)
    path.write_text(path.read_text() + "\n9,9,a")
    message = r"data\.path=.*points\.csv: these are not the data that .* was trained on"
    with pytest.raises(UserError, match=message):
        evaluated(folder)
    with pytest.raises(UserError, match=message):
        resume(str(folder), {"trainer.max_epochs": 3, "data.path": str(path)})
    assert evaluated(folder, f"data.path={path}").metrics["loss"] > 0
    [warning] = [x for x in capsys.readouterr().out.splitlines() if x.startswith("warning: ")]
    assert warning.endswith("the evaluation is not saved")
    assert contents(folder) == before
    # Only the content counts: the same data with other line ends.
    path.write_text("\r\n".join(path.read_text().splitlines()[:-1]))
    evaluated(folder)


@pytest.mark.usefixtures("without_figures")
def test_a_run_of_an_earlier_version_has_no_digest(
    csv_run: Experiment, evaluated: Evaluate
) -> None:
    folder = Path(csv_run().folder)
    environment = json.loads((folder / "environment.json").read_text())
    assert len(environment.pop("data_sha256")) == len(environment.pop("sha256")) == 64
    (folder / "environment.json").write_text(json.dumps(environment))
    Path("points.csv").write_text(Path("points.csv").read_text() + "\n9,9,a")
    assert evaluated(folder).metrics["loss"] > 0


def test_an_ensemble_with_moved_data(
    csv_run: Experiment, compose: Callable[..., DictConfig], tmp_path: Path
) -> None:
    runs = [csv_run(f"seed={seed}", "data.split_seed=0").folder for seed in (1, 2)]
    path = moved(tmp_path / "points.csv")
    members = f"run=[{','.join(runs)}]"
    with pytest.raises(UserError, match="no such file"):
        ensemble.evaluate(compose(members, root="evaluate"))
    entry = ensemble.evaluate(compose(members, f"data.path={path}", root="evaluate"))
    assert len(entry.members) == 2
    path.write_text(path.read_text() + "\n9,9,a")
    with pytest.raises(UserError, match="not the data"):
        ensemble.evaluate(compose(members, f"data.path={path}", root="evaluate"))


def test_a_sweep_is_resumed_with_moved_data(csv_run: Experiment, tmp_path: Path) -> None:
    overrides = ["experiment=points_mlp", "data=csv", "data.path=points.csv", "seed=1,2"]
    overrides += ["callbacks=none", "logger=none", "trainer.max_epochs=2", "data.split_seed=0"]
    assert start_sweep(overrides)
    [folder] = tmp_path.glob("logs/*/sweeps/*")
    for name in ("0_seed=1", "1_seed=2"):
        run = RunFolder(folder / name)
        run.write_result(Result(str(run.folder), best=run.result.best))
    (folder / "1_seed=2" / "result.json").unlink()
    path = moved(tmp_path / "points.csv")
    first = RunFolder(folder / "0_seed=1")
    first.write_result(Result(str(first.folder), Status.FINISHED, best=first.result.best))
    assert resume_sweep(str(folder), [f"data.path={path}"])
    assert {run.config.data.path for run in map(RunFolder, folder.glob("?_*"))} == {str(path)}
    with pytest.raises(UserError, match=r"^seed: can't be changed"):
        resume_sweep(str(folder), ["seed=3"])


@pytest.mark.usefixtures("without_figures")
def test_a_moved_image(
    compose: Callable[..., DictConfig], evaluated: Evaluate, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    overrides = [
        "experiment=image_hw", f"data.image={tmp_path}/a.png", "data.size=16", "network.width=4",
        "trainer.max_epochs=1", "data.passes=1", "callbacks=none", f"logs={tmp_path}",
    ]  # fmt: skip
    folder = train(compose(*overrides)).folder
    path = moved(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"data\.image=\.\.\. sets the path"):
        evaluated(folder)
    evaluated(folder, f"data.image={path}")
    predict(compose(f"run={folder}", root="predict"))  # needs no data
    for other in ("text", str(tmp_path / "b.png")):
        Image.fromarray(255 - pixels).save(tmp_path / "b.png")
        evaluated(folder, f"data.image={other}")
    assert len(RunFolder(folder).result.evaluations) == 2


@pytest.mark.usefixtures("without_figures")
def test_a_moved_folder_of_mnist(
    run_folder: Path, tiny_mnist: Path, tmp_path: Path, evaluated: Evaluate
) -> None:
    folder = shutil.copytree(run_folder, tmp_path / "run")
    root = shutil.copytree(tiny_mnist, tmp_path / "moved")
    [trained] = RunFolder(folder).result.evaluations
    assert evaluated(folder, f"data.root={root}").metrics == trained.metrics
    assert len(RunFolder(folder).result.evaluations) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schedule.wrmup": 1}, r"schedule\.wrmup: no such key; did you mean schedule\.warmup\?"),
        ({"schedule.gamma": 1}, r"schedule\.gamma: not a key of the chosen schedule, but of"),
        ({"schedule.warmup": -1}, r"schedule\.warmup=-1: must be a number at least 0"),
        ({"trainer.max_epoch": 3}, r"trainer\.max_epoch: no such key; did you mean trainer\.max_e"),
        ({"network.width": 3}, r"network\.width: can't be changed when a run is resumed"),
        ({"optimizer": "adam"}, r"optimizer: can't be changed when a run is resumed"),
        ({"experiment": "parity"}, r"experiment: can't be changed when a run is resumed"),
        ({"data.root": "x"}, r"data\.root: not a key of the chosen data"),
    ],
    ids=str,
)
def test_changes_of_a_resumed_run_are_checked_against_its_config(
    changes: dict, message: str, compose: Callable[..., DictConfig]
) -> None:
    cfg = compose("experiment=points_mlp", "schedule=cosine", "network.width=5")
    with pytest.raises(UserError, match=f"^{message}"):
        changed_config(cfg, changes)


def test_valid_changes_of_a_resumed_run(compose: Callable[..., DictConfig]) -> None:
    cfg = compose("experiment=points_mlp", "schedule=cosine", "network.width=5")
    changed = changed_config(cfg, {"schedule.warmup": 1, "network.width": 5, "threads": 2})
    assert (changed.schedule.warmup, changed.threads) == (1, 2)
    changed = changed_config(changed, {"schedule.warmup": cfg.schedule.warmup, "threads": None})
    assert changed == cfg


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("checkpoints/last.ckpt", "must be the run folder: {run} checkpoint=last"),
        ("checkpoints/best.ckpt", "must be the run folder: {run} checkpoint=best"),
        ("checkpoints", "must be the run folder: {run}"),
        ("config.yaml", "must be the run folder: {run}"),
        ("config.yml", "no such folder"),
        ("../x", "not the folder of a run: it has no config.yaml"),
        ("../y", "not a folder"),
    ],
)
def test_a_path_that_is_not_a_run_folder(path: str, message: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    (tmp_path / "x").mkdir()
    for name in ("config.yaml", "checkpoints/last.ckpt", "checkpoints/best.ckpt", "../y"):
        (run / name).touch()
    with pytest.raises(UserError) as error:
        RunFolder.open(str(run / path))
    assert str(error.value) == f"{run / path}: {message.format(run=run)}"


def test_a_checkpoint_is_not_compared(run_folder: Path) -> None:
    path = run_folder / "checkpoints" / "best.ckpt"
    with pytest.raises(UserError, match=f"must be the run folder: {run_folder}"):
        find_runs([str(path)])
