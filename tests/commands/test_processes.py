"""Signals, exit statuses, and runs of several processes."""

import csv
import json
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers import Finished, Start, wait_for, weights

from mlp_lab.storage.run_folder import RunFolder


@pytest.mark.parametrize(
    "name", ["SIGTERM", *(pytest.param(n, marks=pytest.mark.slow) for n in ("SIGINT", "SIGKILL"))]
)
def test_a_run_is_resumed_after_a_signal(
    name: str, start: Start, command: Callable, tmp_path: Path
) -> None:
    overrides = ["trainer.max_epochs=10000", "network.dropout=0.1"]
    process = start(*overrides, interpreter=name == "SIGINT" or sys.platform != "linux")
    run = wait_for("mnist_hw4/*/checkpoints/best.ckpt", tmp_path, process).parents[1]
    time.sleep(0.3)
    process.send_signal(getattr(signal, name))
    out, err = process.communicate(timeout=60)
    if name == "SIGKILL":
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == {"SIGINT": 130, "SIGTERM": 143}[name]
        assert f"resume={run}" in out
        assert "Traceback" not in err
        assert json.loads((run / "result.json").read_text())["status"] == "interrupted"
    epochs = torch.load(run / "checkpoints/last.ckpt", weights_only=True)["epoch"] + 3

    _, out, err = command(f"resume={run}", f"trainer.max_epochs={epochs}")
    assert f"finished: {epochs} epochs" in out, err
    with (run / "history.csv").open() as file:
        assert [int(row["epoch"]) for row in csv.DictReader(file)] == list(range(1, epochs + 1))


@pytest.mark.slow
def test_two_processes_train_one_network_and_write_one_set_of_logs(
    start: Start, command: Callable, tmp_path: Path
) -> None:
    results = {}
    overrides = ["trainer.max_epochs=2", "data.batch_size=20", "callbacks=[default,layers]"]
    process = start("trainer=ddp", *overrides)
    alone = command(*overrides)
    out, err = process.communicate(timeout=200)
    outputs = {"default": alone, "ddp": Finished(process.returncode, out, err)}
    for trainer, (status, out, err) in outputs.items():
        assert status == 0, err
        assert out.count("run folder:") == 1
        results[trainer] = Path(out.partition("run folder: ")[2].splitlines()[0])
    assert len(list(tmp_path.glob("mnist_hw4/*"))) == 2
    assert len(list(results["ddp"].glob("events.out.tfevents*"))) == 1
    layers = RunFolder(results["ddp"]).table("layers")
    assert [row["epoch"] for row in layers] == [0, 0, 1, 1, 2, 2]
    # Each process takes half of each minibatch: the mean of their gradients is that of the whole.
    alone, together = (weights(results[trainer]) for trainer in ("default", "ddp"))
    for name in alone:
        torch.testing.assert_close(together[name], alone[name], rtol=1e-3, atol=1e-4)
    alone, together = (json.loads((r / "result.json").read_text()) for r in results.values())
    assert together["steps"] == alone["steps"]
    assert together["evaluations"][0]["loss"] == pytest.approx(
        alone["evaluations"][0]["loss"], rel=1e-3
    )


def test_a_diverging_run_exits_with_a_line(command: Callable) -> None:
    status, _, err = command("optimizer.lr=1e30")
    assert status == 1
    assert err.startswith("mlp_lab: diverged: the training loss is not finite in epoch 1")
    assert err.count("\n") == 1


@pytest.mark.slow
def test_diverging_processes_exit_with_a_line(start: Start) -> None:
    process = start("optimizer.lr=1e30", "trainer=ddp")
    _, err = process.communicate(timeout=100)
    assert process.returncode == 1
    assert err.startswith("mlp_lab: diverged: the training loss is not finite in epoch 1")
    assert err.count("\n") == 1


def test_a_full_disk_exits_with_a_line(start: Start) -> None:
    def small_files() -> None:  # as a disk that is full after 100 kB
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    process = start("logger=none", preexec_fn=small_files)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.startswith("mlp_lab: ")
    assert "last.ckpt: File too large" in err
    assert err.count("\n") == 1
