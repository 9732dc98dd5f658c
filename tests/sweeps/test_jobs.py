"""Jobs that train as one network, held against the same jobs one by one."""

import gc
import logging
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import filelock
import pytest
import torch
from helpers import assert_alike, assert_equal_weights, assert_same_runs, forks
from omegaconf import OmegaConf

from mlp_lab.data.mnist import MNIST
from mlp_lab.runs.train import Training, fit_alone
from mlp_lab.storage.checkpoints import read_checkpoint
from mlp_lab.storage.results import Result, Status
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.sweeps import group_trainer, groups
from mlp_lab.sweeps.groups import Job, training_groups
from mlp_lab.sweeps.jobs import train_jobs
from mlp_lab.tasks.base import Task
from mlp_lab.tasks.stack import Stack

Jobs = Callable[..., list[Job]]


@pytest.fixture
def jobs(compose: Callable, tiny_mnist: Path, tmp_path: Path) -> Jobs:
    """``jobs("together", ["seed=1"], ["seed=2"], common=[...])``: jobs in a folder of a sweep."""
    usual = ["trainer.accelerator=cpu", "trainer.max_epochs=3", "data.batch_size=32"]
    usual += [f"data.root='{tiny_mnist}'", "callbacks=none"]

    def make(name: str, *own: Sequence[str], common: Sequence[str] = ()) -> list[Job]:
        return [
            Job(compose(*usual, *common, *words), words, tmp_path / name / str(number))
            for number, words in enumerate(own)
        ]

    return make


def alone(jobs: Sequence[Job]) -> list[Result]:
    trainings = [Training.new(job.cfg, job.overrides, job.folder) for job in jobs]
    return [fit_alone(training, test=False, terminal=False) for training in trainings]


def together(jobs: Sequence[Job], **options: Any) -> list[Result]:
    """Train, and see to it that it is as one network."""
    stacks = []

    class Watched(Stack):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            stacks.append(len(self.members))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(group_trainer, "Stack", Watched)
        results = train_jobs(jobs, **options)
    assert stacks == [len(jobs)]
    return results


