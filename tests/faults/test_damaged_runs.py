"""Randomly damaged files of runs, searches and data: a clear error or the same numbers."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from damage import damages
from helpers import Finished, composed
from in_process import read_run
from omegaconf import OmegaConf
from optuna.distributions import FloatDistribution
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from mlp_lab.data.csv_file import CSVFile
from mlp_lab.errors import UserError
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.storage.sweep_folder import SweepFolder
from mlp_lab.storage.tensorboard import drop_later_events
from mlp_lab.sweeps.study import STUDY_FILE, Study
from mlp_lab.sweeps.study_journal import drop_incomplete_line

many = pytest.mark.faults
FILES = (
    "config.yaml", "overrides.yaml", "environment.json", "result.json", "history.csv",
    "checkpoints/best.ckpt", "checkpoints/last.ckpt",
)  # fmt: skip
NUMBER = re.compile(r"(?<![\w.])\d+\.\d+(?!\.?\w)")


def numbers(finished: Finished) -> list[str]:
    """Return the metrics that a command prints: no times, no paths."""
    lines = [line for line in finished.out.splitlines() if "/" not in line or "loss/" in line]
    lines = [re.sub(r"\d+\.\d+ s\b", "", line) for line in lines]
    return NUMBER.findall("\n".join(lines))


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("cases", [1, pytest.param(60, marks=many)])
def test_damaged_run_folders(
    file: str, cases: int, finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlp_lab.sweeps.comparison.answer._write", lambda *_: None)
    folder = tmp_path / "run"
    names = ("evaluate", "predict", "compare")
    shutil.copytree(finished_run, folder)
    expected = {name: read_run(name, folder) for name in names[:cases]}
    outcomes = {0: 0, 1: 0}
    for number, content in enumerate(damages((finished_run / file).read_bytes(), cases, seed=3)):
        shutil.rmtree(folder)
        shutil.copytree(finished_run, folder)
        (folder / file).write_bytes(content)
        name = names[number % len(names)]
        finished = read_run(name, folder)
        outcomes[finished.returncode] += 1
        if finished.returncode == 0:
            assert numbers(finished) == numbers(expected[name]), content
        else:
            assert len(finished.err.splitlines()) == 1, finished.err
            if name != "predict":  # refuses this run in any case
                assert file in finished.err, finished.err
    assert cases == 1 or outcomes[1] > cases // 4


@many
@pytest.mark.parametrize("cases", [12])
@pytest.mark.parametrize(
    "file", ["config.yaml", "result.json", "history.csv", "checkpoints/last.ckpt"]
)
def test_runs_with_damaged_files_are_resumed_equally_or_not(
    file: str, cases: int, finished_run: Path, tmp_path: Path
) -> None:
    shutil.copytree(finished_run, tmp_path / "whole")
    assert read_run("resume", tmp_path / "whole").returncode == 0
    expected = RunFolder(tmp_path / "whole").result
    for number, content in enumerate(damages((finished_run / file).read_bytes(), cases, seed=4)):
        folder = shutil.copytree(finished_run, tmp_path / str(number))
        (folder / file).write_bytes(content)
        finished = read_run("resume", folder)
        if finished.returncode:
            assert len(finished.err.splitlines()) == 1
            assert file in finished.err
        else:
            result = RunFolder(folder).result
            assert without_seconds(result.last) == without_seconds(expected.last)


def without_seconds(row: dict[str, float] | None) -> dict[str, float]:
    return {key: value for key, value in (row or {}).items() if key != "seconds"}


def no_traceback(read: Callable[[], object], path: Path) -> object:
    """Return what ``read`` returns, or None if it reports in one line that ``path`` is damaged."""
    try:
        return read()
    except UserError as error:
        message = str(error)
    assert message.startswith(f"{path}: "), message
    assert len(message.splitlines()) == 1, message
    return None


@pytest.mark.parametrize("cases", [20, pytest.param(400, marks=many)])
def test_damaged_sweep_files(cases: int, tmp_path: Path) -> None:
    overrides = ["experiment=curve_fit", "optimizer.lr=0.01,0.1", "seed=1,2"]
    sweep = SweepFolder.create(str(tmp_path), "x", overrides, ["optimizer.lr", "seed"])
    path = sweep.folder / "sweep.yaml"
    assert SweepFolder.open(sweep.folder) == sweep
    read = 0
    for content in damages(path.read_bytes(), cases, seed=5):
        path.write_bytes(content)
        opened = no_traceback(lambda: SweepFolder.open(sweep.folder), path)
        assert opened in (None, sweep)
        read += opened is not None
    assert read < cases / 5


@pytest.mark.parametrize("cases", [20, pytest.param(300, marks=many)])
def test_damaged_studies(cases: int, tmp_path: Path) -> None:
    def values(study: Study) -> list[tuple[int, object, float | None]]:
        return [(trial.number, dict(trial.params), trial.value) for trial in study.trials]

    folder = tmp_path / "whole"
    folder.mkdir()
    study = Study(folder, "min", None)
    space = {"lr": FloatDistribution(0.1, 1.0)}
    for _ in range(3):
        trials = study.batch(space, 2, 6, seed=0)
        study.tell({trial.number: [trial.params["lr"] ** 2] for trial in trials})
    expected, path = values(study), tmp_path / STUDY_FILE
    whole = (folder / STUDY_FILE).read_bytes()
    refusals = 0
    for content in damages(whole, cases, seed=6):
        path.write_bytes(content)
        drop_incomplete_line(path)
        opened = no_traceback(lambda: Study(tmp_path, "min", None), path)
        refusals += opened is None
        if isinstance(opened, Study):
            # Trials at the end may be lost, or not have ended.
            for actual, trial in zip(values(opened), expected, strict=False):
                assert actual[0] == trial[0]
                assert actual[1] == trial[1] or not actual[1]
                assert actual[2] in (trial[2], None)
            opened.batch(space, 1, 7, seed=0)
            assert values(Study(tmp_path, "min", None)) == values(opened)
    assert refusals > cases / 4


@pytest.mark.parametrize("cases", [20, pytest.param(300, marks=many)])
def test_damaged_event_files(cases: int, finished_run: Path, tmp_path: Path) -> None:
    def points(path: Path) -> list[tuple[int, str, bytes]]:
        return [
            (event.step, value.tag, value.SerializeToString())
            for event in EventFileLoader(str(path)).Load()
            for value in event.summary.value
        ]

    [source] = finished_run.glob("events.out.tfevents.*")
    path, whole = tmp_path / source.name, source.read_bytes()
    expected = points(source)
    for content in damages(whole, cases, seed=7):
        path.write_bytes(content)
        drop_later_events(tmp_path, lambda value: 1)
        actual = points(path)
        assert len(actual) <= len(expected)
        assert all(point in expected for point in actual)


@pytest.mark.parametrize("cases", [20, pytest.param(600, marks=many)])
def test_damaged_csv_files_of_points(cases: int, tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    rows = [f"{x / 7:.3f},{-x / 3:.2f},{'ab'[x % 2]}" for x in range(30)]
    whole = "\n".join(["height,width,kind", *rows, ""]).encode()
    options = OmegaConf.to_container(composed("data=csv", f"data.path='{path}'", "seed=0").data)
    options |= {"limits": {}, "seed": 0}
    del options["_target_"]
    for content in damages(whole, cases, seed=8):
        path.write_bytes(content)
        read = no_traceback(lambda: CSVFile(**options), path)
        if isinstance(read, CSVFile):  # a CSV file has no checksum: other digits are other data
            splits = read.read(torch.device("cpu")).values()
            assert sum(len(y) for _, y in splits) <= 31
            assert all(x.isfinite().all() for x, _ in splits)


@pytest.mark.parametrize("cases", [10, pytest.param(300, marks=many)])
def test_damaged_results_without_digests(cases: int, run_copy: Path) -> None:
    """Files of earlier versions have no digest: damage of their structure is one line, too."""
    path = run_copy / "result.json"
    content = json.loads(path.read_text())
    del content["sha256"], content["tables"]
    path.write_text(json.dumps(content, indent=2))
    for changed in damages(path.read_bytes(), cases, seed=9):
        path.write_bytes(changed)
        no_traceback(lambda: RunFolder(run_copy).result, path)


@pytest.mark.parametrize("cases", [10, pytest.param(150, marks=many)])
def test_damaged_configs_without_digests(cases: int, run_copy: Path) -> None:
    path = run_copy / "config.yaml"
    whole = path.read_text().partition("\n")[2].encode()
    for changed in damages(whole, cases, seed=10):
        path.write_bytes(changed)
        no_traceback(lambda: RunFolder(run_copy).config, path)
