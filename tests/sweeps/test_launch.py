"""How a sweep is started, numbered, stopped and resumed, whatever its jobs do."""

import json
import math
import os
import signal
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import hydra
import pytest
import yaml
from helpers import Start, composed, forks, set_cores, wait_for
from omegaconf import DictConfig

from mlp_lab.config import schemas
from mlp_lab.config.check import check
from mlp_lab.config.compose import CONFIG_FOLDER
from mlp_lab.config.error_messages import explain
from mlp_lab.errors import UserError
from mlp_lab.storage.results import Result, Status
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.storage.sweep_folder import SweepFolder
from mlp_lab.sweeps import jobs, plan
from mlp_lab.sweeps import launch as sweeps
from mlp_lab.sweeps.comparison import answer
from mlp_lab.sweeps.groups import Job
from mlp_lab.sweeps.job_runner import JobRunner
from mlp_lab.sweeps.overrides import grid_axes

# --- the command, with jobs that only say that they were there ----------------------------------


class Trained:
    """Stands in for ``train_jobs``: notes the jobs of each call, and ends them as told.

    Attributes:
        calls: for each call the jobs' folders and overrides.
        processes: that the latest call asked for.
        endings: statuses by job number; ``finished`` where there is none.
    """

    def __init__(self) -> None:
        self.calls: list[list[tuple[str, list[str]]]] = []
        self.endings: dict[int, str] = {}

    def __call__(
        self, batch: Sequence[Job], fail_fast: bool, bar: Any, processes: int
    ) -> list[Result]:
        self.processes = processes
        self.calls.append([(job.folder.name, list(job.overrides)) for job in batch])
        return [self._end(job) for job in batch]

    def _end(self, job: Job) -> Result:
        number = int(job.folder.name.partition("_")[0])
        status = Status(self.endings.get(number, "finished"))
        job.folder.mkdir(exist_ok=True)
        reason = None if status is Status.FINISHED else "it\nhad to"
        result = Result(str(job.folder), status, reason)
        result.best = {"loss/validation": 10.0 + number, "error/validation": number / 10}
        RunFolder(job.folder).write_result(result)
        return result

    @property
    def names(self) -> list[list[str]]:
        return [[name for name, _ in batch] for batch in self.calls]


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Trained:
    stand_in = Trained()
    monkeypatch.setattr(jobs, "train_jobs", stand_in)
    monkeypatch.setattr(answer, "conclude", lambda folder, *_: f"the answer of {folder}")
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")  # as the command has it
    monkeypatch.setenv("GOMP_SPINCOUNT", "10000")  # known to monkeypatch, so that it is put back
    monkeypatch.chdir(tmp_path)
    return stand_in


SEARCH = ["hydra/sweeper=search", "optimizer.lr=interval(0.1,1)"]


def the_sweep(logs: Path = Path("logs")) -> Path:
    [folder] = logs.glob("*/sweeps/*")
    return folder


