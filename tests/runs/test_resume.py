"""Runs that were killed, interrupted, finished or damaged, and then resumed."""

import shutil
from collections.abc import Callable
from pathlib import Path

import filelock
import pytest
import torch
from helpers import Experiment, assert_equal_weights, history, scalars, stopped_in, weights
from omegaconf import DictConfig

from mlp_lab.errors import UserError
from mlp_lab.runs.train import resume, train
from mlp_lab.storage.checkpoints import read_checkpoint
from mlp_lab.storage.results import Result
from mlp_lab.storage.run_folder import RunFolder


class Killed(BaseException):
    """Stands in for a signal that kills the process."""


@pytest.fixture
def points(compose: Callable[..., DictConfig], tmp_path: Path) -> Experiment:
    """``points("trainer.max_steps=9", ...)``: train on points, six minibatches per epoch."""
    common = [
        "experiment=points_mlp", "data.size=60", "network.dropout=0.2", "schedule=constant",
        "callbacks=none", "logger=none", "trainer.max_epochs=10", f"logs='{tmp_path}'",
    ]  # fmt: skip
    return lambda *overrides: train(compose(*common, *overrides), overrides)


@pytest.mark.parametrize("epochs_before", [0, 2])
def test_a_killed_and_resumed_run_equals_an_uninterrupted_run(
    epochs_before: int, experiment: Experiment
) -> None:
    overrides = [
        "network.dropout=0.5", "network.normalization=batch", "optimizer=adamw",
        "schedule=one_cycle", "trainer.max_epochs=4",
    ]  # fmt: skip
    expected = experiment(*overrides)

    with stopped_in(epochs_before, Killed), pytest.raises(Killed):
        experiment(*overrides)
    killed = max(Path(expected.folder).parent.iterdir(), key=lambda folder: folder.stat().st_ctime)
    assert killed != Path(expected.folder)
    assert not (killed / "result.json").exists()

    result = resume(str(killed), {})
    assert_equal_weights(result, expected)
    drop = {"seconds"}
    assert [{k: v for k, v in row.items() if k not in drop} for row in history(result)] == [
        {k: v for k, v in row.items() if k not in drop} for row in history(expected)
    ]
    assert [s[1:] for s in scalars(result, "loss/train")] == [
        s[1:] for s in scalars(expected, "loss/train")
    ]
    assert result.evaluations == expected.evaluations


LIMITS = {
    "max_steps": ["trainer.max_steps=24"],
    "max_steps within an epoch": ["trainer.max_steps=21"],
    "max_steps after max_epochs": ["trainer.max_steps=100"],
    "limit_train_batches": ["trainer.limit_train_batches=4"],
    "max_steps and limit_train_batches": ["trainer.max_steps=14", "trainer.limit_train_batches=4"],
    "early stopping": [
        "callbacks=early_stopping", "callbacks.early_stopping.patience=1",
        "callbacks.early_stopping.min_delta=0.2", "trainer.max_steps=60",
    ],
    "validation every two epochs": ["trainer.check_val_every_n_epoch=2", "trainer.max_steps=21"],
    "closed-form gradients": ["gradients=closed_form", "trainer.max_steps=21"],
}  # fmt: skip


# The default tests kill each limit's run in one epoch.
@pytest.mark.parametrize(
    ("limits", "killed_in"),
    [
        pytest.param(limits, epoch, id=f"{name}-{epoch}",
                     marks=[] if epoch == 1 + place % 2 else pytest.mark.slow)
        for place, (name, limits) in enumerate(LIMITS.items())
        for epoch in range(3)
    ],
)  # fmt: skip
def test_a_killed_run_with_a_limit_equals_an_uninterrupted_run(
    limits: list[str], killed_in: int, points: Experiment
) -> None:
    expected = points(*limits)
    assert expected.epochs > killed_in
    with stopped_in(killed_in, Killed), pytest.raises(Killed):
        points(*limits)
    [killed] = set(Path(expected.folder).parent.iterdir()) - {Path(expected.folder)}
    assert_same_run(resume(str(killed), {}), expected)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (3, 20), (18, 24),  # within and at the end of an epoch
        *(pytest.param(*steps, marks=pytest.mark.slow)
          for steps in [(3, 24), (6, 20), (6, 24), (15, 20), (15, 24), (18, 20)]),
    ],
)  # fmt: skip
def test_a_finished_run_is_resumed_with_more_steps(
    before: int, after: int, points: Experiment
) -> None:
    expected = points(f"trainer.max_steps={after}")
    brief = points(f"trainer.max_steps={before}")
    assert brief.steps == before
    with pytest.raises(UserError, match=f"trained max_steps={before} already"):
        resume(brief.folder, {})
    result = resume(brief.folder, {"trainer.max_steps": after})
    assert_same_run(result, expected)
    # The weights of a run that is killed after its last epoch, but before its result.
    (Path(result.folder) / "result.json").unlink()
    assert_same_run(resume(brief.folder, {}), expected)
    (Path(result.folder) / "result.json").unlink()
    assert_same_run(resume(brief.folder, {"trainer.max_steps": 30}), points("trainer.max_steps=30"))


