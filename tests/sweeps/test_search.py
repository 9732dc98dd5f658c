"""Searches, compared with known optima and with uninterrupted searches."""

import math
import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from helpers import forks

pytest.importorskip("optuna")

from hydra.core.override_parser.overrides_parser import OverridesParser
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from mlp_lab.errors import UserError
from mlp_lab.runs.callbacks.epoch_checkpoint import EpochCheckpoint
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.sweeps.overrides import last_by_key
from mlp_lab.sweeps.planning import plan
from mlp_lab.sweeps.pruning import Pruning
from mlp_lab.sweeps.search import Search, distribution, search_space
from mlp_lab.sweeps.study import Study
from mlp_lab.tasks.base import Task

Objective = Callable[[dict[str, str]], float]
LR = "tag(log,interval(1e-4,1))"


def parabola(job: dict[str, str]) -> float:
    """Return the value of an objective that is 0 at lr = 0.01 with adam."""
    return (math.log10(float(job["lr"])) + 2) ** 2 + (job["optimizer"] != "adam")


class Launcher:
    """Launcher that calls ``objective`` with each job's overrides instead of training."""

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self.launched: list[tuple[int, dict[str, str]]] = []
        self.ended: int | None = None  # jobs before the first that was launched

    def launch(self, jobs: Sequence[Sequence[str]], initial_job_idx: int) -> list[SimpleNamespace]:
        split = [dict(override.split("=", 1) for override in overrides) for overrides in jobs]
        self.launched += enumerate(split, initial_job_idx)
        return [SimpleNamespace(return_value=self.objective(job)) for job in split]


def search(
    folder: Path, objective: Objective = parabola, overrides: Sequence[str] = (), mode: str = "min",
    n_trials: int = 12, n_jobs: int = 4, prune_after: int | None = None,
    announce: Callable[[str], None] = print,
) -> tuple[list[FrozenTrial], Launcher]:  # fmt: skip
    """Search in ``folder``; return the trials of the study and the launcher."""
    params = {"lr": LR, "optimizer": "choice(sgd,adam)"}
    sweeper = Search(n_trials, n_jobs, prune_after, 0, params)
    space = search_space(last_by_key(params, overrides, OverridesParser.create()))
    sweeper.runner = SimpleNamespace(
        sweep=SimpleNamespace(folder=folder, stopped=False),
        plan=SimpleNamespace(space=space, cfg=SimpleNamespace(select=SimpleNamespace(mode=mode))),
        announce=announce,
    )
    sweeper.launcher = launcher = Launcher(objective)
    sweeper.sweep([])
    launcher.ended = getattr(sweeper.runner, "ended", None)
    return Study(folder, mode, prune_after).trials, launcher


def summaries(trials: Sequence[FrozenTrial]) -> list[tuple]:
    return [(t.state, t.params, t.values, t.intermediate_values) for t in trials]


@pytest.mark.parametrize("mode", ["min", "max"])
def test_a_search_reaches_a_known_optimum(mode: str, tmp_path: Path) -> None:
    sign = {"min": 1, "max": -1}[mode]
    trials, _ = search(tmp_path, lambda job: sign * parabola(job), mode=mode, n_trials=48)
    best = min(trials, key=lambda trial: sign * trial.value)
    assert len({trial.params["lr"] for trial in trials}) == 48
    assert best.params["optimizer"] == "adam"
    assert 10**-2.3 < best.params["lr"] < 10**-1.7
    # A random trial's value has mean 4/3 + 1/2 and variance 64/45 + 1/4.
    bound = 4 / 3 + 1 / 2 - 2 * math.sqrt((64 / 45 + 1 / 4) / 16)
    assert sum(sign * trial.value for trial in trials[-16:]) / 16 < bound


