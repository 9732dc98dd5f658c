"""The progress bar of a sweep, for all launchers and batches."""

import io
import json
import os
import pty
import re
import termios
from collections.abc import Callable
from contextlib import redirect_stderr, suppress
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from helpers import Start, set_cores, start_sweep

from mlp_lab.sweeps.progress import EpochStarted, JobEnded, SweepBar, SweepProgress

SHOWN = re.compile(r"(\d+/\d+) jobs done(?:, (\d+) in training, epoch (\d+)/\d+)? +(\d+)%")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    @property
    def shown(self) -> list[tuple[str, ...]]:
        """Return the displays: finished jobs, members in training, epoch, percentage."""
        return [shown for shown, _ in groupby(SHOWN.findall(self.getvalue()))]

    @property
    def displays(self) -> int:
        """Return the number of completed progress bars."""
        return self.getvalue().count("\n")


@pytest.fixture
def sweep(
    tiny_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Terminal]:
    """``sweep("seed=1,2", ...)``: run a sweep on the small MNIST; return its terminal."""
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")  # as the command has it
    monkeypatch.setenv("GOMP_SPINCOUNT", "10000")  # known to monkeypatch, so that it is put back
    monkeypatch.chdir(tmp_path)
    common = ["trainer.max_epochs=2", "trainer.accelerator=cpu", "logger=none"]
    set_cores(monkeypatch, 1)

    def run(*overrides: str) -> Terminal:
        with redirect_stderr(Terminal()) as terminal:
            assert start_sweep([*common, f"data.root='{tiny_mnist}'", *overrides])
        return terminal

    return run


def epochs(done: int, training: int, jobs: int) -> list[tuple[str, ...]]:
    """Return the displays of a stack that trains for two epochs and whose members then end."""
    begun = [(f"{done}/{jobs}", str(training), str(epoch)) for epoch in (1, 2)]
    ends = range(1, training)
    return begun + [(f"{done + ended}/{jobs}", str(training - ended), "2") for ended in ends]


def test_progress_of_single_jobs(sweep: Callable) -> None:
    terminal = sweep("hydra/launcher=basic", "seed=1,2,3")
    expected = [(f"{done}/3", "1", str(epoch)) for done in range(3) for epoch in (1, 2)]
    assert [shown[:3] for shown in terminal.shown if shown[1]] == expected
    assert terminal.shown[-1] == ("3/3", "", "", "100")
    assert terminal.displays == 1


def test_progress_of_batches_of_a_grid(sweep: Callable) -> None:
    terminal = sweep("hydra.sweeper.max_batch_size=2", "seed=1,2,3")
    expected = [*epochs(0, 2, 3), *epochs(2, 1, 3)]
    assert [shown[:3] for shown in terminal.shown if shown[1]] == expected
    percents = [int(shown[3]) for shown in terminal.shown]
    assert percents == sorted(percents)
    assert terminal.displays == 1


def test_progress_of_batches_of_a_search(sweep: Callable) -> None:
    pytest.importorskip("optuna")
    overrides = ["hydra/sweeper=search", "optimizer.lr=interval(0.01,0.1)", "seed=1,2"]
    terminal = sweep(*overrides, "hydra.sweeper.n_trials=3", "hydra.sweeper.n_jobs=2")
    expected = [*epochs(0, 4, 6), *epochs(4, 2, 6)]
    assert [shown[:3] for shown in terminal.shown if shown[1]] == expected
    assert terminal.displays == 1


def watch(report: Callable, trainer: Any, task: Any) -> SweepProgress:
    """Report the start of a training and of its epochs."""
    progress = SweepProgress(report)
    progress.on_train_start(trainer, task)
    progress.on_train_epoch_start(trainer, task)
    return progress


def test_jobs_done_before_are_excluded_from_the_remaining_time() -> None:
    with redirect_stderr(Terminal()) as terminal:
        bar = SweepBar(8)
        bar.skip(4)
        trainer, report = SimpleNamespace(current_epoch=1, max_epochs=2), bar.listener()
        watch(report, trainer, Mock(run_count=1))
        bar._bar.start_t, bar._bar._time = 0.0, lambda: 10.0
        report(JobEnded("of three"))  # half of one took ten seconds, so that three take sixty
    assert terminal.getvalue().rstrip().endswith("[00:10<01:00]")