def test_a_resume_that_fails_before_its_training_changes_nothing(
    points: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(points("trainer.max_steps=9").folder)
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".log"]
    before = {path: path.read_bytes() for path in files}
    with monkeypatch.context() as patch:
        patch.setattr("mlp_lab.data.points.Points.read", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            resume(str(folder), {"trainer.max_steps": 24})
    assert {path: path.read_bytes() for path in before} == before
    with stopped_in(1, KeyboardInterrupt):
        resume(str(folder), {"trainer.max_steps": 24})
    assert RunFolder(folder).config.trainer.max_steps == 24
    assert_same_run(resume(str(folder), {}), points("trainer.max_steps=24"))


def test_a_run_of_an_earlier_version_that_ended_within_an_epoch(points: Experiment) -> None:
    result = points("trainer.max_steps=9")
    shutil.rmtree(Path(result.folder) / "checkpoints" / "whole_epochs")
    with pytest.raises(UserError, match=r"ended within an epoch, at step 9; 2 epochs have 12"):
        resume(result.folder, {"trainer.max_steps": 24})
    assert RunFolder(result.folder).config.trainer.max_steps == 9


def test_no_point_of_a_curve_appears_twice(points: Experiment) -> None:
    overrides = ["trainer.log_every_n_steps=1", "logger=tensorboard", "trainer.max_epochs=4"]
    expected = points(*overrides)
    with stopped_in(2, Killed), pytest.raises(Killed):
        points(*overrides)
    [killed] = set(Path(expected.folder).parent.iterdir()) - {Path(expected.folder)}
    [events] = killed.glob("events*")
    events.write_bytes(events.read_bytes()[:-3])  # killed while it was writing
    # Epochs of the last second before a kill are logged, but not in a checkpoint.
    brief = Path(points("trainer.max_epochs=1").folder)
    shutil.copy(brief / "checkpoints" / "last.ckpt", killed / "checkpoints")
    assert len(scalars(Result(str(killed)), "loss/minibatch")) >= 17
    result = resume(str(killed), {})
    for name in ("loss/minibatch", "loss/train", "loss/validation"):
        curve = [(step, value) for _, step, value in scalars(result, name)]
        assert curve == [(step, value) for _, step, value in scalars(expected, name)]
    assert len(scalars(result, "loss/minibatch")) == 24


@pytest.mark.parametrize(
    ("overrides", "changes", "line"),
    [
        (
            ["schedule=cosine"], {"trainer.max_epochs": 6},
            "the schedule of the learning rate has changed and spans 6 epochs instead of 2;"
            " epochs 1 to 2 used the previous one",
        ),
        (
            ["schedule=cosine", "trainer.max_steps=9"], {"trainer.max_steps": 12},
            "the schedule of the learning rate has changed and spans 2 epochs instead of 1.5;"
            " epochs 1 to 1 used the previous one",
        ),
        (
            ["schedule=step"], {"schedule.step_size": 1, "trainer.max_epochs": 3},
            "the schedule of the learning rate has changed and spans 3 epochs instead of 2;"
            " epochs 1 to 2 used the previous one",
        ),
        (["schedule=constant"], {"trainer.max_epochs": 3}, None),
        (["schedule=step"], {"trainer.max_epochs": 3}, None),  # in epochs, whatever their number
    ],
    ids=str,
)  # fmt: skip
def test_a_changed_schedule_is_reported(
    overrides: list[str], changes: dict, line: str | None, points: Experiment,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    folder = points(*overrides, "trainer.max_epochs=2").folder
    capsys.readouterr()
    resume(folder, changes)
    lines = [x for x in capsys.readouterr().out.splitlines() if x.startswith("the schedule")]
    assert lines == ([] if line is None else [line])


def test_the_last_step_is_validated_in_any_chunk(points: Experiment) -> None:
    result = points("data.batch_size=1", "trainer.max_steps=20")
    assert result.best is not None
    assert (result.best["step"], len(result.evaluations)) == (20, 1)


def assert_same_run(result: Result, expected: Result) -> None:
    """Assert equal weights of both checkpoints, equal histories and equal results."""
    for which in ("best", "last"):
        one, other = weights(result, which), weights(expected, which)
        assert all(torch.equal(one[name], other[name]) for name in one | other), which
    rows = [[row | {"seconds": 0} for row in history(run)] for run in (result, expected)]
    assert rows[0] == rows[1]
    assert (result.status, result.epochs, result.steps) == (
        "finished",
        len(rows[1]),
        expected.steps,
    )
    assert result.evaluations[-1] == expected.evaluations[-1]


def test_a_run_interrupted_in_its_only_epoch_is_resumed(experiment: Experiment) -> None:
    with stopped_in(0, KeyboardInterrupt):
        result = experiment("trainer.max_epochs=1")
    assert (result.status, result.epochs, result.evaluations) == ("interrupted", 0, [])
    resumed = resume(result.folder, {})
    assert (resumed.status, resumed.epochs, len(resumed.evaluations)) == ("finished", 1, 1)
    assert_equal_weights(resumed, experiment("trainer.max_epochs=1"))


def test_a_finished_run_is_resumed_only_with_more_epochs(experiment: Experiment) -> None:
    brief, long = experiment("trainer.max_epochs=1"), experiment("trainer.max_epochs=3")
    with pytest.raises(UserError, match="trained max_epochs=1 already"):
        resume(brief.folder, {})
    with pytest.raises(UserError, match="trained max_steps=54 already"):
        resume(brief.folder, {"trainer.max_steps": 3, "trainer.max_epochs": 2})
    with pytest.raises(UserError, match=r"network\.width: can't be changed"):
        resume(brief.folder, {"network.width": 3})
    assert_equal_weights(resume(brief.folder, {"trainer.max_epochs": 3}), long)
    assert RunFolder(brief.folder).config.trainer.max_epochs == 3


def test_a_damaged_checkpoint_is_reported_in_one_line(experiment: Experiment) -> None:
    result = experiment("trainer.max_epochs=1")
    path = RunFolder(result.folder).checkpoints.existing("last")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"last\.ckpt: damaged"):
        resume(result.folder, {"trainer.max_epochs": 2})


def test_code_in_a_checkpoint_is_not_executed(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "harmed",))

    torch.save({"state_dict": Harm()}, tmp_path / "bad.ckpt")
    with pytest.raises(UserError, match="more than tensors and plain values; it was not loaded"):
        read_checkpoint(tmp_path / "bad.ckpt")
    assert not (tmp_path / "harmed").exists()


