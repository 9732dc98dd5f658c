"""Sweeps with Hydra's launchers: jobs in other processes, with Slurm, and with Ray."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from helpers import SCRIPT, Start, forks, wait_for, wait_until

from mlp_lab.storage.run_folder import RunFolder

Sweep = Callable[..., list[RunFolder]]

# Slurm in three commands: a job array whose jobs run one after another, on this machine. As
# in Slurm, sbatch copies the script: submitit moves it as soon as sbatch has returned.
SLURM = {
    "sbatch": """\
script=$(< "$1")
export SLURM_ARRAY_JOB_ID=7 SLURM_NTASKS=1 SLURM_JOB_NUM_NODES=1 SLURM_NODEID=0
export SLURM_PROCID=0 SLURM_LOCALID=0 SLURM_JOB_NAME=mnist_hw4
for i in 0 1 2; do
    SLURM_JOB_ID=$((7 + i)) SLURM_ARRAY_TASK_ID=$i bash -c "$script"
done &> /dev/null &
echo "Submitted batch job 7"
""",
    "srun": """\
while [[ $1 == --* ]]; do [[ $1 == --output || $1 == --error ]] && shift; shift; done
exec "$@"
""",
    "sacct": r"""printf 'JobID|State|NodeList\n7_0|RUNNING|\n7_1|RUNNING|\n7_2|RUNNING|\n'
