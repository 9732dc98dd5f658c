"""Training runs and their folders, compared with plain loops."""

import copy
import errno
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from helpers import Experiment, assert_equal_weights, history, scalars, weights
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor

from mlp_lab.data import batches
from mlp_lab.errors import UserError
from mlp_lab.nn.seeds import epoch_seed
from mlp_lab.runs.build import build_task
from mlp_lab.runs.callbacks import epoch_checkpoint
from mlp_lab.runs.train import resume
from mlp_lab.storage import files
from mlp_lab.storage.checkpoints import read_checkpoint, trained_epochs
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.tasks.base import Task

OPTIMIZERS: dict[str, Callable] = {
    "sgd": lambda p: torch.optim.SGD(p, 0.1),
    "momentum": lambda p: torch.optim.SGD(p, 0.05, momentum=0.9),
    "nesterov": lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, 1e-3),
    "adamw": lambda p: torch.optim.AdamW(p, 1e-3, weight_decay=0.01),
    "nadam": lambda p: torch.optim.NAdam(p, 1e-3),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 1e-3),
    "adagrad": lambda p: torch.optim.Adagrad(p, 1e-2),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_equals_a_plain_loop(
    optimizer: str, experiment: Experiment, short: Callable
) -> None:
    overrides = [f"optimizer={optimizer}", "schedule=cosine", "network.dropout=0.2", "seed=7"]
    overrides += ["data.train_size=480"]
    result = experiment(*overrides)

    data, task = build_task(short(*overrides))
    data.setup()
    x, y = data.splits["train"]
    x_validation, y_validation = data.splits["validation"]
    network = copy.deepcopy(task.network)
    opt = OPTIMIZERS[optimizer](network.parameters())
    steps = math.ceil(len(x) / 30)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 3 * steps)
    rows = []
    for epoch in range(3):
        order = torch.Generator().manual_seed(epoch_seed(7, epoch, "order"))
        torch.manual_seed(epoch_seed(7, epoch, "network"))
        network.train()
        total, wrong = 0.0, 0
        for batch in torch.randperm(len(x), generator=order).split(30):
            output = network(x[batch])
            loss = F.cross_entropy(output, y[batch])
            opt.zero_grad()
            loss.backward()
            opt.step()
            schedule.step()
            total += loss.item() * len(batch)
            wrong += int((output.argmax(1) != y[batch]).sum())
        network.eval()
        with torch.no_grad():
            output = network(x_validation)
        rows.append(
            {
                "loss/train": total / len(x),
                "error/train": wrong / len(x),
                "loss/validation": F.cross_entropy(output, y_validation).item(),
                "error/validation": (output.argmax(1) != y_validation).float().mean().item(),
            }
        )
    for name, value in network.state_dict().items():
        torch.testing.assert_close(weights(result)[f"network.{name}"], value, rtol=1e-4, atol=1e-5)
    for row, expected in zip(history(result), rows, strict=True):
        assert {k: row[k] for k in expected} == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_the_chunk_size_does_not_change_the_result(
    chunk: int, experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = ["network.dropout=0.5", "trainer.max_epochs=2", "trainer.log_every_n_steps=20"]
    expected = experiment(*overrides)
    monkeypatch.setattr(batches, "chunk_length", lambda _: chunk)
    result = experiment(*overrides)
    assert_equal_weights(result, expected)
    assert result.steps == expected.steps == 2 * math.ceil(1600 / 30)
    assert [s[1:] for s in scalars(result, "loss/minibatch")] == [
        s[1:] for s in scalars(expected, "loss/minibatch")
    ]


def test_microbatches_give_the_step_of_their_minibatch(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = ["data.batch_size=50", "optimizer=adam", "trainer.log_every_n_steps=20"]
    overrides += ["gradients=autograd"]
    expected = experiment(*overrides)
    sizes = set()
    original = Task._differentiate_microbatch

    def watched(self: Task, x: Tensor, *others: Any) -> tuple[Tensor, Tensor]:
        sizes.add(len(x))
        return original(self, x, *others)

    monkeypatch.setattr(Task, "_differentiate_microbatch", watched)
    monkeypatch.setattr("mlp_lab.tasks.chunked_training.microbatch_size", lambda *_: 14)
    result = experiment(*overrides)
    assert sizes == {13, 12}  # four microbatches of 50
    for name, value in weights(expected).items():
        torch.testing.assert_close(weights(result)[name], value, rtol=1e-4, atol=1e-6)
    for row, other in zip(history(result), history(expected), strict=True):
        del row["seconds"], other["seconds"]
        assert row == pytest.approx(other, rel=1e-4)
    actual, logged = ([s[1:] for s in scalars(r, "loss/minibatch")] for r in (result, expected))
    assert actual == [pytest.approx(each, rel=1e-4) for each in logged]


def test_log_every_n_steps_counts_minibatches(experiment: Experiment) -> None:
    result = experiment("trainer.max_epochs=2", "trainer.log_every_n_steps=20")
    assert [step for _, step, _ in scalars(result, "loss/minibatch")] == [20, 40, 60, 80, 100]


def test_limits_count_minibatches(experiment: Experiment) -> None:
    assert experiment("trainer.max_steps=61").steps == 61
    result = experiment("trainer.limit_train_batches=2", "trainer.limit_val_batches=1")
    assert result.steps == 3 * 2


def test_max_steps_shortens_the_last_epoch(experiment: Experiment) -> None:
    limited = experiment("trainer.max_steps=54", "schedule=constant")
    whole = experiment("trainer.max_epochs=1", "schedule=constant")
    assert_equal_weights(limited, whole)


def test_the_epoch_of_lowest_validation_loss_is_tested_once(
    experiment: Experiment, short: Callable
) -> None:
    result = experiment("optimizer.lr=1", "trainer.max_epochs=6", "network.normalization=batch")
    rows = history(result)
    best = min(rows, key=lambda row: row["loss/validation"])
    assert result.best is not None
    assert result.best["epoch"] == best["epoch"]

    data, task = build_task(short("network.normalization=batch"))
    data.setup()
    task.load_state_dict(weights(result, "best"))
    task.eval()
    x, y = data.splits["test"]
    with torch.no_grad():
        output = task.network(x)
    [entry] = result.evaluations
    assert entry.to_json() == {
        "split": "test",
        "checkpoint": "best",
        "epoch": best["epoch"],
        "loss": pytest.approx(F.cross_entropy(output, y).item(), rel=1e-5),
        "error": pytest.approx((output.argmax(1) != y).double().mean().item()),
    }


def test_metrics_of_the_training_data_after_each_epoch(
    experiment: Experiment, short: Callable
) -> None:
    overrides = ["network.dropout=0.2", "average_decay=0.9"]
    during, after = experiment(*overrides), experiment(*overrides, "train_metrics=after")
    assert_equal_weights(during, after)
    # The oracle: an evaluation of the last checkpoint.
    data, task = build_task(short(*overrides))
    data.setup()
    task.load_state_dict(weights(after, "last"))
    expected = task.evaluate(data.loader("train"))
    assert after.last is not None
    assert during.last is not None
    for metric, value in expected.items():
        assert after.last[f"{metric}/train"] == pytest.approx(value, rel=1e-6)
        assert during.last[f"{metric}/train"] != pytest.approx(value, rel=1e-3)
        assert during.last[f"{metric}/validation"] == after.last[f"{metric}/validation"]


def test_selection_by_another_metric(experiment: Experiment) -> None:
    result = experiment("select.metric=error", "select.mode=max", "logger=none")
    assert result.best == max(history(result), key=lambda row: row["error/validation"])
    with pytest.raises(UserError, match=r"select\.metric=foo: must be one of loss, error"):
        experiment("select.metric=foo")


def test_result_json_is_the_result(experiment: Experiment) -> None:
    result = experiment()
    content = json.loads((Path(result.folder) / "result.json").read_text())
    assert content.pop("sha256")
    assert content == result.to_json()
    assert RunFolder(result.folder).result == result


def test_files_of_a_run_folder(experiment: Experiment) -> None:
    result = experiment("callbacks=default", "network.width=5")
    names = {
        str(p.relative_to(result.folder)) for p in Path(result.folder).rglob("*") if p.is_file()
    }
    events = {name for name in names if name.startswith("events.out.tfevents")}
    assert len(events) == 1
    assert names - events - {".training"} == {
        "config.yaml", "overrides.yaml", "environment.json", "result.json", "history.csv",
        "train.log", "checkpoints/best.ckpt", "checkpoints/last.ckpt", "figures/loss_curves.png",
        "figures/weights.png",
    }  # fmt: skip
    assert RunFolder.open(result.folder).config.network.width == 5


def test_runs_started_in_one_second_have_different_folders(tmp_path: Path) -> None:
    folders = {RunFolder.create(str(tmp_path), "name").folder for _ in range(20)}
    assert len(folders) == 20


def test_tensorboard_shows_curves_config_and_true_hparams(experiment: Experiment) -> None:
    result = experiment("callbacks=default", "optimizer.lr=0.2", "logger.x_axis=epoch")
    events = EventAccumulator(result.folder)
    events.Reload()
    assert events.Tags()["images"] == ["loss_curves", "weights"]
    assert "config/text_summary" in events.Tags()["tensors"]
    for name in ("loss/train", "loss/validation", "error/train", "error/validation", "lr"):
        assert [e.step for e in events.Scalars(name)] == [1, 2, 3]
        expected = [row[name] for row in history(result)]
        assert [e.value for e in events.Scalars(name)] == pytest.approx(expected, rel=1e-6)
    assert "hp_metric" not in events.Tags()["scalars"]
    [entry] = result.evaluations
    [chosen] = events.Scalars("~best/error/test")
    assert chosen.value == pytest.approx(entry.metrics["error"])


def test_curves_over_steps(experiment: Experiment) -> None:
    result = experiment("logger.x_axis=step")
    assert [step for _, step, _ in scalars(result, "loss/train")] == [54, 108, 162]


def test_a_diverging_run_stops_and_keeps_its_history(experiment: Experiment) -> None:
    result = experiment("optimizer.lr=1e30", "network.activation=identity")
    assert result.status == "diverged"
    assert "not finite in epoch 1" in str(result.reason)
    assert RunFolder(result.folder).result.status == "diverged"
    assert all(value.isfinite().all() for value in weights(result).values())
    assert result.evaluations == []


def test_a_full_disk_ends_the_run_and_keeps_the_checkpoint(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = 0
    replace = files.os.replace

    def full(source: str, target: Path) -> None:
        nonlocal written
        if Path(target).name == "last.ckpt":
            written += 1
            if written > 2:
                raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(files.os, "replace", full)
    monkeypatch.setattr(epoch_checkpoint, "_INTERVAL", 0)
    with pytest.raises(OSError, match=r"No space left on device: .*last\.ckpt"):
        experiment("logger=none")
    monkeypatch.undo()
    [folder] = tmp_path.glob("mnist_hw4/*")
    assert read_checkpoint(folder / "checkpoints" / "last.ckpt")["epoch"] == 0
    assert sorted(p.name for p in (folder / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]


def test_a_run_that_cannot_start_leaves_no_folder(experiment: Experiment, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU to train on")
    with pytest.raises(UserError, match="gpu"):
        experiment("trainer.accelerator=gpu")
    assert list(tmp_path.glob("mnist_hw4/*")) == []


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data.train_size=61"], "data.batch_size=30: the last minibatch of 61 examples has 1, but"
         " batch normalization needs 2; set data.drop_last=true, another data.batch_size or"),
        (["data.batch_size=1"], "data.batch_size=1: batch normalization needs at least 2 examples"),
        (["data.train_size=1"], "data.batch_size=30: the last minibatch of 1 examples has 1, but"
         " batch normalization needs 2; set another data.batch_size or another network"),
        (["data.train_size=63", "trainer=ddp", "data.batch_size=60"],
         "data.batch_size=60: the last minibatch of 63 examples has 3, but batch norm"),
    ],
)  # fmt: skip
def test_a_minibatch_of_one_example_is_refused_with_batch_normalization(
    overrides: list[str], message: str, experiment: Experiment, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        experiment("network.normalization=batch", *overrides)
    assert list(tmp_path.glob("mnist_hw4/*")) == []


@pytest.mark.parametrize(
    ("overrides", "steps"),
    [
        (["data.drop_last=true"], 2),
        (["trainer.limit_train_batches=2"], 2),
        (["data.batch_size=20"], 4),
        (["network.normalization=layer"], 3),
    ],
)
def test_other_minibatches_train_with_normalization(
    overrides: list[str], steps: int, experiment: Experiment
) -> None:
    common = ["network.normalization=batch", "trainer.max_epochs=1", "trainer.limit_val_batches=1"]
    sizes = ["data.train_size=61"] if "data.batch_size=20" not in overrides else []
    if not sizes:
        sizes = ["data.train_size=62"]  # minibatches of 20, 20, 20 and 2
    result = experiment(*common, *sizes, *overrides)
    assert result.steps == steps


def test_patience_counts_validations(experiment: Experiment) -> None:
    result = experiment(
        "callbacks=early_stopping", "callbacks.early_stopping.patience=2",
        "callbacks.early_stopping.min_delta=100", "trainer.max_epochs=10",
        "trainer.check_val_every_n_epoch=3",
    )  # fmt: skip
    assert result.epochs == 9
    assert result.reason == "stopped early: loss/validation has not improved in 2 validations"


def test_a_threshold_is_the_reason_of_an_early_stop(experiment: Experiment) -> None:
    result = experiment(
        "callbacks=early_stopping", "callbacks.early_stopping.stopping_threshold=100",
        "trainer.max_epochs=3",
    )  # fmt: skip
    assert result.reason == "stopped early: loss/validation is better than 100.0"
    assert experiment("callbacks=early_stopping", "trainer.max_epochs=1").reason is None


def test_early_stopping(experiment: Experiment) -> None:
    result = experiment(
        "callbacks=early_stopping", "callbacks.early_stopping.patience=1",
        "callbacks.early_stopping.mode=max", "trainer.max_epochs=10",
    )  # fmt: skip
    # The validation loss falls, which counts as no improvement under mode=max.
    assert result.epochs == 2
    assert result.reason == "stopped early: loss/validation has not improved in 1 validation"
    assert f"\n{result.reason}\n" in (Path(result.folder) / "train.log").read_text()
    assert RunFolder(result.folder).result.reason == result.reason
    with pytest.raises(UserError, match="stopped early; it has no more epochs to train"):
        resume(result.folder, {"trainer.max_epochs": 20})


@pytest.mark.parametrize(
    ("overrides", "targets"),
    [
        (["task=regression"], "classes"),
        (["experiment=curve_fit", "task=classification"], "numbers"),
        (["experiment=curve_fit", "task=perceptron"], "numbers"),
    ],
)
def test_unsuitable_targets_are_reported(
    overrides: list[str], targets: str, compose: Callable
) -> None:
    with pytest.raises(UserError, match=f"but the targets of these data are {targets}"):
        build_task(compose(*overrides))


def test_short_epochs_write_one_checkpoint(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    replace = files.os.replace

    def watched(source: str, target: Path) -> None:
        written.append(Path(target).name)
        replace(source, target)

    monkeypatch.setattr(files.os, "replace", watched)
    monkeypatch.setattr(epoch_checkpoint, "_INTERVAL", 1e9)
    result = experiment("trainer.max_epochs=4", "callbacks=none")
    checkpoints = [name for name in written if name.endswith(".ckpt")]
    assert checkpoints == ["last.ckpt", "best.ckpt", "last.ckpt"]
    assert result.best is not None
    for which, epoch in (("last", 4), ("best", result.best["epoch"])):
        assert (
            trained_epochs(read_checkpoint(RunFolder(result.folder).checkpoints.existing(which)))
            == epoch
        )


@pytest.mark.parametrize("activation", ["identity", "sigmoid", "tanh", "gelu"])
def test_network_options_train(activation: str, experiment: Experiment) -> None:
    overrides = ["network.widths=[20,10]", "optimizer.lr=0.01"]
    result = experiment(f"network.activation={activation}", *overrides)
    losses = [row["loss/train"] for row in history(result)]
    assert losses[-1] < losses[0]


def test_precision_is_passed_on(experiment: Experiment) -> None:
    result = experiment("trainer.precision=64-true", "optimizer=adam")
    assert {value.dtype for value in weights(result).values()} == {torch.float64}


def test_gradient_descent_in_bfloat16_moves_all_weights(experiment: Experiment) -> None:
    common = ["trainer.precision=bf16-true", "trainer.max_epochs=1", "optimizer.lr=0.1"]
    fused, plain = (experiment(*common, f"optimizer.fused={fused}") for fused in (True, False))
    for name, value in weights(plain).items():
        assert torch.equal(weights(fused)[name], value)


def test_epochs_without_validation_have_empty_cells(experiment: Experiment) -> None:
    rows = history(experiment("trainer.check_val_every_n_epoch=2", "trainer.max_epochs=4"))
    assert ["loss/validation" in row for row in rows] == [False, True, False, True]
    with pytest.raises(UserError, match="since validation selects the epoch"):
        experiment("trainer.check_val_every_n_epoch=5")


def test_the_network_is_on_the_device_of_the_data_when_tested(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Lightning moves the network to the CPU when a fit ends; the data stay on the accelerator.
    moves: list[str] = []
    to, evaluate = Task.to, Task.evaluate
    monkeypatch.setattr(Task, "cpu", lambda self: moves.append("cpu"))
    monkeypatch.setattr(Task, "to", lambda self, device: (moves.append("to"), to(self, device))[1])
    monkeypatch.setattr(
        Task, "evaluate", lambda self, loader: (moves.append("test"), evaluate(self, loader))[1]
    )
    experiment("trainer.max_epochs=1")
    assert moves[-3:] == ["cpu", "to", "test"]


def test_early_stopping_on_an_unknown_metric_lists_the_metrics(experiment: Experiment) -> None:
    with pytest.raises(UserError, match=r"early_stopping\.monitor=foo: must be one of loss/train"):
        experiment("callbacks=early_stopping", "callbacks.early_stopping.monitor=foo")