def test_all_jobs_go_to_training_at_once(
    trained: Trained, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    axes = Mock(wraps=grid_axes)
    monkeypatch.setattr(plan, "grid_axes", axes)
    assert sweeps.start(["optimizer.lr=0.1,0.2", "seed=0,1", "network.width=8"])
    assert trained.names == [
        ["0_lr=0.1,seed=0", "1_lr=0.1,seed=1", "2_lr=0.2,seed=0", "3_lr=0.2,seed=1"]
    ]
    assert trained.calls[0][1][1] == ["optimizer.lr=0.1", "seed=1", "network.width=8"]
    out, err = capsys.readouterr()
    assert (out, err) == (f"\nthe answer of {the_sweep().absolute()}\n", "")  # fmt: skip
    assert axes.call_count == 1  # planned once


@pytest.mark.parametrize(
    ("words", "batches"),
    [
        (["hydra/launcher=basic"], [["0_seed=5"], ["1_seed=6"], ["2_seed=7"]]),
        (["hydra.sweeper.max_batch_size=2"], [["0_seed=5", "1_seed=6"], ["2_seed=7"]]),
    ],
)
def test_numbers_go_on_from_batch_to_batch(
    words: list[str], batches: list[list[str]], trained: Trained
) -> None:
    assert sweeps.start(["seed=5,6,7", *words])
    assert trained.names == batches


def test_zipped_keys_vary_in_step(trained: Trained) -> None:
    zipped = "sweep.zip=[network.width,optimizer.lr]"
    words = [zipped, "network.width=16,64,256", "optimizer.lr=0.3,0.1,0.03", "seed=0,1"]
    assert sweeps.start(words)
    pairs = [("16", "0.3"), ("64", "0.1"), ("256", "0.03")]
    labels = [f"width={width},lr={lr},seed={seed}" for width, lr in pairs for seed in (0, 1)]
    assert trained.names == [[f"{number}_{label}" for number, label in enumerate(labels)]]


def test_a_preset_varies_what_it_says_except_what_is_typed(trained: Trained) -> None:
    assert sweeps.start(["sweep=widths_and_depths", "network.depth=2"])
    assert trained.names == [["0_width=16", "1_width=64", "2_width=256"]]


def test_keys_of_a_swept_choice_can_be_set(trained: Trained) -> None:
    assert sweeps.start(["optimizer=adam,adamw", "++optimizer.betas=[0.8,0.9]"])
    assert trained.names == [["0_optimizer=adam", "1_optimizer=adamw"]]


def test_all_options_of_a_choice(trained: Trained) -> None:
    names = sorted(path.stem for path in CONFIG_FOLDER.glob("optimizer/ad*.yaml"))
    assert {"adagrad", "adam", "adamw"} < set(names)
    assert sweeps.start(["optimizer=glob(ad*)"])
    assert trained.names == [[f"{i}_optimizer={name}" for i, name in enumerate(names)]]


def test_failing_jobs_are_told_in_lines(trained: Trained, capsys: pytest.CaptureFixture) -> None:
    trained.endings = {0: "diverged", 2: "failed"}
    assert not sweeps.start(["seed=5,6,7"])
    out, err = capsys.readouterr()
    assert err == "mlp_lab: 0_seed=5: it had to\nmlp_lab: 2_seed=7: it had to\n"
    assert "the answer of" in out


@forks
@pytest.mark.parametrize(
    ("words", "variables", "processes"),
    [
        ([], {}, 2),
        ([], {"OMP_NUM_THREADS": "1"}, 2),
        ([], {"OMP_NUM_THREADS": "2"}, 1),
        ([], {"OMP_NUM_THREADS": ""}, 2),
        ([], {"OMP_NUM_THREADS": "1,1"}, 2),
        (["hydra.sweeper.max_batch_size=2"], {}, 1),  # of the second batch, which has one job
        (["threads=1"], {"OMP_NUM_THREADS": "2"}, 2),
        (["threads=2"], {}, 1),
        (["hydra.launcher.processes=2"], {"OMP_NUM_THREADS": "2"}, 2),
        (["hydra.launcher.processes=9"], {}, 3),
        (["hydra.launcher.processes=1"], {}, 1),
        (["sweep.fail_fast=true"], {}, 1),
        (["hydra/launcher=basic"], {}, 1),
    ],
)
def test_processes_have_one_thread_each(
    words: list[str],
    variables: dict[str, str],
    processes: int,
    trained: Trained,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "")  # known to monkeypatch, so that it is put back
    monkeypatch.delenv("OMP_NUM_THREADS")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    set_cores(monkeypatch, 2)
    assert sweeps.start(["seed=range(3)", *words])
    assert trained.processes == processes
    if processes > 1:
        assert os.environ["OMP_NUM_THREADS"] == "1"


@pytest.mark.parametrize("launcher", ["basic", "vectorized"])
def test_fail_fast_lets_no_other_job_begin(
    launcher: str, trained: Trained, capsys: pytest.CaptureFixture
) -> None:
    trained.endings = {1: "diverged"}
    words = ["seed=5,6,7", "sweep.fail_fast=true", "hydra.sweeper.max_batch_size=2"]
    assert not sweeps.start([*words, f"hydra/launcher={launcher}"])
    assert [*chain(*trained.names)] == ["0_seed=5", "1_seed=6"]
    out, err = capsys.readouterr()
    assert err == "mlp_lab: 1_seed=6: it had to\n"
    assert f"resume:  python scripts/train.py resume={the_sweep().absolute()}\n" in out
    assert "the answer of" in out
    trained.endings = {}
    assert sweeps.resume(str(the_sweep()), [])
    assert [*chain(*trained.names)][2:] == ["0_seed=5", "1_seed=6", "2_seed=7"]


def test_an_interrupted_sweep_says_how_to_go_on(
    trained: Trained, capsys: pytest.CaptureFixture
) -> None:
    trained.endings = {1: "interrupted"}
    with pytest.raises(KeyboardInterrupt):
        sweeps.start(["seed=5,6,7", "hydra/launcher=basic"])
    assert trained.names == [["0_seed=5"], ["1_seed=6"]]
    out, err = capsys.readouterr()
    assert f"python scripts/train.py resume={the_sweep().absolute()}\n" in out
    assert err == ""


def test_a_fault_leaves_the_answer_of_what_is_done(
    trained: Trained, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception that no job can be blamed for, in the process that trains one of them."""
    end = trained._end

    def fails(job: Job) -> Result:
        if job.folder.name == "1_seed=6":
            raise MemoryError("of the test's")
        return end(job)

    monkeypatch.setattr(trained, "_end", fails)
    monkeypatch.setattr(answer, "compare", lambda places, *by: f"what {places} show by {by}")
    with pytest.raises(SystemExit, match="MemoryError: of the test's"):
        sweeps.start(["seed=5,6,7", "hydra/launcher=basic"])
    assert trained.names == [["0_seed=5"], ["1_seed=6"], ["2_seed=7"]]
    out, _ = capsys.readouterr()
    folder = the_sweep().absolute()
    assert f"resume:  python scripts/train.py resume={folder}\n" in out
    assert f"what ['{folder}'] show by ('loss', 'min')" in out
    assert "the answer of" not in out  # which would touch the test set


def test_a_sweep_goes_on_as_it_began(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["seed=5,6", "hydra/launcher=processes", "hydra.launcher.n_jobs=1", "data.root=here"]
    monkeypatch.setattr(plan, "_check_plugins", lambda settings: None)
    monkeypatch.setattr(sweeps, "_launch", lambda *args: None)
    sweeps.start(words)
    monkeypatch.undo()
    monkeypatch.setattr(jobs, "train_jobs", trained)
    monkeypatch.setattr(answer, "conclude", lambda folder, *_: folder)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    folder = the_sweep(tmp_path / "logs")
    before = yaml.safe_load((folder / "sweep.yaml").read_text())
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert sweeps.resume(
        f"../{folder.relative_to(tmp_path)}", ["hydra/launcher=basic", "threads=1"]
    )
    assert trained.names == [["0_seed=5"], ["1_seed=6"]]
    assert trained.calls[0][0][1] == ["seed=5", "data.root=here", "threads=1"]
    assert {path.parent for path in folder.glob("*/result.json")} == {
        folder / "0_seed=5", folder / "1_seed=6",
    }  # fmt: skip
    assert os.getcwd() == str(tmp_path)  # which `here` is relative to
    assert yaml.safe_load((folder / "sweep.yaml").read_text()) == before


def test_how_many_jobs_go_to_training_at_once_can_change(trained: Trained) -> None:
    sweeps.start(["seed=5,6", "hydra.sweeper.max_batch_size=2"])
    sweeps.resume(str(the_sweep()), ["hydra.sweeper.max_batch_size=1"])
    assert trained.names == [["0_seed=5", "1_seed=6"], ["0_seed=5"], ["1_seed=6"]]


def test_whether_the_first_failure_ends_a_sweep_can_change(trained: Trained) -> None:
    trained.endings = {0: "failed"}
    words = ["seed=5,6", "hydra/launcher=basic"]
    sweeps.start([*words, "sweep.fail_fast=true"])
    sweeps.resume(str(the_sweep()), ["sweep.fail_fast=false"])
    assert trained.names == [["0_seed=5"], ["0_seed=5"], ["1_seed=6"]]


def test_a_search_can_go_on_for_longer(trained: Trained) -> None:
    pytest.importorskip("optuna")
    sweeps.start([*SEARCH, "hydra.sweeper.n_trials=3"])
    sweeps.resume(str(the_sweep()), ["hydra.sweeper.n_trials=6", "hydra.sweeper.n_jobs=2"])
    numbers = [[name.partition("_")[0] for name in batch] for batch in trained.names]
    assert numbers == [["0", "1", "2"], ["3", "4"], ["5"]]


@pytest.mark.parametrize("word", ["optimizer.lr=1", "seed=0,1", "hydra/sweeper=grid", "logs=x"])
def test_what_is_learnt_stays_when_a_sweep_goes_on(word: str, trained: Trained) -> None:
    sweeps.start(["seed=5"])
    key = word.partition("=")[0]
    with pytest.raises(UserError, match=f"^{key}: can't be changed when a sweep is resumed"):
        sweeps.resume(str(the_sweep()), [word])


@pytest.mark.parametrize("key", ["threads", "hydra.launcher.n_jobs", "sweep.fail_fast"])
def test_what_changes_takes_one_value(key: str, trained: Trained) -> None:
    sweeps.start(["seed=5"])
    with pytest.raises(UserError, match=f"^{key}: can't vary in a sweep"):
        sweeps.resume(str(the_sweep()), [f"{key}=1,2"])
    assert trained.names == [["0"]]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["seed=0,-1"], "seed=-1: must be a whole number at least 0"),
        (["network.widht=1,2"], "network.widht: no such key; did you mean network.width?"),
        (["seed=[1,"], "seed=[1,: can't be read"),
        (["threads=1,2"], "threads: can't vary in a sweep"),
        (["trainer=ddp", "seed=1,2"], "trainer: devices=2, strategy=ddp: each job of a sweep runs"),
        (["trainer.devices=2", "seed=1,2"], "trainer: devices=2, strategy=auto: each job of a"),
        (["seed=1,2", "trainer.devices=1,2"], "trainer: devices=2, strategy=auto: each job of a"),
        (["resume=x", "seed=1,2"], "resume=x: can't be used with -m"),
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
def test_a_mistake_leaves_nothing(words: list[str], said: str, trained: Trained) -> None:
    with pytest.raises(Exception) as error:  # noqa: PT011  # the command takes any
        sweeps.start(words)
    assert explain(error.value, schemas.Train).startswith(said)
    assert not trained.calls
    assert not Path("logs").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([*SEARCH, "sweep.zip=[seed]", "seed=1,2"], "sweep.zip: only a grid can zip values"),
        ([*SEARCH, "hydra.sweeper.n_trials=0"], "hydra.sweeper.n_trials=0: must be"),
        ([*SEARCH, "optimizer.lr=interval(1,0.5)"], "optimizer.lr=interval(1,0.5): "),
        ([*SEARCH, "seed=interval(0,9)"], "seed=interval(0,9): needs values that can be listed"),
        (["hydra/sweeper=search"], "a search needs a key to search"),
    ],
)
def test_a_mistake_in_a_search_leaves_nothing(
    words: list[str], said: str, trained: Trained
) -> None:
    pytest.importorskip("optuna")
    test_a_mistake_leaves_nothing(words, said, trained)


def test_only_choices_are_composed_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["optimizer=sgd,adam", "optimizer.lr=0.1,1e-3", "network.widths=null,[3],[4,5]"]
    words += ["data.root=a,'b c'", "trainer.max_epochs=1"]
    first = ["optimizer=sgd", "optimizer.lr=0.1", "network.widths=null", "data.root=a"]
    others = [(0, "optimizer=adam"), (1, "optimizer.lr=1e-3"), (2, "network.widths=[3]")]
    others += [(2, "network.widths=[4,5]"), (3, "data.root='b c'")]
    jobs = [first, *([*first[:i], word, *first[i + 1 :]] for i, word in others)]
    expected = [composed(*job, "trainer.max_epochs=1") for job in jobs]

    checked: list[DictConfig] = []
    with monkeypatch.context() as patch:
        patch.setattr(plan, "check", lambda cfg, root: checked.append(check(cfg, root)) or cfg)
        compose = Mock(wraps=hydra.compose)
        patch.setattr(hydra, "compose", compose)
        plan.plan(words)
    assert [cfg for cfg in checked if "optimizer" in cfg] == expected
    assert compose.call_count == 3  # without what varies, then with sgd, then with adam


def test_a_value_may_be_of_an_option_that_only_the_swept_experiments_choose(
    trained: Trained,
) -> None:
    assert sweeps.start(["experiment=perceptron,points_mlp", "data.set=xor", "seed=3"])
    expected = [f"{i}_experiment={name}" for i, name in enumerate(("perceptron", "points_mlp"))]
    assert trained.calls == [
        [(name, [name.partition("_")[2], "data.set=xor", "seed=3"]) for name in expected]
    ]


def test_a_combination_that_can_not_be_leaves_no_job(trained: Trained) -> None:
    words = ["optimizer=nesterov,sgd", "optimizer.momentum=0.9,0", "optimizer.nesterov=false,true"]
    with pytest.raises(UserError, match=r"nesterov=true: needs optimizer\.momentum above 0"):
        sweeps.start(words)
    assert not trained.calls


def test_a_job_answers_with_its_best_value(trained: Trained, tmp_path: Path) -> None:
    sweep = SweepFolder.create(str(tmp_path), "fit", [], ["seed"])
    cfgs = [composed(f"select.metric={metric}") for metric in ("loss", "error", "accuracy")]
    values = JobRunner(sweep).train([(i, cfg, [f"seed={i}"]) for i, cfg in enumerate(cfgs, 4)])
    assert values[:2] == [14.0, 0.5]
    assert math.isnan(values[2])


# --- whole processes ----------------------------------------------------------------------------


def test_ctrl_c_ends_a_sweep_that_can_be_resumed(
    start: Start, command: Callable, tmp_path: Path
) -> None:
    words = ["hydra/launcher=basic", "network.width=8,9", "network.dropout=0.1"]
    process = start("-m", *words, "trainer.max_epochs=40", "callbacks=none", "logger=none")
    # The first job is done, the second has begun.
    wait_for("mnist_hw4/sweeps/*/1_width=9/checkpoints/last.ckpt", tmp_path, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    [sweep] = tmp_path.glob("mnist_hw4/sweeps/*")
    assert f"resume:  python scripts/train.py resume={sweep}" in out
    assert "Traceback" not in err
    status = [
        json.loads((run / "result.json").read_text())["status"] for run in sorted(sweep.glob("?_*"))
    ]
    assert status == ["finished", "interrupted"]
    first = (sweep / "0_width=8" / "checkpoints" / "last.ckpt").stat().st_mtime_ns

    for _ in range(2):  # the second time there is nothing left to do
        status, out, err = command(f"resume={sweep}")
        assert status == 0, err
        assert "chosen by validation loss" in out
        assert [run.folder.name for run in SweepFolder.open(sweep).runs()] == [
            "0_width=8",
            "1_width=9",
        ]
        assert {run.result.epochs for run in SweepFolder.open(sweep).runs()} == {40}
    assert (sweep / "0_width=8" / "checkpoints" / "last.ckpt").stat().st_mtime_ns == first


def test_a_mistake_ends_in_one_line(command: Callable, tmp_path: Path) -> None:
    status, _, err = command("-m", "sweep.zip=[seed]", "network.width=1,2")
    assert status == 1
    assert err == "mlp_lab: sweep.zip: seed isn't swept (swept: network.width)\n"
    assert not list(tmp_path.iterdir())


def test_flags_that_only_one_run_can_have(command: Callable) -> None:
    status, _, err = command("-m", "--config-name=other", "seed=1,2")
    assert (status, err) == (1, "mlp_lab: -m: can't be combined with --config-name\n")


def test_files_from_elsewhere_are_found_when_the_sweep_goes_on(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine" / "network").mkdir(parents=True)
    text = "_target_: mlp_lab.nn.mlp.MLP\ndefaults: [mlp]\nwidth: 5\n"
    (tmp_path / "mine" / "network" / "narrow.yaml").write_text(text)
    monkeypatch.setattr("sys.argv", ["train.py", "-m", "--config-dir=mine", "network=mlp,narrow"])
    from mlp_lab.commands.train import train

    monkeypatch.delenv("HYDRA_FULL_ERROR")
    train()
    monkeypatch.setattr("sys.argv", ["train.py", f"resume={the_sweep()}"])
    train()
    assert trained.names == [["0_network=mlp", "1_network=narrow"]] * 2