def test_a_run_killed_after_early_stopping_is_not_trained_again(
    experiment: Experiment,
) -> None:
    result = experiment(
        "callbacks=early_stopping", "callbacks.early_stopping.patience=1",
        "callbacks.early_stopping.mode=max", "trainer.max_epochs=10",
    )  # fmt: skip
    folder = Path(result.folder)
    (folder / "result.json").unlink()
    (folder / "figures" / "loss_curves.png").unlink()
    again = resume(result.folder, {})
    assert (again.status, again.epochs, again.best) == ("finished", 2, result.best)
    assert (folder / "figures" / "loss_curves.png").is_file()


def test_a_run_killed_after_its_last_epoch_finishes_on_resume(
    experiment: Experiment,
) -> None:
    result = experiment("callbacks=default")
    folder = Path(result.folder)
    (folder / "result.json").unlink()
    (folder / "figures" / "loss_curves.png").unlink()
    again = resume(result.folder, {})
    assert (again.status, again.epochs, again.best) == ("finished", result.epochs, result.best)
    assert (folder / "figures" / "loss_curves.png").is_file()


def test_a_run_folder_is_locked_by_one_process(experiment: Experiment) -> None:
    result = experiment("trainer.max_epochs=1")
    with (
        filelock.FileLock(Path(result.folder) / ".training"),
        pytest.raises(UserError, match="another process is training here"),
    ):
        resume(result.folder, {"trainer.max_epochs": 2})


@pytest.mark.parametrize("content", ["[]", "3", "{", '{"status": "finished"}'])
def test_a_damaged_result_is_reported(content: str, experiment: Experiment) -> None:
    run = RunFolder(experiment("trainer.max_epochs=1").folder)
    (run.folder / "result.json").write_text(content)
    with pytest.raises(UserError, match=r"result\.json: damaged"):
        resume(str(run.folder), {"trainer.max_epochs": 2})
