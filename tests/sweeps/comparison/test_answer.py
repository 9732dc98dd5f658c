"""The answer of a sweep, compared with plain numpy and with run folders of known metrics."""

import csv
import io
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from helpers import single_spaced
from omegaconf import OmegaConf
from scripts_without_torch import run_script

from mlp_lab.errors import UserError
from mlp_lab.runs import evaluate
from mlp_lab.storage.results import Evaluation
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.sweeps.comparison import best_of_problems, summary
from mlp_lab.sweeps.comparison.answer import _common_folder, compare, conclude
from mlp_lab.sweeps.comparison.comparison import (
    Comparison,
    find_runs,
)
from mlp_lab.sweeps.comparison.differences import flat_config
from mlp_lab.sweeps.comparison.drawing import draw
from mlp_lab.sweeps.comparison.printed_tables import run_names


def test_only_finished_jobs_are_chosen_and_others_give_the_reason(
    make_run: Callable, tmp_path: Path
) -> None:
    make_run([], "seed=0", status="failed", reason="Traceback ...\nOSError: disk full\n")
    make_run([3, 2], "seed=1", status="diverged", reason="the loss is not finite in epoch 3")
    make_run([4], "seed=2")
    make_run([5], "seed=3", status="unfinished")
    make_run([1], "seed=4", status="interrupted", reason="interrupted in epoch 2")
    make_run([4.5], "seed=5", reason="pruned after epoch 1")
    comparison = Comparison(find_runs([str(tmp_path)]))
    assert [job.settings["seed"] for job in comparison.jobs] == [2, 5, 4, 1, 3, 0]
    assert comparison.chosen is comparison.jobs[0]
    [group] = comparison.groups()
    assert [job.settings["seed"] for job in group.jobs] == [2, 5]
    lines = summary.as_text(comparison).splitlines()
    assert lines[2].endswith("  pruned after epoch 1")
    run, *cells = lines[6].split()
    assert cells[:3] == ["0", "-", "-"]
    assert cells[-1] == "failed"
    assert run == comparison.jobs[5].run.folder.name
    choice_lines = [
        "seed=4: interrupted in epoch 2",
        "seed=1: diverged: the loss is not finite in epoch 3",
        "seed=3: unfinished: still running, or killed",
        "seed=0: failed: OSError: disk full",
    ]
    start = lines.index(choice_lines[0])
    assert lines[start : start + 5] == [*choice_lines, ""]
    assert any(line.split()[:3] == ["2", "of", "6"] for line in lines)  # which a mean is over
    assert all(f"- {line}" in summary.as_markdown(comparison).splitlines() for line in choice_lines)
    labels = [line.get_label() for line in draw(comparison)["error_curves"]().axes[1].lines]
    assert {"seed=2", "seed=4 (interrupted)", "seed=1 (diverged)"} < set(labels)


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        ([[], []], "no run is chosen: no job has finished an epoch"),
        ([[3, 2], [4]], "no run is chosen: no job has finished; the best so far: seed=0, epoch 2"),
    ],
)
def test_a_sweep_without_finished_jobs_has_a_table_and_no_choice(
    losses: list[list[float]], message: str, make_run: Callable, tmp_path: Path
) -> None:
    for seed, (run_losses, status) in enumerate(
        zip(losses, ("interrupted", "diverged"), strict=True)
    ):
        make_run(
            run_losses,
            f"seed={seed}",
            "optimizer.lr=1",
            status=status,
            reason=f"{status} in epoch 9",
        )
    lines = compare([str(tmp_path)]).text.splitlines()
    assert lines[0].split()[:2] == ["run", "seed"]
    assert [line.split()[-1] for line in lines[1:3]] == ["interrupted", "diverged"]
    assert "seed=0: interrupted in epoch 9" in lines
    assert message in lines
    drawn = {path.name for path in (tmp_path / "figures").glob("*")}
    assert drawn == ({"error_curves.png"} if losses[0] else set())