def test_members_that_leave_a_stack_count_as_done() -> None:
    stack, trainer = Mock(run_count=3), SimpleNamespace(current_epoch=0, max_epochs=2)
    with redirect_stderr(Terminal()) as terminal:
        bar = SweepBar(4)
        report = bar.listener()
        progress = watch(report, trainer, stack)
        stack.run_count = 2
        report(JobEnded("it stopped early"))
        trainer.current_epoch = 1
        progress.on_train_epoch_start(trainer, stack)
        for _ in range(2):
            report(JobEnded("with all epochs"))
        report(None)
    assert terminal.shown == [
        ("0/4", "3", "1", "0"), ("1/4", "2", "1", "25"), ("1/4", "2", "2", "50"),
        ("2/4", "1", "2", "62"), ("3/4", "", "", "75"),
    ]  # fmt: skip


def test_progress_of_concurrent_trainings_is_summed() -> None:
    with redirect_stderr(Terminal()) as terminal:
        bar = SweepBar(8)
        one, other = bar.listener(), bar.listener()
        one(EpochStarted(members=2, epoch=3, epochs=4, first=0))
        other(EpochStarted(members=4, epoch=1, epochs=4, first=0))
        one(JobEnded("the first of two"))
        one(None)  # the second was interrupted
        one(EpochStarted(members=1, epoch=2, epochs=4, first=0))
    assert terminal.shown == [
        ("0/8", "2", "4", "19"),
        ("0/8", "6", "2", "31"),  # 2 x 3/4 + 4 x 1/4 of 8
        ("1/8", "5", "2", "34"),
        ("1/8", "4", "2", "25"),
        ("1/8", "5", "2", "31"),
    ]


def test_output_of_other_processes_keeps_one_bar(start: Start) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 120))
    overrides = ["hydra.launcher.processes=2", "seed=1,2,3", "trainer.max_epochs=20", "logger=none"]
    overrides += ["callbacks.loss_curves=null", "callbacks.weights=null"]
    process = start("-m", *overrides, stdout=theirs, stderr=theirs)
    os.close(theirs)
    read = b""
    with suppress(OSError):  # the terminal's end of file
        while True:
            read += os.read(ours, 10_000)
    os.close(ours)
    assert process.wait(timeout=200) == 0
    text = read.decode().replace("\r\n", "\n")
    assert ("3/3", "", "", "100") in SHOWN.findall(text)
    assert {training for _, training, _, _ in SHOWN.findall(text)} >= {"3"}
    lines = [line.rpartition("\r")[2].strip() for line in text.split("\n")]
    for number in range(3):  # a separate line without a progress bar
        assert sum(line.startswith(f"{number}_seed={number + 1}: finished") for line in lines) == 1
    assert sum("jobs done" in line for line in lines) == 1


@pytest.mark.slow
def test_jobs_of_other_processes_have_one_thread_and_show_no_bars(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")  # of the command; its jobs decide for themselves
    ours, theirs = pty.openpty()
    process = start(
        "-m", "hydra/launcher=processes", "hydra.launcher.n_jobs=2", "seed=1,2,3",
        "trainer.max_epochs=1", "logger=none", "callbacks.loss_curves=null", stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    out, _ = process.communicate(timeout=400)
    assert process.returncode == 0
    assert re.findall(r"^\d of 3 jobs have finished", out, re.M)[-1] == "3 of 3 jobs have finished"
    with pytest.raises(OSError, match="Input/output error"):  # the terminal's end of file
        assert os.read(ours, 1) == b""
    os.close(ours)
    environments = tmp_path.glob("mnist_hw4/sweeps/*/*/environment.json")
    variables = [json.loads(path.read_text())["omp"] for path in environments]
    assert [each["OMP_NUM_THREADS"] for each in variables] == ["1"] * 3
