"""Wrong options and failing jobs of a sweep."""

from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pytest
from helpers import resume_sweep, start_sweep
from launch_helpers import SEARCH, TrainingStub, summary_of, sweep_folder

from mlp_lab.config.error_messages import explain
from mlp_lab.config.schemas.train import Train
from mlp_lab.errors import UserError
from mlp_lab.storage.results import Result
from mlp_lab.sweeps.comparison import answer
from mlp_lab.sweeps.groups import Job


def test_failed_jobs_are_reported_one_per_line(
    training_stub: TrainingStub, capsys: pytest.CaptureFixture
) -> None:
    training_stub.endings = {0: "diverged", 2: "failed"}
    assert not start_sweep(["seed=5,6,7"])
    out, err = capsys.readouterr()
    assert err == "mlp_lab: 0_seed=5: it had to\nmlp_lab: 2_seed=7: it had to\n"
    assert "the answer of" in out


@pytest.mark.parametrize("launcher", ["basic", "vectorized"])
def test_fail_fast_starts_no_other_job(
    launcher: str, training_stub: TrainingStub, capsys: pytest.CaptureFixture
) -> None:
    training_stub.endings = {1: "diverged"}
    overrides = ["seed=5,6,7", "sweep.fail_fast=true", "hydra.sweeper.max_batch_size=2"]
    assert not start_sweep([*overrides, f"hydra/launcher={launcher}"])
    assert [*chain(*training_stub.names)] == ["0_seed=5", "1_seed=6"]
    out, err = capsys.readouterr()
    assert err == "mlp_lab: 1_seed=6: it had to\n"
    assert f"resume:  python scripts/train.py resume={sweep_folder().absolute()}\n" in out
    assert "the answer of" in out
    training_stub.endings = {}
    assert resume_sweep(str(sweep_folder()), [])
    assert [*chain(*training_stub.names)][2:] == ["0_seed=5", "1_seed=6", "2_seed=7"]


