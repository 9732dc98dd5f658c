"""A run is repeated from its config.yaml; ``compare.py --same`` finds the first difference."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import Finished
from in_process import assert_one_line, run_command
from omegaconf import OmegaConf
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.summary.writer.record_writer import RecordWriter

from mlp_lab.storage.records import json_with_digest, read_json
from mlp_lab.storage.run_folder import RunFolder

EQUAL = "equal: the runs have bit-identical results, tables, checkpoints and curves\n"


def same(first: Path, second: Path) -> Finished:
    return run_command("compare", "--same", str(first), str(second))


def repeat(folder: Path, logs: Path, *overrides: str) -> Finished:
    return run_command("train", f"config={folder}/config.yaml", f"logs={logs}", *overrides)


def test_a_run_is_repeated_from_its_config(finished_run: Path, tmp_path: Path) -> None:
    finished = repeat(finished_run, tmp_path)
    assert (finished.returncode, finished.err) == (0, "")
    [folder] = (tmp_path / "curve_fit").iterdir()
    again, before = RunFolder(folder), RunFolder(finished_run)
    assert again.config == OmegaConf.merge(before.config, {"logs": str(tmp_path)})
    assert again.overrides == [f"config={finished_run}/config.yaml", f"logs={tmp_path}"]
    assert same(finished_run, folder) == (0, EQUAL, "")

    assert repeat(finished_run, tmp_path, "optimizer.lr=0.02").returncode == 0
    [other] = set((tmp_path / "curve_fit").iterdir()) - {folder}
    assert RunFolder(other).config.optimizer.lr == 0.02
    finished = same(finished_run, other)
    assert_one_line(finished, "not equal: result.json: best: lr: ")
    assert finished.err.endswith(" (the configs differ in optimizer.lr)\n")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimizer=adam", "optimizer: can't be changed when a run is repeated; its keys can"),
        ("optimizer.lrr=1", "optimizer.lrr: no such key; did you mean optimizer.lr?"),
        ("optimizer.lr=-1", "optimizer.lr=-1: must be a number above 0 and finite"),
        ("optimizer.lr=1,2", "optimizer.lr=1,2: must be key=value when a run is repeated"),
        ("+x=1", "+x=1: must be key=value when a run is repeated"),
        ("resume=x", "x: no such folder"),
    ],
)
def test_wrong_overrides_of_a_repeated_run(
    override: str, message: str, finished_run: Path, tmp_path: Path
) -> None:
    assert_one_line(repeat(finished_run, tmp_path, override), f"mlp_lab: {message}")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_not_a_config(finished_run: Path) -> None:
    finished = run_command("train", f"config={finished_run}")
    path = finished_run / "config.yaml"
    assert_one_line(
        finished, f"config={finished_run}: must be the config.yaml of a run; did you mean {path}?"
    )
    assert_one_line(run_command("train", "-m", f"config={path}"), "can't be used with -m")


def change_weight(folder: Path) -> None:
    path = folder / "checkpoints" / "best.ckpt"
    content = torch.load(path, weights_only=True)
    weight = next(iter(content["state_dict"].values())).view(-1)
    weight[3] = torch.nextafter(weight[3], torch.tensor(2.0))
    torch.save(content, path)


def change_result(folder: Path) -> None:
    content = read_json(folder / "result.json")
    content["evaluations"][0]["loss"] += 2**-40
    (folder / "result.json").write_text(json_with_digest(content))


def change_table(folder: Path) -> None:
    run = RunFolder(folder)
    rows = [row | {"lr": 0.5} if row["epoch"] == 2 else row for row in run.history]
    run.write_table("history", list(rows[0]), rows)


def repeat_point(folder: Path) -> None:
    """Write the last point of a curve twice."""
    [path] = folder.glob("events.out.tfevents.*")
    records = list(RawEventFileLoader(str(path)).Load())
    with path.open("wb") as file:
        writer = RecordWriter(file)
        for record in records:
            for value in Event.FromString(record).summary.value:
                if value.tag == "loss/train":
                    last = record
            writer.write(record)
        writer.write(last)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (change_weight, "best.ckpt: state_dict: "),
        (change_result, "result.json: evaluations: 0: loss: "),
        (change_table, "history.csv: 1: lr: "),
        (repeat_point, "curve: loss/train: 2: 0: is missing in one of them"),
        (lambda folder: (folder / "checkpoints" / "last.ckpt").unlink(), "last.ckpt: state_dict"),
    ],
)
def test_the_first_difference_is_reported(
    change: Callable[[Path], Any], place: str, finished_run: Path, run_copy: Path
) -> None:
    assert same(finished_run, run_copy) == (0, EQUAL, "")
    change(run_copy)
    assert_one_line(same(finished_run, run_copy), f"not equal: {place}")
    assert_one_line(same(run_copy, finished_run), f"not equal: {place}")


def test_sweeps_are_compared_job_by_job(finished_run: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        for job in ("0", "1"):
            shutil.copytree(finished_run, tmp_path / name / job)
    equal = EQUAL.replace("the runs", "2 runs")
    assert same(tmp_path / "a", tmp_path / "b") == (0, equal, "")
    change_weight(tmp_path / "b" / "1")
    assert_one_line(same(tmp_path / "a", tmp_path / "b"), "not equal: 1: best.ckpt: state_dict: ")
    shutil.rmtree(tmp_path / "b" / "0")
    assert_one_line(
        same(tmp_path / "a", tmp_path / "b"),
        f"not equal: 0: a run in only one of {tmp_path / 'a'} and {tmp_path / 'b'}",
    )
