"""Training of the jobs of a sweep: groups, failures, interruptions and results."""

import gc
import logging
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import filelock
import pytest
from helpers import assert_all_close, assert_equal_weights, assert_same_runs, forks, stopped_in
from omegaconf import OmegaConf
from stacked_jobs import MakeJobs, train_as_stack, train_singly

from mlp_lab.data.mnist import MNIST
from mlp_lab.runs.train import Training
from mlp_lab.storage.checkpoints import read_checkpoint
from mlp_lab.storage.results import Status
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.sweeps import groups
from mlp_lab.sweeps.groups import Job, training_groups
from mlp_lab.sweeps.jobs import train_jobs
from mlp_lab.tasks.base import Task
from mlp_lab.tasks.stack import Stack


def test_a_member_that_leaves_writes_its_result_immediately(
    make_jobs: MakeJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_overrides = [["optimizer.lr=1e-7"], ["optimizer.lr=0.1"], ["optimizer.lr=1e30"]]
    common = ["callbacks=early_stopping", "callbacks.early_stopping.patience=1"]
    common += ["callbacks.early_stopping.min_delta=1e-3", "trainer.max_epochs=5"]
    sweep = make_jobs("sweep", *job_overrides, common=common)
    statuses = []
    begins = Stack.on_train_epoch_start

    def watched(self: Stack) -> None:
        statuses.append([RunFolder(job.folder).result.status for job in sweep])
        if self.current_epoch == 2:
            raise KeyboardInterrupt
        begins(self)

    with monkeypatch.context() as patch:
        patch.setattr(Stack, "on_train_epoch_start", watched)
        results = train_jobs(sweep)
    assert statuses[1:] == [
        ["unfinished", "unfinished", "diverged"],
        ["finished", "unfinished", "diverged"],
    ]
    assert [result.status for result in results] == ["finished", "interrupted", "diverged"]
    again = train_jobs(sweep)
    assert [again[0], again[2]] == [results[0], results[2]]
    assert again[1].status == "finished"


def test_a_killed_member_that_had_stopped_is_not_trained_again(make_jobs: MakeJobs) -> None:
    job_overrides = [["optimizer.lr=1e-7"], ["optimizer.lr=2e-7"]]
    common = ["callbacks=early_stopping", "callbacks.early_stopping.patience=1"]
    common += ["callbacks.early_stopping.min_delta=1e-3", "trainer.max_epochs=5"]
    sweep = make_jobs("sweep", *job_overrides, common=common)
    before = train_as_stack(sweep)
    for job in sweep:
        (job.folder / "result.json").unlink()
    assert_all_close(
        [result.to_json() for result in before],
        [result.to_json() for result in train_as_stack(sweep)],
    )


def test_a_diverging_member_does_not_affect_the_others(make_jobs: MakeJobs) -> None:
    job_overrides = [["optimizer.lr=0.1"], ["optimizer.lr=1e30"], ["optimizer.lr=0.05"]]
    singles = train_singly(make_jobs("apart", *job_overrides))
    stacked = train_as_stack(make_jobs("stacked", *job_overrides))
    assert [result.status for result in stacked] == ["finished", "diverged", "finished"]
    assert stacked[1].reason == singles[1].reason
    assert_same_runs(singles[::2], stacked[::2])
    assert stacked[1].epochs == 0
    assert (
        read_checkpoint(RunFolder(stacked[1].folder).checkpoints.existing("last"))["global_step"]
        == 0
    )


def test_fail_fast_interrupts_jobs_that_can_be_resumed(make_jobs: MakeJobs) -> None:
    job_overrides = [["optimizer.lr=0.1"], ["optimizer.lr=1e30"], ["network.width=5"]]
    stopped = train_jobs(make_jobs("sweep", *job_overrides), fail_fast=True)
    assert not make_jobs("sweep", *job_overrides)[2].folder.exists()
    assert [result.status for result in stopped] == ["interrupted", "diverged", "interrupted"]
    done = train_jobs(make_jobs("sweep", *job_overrides))
    assert [result.status for result in done] == ["finished", "diverged", "finished"]
    [singles] = train_singly(make_jobs("apart", job_overrides[0]))
    assert_all_close(singles.to_json(), done[0].to_json() | {"seconds": []})


@pytest.mark.parametrize(
    "others",
    [
        ["callbacks=default"],
        ["trainer.max_steps=25", "trainer.limit_train_batches=10"],  # ends within the third epoch
    ],
    ids=str,
)
def test_an_interrupted_stack_is_resumed(
    others: list[str], make_jobs: MakeJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_overrides = [["seed=1"], ["optimizer.lr=0.05", "seed=2"], ["optimizer.lr=0.2", "seed=1"]]
    common = ["optimizer=adamw", "schedule=cosine", "network.dropout=0.2"]
    common += others
    whole = train_as_stack(make_jobs("whole", *job_overrides, common=common))
    trained = Stack.training_step

    def interrupted(self: Stack, chunk: Any, index: int) -> None:
        trained(self, chunk, index)
        if self.current_epoch == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(Stack, "training_step", interrupted)
    results = train_jobs(make_jobs("parts", *job_overrides, common=common))
    assert {(result.status, result.epochs) for result in results} == {("interrupted", 1)}
    drawn = (Path(results[0].folder) / "figures" / "loss_curves.png").is_file()
    assert drawn == ("callbacks=default" in others)
    monkeypatch.setattr(Stack, "training_step", trained)
    parts = train_as_stack(make_jobs("parts", *job_overrides, common=common))
    for one, other in zip(whole, parts, strict=True):
        assert_equal_weights(one, other)
        assert one.best is not None
        assert other.best is not None
        assert one.best | {"seconds": 0} == other.best | {"seconds": 0}


@forks
def test_interrupted_processes_are_resumed(
    make_jobs: MakeJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_overrides = [["seed=1"], ["seed=2"], ["network.width=5"]]
    common = ["network.dropout=0.2", "trainer.max_steps=25", "trainer.limit_train_batches=10"]
    whole = train_jobs(make_jobs("whole", *job_overrides, common=common), processes=2)
    with stopped_in(2, KeyboardInterrupt):
        parts = train_jobs(make_jobs("parts", *job_overrides, common=common), processes=2)
    assert "interrupted" in {result.status for result in parts}
    parts = train_jobs(make_jobs("parts", *job_overrides, common=common), processes=2)
    for one, other in zip(whole, parts, strict=True):
        assert (one.status, other.status, other.steps) == ("finished", "finished", 25)
        assert_equal_weights(one, other)


def test_finished_jobs_are_not_trained_again(make_jobs: MakeJobs) -> None:
    job_overrides = [["optimizer.lr=0.1"], ["optimizer.lr=0.2"]]
    first = train_jobs(make_jobs("sweep", *job_overrides))
    files = {
        p: p.stat().st_mtime_ns
        for j in make_jobs("sweep", *job_overrides)
        for p in j.folder.rglob("*")
    }
    again = train_jobs(make_jobs("sweep", *job_overrides))
    assert again == first
    assert files == {p: p.stat().st_mtime_ns for p in files}


def test_a_folder_locked_by_another_process_is_not_changed(make_jobs: MakeJobs) -> None:
    job_overrides = [["optimizer.lr=0.1"], ["optimizer.lr=0.2"]]
    sweep = make_jobs("sweep", *job_overrides)
    sweep[0].folder.mkdir(parents=True)
    (sweep[0].folder / "notes").touch()
    with filelock.FileLock(sweep[0].folder / ".training"):
        other, trained = train_jobs(sweep)
    assert other.status == "failed"
    assert "another process is training here" in str(other.reason)
    assert {path.name for path in sweep[0].folder.iterdir()} <= {"notes", ".training"}
    assert trained.status == "finished"


def test_a_damaged_result_is_kept(make_jobs: MakeJobs) -> None:
    sweep = make_jobs("sweep", ["seed=1"])
    train_jobs(sweep)
    (sweep[0].folder / "result.json").write_text("{")
    [result] = train_jobs(sweep)
    assert (result.status, "damaged" in str(result.reason)) == ("failed", True)
    assert (sweep[0].folder / "result.json").read_text() == "{"


def test_a_job_that_fails_on_resume_keeps_its_result(
    make_jobs: MakeJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise ZeroDivisionError

    sweep = make_jobs("sweep", ["seed=1"])
    [before] = train_jobs(sweep)
    RunFolder(before.folder).write_result(replace(before, status=Status.INTERRUPTED))
    monkeypatch.setattr(Training, "resumed", fails)
    [after] = train_jobs(sweep)
    assert after == replace(before, status=Status.FAILED, reason="ZeroDivisionError")
    assert RunFolder(before.folder).result == after


def test_jobs_with_different_batch_sizes_share_the_data(
    make_jobs: MakeJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []
    read = MNIST.read
    monkeypatch.setattr(MNIST, "read", lambda *args: reads.append(1) or read(*args))
    job_overrides = [["data.batch_size=16"], ["data.batch_size=32"], ["data.standardize=false"]]
    train_jobs(make_jobs("sweep", *job_overrides, common=["trainer.max_epochs=1"]))
    assert len(reads) == 2


def test_jobs_are_grouped_by_shape_and_single_jobs_are_reported(
    make_jobs: MakeJobs, capsys: pytest.CaptureFixture
) -> None:
    job_overrides = [["network.width=4"], ["network.width=5"], ["network.width=4", "seed=1"]]
    results = train_jobs(
        make_jobs("sweep", *job_overrides, ["network.width=4", "trainer.profiler=simple"])
    )
    assert {result.status for result in results} == {"finished"}
    output = capsys.readouterr().out
    assert "2 jobs train as one network (784-4-10, 3,190 parameters): 0, 2" in output
    assert "1 trains alone (no other job has its shape, inputs and progress): 784-5-10" in output
    assert "3 trains alone (trainer.profiler is set): 784-4-10" in output


def test_a_failed_job_logs_its_traceback(
    make_jobs: MakeJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("of the test's")

    job_overrides = [["network.width=4"], ["network.width=5"]]
    with monkeypatch.context() as patch:
        patch.setattr("mlp_lab.tasks.base.Task.record_training", broken)
        failed, _ = train_jobs(make_jobs("sweep", *job_overrides))
    assert (failed.status, failed.reason) == ("failed", "ZeroDivisionError: of the test's")
    log = RunFolder(failed.folder).log.read_text()
    assert "Traceback (most recent call last)" in log
    assert "in broken" in log
    assert {result.status for result in train_jobs(make_jobs("sweep", *job_overrides))} == {
        "finished"
    }


def test_jobs_of_a_failed_stack_train_one_by_one(
    make_jobs: MakeJobs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    job_overrides = [["seed=1"], ["seed=2"], ["seed=3"]]
    train_means = Task.on_train_epoch_end

    def breaks(task: Task) -> None:
        if task.seed == 2 and task.current_epoch == 1:
            raise ZeroDivisionError("of the test's")
        train_means(task)

    monkeypatch.setattr(Task, "on_train_epoch_end", breaks)
    results = train_jobs(make_jobs("sweep", *job_overrides))
    assert [result.status for result in results] == ["finished", "failed", "finished"]
    assert (
        "the stack failed (ZeroDivisionError); its jobs now train one by one"
        in capsys.readouterr().out
    )
    singles = train_singly(make_jobs("apart", *job_overrides[::2]))
    for one, other in zip(singles, results[::2], strict=True):
        assert_all_close(RunFolder(one.folder).history, RunFolder(other.folder).history)


@forks
def test_processes_divide_a_stack(make_jobs: MakeJobs, capsys: pytest.CaptureFixture) -> None:
    """Four members with two seeds and one shape, and a job with another shape."""
    lrs = ["optimizer.lr=0.1", "optimizer.lr=0.3"]
    job_overrides = [[lr, seed] for lr in lrs for seed in ("seed=1", "seed=2")] + [
        ["network.width=5"]
    ]
    singles = train_singly(make_jobs("apart", *job_overrides))
    divided = train_jobs(make_jobs("divided", *job_overrides), processes=2)
    assert_same_runs(singles, divided)
    output = capsys.readouterr().out
    assert "2 jobs train as one network (784-64-10, 50,890 parameters): 0, 2" in output  # a seed's
    assert "2 jobs train as one network (784-64-10, 50,890 parameters): 1, 3" in output
    assert "4 trains alone (no other job has its shape, inputs and progress): 784-5-10" in output


@pytest.mark.parametrize(
    ("jobs_per_shape", "processes", "parts"),
    [
        ([8], 1, [8]),
        ([8], 2, [4, 4]),
        ([3], 2, [1, 2]),
        ([3], 5, [1, 1, 1]),
        ([200], 1, [50, 50, 50, 50]),  # at most 64 at a time
        ([4, 4], 2, [4, 4]),  # each process has one
        ([4, 4], 3, [2, 2, 2, 2]),
        ([5, 1], 4, [1, 1, 1, 2, 1]),
        ([60, 1, 1], 2, [30, 30, 1, 1]),
        ([8] * 10, 2, [8] * 10),
    ],
)
def test_there_are_enough_groups_for_all_processes(
    jobs_per_shape: list[int], processes: int, parts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "_stacking_key", lambda job: job.cfg.shape)
    every = [
        Job(OmegaConf.create({"shape": shape, "seed": number % 3}), [], Path(f"{shape}_{number}"))
        for shape, number_of in enumerate(jobs_per_shape)
        for number in range(number_of)
    ]
    actual = training_groups(every, processes)
    assert [len(group.jobs) for group in actual] == parts
    assert sorted(job.folder for group in actual for job in group.jobs) == sorted(
        job.folder for job in every
    )


@pytest.mark.slow
@pytest.mark.draws
def test_nothing_leaks_from_job_to_job(make_jobs: MakeJobs) -> None:
    def run(name: str, count: int) -> None:
        job_overrides = [
            [f"network.width={1 + i // 2 % 20}", f"seed={i % 2}"] for i in range(count)
        ]
        common = ["trainer.limit_train_batches=2", "trainer.max_epochs=2", "callbacks=default"]
        job_overrides += [["optimizer.lr=1e30", f"network.width={width}"] for width in (3, 50)]
        results = train_jobs(make_jobs(name, *job_overrides, common=common))
        assert {result.status for result in results} == {"finished", "diverged"}

    def held() -> tuple[int, int, int]:
        """Return open files, threads and memory in MiB of this process."""
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return len(os.listdir("/proc/self/fd")), threading.active_count(), pages * 4096 >> 20

    run("few", 20)
    files, threads, memory = held()
    for part in range(3):
        run(f"part {part}", 20)
    assert held()[:2] == (files, threads)
    assert held()[2] < memory + 50
    assert logging.getLogger("mlp_lab").handlers == []


def test_a_stack_killed_before_its_results_writes_them_on_resume(make_jobs: MakeJobs) -> None:
    job_overrides = [["seed=1"], ["seed=2"], ["seed=3"]]
    before = train_as_stack(make_jobs("sweep", *job_overrides, common=["callbacks=default"]))
    for result in before[1:]:
        (Path(result.folder) / "result.json").unlink()
        (Path(result.folder) / "figures" / "loss_curves.png").unlink()
    after = train_jobs(make_jobs("sweep", *job_overrides, common=["callbacks=default"]))
    assert_all_close(list(map(vars, before)), list(map(vars, after)))
    for result in after:
        assert (Path(result.folder) / "figures" / "loss_curves.png").is_file()