@pytest.mark.parametrize(
    "overrides",
    [
        ["optimizer.lr=0.1"],
        ["network.widths=[12,8]", "optimizer=adam", "data.root='/a place/$HOME'"],
        ["experiment=mnist_lecture", "++network.depth=2"],
    ],
)
def test_the_command_of_the_choice_repeats_the_run(
    overrides: list[str], make_run: Callable, tmp_path: Path, compose: Callable
) -> None:
    make_run([2], "optimizer.lr=0.5")
    make_run([1], *overrides)
    comparison = Comparison(find_runs([str(tmp_path)]), "error")
    label, _, command = summary.choice(comparison)[-1].partition(": ")
    assert label == "run it again"
    python, script, *again = shlex.split(command)
    assert (python, script) == ("python", "scripts/train.py")
    assert comparison.chosen is not None
    assert compose(*again) == comparison.chosen.run.config


@pytest.mark.parametrize(
    ("tested", "message"),
    [
        (([], [], []), "the test set was not evaluated"),
        (([2], [], []), "the test set was evaluated for it only"),
        (([2, 2], [], []), "the test set was evaluated for it only"),
        (([2], [1], []), "the test set was evaluated for it and 1 other network"),
        (([1], [1], [1]), "the test set was not evaluated for it, but for 3 other networks"),
    ],
)
def test_the_summary_names_the_tested_runs(
    tested: tuple[list[int], ...], message: str, make_run: Callable, tmp_path: Path
) -> None:
    for seed, (losses, epochs) in enumerate(zip(([2, 1], [3], [4]), tested, strict=True)):
        make_run(losses, f"seed={seed}", tested=epochs)
    lines = summary.choice(Comparison(find_runs([str(tmp_path)])))
    assert message in lines
    tested_metrics = ", test loss 0.5000, test error 25.00 %" if 2 in tested[0] else ""
    assert lines[1] == (
        "its metrics: training loss 0.5000, validation loss 1.0000, "
        f"training error 5.00 %, validation error 10.00 %{tested_metrics}"
    )


