"""Signals of clusters: SIGTERM, and the signal with which submitit queues a job again."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from helpers import Start, forks, wait_for, wait_until

from mlp_lab.lightning import pl
from mlp_lab.runs.train import resume, train
from mlp_lab.storage.checkpoints import read_checkpoint, trained_epochs
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.sweeps.comparison.comparison import find_runs
from mlp_lab.sweeps.comparison.equality import check_same

pytestmark = forks

LONG = ["network.width=16", "data.batch_size=16", "trainer.max_epochs=250", "callbacks=none"]


def test_sigterm_ends_a_run_with_a_checkpoint(
    start: Start, command: Callable, tmp_path: Path
) -> None:
    process = start(*LONG, "logger=none")
    path = wait_for("mnist_hw4/2*/checkpoints/best.ckpt", tmp_path, process)
    process.terminate()
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (143, "")
    run = RunFolder(path.parents[1])
    result = run.result
    assert result.status == "interrupted"
    assert trained_epochs(read_checkpoint(run.checkpoints.existing("last"))) == result.epochs
    assert f"resume:  python scripts/train.py resume={run.folder}\n" in out
    epochs = result.epochs + 1
    assert command(f"resume={run.folder}", f"trainer.max_epochs={epochs}")[0] == 0
    assert RunFolder(run.folder).result.epochs == epochs


def test_an_epoch_without_checkpoint_is_repeated(
    mnist_config: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = mnist_config("trainer.max_epochs=3", "callbacks=none", "logger=none")
    save, calls = pl.Trainer.save_checkpoint, []

    def interrupted(trainer: pl.Trainer, path: Path, **options: Any) -> None:
        calls.append(path)
        if len(calls) == 3:  # of the second epoch, after the initial weights and the first one
            raise KeyboardInterrupt
        save(trainer, path, **options)

    monkeypatch.setattr(pl.Trainer, "save_checkpoint", interrupted)
    train(cfg)
    [run] = find_runs([cfg.logs])
    assert (run.result.status, run.result.epochs, len(run.history)) == ("interrupted", 1, 1)
    monkeypatch.setattr(pl.Trainer, "save_checkpoint", save)
    assert resume(str(run.folder), {}).epochs == 3


@pytest.mark.slow
@pytest.mark.faults
def test_submitit_queues_a_job_again(start: Start, tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    overrides = ["-m", "seed=1", *LONG, "logger=none"]
    start(*overrides).communicate(timeout=500)
    [whole] = tmp_path.glob("mnist_hw4/sweeps/*")
    process = start(*overrides, "hydra/launcher=submitit_local", "hydra.launcher.timeout_min=60")
    wait_until(lambda: len(list(tmp_path.glob("mnist_hw4/sweeps/*/0*/checkpoints/best.ckpt"))) == 2)
    [folder] = set(tmp_path.glob("mnist_hw4/sweeps/*")) - {whole}
    [job] = processes_of("submitit.core._submit", str(folder))
    os.kill(job, signal.SIGUSR2)
    _, err = process.communicate(timeout=500)
    assert (process.returncode, err) == (0, "")
    [log] = folder.rglob("*_log.out")
    assert "Requeued job" in log.read_text()
    assert check_same(str(whole), str(folder)).startswith("equal")
    assert len(RunFolder(next(folder.glob("0*"))).result.seconds) == 1  # of the second process


def processes_of(*parts: str) -> list[int]:
    """Return the ids of the processes whose command lines have all ``parts``."""
    numbers = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            command = (process / "cmdline").read_bytes().decode(errors="replace")
            if all(part in command for part in parts):
                numbers.append(int(process.name))
    return numbers