@pytest.mark.parametrize(
    ("text", "drawn_from"),
    [
        ("x=choice(1,[2,3],a)", CategoricalDistribution(["1", "[2,3]", "a"])),
        ("x=sgd,adam", CategoricalDistribution(["sgd", "adam"])),
        ("x=range(1,4)", CategoricalDistribution(["1", "2", "3"])),
        ("x=interval(0,1)", FloatDistribution(0, 1)),
        ("x=tag(log,interval(1e-4,1))", FloatDistribution(1e-4, 1, log=True)),
        ("x=int(interval(1,9))", IntDistribution(1, 9)),
        ("x=tag(log,int(interval(1,9)))", IntDistribution(1, 9, log=True)),
    ],
)
def test_an_override_selects_its_distribution(text: str, drawn_from: object) -> None:
    [override] = OverridesParser.create().parse_overrides([text])
    assert distribution(override) == drawn_from


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["lr=tag(log,interval(0,1))"], "lr=tag.log,interval.0,1..: "),
        (["lr=interval(1,0)"], "lr=interval.1,0.: "),
        (["seed=interval(0,9)"], "seed=interval.0,9.: needs values that can be listed"),
        (["lr=shuffle(1,2)"], "lr=shuffle.1,2.: can.t use shuffle: jobs are numbered"),
        (["lr=1", "optimizer=sgd"], "a search needs a key to search"),
    ],
)
def test_overrides_that_cannot_be_searched_are_refused(
    overrides: list[str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        search(tmp_path, overrides=overrides)
    assert not list(tmp_path.iterdir())


def test_the_value_of_a_trial_is_the_mean_over_its_seeds(tmp_path: Path) -> None:
    trials, launcher = search(
        tmp_path, lambda job: parabola(job) + 10 * int(job["seed"]), ["seed=1,2,6"], n_trials=6
    )
    assert [number for number, _ in launcher.launched] == list(range(18))
    assert [job["seed"] for _, job in launcher.launched] == ["1", "2", "6"] * 6
    for number, job in launcher.launched:
        trial = trials[number // 3]
        assert float(job["lr"]) == trial.params["lr"]
        assert trial.value == pytest.approx(parabola(job) + 30)
        assert "seed" not in trial.params


def test_a_search_announces_its_duration_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 600.0])  # the first batch takes ten minutes
    stub = SimpleNamespace(monotonic=lambda: next(clock))
    monkeypatch.setattr("mlp_lab.sweeps.search.time", stub)
    announced = Mock()
    search(tmp_path, overrides=["seed=1,2,6"], n_trials=128, n_jobs=16, announce=announced)
    announced.assert_called_once_with(
        "search: 16 trials of 3 jobs took 10 min; the remaining 112 take about 70 min"
        " (hydra.sweeper.n_trials, trainer.max_epochs)"
    )


def test_all_jobs_have_a_fixed_seed(tmp_path: Path) -> None:
    _, launcher = search(tmp_path, overrides=["seed=3"], n_trials=2)
    assert [job["seed"] for _, job in launcher.launched] == ["3", "3"]


@forks
def test_a_killed_search_is_resumed(tmp_path: Path) -> None:
    """A search that is killed during a batch and resumed equals an uninterrupted one."""
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    whole, everything = search(tmp_path / "whole")
    jobs = iter(range(6))

    def dies(job: dict[str, str]) -> float:
        if next(jobs) == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return parabola(job)

    context = multiprocessing.get_context("fork")
    process = context.Process(target=search, args=(tmp_path / "killed", dies))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    states = [trial.state for trial in Study(tmp_path / "killed", "min", None).trials]
    assert states == [TrialState.COMPLETE] * 4 + [TrialState.RUNNING] * 4
    killed, rest = search(tmp_path / "killed")
    assert summaries(killed) == summaries(whole)
    assert rest.launched == everything.launched[4:]  # the same jobs, hence the same folders
    assert (everything.ended, rest.ended) == (0, 4)
    again, nothing = search(tmp_path / "killed")
    assert summaries(again) == summaries(whole)
    assert nothing.launched == []


def test_incomplete_trials_are_not_trained(tmp_path: Path) -> None:
    study = Study(tmp_path, "min", None)
    study.study.ask({"lr": FloatDistribution(1e-4, 1, log=True)})  # killed before the optimizer
    trials, launcher = search(tmp_path, n_trials=3)
    assert [t.state for t in trials] == [TrialState.FAIL] + [TrialState.COMPLETE] * 2
    assert [number for number, _ in launcher.launched] == [1, 2]


def test_a_search_avoids_diverging_values(tmp_path: Path) -> None:
    """More than half of the space diverges, as would more than half of random trials."""
    trials, _ = search(
        tmp_path, lambda job: math.inf if float(job["lr"]) > 0.005 else parabola(job), n_trials=48
    )
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    diverged = sum(math.isinf(trial.value) for trial in trials)
    assert diverged < 48 * math.log10(1 / 0.005) / 4


def test_failures_are_reported_and_a_failed_batch_ends_the_search(tmp_path: Path) -> None:
    values = iter([1.0, math.nan, 2.0, 3.0, *[math.nan] * 4])
    trials, launcher = search(tmp_path, lambda job: next(values))
    states = [TrialState.COMPLETE, TrialState.FAIL, *[TrialState.COMPLETE] * 2]
    assert [t.state for t in trials] == states + [TrialState.RUNNING] * 4
    trials, again = search(tmp_path)
    assert again.launched[:4] == launcher.launched[4:]
    assert len(trials) == 12


def report_epochs(study: Study, number: int, curves: dict[int, list[float]]) -> dict[int, int]:
    """Train a trial's seeds in lockstep; return after which epoch each has stopped."""
    stopped: dict[int, int] = {}
    for epoch in range(1, 1 + len(next(iter(curves.values())))):
        for seed, curve in curves.items():
            if seed not in stopped:
                study.report(number, seed, len(curves), epoch, curve[epoch - 1])
                if study.is_pruned(number):
                    stopped[seed] = epoch
    return stopped


def test_trials_worse_than_the_median_are_pruned(tmp_path: Path) -> None:
    study = Study(tmp_path, "min", prune_after=2)
    space = {"lr": FloatDistribution(0, 1)}
    first = study.batch(space, 5, 7, seed=0)
    for trial, level in zip(first, [1, 2, 3, 4, 5], strict=True):
        assert report_epochs(study, trial.number, {0: [level] * 5}) == {}  # none to compare with
    study.tell({trial.number: [level] for trial, level in zip(first, [1, 2, 3, 4, 5], strict=True)})
    assert [t.number for t in study.batch(space, 5, 7, seed=0)] == [5, 6]
    assert report_epochs(study, 5, {0: [9, 9, 2.9, 9, 9]}) == {}  # its best counts; median: 3
    assert report_epochs(study, 6, {0: [9, 3.1, 3.1, 1, 1]}) == {0: 3}  # after more than 2 epochs
    study.tell({5: [2.9], 6: [3.1]})
    kept, pruned = study.trials[5:]
    assert (kept.state, kept.value) == (TrialState.COMPLETE, 2.9)
    assert (pruned.state, pruned.value) == (TrialState.PRUNED, 3.1)


def test_pruning_uses_the_mean_over_seeds(tmp_path: Path) -> None:
    study = Study(tmp_path, "min", prune_after=0)
    space = {"lr": FloatDistribution(0, 1)}
    for trial in study.batch(space, 5, 7, seed=0):
        report_epochs(study, trial.number, {0: [3, 3], 1: [3, 3]})
        study.tell({trial.number: [3, 3]})
    study.batch(space, 5, 7, seed=0)
    assert report_epochs(study, 5, {0: [5, 5], 1: [0.5, 0.5]}) == {}
    assert study.trials[5].intermediate_values == {1: 2.75, 2: 2.75}
    # The seed that completes the mean stops immediately, the other at its next report.
    assert report_epochs(study, 6, {0: [5, 5], 1: [2, 2]}) == {1: 1, 0: 2}
    assert study.trials[6].intermediate_values == {1: 3.5}


def test_runs_of_an_ended_trial_do_not_report(tmp_path: Path) -> None:
    study = Study(tmp_path, "min", prune_after=0)
    study.batch({"lr": FloatDistribution(0, 1)}, 1, 1, seed=0)
    study.tell({0: [1.0]})
    study.report(0, 0, 1, epoch=1, value=9.0)
    assert study.trials[0].intermediate_values == {}
    assert not study.is_pruned(0)


def test_a_pruned_run_reports_its_reason(tmp_path: Path) -> None:
    study = Study(tmp_path, "min", prune_after=0)
    space = {"lr": FloatDistribution(0, 1)}
    for trial in study.batch(space, 5, 7, seed=0):
        report_epochs(study, trial.number, {0: [3, 3]})
        study.tell({trial.number: [3]})
    study.batch(space, 5, 7, seed=0)
    for trial, value, ended in [(5, 2.0, None), (6, 9.0, "pruned after epoch 1")]:
        keeper = Mock(EpochCheckpoint, key="loss/validation", mode="min")
        trainer = SimpleNamespace(
            checkpoint_callback=keeper, current_epoch=0, should_stop=False,
            default_root_dir=tmp_path / str(trial),
        )  # fmt: skip
        pruning = Pruning(trial, seeds=1, after=0)
        pruning.on_validation_end(trainer, Mock(Task, means={"loss/validation": value}, seed=0))
        assert (pruning.ended, trainer.should_stop) == (ended, ended is not None)


@pytest.mark.slow
def test_a_search_trains_in_other_processes(command: Callable, tmp_path: Path) -> None:
    status, out, err = command(
        "-m", "hydra/sweeper=search", "hydra/launcher=processes", "network.width=choice(4,8,12)",
        "hydra.sweeper.n_trials=4", "hydra.sweeper.n_jobs=2", "trainer.max_epochs=1",
        "callbacks=none", "logger=none",
    )  # fmt: skip
    assert status == 0, err
    assert "search: 2 trials of 1 jobs took" in out
    [folder] = tmp_path.glob("mnist_hw4/sweeps/*")
    assert [trial.state for trial in Study(folder, "min", None).trials] == [TrialState.COMPLETE] * 4


def test_the_direction_of_a_search_is_that_of_its_jobs() -> None:
    overrides = ["hydra/sweeper=search", "optimizer.lr=tag(log,interval(1e-4,1e-1))"]
    planned = plan([*overrides, "experiment=choice(image_best,image_grid)"])
    assert (planned.cfg.select.metric, planned.cfg.select.mode) == ("psnr", "max")
    with pytest.raises(UserError, match=r"select\.metric: must be the same .* psnr and loss"):
        plan([*overrides, "experiment=choice(image_best,image_hw)"])


@pytest.mark.slow
def test_a_search_of_real_runs(command: Callable, tmp_path: Path) -> None:
    status, out, err = command(
        "-m", "hydra/sweeper=search", "optimizer.lr=tag(log,interval(1e-5,0.3))",
        "hydra.sweeper.n_trials=8", "hydra.sweeper.n_jobs=2",
        "hydra.sweeper.prune_after=1", "trainer.max_epochs=4", "seed=0,1",
        "callbacks=none", "logger=none",
    )  # fmt: skip
    assert status == 0, err
    assert "chosen by validation loss" in out
    [folder] = tmp_path.glob("mnist_hw4/sweeps/*")
    trials = Study(folder, "min", 1).trials
    runs = {
        int(path.parent.name.split("_")[0]): RunFolder(path.parent)
        for path in folder.glob("*/config.yaml")
    }
    assert sorted(runs) == list(range(16))
    assert {t.state for t in trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    for trial in trials:
        pair = [runs[2 * trial.number + i] for i in range(2)]
        assert [run.config.seed for run in pair] == [0, 1]
        histories = [[row["loss/validation"] for row in run.history] for run in pair]
        means = [sum(values) / 2 for values in zip(*histories, strict=False)]
        assert list(trial.intermediate_values.values()) == pytest.approx(means)
        if trial.state == TrialState.COMPLETE:
            assert trial.value == pytest.approx(sum(map(min, histories)) / 2)
        else:
            assert min(map(len, histories)) < 4
