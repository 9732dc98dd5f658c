"""Reproductions: their values, the page of results, and that finished ones are not repeated."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlp_lab.benchmark.reproduction import Reproduction, Value, chosen, reproductions
from mlp_lab.benchmark.results_page import reproduce
from mlp_lab.config.compose import CONFIG_FOLDER
from mlp_lab.errors import UserError
from mlp_lab.runs.train import train
from mlp_lab.storage.records import read_json
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.sweeps.comparison.comparison import Comparison, find_runs

ANY_LOSS = Value("a loss", "loss/validation", (0, 100))


def test_entries() -> None:
    known, earlier = reproductions(), set()
    assert sum(each.minutes for each in known.values() if each.quick) <= 5
    for each in known.values():
        assert (CONFIG_FOLDER.parent / f"scripts/{each.program}.py").is_file()
        assert set(re.findall(r"\{(.*?)\}", each.command)) <= earlier, "must run before"
        earlier.add(each.name)
        for value in each.values:
            assert value.statistic in ("mean", "std", "min", "max")
            assert value.expected[0] <= value.expected[1]


def test_quick_ones_and_names() -> None:
    assert [each.name for each in chosen(["minima", "claims"], quick=False)] == ["minima", "claims"]
    assert all(each.quick for each in chosen([], quick=True))
    slow = next(name for name, each in reproductions().items() if not each.quick)
    assert [each.name for each in chosen([slow], quick=True)] == [slow]
    assert len(chosen([], quick=False)) == len(reproductions())
    with pytest.raises(UserError, match=r"minma: no such reproduction; did you mean minima\?"):
        chosen(["minma"], quick=False)


def test_values_are_those_of_the_runs(compose: Callable, tmp_path: Path) -> None:
    runs = []
    for seed in range(3):
        overrides = ["experiment=points_mlp", "callbacks=none", "trainer.max_epochs=2"]
        overrides += [f"seed={seed}", "data.size=20"]
        runs.append(
            RunFolder(Path(train(compose(*overrides), overrides, tmp_path / str(seed)).folder))
        )
    comparison = Comparison(find_runs([str(tmp_path)]))

    def measured(column: str, **options: Any) -> float:
        return Value("claim", column, (0, 1), **options).measure(comparison)

    last = [run.history[-1]["loss/train"] for run in runs]
    tests = [run.result.evaluations[0].metrics["loss"] for run in runs]
    assert measured("last loss/train") == pytest.approx(sum(last) / 3)
    assert measured("last loss/train", statistic="max") == max(last)
    assert measured("last loss/train", where={"seed": 1}) == last[1]
    assert measured("loss/test", statistic="min") == min(tests)
    assert measured("parameters") == runs[0].result.parameters
    assert measured("loss/test", statistic="std") == pytest.approx(np.std(tests, ddof=1))
    one_seed = measured("loss/test", statistic="std", where={"seed": 1})
    assert not Value("claim", "loss/test", (0, 1)).agrees(one_seed), "one value has no deviation"
    with pytest.raises(UserError, match="claim: the runs lack psnr/test"):
        measured("psnr/test")
    with pytest.raises(UserError, match=r"claim: there is no run with \{.seed.: 7\}"):
        measured("loss/test", where={"seed": 7})


class Recorded(Reproduction):
    """A reproduction without a command, which records its calls."""

    calls: list[str] = []  # noqa: RUF012
    answers: dict[str, list[float] | str] = {}  # noqa: RUF012

    def run(self, folder: Path) -> list[float]:
        self.calls.append(self.name)
        folder.mkdir(parents=True, exist_ok=True)
        answer = self.answers[self.name]
        if isinstance(answer, str):
            raise UserError(answer)
        return answer


def test_failures_do_not_stop_the_others_and_are_repeated(tmp_path: Path) -> None:
    value = Value("a claim", "error/test", (0.1, 0.2), "15 %")
    first, second, third = (
        Recorded(name, "a source", f"train name={name}", 1, values=[value]) for name in "abc"
    )
    Recorded.answers = {"a": [0.15], "b": "no data", "c": [0.3]}
    assert not reproduce([first, second, third], tmp_path)
    page = [line.split("|") for line in (tmp_path / "results.md").read_text().splitlines()[2:]]
    rows = [[cell.strip() for cell in row[1:-1]] for row in page]
    assert rows[0][:6] == ["a claim", "a source", "15 %", "10.00 % to 20.00 %", "15.00 %", "pass"]
    assert rows[0][6] == "`python scripts/train.py name=a`"
    assert rows[1][5] == "fail: no data"
    assert rows[2][4:6] == ["30.00 %", "fail"]
    Recorded.answers["b"] = [0.2]
    assert reproduce([first, second], tmp_path)
    assert Recorded.calls == ["a", "b", "c", "b"]
    changed = Recorded("a", "a source", "train name=other", 1, values=[value])
    assert reproduce([changed], tmp_path)
    assert Recorded.calls[-1] == "a"
    # Other values of the same runs are computed again, other limits are not.
    for each, again in ((replace(value, expected=(0, 1)), 0), (replace(value, statistic="max"), 1)):
        before = len(Recorded.calls)
        assert reproduce([replace(changed, values=[each])], tmp_path)
        assert len(Recorded.calls) - before == again


def test_folders_of_others_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = [Recorded("a", "a source", "train", 1), Recorded("b", "a source", "train", 1)]
    Recorded.answers = {"a": [], "b": []}
    run = tmp_path / "b" / "run" / "result.json"
    run.parent.mkdir(parents=True)
    run.write_text("{}")
    calls = len(Recorded.calls)
    with pytest.raises(UserError, match="b: exists and has no results of"):
        reproduce(wanted, tmp_path)
    assert run.is_file()
    assert len(Recorded.calls) == calls
    for note in ("", " (stored result)"):
        assert reproduce(wanted[:1], tmp_path)
        assert f"a: pass{note}\n" in capsys.readouterr().out


def test_a_command_that_fails_names_its_last_line(tmp_path: Path) -> None:
    wrong = Reproduction("x", "", "claims nonsense", 1)
    with pytest.raises(UserError, match="exit status 1: mlp_lab: nonsense: no such topic"):
        wrong.run(tmp_path / "x")


def test_a_missing_sweep_of_another_reproduction_is_named(tmp_path: Path) -> None:
    student = Reproduction("student", "", "train task.teacher={teacher}", 1)
    with pytest.raises(UserError, match="needs the runs of teacher: reproduce it first"):
        student.run(tmp_path / "student")


@pytest.mark.slow
def test_a_sweep_of_another_reproduction_is_an_argument(tmp_path: Path) -> None:
    short = "experiment=points_mlp callbacks=none trainer.max_epochs=1 data.points_seed=0"
    teacher = Reproduction("teacher", "", f"train -m {short} seed=0,1", 1, values=[ANY_LOSS])
    command = f"train -m {short} seed=2,3 task=distillation task.teacher={{teacher}}"
    student = Reproduction("student", "", command, 1, values=[ANY_LOSS])
    for each in (teacher, student):
        each.run(tmp_path / "a b=c" / each.name)
    [sweep] = tmp_path.glob("*/teacher/*/sweeps/*")
    students = [run.config.task.teacher for run in find_runs([str(tmp_path / "a b=c/student")])]
    assert students == [str(sweep)] * 2


@pytest.mark.slow
def test_the_ensemble_of_a_sweep_is_evaluated(tmp_path: Path) -> None:
    values = [Value("members", "error/test", (0, 1)), Value("all", "ensemble error/test", (0, 1))]
    command = "train -m data.train_size=2000 seed=0,1 callbacks=none sweep.test=each"
    command += " trainer.max_epochs=1"
    sweep = Reproduction("x", "", command, 1, values=values)
    mean, ensemble = sweep.run(tmp_path)
    [path] = tmp_path.glob("mnist_hw4/sweeps/*/ensemble.json")
    [entry] = read_json(path)
    assert ensemble == entry["error"]
    assert mean == pytest.approx(sum(entry["members"].values()) / 2)


@pytest.mark.slow
def test_a_claim_of_a_sweep_is_reproduced(tmp_path: Path) -> None:
    assert reproduce(chosen(["linear_layers"], quick=True), tmp_path)