OPTIMIZERS = {
    "sgd": ["lr=0.01", "lr=0.3 weight_decay=1e-3", "lr=0.1"],
    "momentum": ["lr=0.01", "lr=0.05 momentum=0.5", "lr=0.02 weight_decay=1e-3"],
    "nesterov": ["lr=0.01", "lr=0.05 momentum=0.5", "lr=0.02"],
    "adam": ["lr=1e-3", "lr=3e-3 betas=[0.8,0.99]", "lr=1e-3 weight_decay=1e-3 eps=1e-6"],
    "adamw": ["lr=1e-3", "lr=3e-3 weight_decay=0.1", "lr=2e-3 betas=[0.8,0.99]"],
    "nadam": ["lr=1e-3", "lr=3e-3", "lr=2e-3"],
    "rmsprop": ["lr=1e-3", "lr=3e-4", "lr=1e-3 momentum=0.5"],
    "adagrad": ["lr=1e-2", "lr=3e-3", "lr=1e-3"],
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_stack_leaves_what_single_runs_leave(optimizer: str, jobs: Jobs) -> None:
    own = [
        [f"network.dropout={0.1 + 0.2 * i}", *(f"optimizer.{word}" for word in words.split())]
        for i, words in enumerate(OPTIMIZERS[optimizer])
    ]
    common = [f"optimizer={optimizer}", "schedule=cosine", "trainer.log_every_n_steps=20"]
    assert_same_both_ways(jobs, *own, common=[*common, "network.depth=2", "network.width=16"])


@pytest.mark.parametrize("seeds", [(1, 2, 2), (1, 1, 2, 2)], ids=str)
def test_microbatches_in_a_stack(
    seeds: tuple[int, ...], jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = set()
    original = Stack._differentiate_microbatch

    def watched(self: Stack, x: torch.Tensor, *others: Any) -> Any:
        seen.add(x.shape[1])
        return original(self, x, *others)

    monkeypatch.setattr(Stack, "_differentiate_microbatch", watched)
    for module in ("chunked_training", "stack"):
        monkeypatch.setattr(f"mlp_lab.tasks.{module}.microbatch_size", lambda *_: 14)
    own = [[f"seed={s}", f"task.label_smoothing={0.1 * i}"] for i, s in enumerate(seeds)]
    # Two layers of dropout draw in another order than for whole minibatches.
    common = ["network.depth=2", "network.dropout=0.2", "optimizer=adam"]
    assert_same_both_ways(jobs, *own, common=[*common, "trainer.log_every_n_steps=20"])
    assert seen == {10, 11}  # three microbatches of 32


def assert_same_both_ways(jobs: Jobs, *own: Sequence[str], common: Sequence[str] = ()) -> None:
    apart = alone(jobs("apart", *own, common=common))
    assert_same_runs(apart, together(jobs("stacked", *own, common=common)))


@pytest.mark.parametrize(
    "seeds", [(1, 2, 3), (1, 1, 2, 2), (2, 1, 2, 1), (1, 2, 2)], ids=lambda s: "".join(map(str, s))
)
@pytest.mark.parametrize("normalization", ["none", "batch", "layer"])
def test_seeds_share_minibatches_or_not(
    seeds: tuple[int, ...], normalization: str, jobs: Jobs
) -> None:
    own = [[f"seed={s}", f"optimizer.lr={0.02 * (i + 1)}"] for i, s in enumerate(seeds)]
    common = [
        f"network.normalization={normalization}",
        "network.dropout=0.2",
        "trainer.precision=64-true",
    ]
    assert_same_both_ways(jobs, *own, common=[*common, "optimizer=momentum", "network.width=12"])


def test_what_else_may_differ(jobs: Jobs) -> None:
    own = [
        ["network.activation=relu", "optimizer=adam", "schedule=one_cycle", "network.dropout=0.1"],
        ["network.activation=tanh", "optimizer=sgd", "schedule=step", "network.dropout=0.2"],
        [
            "network.activation=silu",
            "optimizer=rmsprop",
            "select.metric=error",
            "network.dropout=0.3",
        ],
    ]
    common = ["trainer.max_steps=120", "trainer.check_val_every_n_epoch=2", "trainer.max_epochs=4"]
    assert_same_both_ways(jobs, *own, common=[*common, "trainer.precision=64-true"])


COOLDOWN = "augmentation.cooldown=0.7"


def test_augmented_minibatches_are_shared_or_not(jobs: Jobs) -> None:
    own = [
        ["augmentation=affine", "seed=1", "optimizer.lr=0.05"],
        ["augmentation=affine_elastic", "seed=1"],
        ["augmentation=none", "seed=1"],
        ["augmentation=affine", "seed=2"],
        ["augmentation=affine", "seed=1"],
    ]
    assert_same_both_ways(jobs, *own, common=["network.width=12", "trainer.precision=64-true"])
    own = [[*words, f"optimizer.lr={lr}"] for words in ([], [COOLDOWN]) for lr in (0.05, 0.1)]
    common = ["augmentation=elastic", "network.dropout=0.2", "trainer.precision=64-true"]
    assert_same_runs(
        alone(jobs("apart_2", *own, common=common)),
        together(jobs("stacked_2", *own, common=common)),
    )


def test_members_smooth_their_labels_on_their_own(jobs: Jobs) -> None:
    own = [["task.label_smoothing=0.1"], ["seed=2"], ["task.label_smoothing=0.3"]]
    common = ["trainer.precision=64-true", "trainer.max_epochs=2", "network.width=12"]
    assert_same_both_ways(jobs, *own, common=common)


def test_residual_links_in_a_stack(jobs: Jobs) -> None:
    own = [["seed=1"], ["network.dropout=0.3", "seed=1"], ["network.activation=tanh"]]
    common = ["network.residual=true", "network.widths=[12,12,8,8,8]", "network.dropout=0.1"]
    common += ["network.normalization=batch", "trainer.precision=64-true", "optimizer=momentum"]
    assert_same_both_ways(jobs, *own, common=[*common, "trainer.max_epochs=2"])


def test_members_average_their_weights_on_their_own(jobs: Jobs) -> None:
    own = [["average_decay=0.9", "optimizer.lr=1e-7"], ["average_decay=0.5"], ["seed=2"]]
    common = ["network.normalization=batch", "network.dropout=0.1", "trainer.precision=64-true"]
    common += ["callbacks=early_stopping", "callbacks.early_stopping.patience=1"]
    common += ["callbacks.early_stopping.min_delta=1e-3", "average_decay=0.97", "network.width=12"]
    apart = alone(jobs("apart", *own, common=common))
    assert_same_runs(apart, together(jobs("stacked", *own, common=common)))
    assert apart[0].epochs < apart[1].epochs, "none leaves the others"


def test_members_stop_early_on_their_own(jobs: Jobs) -> None:
    own = [["optimizer.lr=1e-7"], ["optimizer.lr=0.1"], ["optimizer.lr=2"]]
    common = ["callbacks=early_stopping", "callbacks.early_stopping.patience=1"]
    common += ["callbacks.early_stopping.min_delta=1e-3", "trainer.max_epochs=8"]
    apart = alone(jobs("apart", *own, common=common))
    stacked = together(jobs("stacked", *own, common=common))
    assert_same_runs(apart, stacked)
    assert stacked[0].epochs == 2
    assert stacked[1].epochs > 2


def test_a_member_that_leaves_has_its_result_at_once(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = [["optimizer.lr=1e-7"], ["optimizer.lr=0.1"], ["optimizer.lr=1e30"]]
    common = ["callbacks=early_stopping", "callbacks.early_stopping.patience=1"]
    common += ["callbacks.early_stopping.min_delta=1e-3", "trainer.max_epochs=5"]
    sweep = jobs("sweep", *own, common=common)
    found = []
    begins = Stack.on_train_epoch_start

    def watched(self: Stack) -> None:
        found.append([RunFolder(job.folder).result.status for job in sweep])
        if self.current_epoch == 2:
            raise KeyboardInterrupt
        begins(self)

    with monkeypatch.context() as patch:
        patch.setattr(Stack, "on_train_epoch_start", watched)
        results = train_jobs(sweep)
    assert found[1:] == [
        ["unfinished", "unfinished", "diverged"],
        ["finished", "unfinished", "diverged"],
    ]
    assert [result.status for result in results] == ["finished", "interrupted", "diverged"]
    again = train_jobs(sweep)
    assert [again[0], again[2]] == [results[0], results[2]]
    assert again[1].status == "finished"


def test_a_member_that_stopped_and_was_killed_trains_no_further(jobs: Jobs) -> None:
    own = [["optimizer.lr=1e-7"], ["optimizer.lr=2e-7"]]
    common = ["callbacks=early_stopping", "callbacks.early_stopping.patience=1"]
    common += ["callbacks.early_stopping.min_delta=1e-3", "trainer.max_epochs=5"]
    sweep = jobs("sweep", *own, common=common)
    before = together(sweep)
    for job in sweep:
        (job.folder / "result.json").unlink()
    assert_alike(
        [result.to_json() for result in before],
        [result.to_json() for result in together(sweep)],
    )


def test_a_member_that_diverges_leaves_the_others_unharmed(jobs: Jobs) -> None:
    own = [["optimizer.lr=0.1"], ["optimizer.lr=1e30"], ["optimizer.lr=0.05"]]
    apart = alone(jobs("apart", *own))
    stacked = together(jobs("stacked", *own))
    assert [result.status for result in stacked] == ["finished", "diverged", "finished"]
    assert stacked[1].reason == apart[1].reason
    assert_same_runs(apart[::2], stacked[::2])
    assert stacked[1].epochs == 0
    assert read_checkpoint(RunFolder(stacked[1].folder).checkpoint("last"))["global_step"] == 0


def test_fail_fast_leaves_the_others_to_go_on(jobs: Jobs) -> None:
    own = [["optimizer.lr=0.1"], ["optimizer.lr=1e30"], ["network.width=5"]]
    stopped = train_jobs(jobs("sweep", *own), fail_fast=True)
    assert not jobs("sweep", *own)[2].folder.exists()
    assert [result.status for result in stopped] == ["interrupted", "diverged", "interrupted"]
    done = train_jobs(jobs("sweep", *own))
    assert [result.status for result in done] == ["finished", "diverged", "finished"]
    [apart] = alone(jobs("apart", own[0]))
    assert_alike(apart.to_json(), done[0].to_json() | {"seconds": []})


def test_a_stack_goes_on_where_it_was_interrupted(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = [["seed=1"], ["optimizer.lr=0.05", "seed=2"], ["optimizer.lr=0.2", "seed=1"]]
    common = ["optimizer=adamw", "schedule=cosine", "network.dropout=0.2"]
    common += ["callbacks=default"]
    whole = together(jobs("whole", *own, common=common))
    trained = Stack.training_step

    def interrupted(self: Stack, chunk: Any, index: int) -> None:
        trained(self, chunk, index)
        if self.current_epoch == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(Stack, "training_step", interrupted)
    results = train_jobs(jobs("parts", *own, common=common))
    assert {(result.status, result.epochs) for result in results} == {("interrupted", 1)}
    assert (Path(results[0].folder) / "figures" / "loss_curves.png").is_file()
    monkeypatch.setattr(Stack, "training_step", trained)
    parts = together(jobs("parts", *own, common=common))
    for one, other in zip(whole, parts, strict=True):
        assert_equal_weights(one, other)


def test_finished_jobs_are_only_read(jobs: Jobs) -> None:
    own = [["optimizer.lr=0.1"], ["optimizer.lr=0.2"]]
    first = train_jobs(jobs("sweep", *own))
    files = {p: p.stat().st_mtime_ns for j in jobs("sweep", *own) for p in j.folder.rglob("*")}
    again = train_jobs(jobs("sweep", *own))
    assert again == first
    assert files == {p: p.stat().st_mtime_ns for p in files}


def test_a_folder_in_which_another_process_trains_is_left_alone(jobs: Jobs) -> None:
    own = [["optimizer.lr=0.1"], ["optimizer.lr=0.2"]]
    sweep = jobs("sweep", *own)
    sweep[0].folder.mkdir(parents=True)
    (sweep[0].folder / "notes").touch()
    with filelock.FileLock(sweep[0].folder / ".training"):
        other, trained = train_jobs(sweep)
    assert other.status == "failed"
    assert "another process is training here" in str(other.reason)
    assert {path.name for path in sweep[0].folder.iterdir()} <= {"notes", ".training"}
    assert trained.status == "finished"


def test_a_damaged_result_is_not_thrown_away(jobs: Jobs) -> None:
    sweep = jobs("sweep", ["seed=1"])
    train_jobs(sweep)
    (sweep[0].folder / "result.json").write_text("{")
    [result] = train_jobs(sweep)
    assert (result.status, "damaged" in str(result.reason)) == ("failed", True)
    assert (sweep[0].folder / "result.json").read_text() == "{"


def test_a_job_that_fails_later_keeps_its_numbers(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise ZeroDivisionError

    sweep = jobs("sweep", ["seed=1"])
    [before] = train_jobs(sweep)
    RunFolder(before.folder).write_result(replace(before, status=Status.INTERRUPTED))
    monkeypatch.setattr(Training, "going_on", fails)
    [after] = train_jobs(sweep)
    assert after == replace(before, status=Status.FAILED, reason="ZeroDivisionError")
    assert RunFolder(before.folder).result == after


@pytest.mark.parametrize("augmentation", ["none", "affine"])
def test_a_batch_of_all_examples_has_no_order(augmentation: str, jobs: Jobs) -> None:
    own = [["seed=1"], ["seed=1", "optimizer.lr=0.3"], ["seed=2"], ["seed=3"]]
    common = ["data.batch_size=1600", "network.dropout=0.2", f"augmentation={augmentation}"]
    assert_same_both_ways(jobs, *own, common=common)


def test_batch_sizes_share_what_was_read(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    read = MNIST.read
    monkeypatch.setattr(MNIST, "read", lambda *args: reads.append(1) or read(*args))
    own = [["data.batch_size=16"], ["data.batch_size=32"], ["data.standardize=false"]]
    train_jobs(jobs("sweep", *own, common=["trainer.max_epochs=1"]))
    assert len(reads) == 2


@pytest.mark.parametrize("own", ["optimizer=sgd", "optimizer=momentum", "optimizer=adamw"])
def test_stacks_in_bfloat16(own: str, jobs: Jobs) -> None:
    common = ["trainer.precision=bf16-true", "trainer.max_epochs=1", own]
    apart = alone(jobs("apart", ["optimizer.lr=0.1"], ["optimizer.lr=0.01"], common=common))
    both = together(jobs("both", ["optimizer.lr=0.1"], ["optimizer.lr=0.01"], common=common))
    for one, other in zip(apart, both, strict=True):
        first, second = (RunFolder(result.folder).history[0] for result in (one, other))
        assert first["loss/train"] == pytest.approx(second["loss/train"], rel=0.05)


def test_shapes_make_groups_and_what_trains_alone_is_said(
    jobs: Jobs, capsys: pytest.CaptureFixture
) -> None:
    own = [["network.width=4"], ["network.width=5"], ["network.width=4", "seed=1"]]
    results = train_jobs(jobs("sweep", *own, ["network.width=4", "trainer.profiler=simple"]))
    assert {result.status for result in results} == {"finished"}
    said = capsys.readouterr().out
    assert "2 jobs train as one network (784-4-10, 3,190 parameters): 0, 2" in said
    assert "1 trains alone (no other job has its shape, inputs and progress): 784-5-10" in said
    assert "3 trains alone (trainer.profiler is set): 784-4-10" in said


def test_a_job_that_fails_leaves_its_traceback(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("of the test's")

    own = [["network.width=4"], ["network.width=5"]]
    with monkeypatch.context() as patch:
        patch.setattr("mlp_lab.tasks.base.Task.record_training", broken)
        failed, _ = train_jobs(jobs("sweep", *own))
    assert (failed.status, failed.reason) == ("failed", "ZeroDivisionError: of the test's")
    log = RunFolder(failed.folder).log.read_text()
    assert "Traceback (most recent call last)" in log
    assert "in broken" in log
    assert {result.status for result in train_jobs(jobs("sweep", *own))} == {"finished"}


def test_a_job_that_makes_its_stack_fail_fails_alone(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    own = [["seed=1"], ["seed=2"], ["seed=3"]]
    train_means = Task.on_train_epoch_end

    def breaks(task: Task) -> None:
        if task.seed == 2 and task.current_epoch == 1:
            raise ZeroDivisionError("of the test's")
        train_means(task)

    monkeypatch.setattr(Task, "on_train_epoch_end", breaks)
    results = train_jobs(jobs("sweep", *own))
    assert [result.status for result in results] == ["finished", "failed", "finished"]
    assert (
        "the stack failed (ZeroDivisionError); its jobs now train one by one"
        in capsys.readouterr().out
    )
    apart = alone(jobs("apart", *own[::2]))
    for one, other in zip(apart, results[::2], strict=True):
        assert_alike(RunFolder(one.folder).history, RunFolder(other.folder).history)


def test_a_checkpoint_of_a_stack_holds_one_network(jobs: Jobs) -> None:
    results = together(jobs("sweep", ["seed=1"], ["seed=2"], ["seed=3"]))
    single = alone(jobs("apart", ["seed=1"]))
    sizes = [RunFolder(r.folder).checkpoint("best").stat().st_size for r in (*results, *single)]
    assert max(sizes) < 1.01 * min(sizes)


@forks
def test_processes_divide_a_stack(jobs: Jobs, capsys: pytest.CaptureFixture) -> None:
    """Four members of two seeds in one shape, and a job of another."""
    lrs = ["optimizer.lr=0.1", "optimizer.lr=0.3"]
    own = [[lr, seed] for lr in lrs for seed in ("seed=1", "seed=2")] + [["network.width=5"]]
    apart = alone(jobs("apart", *own))
    divided = train_jobs(jobs("divided", *own), processes=2)
    assert_same_runs(apart, divided)
    said = capsys.readouterr().out
    assert "2 jobs train as one network (784-64-10, 50,890 parameters): 0, 2" in said  # a seed's
    assert "2 jobs train as one network (784-64-10, 50,890 parameters): 1, 3" in said
    assert "4 trains alone (no other job has its shape, inputs and progress): 784-5-10" in said


@pytest.mark.parametrize(
    ("jobs_", "processes", "parts"),
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
def test_groups_suffice_for_all_processes(
    jobs_: list[int], processes: int, parts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "_stacking_key", lambda job: job.cfg.shape)
    every = [
        Job(OmegaConf.create({"shape": shape, "seed": number % 3}), [], Path(f"{shape}_{number}"))
        for shape, number_of in enumerate(jobs_)
        for number in range(number_of)
    ]
    found = training_groups(every, processes)
    assert [len(group.jobs) for group in found] == parts
    assert sorted(job.folder for group in found for job in group.jobs) == sorted(
        job.folder for job in every
    )


@pytest.mark.slow
def test_nothing_leaks_from_job_to_job(jobs: Jobs) -> None:
    def run(name: str, count: int) -> None:
        own = [[f"network.width={1 + i // 2 % 20}", f"seed={i % 2}"] for i in range(count)]
        common = ["trainer.limit_train_batches=2", "trainer.max_epochs=2", "callbacks=default"]
        own += [["optimizer.lr=1e30", f"network.width={width}"] for width in (3, 50)]
        results = train_jobs(jobs(name, *own, common=common))
        assert {result.status for result in results} == {"finished", "diverged"}

    def held() -> tuple[int, int, int]:
        """Open files, threads and mebibytes of memory of this process."""
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return len(os.listdir("/proc/self/fd")), threading.active_count(), pages * 4096 >> 20

    run("few", 20)
    files, threads, memory = held()
    for part in range(10):
        run(f"part {part}", 20)
    assert held()[:2] == (files, threads)
    assert held()[2] < memory + 60
    assert logging.getLogger("mlp_lab").handlers == []


def test_a_stack_that_was_killed_before_its_results_ends_when_it_goes_on(jobs: Jobs) -> None:
    own = [["seed=1"], ["seed=2"], ["seed=3"]]
    before = together(jobs("sweep", *own, common=["callbacks=default"]))
    for result in before[1:]:
        (Path(result.folder) / "result.json").unlink()
        (Path(result.folder) / "figures" / "loss_curves.png").unlink()
    after = train_jobs(jobs("sweep", *own, common=["callbacks=default"]))
    assert_alike(list(map(vars, before)), list(map(vars, after)))
    for result in after:
        assert (Path(result.folder) / "figures" / "loss_curves.png").is_file()