def test_an_unexpected_error_leaves_the_comparison_of_finished_jobs(
    training_stub: TrainingStub, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception that no job has caused, in the process that trains a job."""
    end = training_stub._end

    def fails(job: Job) -> Result:
        if job.folder.name == "1_seed=6":
            raise MemoryError("of the test's")
        return end(job)

    monkeypatch.setattr(training_stub, "_end", fails)
    monkeypatch.setattr(
        answer, "compare", lambda places, **_: summary_of(".", f"what {places} show")
    )
    with pytest.raises(MemoryError, match="of the test's"):
        start_sweep(["seed=5,6,7", "hydra/launcher=basic"])
    assert training_stub.names == [["0_seed=5"], ["1_seed=6"], ["2_seed=7"]]
    out, _ = capsys.readouterr()
    folder = sweep_folder().absolute()
    assert f"resume:  python scripts/train.py resume={folder}\n" in out
    assert f"what ['{folder}'] show" in out
    assert "the answer of" not in out  # which would use the test set


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["seed=0,-1"], "seed=-1: must be a whole number at least 0"),
        (["network.widht=1,2"], "network.widht: no such key; did you mean network.width?"),
        (["seed=[1,"], "seed=[1,: can't be read"),
        (["threads=1,2"], "threads: can't vary in a sweep"),
        (["logs=a,b", "seed=0"], "logs: can't vary in a sweep"),
        (["figures.format=png,pdf"], "figures.format: can't vary in a sweep"),
        (["trainer=ddp", "seed=1,2"], "trainer: devices=2, strategy=ddp: each job of a sweep runs"),
        (["trainer.devices=2", "seed=1,2"], "trainer: devices=2, strategy=auto: each job of a"),
        (["seed=1,2", "trainer.devices=1,2"], "trainer: devices=2, strategy=auto: each job of a"),
        (["resume=x", "seed=1,2"], "resume=x: can't be used with -m"),
        (["hydra.run.dir=x", "seed=1,2"], "hydra.run.dir: can't be set: a sweep lies in"),
        (["hydra.job.chdir=true", "seed=1,2"], "hydra.job.chdir: can't be set: a sweep lies in"),
        (["seed=0,0,1"], "seed=0: listed twice; the jobs of a sweep must differ"),
        (["schedule=cosine,step,cosine"], "schedule=cosine: listed twice; the jobs"),
        (["optimizer.lr=0.1,0.10"], "optimizer.lr=0.1: listed twice; the jobs of a sweep must"),
        (["seed=1,2,'1'"], "seed='1': the same job as seed=1; the jobs of a sweep must differ"),
        (
            ["seed=0,1,0", "network.width=3,4,3", "sweep.zip=[seed,network.width]"],
            "seed=0 network.width=3: listed twice; the jobs of a sweep must differ",
        ),
        (["seed=range(0)"], "seed=range(0): has no values; a sweep needs at least one"),
        (["seed=range(5,0)"], "seed=range(5,0): has no values; a sweep needs at least one"),
        (["seed=range(0,5,0)"], "seed=range(0,5,0): range() arg 3 must not be zero"),
        (["experiment=glob(x*)"], "experiment=glob(x*): has no values; a sweep needs at least"),
        (["hydra.sweep.dir=x"], "hydra.sweep.dir: can't be set: a sweep lies in"),
        (["++hydra.sweep.dir=x"], "hydra.sweep.dir: can't be set: a sweep lies in"),
        (["hydra.sweeper.max_batch_size=1,2"], "hydra.sweeper.max_batch_size: can't vary in a"),
        (["hydra/launcher=basic,vectorized"], "hydra/launcher: can't vary in a sweep"),
        (["sweep.fail_fast=true,false"], "sweep.fail_fast: can't vary in a sweep"),
        (["sweep=seeds,grid"], "sweep: can't vary in a sweep"),
        (["hydra.sweeper.max_batch_size=-1", "seed=1,2"], "hydra.sweeper.max_batch_size=-1: must"),
        (["sweep.zip=[seed]"], "sweep.zip: seed isn't swept (swept: nothing)"),
        (["sweep.fail_fast=maybe"], "sweep.fail_fast=maybe: must be true or false"),
        (["sweep=nope"], "sweep=nope: no such option"),
        (
            ["sweep.zip=[seed,network.width]", "seed=1,2", "network.width=1,2,0"],
            "sweep.zip: all keys need the same number of values: seed has 2, network.width has",
        ),
        (
            ["sweep.zip=[seed,network.width]", "seed=1,2", "network.width=1,0"],
            "network.width=0: must be",
        ),
        (
            ["hydra.launcher._target_=hydra_plugins.x.Y"],
            "hydra/launcher=vectorized: not installed; pip install -e '.[vectorized]' installs it",
        ),
        (["hydra.launcher.processes=0"], "hydra.launcher.processes=0: must be a whole number"),
        (["hydra.launcher.proceses=2"], "hydra.launcher.proceses"),
        (
            ["hydra.launcher.processes=3", "threads=2"],
            "hydra.launcher.processes=3: each process has one thread, not 2",
        ),
        (["hydra/launcher=slrum"], "hydra/launcher=slrum: no such option; did you mean slurm?"),
    ],
)
def test_wrong_options_leave_no_files(
    overrides: list[str], message: str, training_stub: TrainingStub
) -> None:
    with pytest.raises(Exception) as error:  # noqa: PT011  # the command takes any
        start_sweep(overrides)
    assert explain(error.value, Train).startswith(message)
    assert not training_stub.calls
    assert not Path("logs").exists()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([*SEARCH, "sweep.zip=[seed]", "seed=1,2"], "sweep.zip: only a grid can zip values"),
        ([*SEARCH, "hydra.sweeper.n_trials=0"], "hydra.sweeper.n_trials=0: must be"),
        ([SEARCH[0], "optimizer.lr=interval(1,0.5)"], "optimizer.lr=interval(1,0.5): "),
        ([*SEARCH, "seed=interval(0,9)"], "seed=interval(0,9): needs values that can be listed"),
        (["hydra/sweeper=search"], "a search needs a key to search"),
    ],
)
def test_wrong_options_of_a_search_leave_no_files(
    overrides: list[str], message: str, training_stub: TrainingStub
) -> None:
    pytest.importorskip("optuna")
    test_wrong_options_leave_no_files(overrides, message, training_stub)


def test_an_invalid_combination_starts_no_job(training_stub: TrainingStub) -> None:
    overrides = [
        "optimizer=nesterov,sgd",
        "optimizer.momentum=0.9,0",
        "optimizer.nesterov=false,true",
    ]
    with pytest.raises(UserError, match=r"nesterov=true: needs optimizer\.momentum above 0"):
        start_sweep(overrides)
    assert not training_stub.calls


def test_wrong_options_are_reported_in_one_line(command: Callable, tmp_path: Path) -> None:
    status, _, err = command("-m", "sweep.zip=[seed]", "network.width=1,2")
    assert status == 1
    assert err == "mlp_lab: sweep.zip: seed isn't swept (swept: network.width)\n"
    assert not list(tmp_path.iterdir())


def test_flags_of_single_runs_are_refused(command: Callable) -> None:
    status, _, err = command("-m", "--config-name=other", "seed=1,2")
    assert (status, err) == (1, "mlp_lab: -m: can't be combined with --config-name\n")