@pytest.mark.parametrize(
    ("statuses", "tested"),
    [
        (("finished", "finished"), 1),
        (("finished", "diverged"), 0),
        (("finished", "interrupted"), 0),
        (("diverged", "failed"), None),
    ],
)
def test_a_sweep_is_tested_once(
    statuses: tuple[str, str], tested: int | None, make_run: Callable, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    folders = [
        make_run([2 - i], f"seed={i}", status=status, reason=f"{status} in epoch 2")
        for i, status in enumerate(statuses)
    ]
    asked = []

    def measure(run: RunFolder, split: str, which: str) -> None:
        asked.append((run.folder, split, which))
        run.add_evaluation(Evaluation(split, which, 1, {"loss": 2.0}))

    monkeypatch.setattr(evaluate, "measure", measure)
    read = Mock(wraps=flat_config)
    monkeypatch.setattr("mlp_lab.sweeps.comparison.comparison.flat_config", read)
    texts = [conclude(str(tmp_path)).text for _ in range(2)]
    assert read.call_count == 2 * len(folders)  # once each time
    assert asked == ([] if tested is None else [(folders[tested], "test", "best")])
    assert texts[0] == texts[1]
    assert ("test loss 2.0000" in texts[0]) == (tested is not None)


def test_the_best_run_of_each_problem_is_tested(
    make_run: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    validated = {"separable": {8: 0.3, 16: 0.2}, "xor": {8: 2.0, 16: 3.0}}
    losses_on_test = {"separable": 0.25, "xor": 2.5}
    metrics = {key: {"loss": loss, "error": 0.1} for key, loss in losses_on_test.items()}
    for data_set, losses in validated.items():
        for width, loss in losses.items():
            overrides = ["experiment=points_mlp", f"data.set={data_set}", "sweep.test=problems"]
            make_run([loss + 1, loss], *overrides, f"network.width={width}")

    def measure(run: RunFolder, split: str, which: str) -> None:
        config = run.config
        assert config.network.width == {"separable": 16, "xor": 8}[config.data.set]
        run.add_evaluation(Evaluation(split, which, 2, metrics[config.data.set]))

    monkeypatch.setattr(evaluate, "measure", measure)
    texts = [conclude(str(tmp_path)).text for _ in range(2)]
    assert texts[0] == texts[1]
    comparison = Comparison(find_runs([str(tmp_path)]))
    [(header, [first, second, means, deviations])] = best_of_problems.tables(comparison)
    assert header == ["problem", "best run", "epoch", "loss/validation", "loss/test"]
    runs = run_names(comparison.best_jobs)
    assert first == ["set=separable", runs[0], "2", "0.2000", "0.2500"]
    assert second == ["set=xor", runs[1], "2", "2.0000", "2.5000"]
    assert float(means[4]) == np.mean([0.25, 2.5])
    assert float(deviations[4]) == pytest.approx(np.std([0.25, 2.5], ddof=1), abs=1e-4)
    assert "standard deviation" in texts[0]
    assert "error/test" not in summary.columns(comparison)


def test_untested_problems_have_no_table_of_their_best_runs(
    make_run: Callable, tmp_path: Path
) -> None:
    make_run([1.0], "experiment=points_mlp", "data.set=xor", tested=[1])
    make_run([1.0], "experiment=points_mlp", "data.set=rings")
    assert best_of_problems.tables(Comparison(find_runs([str(tmp_path)]))) == []


def test_no_job_of_trials_is_tested(
    make_run: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(2):
        make_run([2.0, 1.0 + seed], f"seed={seed}", "sweep.test=none")
    monkeypatch.delattr(evaluate, "measure")
    summary = conclude(str(tmp_path))
    assert summary.chosen == find_runs([str(tmp_path)])[0].folder
    assert "the test set was not evaluated" in summary.text


def test_each_job_is_tested_in_its_best_epoch(
    make_run: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = {0: [3.0, 2.0, 2.5], 1: [1.5, 2.0, 3.0], 2: [2.5, 2.0, 1.0]}
    errors = {0: 0.03, 1: 0.01, 2: 0.05}  # the best one on validation data isn't on the test set
    for seed, run_losses in losses.items():
        make_run(run_losses, f"seed={seed}", "sweep.test=each", tested=[3])
    # Of its last epoch, which counts for the third alone.
    make_run([9.0], "seed=3", "sweep.test=each", status="diverged")

    def measure(run: RunFolder, split: str, which: str) -> None:
        seed = run.config.seed
        epoch = 1 + losses[seed].index(min(losses[seed]))
        run.add_evaluation(Evaluation(split, which, epoch, {"error": errors[seed]}))

    monkeypatch.setattr(evaluate, "measure", measure)
    texts = [conclude(str(tmp_path)).text for _ in range(2)]
    assert texts[0] == texts[1]
    rows = list(csv.DictReader(io.StringIO((tmp_path / "summary.csv").read_text())))
    reported = {row["seed"]: row["error/test"] for row in rows}
    assert reported == {"2": "0.25", "1": "0.01", "0": "0.03", "3": ""}
    values = [0.25, 0.01, 0.03]
    [group] = Comparison(find_runs([str(tmp_path)])).groups()
    assert group.tests["error"].mean == pytest.approx(np.mean(values))
    assert group.tests["error"].std == pytest.approx(np.std(values, ddof=1))
    assert "chosen by validation loss: seed=2, epoch 3" in texts[0]
    assert "test error 25.00 %" in texts[0]
    assert re.search(r"3 of 4 +error/test +9.67 % +13.3", texts[0])
    assert "the test set was evaluated for it and 4 other networks" in texts[0]


def test_folders_without_a_common_parent_need_an_output(make_run: Callable, tmp_path: Path) -> None:
    assert _common_folder(["logs/a", "logs/b/c"]) == Path("logs")
    assert _common_folder([str(tmp_path / "a"), str(tmp_path / "b")]) == tmp_path
    with pytest.raises(UserError, match="/a, /b: have no common folder; set one with --output"):
        _common_folder(["/a", "/b"])


def test_the_written_summary_names_the_choice(make_run: Callable, tmp_path: Path) -> None:
    for width in (8, 16):
        for depth in (1, 2, 3):
            make_run([1 / width + depth / 10], f"network.width={width}", f"network.depth={depth}")
    text = compare([str(tmp_path)]).text
    assert "chosen by validation loss: width=16 depth=1, epoch 1" in text
    markdown = single_spaced((tmp_path / "summary.md").read_text())
    assert markdown.splitlines()[0].startswith("| network.width | network.depth | epochs |")
    assert markdown.splitlines()[2].startswith("| 16 | 1 | 1 |")
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {
        "error_curves.png", "heat_map.png", "heat_map_train.png",
        "loss_against_network.width.png", "loss_against_network.depth.png",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("places", "metric", "message"),
    [
        (["nowhere"], "loss", "nowhere: no such folder"),
        (["."], "loss", ".: no runs in this folder"),
        (["made_up"], "accuracy", "metric=accuracy: no run has it .these are there: error, loss"),
    ],
)
def test_unknown_folders_and_metrics_are_refused(
    places: list[str], metric: str, message: str, make_run: Callable, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if places == ["made_up"]:
        make_run([1])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        compare(places, metric)


def test_a_sweep_writes_an_answer(command: Callable, tmp_path: Path) -> None:
    overrides = ["optimizer.lr=0.01,1e30,0.1", "trainer.max_epochs=2", "seed=3", "callbacks=none"]
    status, out, err = command("-m", *overrides)
    assert status == 1  # for the job that diverged, which didn't stop the others
    assert err.count("1_lr=1e+30: diverged: ") == 1
    assert "Traceback" not in err
    [sweep] = tmp_path.glob("mnist_hw4/sweeps/*")
    jobs = {
        path.name: RunFolder(path) for path in sweep.iterdir() if (path / "config.yaml").is_file()
    }
    assert set(jobs) == {"0_lr=0.01", "1_lr=1e+30", "2_lr=0.1"}
    tested = [name for name, run in jobs.items() if run.result.evaluations]
    losses = {name: run.history[-1]["loss/validation"] for name, run in jobs.items() if run.history}
    assert tested == [min(losses, key=losses.__getitem__)]
    [entry] = jobs[tested[0]].result.evaluations
    assert (entry.split, entry.checkpoint) == ("test", "best")
    assert "chosen by validation loss" in out
    assert "the test set was evaluated for it only" in out
    assert f"test error {100 * entry.metrics['error']:.2f} %" in out
    assert "lr=1e+30: diverged: " in out
    header = (sweep / "summary.csv").read_text().splitlines()[0]
    assert header.startswith("optimizer.lr,epochs,")
    assert "seed=3" in OmegaConf.load(sweep / tested[0] / "overrides.yaml")


def test_a_sweep_without_results_is_reported(command: Callable, tmp_path: Path) -> None:
    status, out, err = command("-m", "optimizer.lr=1e30,1e31", "trainer.max_epochs=1")
    assert status == 1
    assert len(err.splitlines()) == 2
    assert all(" diverged: " in line for line in err.splitlines())
    assert "no run is chosen: no job has finished an epoch" in out.splitlines()
    [csv_file] = tmp_path.glob("mnist_hw4/sweeps/*/summary.csv")
    rows = csv.DictReader(io.StringIO(csv_file.read_text()))
    assert [row["status"] for row in rows] == ["diverged", "diverged"]


def test_compare_as_a_command_needs_no_torch(make_run: Callable, tmp_path: Path) -> None:
    make_run([2], "seed=0")
    make_run([1], "seed=1")
    done = run_script("compare", "made_up", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("made_up/events.out.tfevents.*"))) == 1
    assert "chosen by validation loss: seed=1, epoch 1" in done.stdout
    for folder in Path(tmp_path / "made_up").glob("2*"):
        assert RunFolder(folder).result.evaluations == []


def test_runs_are_compared_by_the_metric_that_selects_their_epochs(
    make_run: Callable, tmp_path: Path
) -> None:
    for seed in (0, 1):
        make_run([3, 2], f"seed={seed}", "select.metric=error", "select.mode=max")
    assert Comparison(find_runs([str(tmp_path)])).key == "error/validation"
    make_run([3, 2], "seed=2")
    assert Comparison(find_runs([str(tmp_path)])).key == "loss/validation"
    assert Comparison(find_runs([str(tmp_path)]), "error").key == "error/validation"
