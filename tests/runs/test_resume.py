"""Runs that were killed, interrupted, finished or damaged, and then resumed."""

from pathlib import Path

import filelock
import pytest
import torch
from helpers import Experiment, assert_equal_weights, history, scalars, stopped_in

from mlp_lab.errors import UserError
from mlp_lab.runs.train import resume
from mlp_lab.storage.checkpoints import read_checkpoint
from mlp_lab.storage.run_folder import RunFolder


class Killed(BaseException):
    """Stands in for a signal that kills the process."""


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
    path = RunFolder(result.folder).checkpoint("last")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"last\.ckpt: damaged"):
        resume(result.folder, {"trainer.max_epochs": 2})


def test_code_in_a_checkpoint_is_not_executed(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "harmed",))

    torch.save({"state_dict": Harm()}, tmp_path / "bad.ckpt")
    with pytest.raises(UserError, match="damaged"):
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