""",
}


@pytest.fixture
def sweep(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    """``sweep(override, ...)``: return the runs of a sweep of three jobs; one diverges."""
    monkeypatch.setenv("OMP_NUM_THREADS", "3")  # of the command; its jobs decide for themselves

    def run(*overrides: str) -> list[RunFolder]:
        common = ["trainer.max_epochs=2", "callbacks=none", "logger=none"]
        process = start("-m", *overrides, "optimizer.lr=0.01,1e30,0.1", *common)
        out, err = process.communicate(timeout=300)
        assert process.returncode == 1, err
        lines = [line for line in err.splitlines() if line.startswith("mlp_lab: ")]
        assert len(lines) == 1, err
        assert lines[0].startswith("mlp_lab: 1_lr=1e+30: diverged: ")
        assert "Traceback" not in out + err
        [folder] = tmp_path.glob("mnist_hw4/sweeps/*")
        assert (folder / "summary.md").is_file()
        runs = {path.parent.name: RunFolder(path.parent) for path in folder.glob("*/config.yaml")}
        assert set(runs) == {"0_lr=0.01", "1_lr=1e+30", "2_lr=0.1"}
        statuses = {name[0]: run.result.status for name, run in runs.items()}
        assert statuses == {"0": "finished", "1": "diverged", "2": "finished"}
        assert "chosen by validation loss: lr=0.1" in out
        return list(runs.values())

    return run


def threads(run: RunFolder) -> str:
    return json.loads((run.folder / "environment.json").read_text())["omp"]["OMP_NUM_THREADS"]


@pytest.mark.slow
def test_basic_launcher(sweep: Sweep) -> None:
    sweep("hydra/launcher=basic")


@pytest.mark.slow
def test_a_killed_process_leaves_the_answer_of_the_finished_jobs(
    start: Start, tmp_path: Path
) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    process = start(
        "-m", "hydra/launcher=processes", "hydra.launcher.n_jobs=2", "trainer.max_epochs=1,100000",
        "callbacks=none", "logger=none",
    )  # fmt: skip
    wait_for("mnist_hw4/sweeps/*/0_*/result.json", tmp_path, process)
    wait_for("mnist_hw4/sweeps/*/1_*/checkpoints/best.ckpt", tmp_path, process)
    for worker in workers(process.pid):
        os.kill(worker, signal.SIGKILL)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 1
    assert "TerminatedWorkerError" in err
    [folder] = tmp_path.glob("mnist_hw4/sweeps/*")
    assert f"resume:  python scripts/train.py resume={folder}" in out
    assert "max_epochs=100000: unfinished: still running, or killed" in out
    assert "chosen by validation loss" in out
    assert "the test set was not evaluated" in out
    assert ",finished," in (folder / "summary.csv").read_text()


@forks
def test_vectorized_launcher_divides_a_stack_among_processes(sweep: Sweep) -> None:
    runs = sweep("hydra.launcher.processes=2")
    assert {threads(run) for run in runs} == {"1"}


@forks
@pytest.mark.slow
def test_a_forked_process_that_is_killed_twice_fails_only_its_jobs(
    start: Start, command: Callable, tmp_path: Path
) -> None:
    overrides = ["hydra.launcher.processes=2", "callbacks=none", "logger=none"]
    process = start("-m", *overrides, "network.width=4,5", "trainer.max_epochs=600")
    wait_for("mnist_hw4/sweeps/*/0_*/checkpoints/best.ckpt", tmp_path, process)
    wait_for("mnist_hw4/sweeps/*/1_*/checkpoints/best.ckpt", tmp_path, process)
    first = set(workers(process.pid))
    os.kill(min(first), signal.SIGKILL)
    [second] = wait_until(lambda: set(workers(process.pid)) - first, process=process)
    os.kill(second, signal.SIGKILL)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 1
    killed = "0_width=4: its process ended with signal 9 (Killed)"
    assert f"{killed}; another process continues\n" in out
    assert err == f"mlp_lab: {killed}\n"
    assert "chosen by validation loss: width=5" in out
    [folder] = tmp_path.glob("mnist_hw4/sweeps/*")
    status, _, err = command(f"resume={folder}")
    assert status == 0, err
    assert [RunFolder(path).result.epochs for path in sorted(folder.glob("?_*"))] == [600, 600]


@forks
@pytest.mark.parametrize(
    ("to", "name"),
    [
        ("group", "SIGINT"),
        pytest.param("process", "SIGTERM", marks=pytest.mark.slow),
        pytest.param("process", "SIGINT", marks=pytest.mark.slow),
        pytest.param("group", "SIGTERM", marks=pytest.mark.slow),
    ],
)
def test_a_signal_reaches_forked_processes(
    to: str, name: str, start: Start, tmp_path: Path
) -> None:
    overrides = ["hydra.launcher.processes=2", "callbacks=none", "logger=none"]
    overrides += ["seed=1,2", "optimizer.lr=1e30,0.1", "trainer.max_epochs=100000"]
    process = start("-m", *overrides, start_new_session=True)
    for number in range(4):
        wait_for(f"mnist_hw4/sweeps/*/{number}_*/train.log", tmp_path, process)
    for number in (1, 3):
        wait_for(f"mnist_hw4/sweeps/*/{number}_*/checkpoints/best.ckpt", tmp_path, process)
    send = os.kill if to == "process" else os.killpg
    send(process.pid, getattr(signal, name))
    out, err = process.communicate(timeout=60)
    assert process.returncode == {"SIGINT": 130, "SIGTERM": 143}[name]
    lines = sorted(line.partition(": ")[2][:17] for line in err.splitlines())
    assert lines == ["0_seed=1,lr=1e+30", "2_seed=2,lr=1e+30"], err  # which had diverged before
    [folder] = tmp_path.glob("mnist_hw4/sweeps/*")
    assert f"resume:  python scripts/train.py resume={folder}" in out
    for path in folder.glob("[13]_*"):
        assert RunFolder(path).result.status == "interrupted"
        assert f"{path.name}: interrupted" in out


def workers(parent: int) -> list[int]:
    """Return the ids of the processes that joblib or the first process started for jobs."""
    numbers = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            of = (process / "stat").read_text().rpartition(")")[2].split()[1]
            if int(of) == parent and b"resource_tracker" not in (process / "cmdline").read_bytes():
                numbers.append(int(process.name))
    return numbers


@pytest.mark.slow
def test_processes_launcher_uses_the_given_number_of_threads(sweep: Sweep) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    runs = sweep("hydra/launcher=processes", "hydra.launcher.n_jobs=2", "threads=2")
    assert {threads(run) for run in runs} == {"2"}


@pytest.mark.slow
def test_slurm_launcher(
    sweep: Sweep, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    commands = tmp_path_factory.mktemp("slurm")
    for name, script in SLURM.items():
        (commands / name).write_text(f"#!/bin/bash\n{script}")
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    sweep("hydra/launcher=slurm", "hydra.launcher.partition=cpu")


@pytest.mark.slow
def test_ray_launcher(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("hydra_plugins.hydra_ray_launcher")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")  # it would access the internet
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # it would write into the home folder
    sweep("hydra/launcher=ray")


@pytest.mark.slow
def test_relative_paths_refer_to_the_commands_folder(tmp_path: Path, tiny_mnist: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    (tmp_path / "data").symlink_to(tiny_mnist)
    overrides = [
        "hydra/launcher=submitit_local",
        "+hydra.launcher.setup=['cd /']",
    ]  # jobs start there
    overrides += ["trainer.max_epochs=1", "data.root=data", "trainer.accelerator=cpu"]
    overrides += ["callbacks=none"]
    command = [sys.executable, SCRIPT, "-m", *overrides]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    [config] = tmp_path.glob("logs/mnist_hw4/sweeps/*/0/config.yaml")
    assert RunFolder(config.parent).config.data.root == str(tmp_path / "data")
