"""Full disks, deleted folders, folders that can't be written, and clocks that jump back."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import pytest
from forked_command import fork_command
from helpers import SCRIPT, composed, forks, shortened_preset, stopped_in, wait_for
from in_process import assert_one_line, run_command

from mlp_lab.commands.train import train as train_command
from mlp_lab.runs.train import resume, train
from mlp_lab.storage.checkpoints import read_checkpoint, trained_epochs
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.sweeps.comparison.equality import check_same

pytestmark = forks

PIPES = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
LONG = ["network.width=16", "data.batch_size=16", "callbacks=none"]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """``disk("size=1m")``: mount a small disk with some options; return its folder."""
    mounted = []

    def mount(options: str) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("only root can mount a disk")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def begin(tiny_mnist: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., subprocess.Popen]:
    """``begin(logs, "seed=1")``: start a training process on the small MNIST."""
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)

    def run(
        logs: Path, *overrides: str, root: Path = tiny_mnist, epochs: int = 100
    ) -> subprocess.Popen:
        places = [f"data.root='{root}'", f"logs='{logs}'"]
        trainer = [f"trainer.max_epochs={epochs}", "trainer.accelerator=cpu"]
        arguments = [*LONG, *overrides, *places, *trainer]
        return fork_command(train_command, [str(SCRIPT), *arguments], **PIPES)

    return run


@pytest.mark.faults
def test_two_runs_of_the_same_second_are_correct(
    begin: Callable, mirror: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, *_: object) -> datetime:  # type: ignore[override]
            return datetime(2026, 1, 2, 3, 4, 5)

    monkeypatch.setattr("mlp_lab.storage.folders.datetime", Clock)
    logs, root = tmp_path / "logs", tmp_path / "data"
    processes = [begin(logs, root=root) for _ in range(2)]
    for process in processes:
        _, err = process.communicate(timeout=300)  # with the progress of the downloads
        assert process.returncode == 0
        assert "mlp_lab:" not in err
    folders = sorted((logs / "mnist_hw4").iterdir())
    assert [folder.name for folder in folders] == ["2026-01-02_03-04-05", "2026-01-02_03-04-05_1"]
    assert check_same(*map(str, folders)).startswith("equal")
    for name, content in mirror.items():
        assert (root / "MNIST" / "raw" / name).read_bytes() == content


@pytest.mark.faults
def test_a_full_disk_loses_only_the_last_epochs(
    begin: Callable, disk: Callable[..., Path], tmp_path: Path
) -> None:
    small = disk("size=1m")
    process = begin(small)
    folder = wait_for("mnist_hw4/2*/checkpoints/best.ckpt", small, process).parents[1]
    filler = small / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    out, err = process.communicate(timeout=100)
    assert process.returncode == 1, out
    [line] = err.splitlines()
    # The name of a file, or the run folder for event files, which another thread writes.
    assert line.startswith(f"mlp_lab: {folder}")
    assert line.endswith(": No space left on device")
    read_checkpoint(RunFolder(folder).checkpoints.existing("last"))
    filler.unlink()
    assert run_command("train", f"resume={folder}").returncode == 0
    whole = begin(tmp_path)
    whole.communicate(timeout=300)
    [expected] = (tmp_path / "mnist_hw4").iterdir()
    assert check_same(str(expected), str(folder)).startswith("equal")


def test_a_deleted_folder_ends_a_run(begin: Callable, tmp_path: Path) -> None:
    process = begin(tmp_path, "logger=none", epochs=1_000_000)  # it must not finish first
    folder = wait_for("mnist_hw4/2*/checkpoints/best.ckpt", tmp_path, process).parents[1]
    folder.rename(tmp_path / "moved")
    out, err = process.communicate(timeout=100)
    assert process.returncode == 1, out
    # The first file that is written afterwards: the history or a checkpoint.
    assert re.fullmatch(rf"mlp_lab: {folder}/[\w/.]+: No such file or directory\n", err)
    moved = RunFolder(tmp_path / "moved")
    epochs = trained_epochs(read_checkpoint(moved.checkpoints.existing("last"))) + 1
    arguments = [f"resume={moved.folder}", f"trainer.max_epochs={epochs}"]
    assert run_command("train", *arguments).returncode == 0
    assert moved.result.epochs == epochs


def test_a_folder_that_cannot_be_written_is_reported(disk: Callable[..., Path]) -> None:
    logs = disk("ro") / "logs"
    finished = run_command("train", "experiment=curve_fit", f"logs='{logs}'")
    assert_one_line(finished, f"{logs}", "Read-only file system")
    finished = run_command("train", f"data.root='{logs}'")
    assert_one_line(finished, f"{logs}", "Read-only file system")


@pytest.mark.faults
def test_a_home_that_cannot_be_written_is_not_needed(
    disk: Callable[..., Path], tiny_mnist: Path, tmp_path: Path
) -> None:
    """Neither figures nor compiled games need files in the home folder."""
    environment = {
        "HOME": str(disk("ro")), "PATH": os.environ["PATH"], "PYTHONPATH": str(SCRIPT.parents[1])
    }  # fmt: skip
    for preset in ("curve_fit", "td_gammon_quick"):
        overrides = [*shortened_preset(preset, tiny_mnist), f"logs='{tmp_path}'"]
        command = [sys.executable, str(SCRIPT), *overrides]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        # matplotlib warns that it can't write its cache of fonts.
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
    assert "cannot be written" in done.stdout


def test_a_clock_that_jumps_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    overrides = ["experiment=points_mlp", "data.size=60", "callbacks=none", "trainer.max_epochs=4"]
    for name in ("whole", "parts"):
        cfg = composed(*overrides, f"logs='{tmp_path / name}'", "trainer.accelerator=cpu")
        if name == "whole":
            whole = train(cfg)
            continue
        with stopped_in(2, KeyboardInterrupt):
            parts = train(cfg)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 86_400)
    assert resume(parts.folder, {}).status == "finished"
    assert check_same(whole.folder, parts.folder).startswith("equal")
