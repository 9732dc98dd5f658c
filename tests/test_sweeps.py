"""Sweeps end in an answer: held against plain numpy and what was made up for the purpose."""

import csv
import io
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import Start
from omegaconf import OmegaConf

from mlp_lab import figures
from mlp_lab.config import FOLDER
from mlp_lab.errors import UserError
from mlp_lab.runs import Run
from mlp_lab.sweeps import summary
from mlp_lab.sweeps.answer import compare
from mlp_lab.sweeps.comparison import Comparison, Interval, find_runs

COLUMNS = [
    "epoch",
    "step",
    "lr",
    "error/train",
    "error/validation",
    "loss/train",
    "loss/validation",
]


@pytest.fixture
def made_up(tmp_path: Path, compose: Callable) -> Callable[..., Path]:
    """``made_up(losses, "optimizer.lr=1", ...)``: a run's folder with these validation losses."""

    def make(losses: list[float], *overrides: str, status: str = "finished") -> Path:
        run = Run.create(str(tmp_path), "made_up")
        run.write_start(compose(*overrides), overrides)
        rows = [
            {"epoch": i, "step": 10 * i, "lr": 0.1, "seconds": 2.0}
            | {
                "loss/train": v / 2,
                "loss/validation": v,
                "error/train": v / 20,
                "error/validation": v / 10,
            }
            for i, v in enumerate(losses, 1)
        ]
        run.write_history([*COLUMNS, "seconds"], rows)
        if status != "unfinished":
            run.write_result({"status": status, "seconds": [], "evaluations": []})
        return run.folder

    return make


def test_jobs_stand_best_first_by_validation(made_up: Callable, tmp_path: Path) -> None:
    made_up([3, 2, 2.5], "optimizer.lr=0.01")
    made_up([3, 1, 1.5], "optimizer.lr=0.1")
    made_up([], "optimizer.lr=1", status="diverged")
    comparison = Comparison(find_runs([str(tmp_path)]))
    assert comparison.swept == ["optimizer.lr"]
    assert [job.settings["optimizer.lr"] for job in comparison.jobs] == [0.1, 0.01, 1]
    assert comparison.chosen.best is not None
    assert comparison.chosen.best["epoch"] == 2
    rows = list(csv.DictReader(io.StringIO(summary.as_csv(comparison))))
    assert rows[0] == {
        "optimizer.lr": "0.1", "epochs": "3", "best epoch": "2", "loss/train": "0.5",
        "loss/validation": "1.0", "error/train": "0.05", "error/validation": "0.1",
        "seconds": "6.0", "status": "finished", "folder": str(comparison.chosen.run.folder),
    }  # fmt: skip
    assert [row["status"] for row in rows] == ["finished", "finished", "diverged"]
    assert next(iter(rows[0])) == "optimizer.lr"


def test_the_other_way_round(made_up: Callable, tmp_path: Path) -> None:
    made_up([3, 2], "seed=1")
    made_up([1, 4], "seed=2")
    comparison = Comparison(find_runs([str(tmp_path)]), "error", "max")
    assert comparison.chosen.settings == {"seed": 2}
    assert comparison.chosen.best is not None
    assert comparison.chosen.best["error/validation"] == 0.4


def test_runs_that_differ_in_nothing_go_by_their_folders(made_up: Callable, tmp_path: Path) -> None:
    first, second = made_up([1]), made_up([2])
    jobs = Comparison(find_runs([str(tmp_path)])).jobs
    assert [job.label for job in jobs] == [first.name, second.name]


def test_a_swept_choice_goes_by_its_class(made_up: Callable, tmp_path: Path) -> None:
    made_up([1], "optimizer=sgd", "optimizer.lr=0.1")
    made_up([2], "optimizer=rmsprop", "optimizer.lr=0.1")
    comparison = Comparison(find_runs([str(tmp_path)]))
    assert comparison.swept[0] == "optimizer"
    assert [job.settings["optimizer"] for job in comparison.jobs] == ["SGD", "RMSprop"]


def test_mean_deviation_and_interval_over_seeds(made_up: Callable, tmp_path: Path) -> None:
    values = {0.1: [1.0, 1.2, 1.7], 1.0: [2.0, 2.5, 2.1]}
    for lr, losses in values.items():
        for seed, loss in enumerate(losses):
            made_up([loss], f"optimizer.lr={lr}", f"seed={seed}")
    for (settings, interval), (lr, losses) in zip(
        Comparison(find_runs([str(tmp_path)])).over_seeds(), values.items(), strict=True
    ):
        assert settings == {"optimizer.lr": lr}
        assert interval.mean == pytest.approx(np.mean(losses))
        assert interval.std == pytest.approx(np.std(losses, ddof=1))
        # Student's t has a closed form for two degrees of freedom.
        t = 0.95 * math.sqrt(2 / (1 - 0.95**2))
        assert interval.half_width == pytest.approx(t * interval.std / math.sqrt(3), rel=1e-3)


def test_one_value_has_no_spread() -> None:
    interval = Interval.of([3.0])
    assert interval.mean == 3
    assert math.isnan(interval.std)
    assert math.isnan(interval.half_width)


def test_summary_is_written_and_tells_the_choice(made_up: Callable, tmp_path: Path) -> None:
    for width in (8, 16):
        for depth in (1, 2, 3):
            made_up([1 / width + depth / 10], f"network.width={width}", f"network.depth={depth}")
    text = compare([str(tmp_path)])
    assert "chosen by validation loss: width=16 depth=1, epoch 1" in text
    markdown = (tmp_path / "summary.md").read_text()
    assert markdown.splitlines()[0].startswith("| network.width | network.depth | epochs |")
    assert markdown.splitlines()[2].startswith("| 16 | 1 | 1 |")
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {
        "error_curves.png", "heat_map.png",
        "loss_against_network.width.png", "loss_against_network.depth.png",
    }  # fmt: skip


def test_heat_map_shows_the_means(made_up: Callable, tmp_path: Path) -> None:
    cells = {(8, 1): [1.0, 3.0], (8, 2): [4.0], (16, 1): [5.0]}
    for (width, depth), losses in cells.items():
        for seed, loss in enumerate(losses):
            made_up([loss], f"network.width={width}", f"network.depth={depth}", f"seed={seed}")
    figure = summary.draw(Comparison(find_runs([str(tmp_path)])))["heat_map"]
    shown = figure.axes[0].images[0].get_array()
    np.testing.assert_array_equal(shown.filled(np.nan), [[2.0, 4.0], [5.0, np.nan]])
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["1", "2"]
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["8", "16"]


def test_axes_that_span_decades_are_logarithmic() -> None:
    panel = figures.metric_against([0.01, 0.1, 1.0], [1.0, 2.0, 3.0], "lr", "loss").axes[0]
    assert (panel.get_xscale(), panel.get_yscale()) == ("log", "linear")
    panel = figures.metric_against([1, 2, 3], [1.0, 2.0, 3e9], "depth", "loss").axes[0]
    assert (panel.get_xscale(), panel.get_yscale()) == ("linear", "log")


def test_chosen_epoch_is_marked(made_up: Callable, tmp_path: Path) -> None:
    made_up([3, 1, 2], "seed=0")
    made_up([3, 2, 4], "seed=1")
    panel = summary.draw(Comparison(find_runs([str(tmp_path)])))["error_curves"].axes[1]
    [ring] = [line for line in panel.lines if line.get_marker() == "o"]
    np.testing.assert_array_equal(ring.get_xydata(), [[2, 1]])


@pytest.mark.parametrize(
    ("places", "metric", "said"),
    [
        (["nowhere"], "loss", "nowhere: no such folder"),
        (["."], "loss", ".: no runs in this folder"),
        (["made_up"], "accuracy", "metric=accuracy: no run has it .these are there: error, loss"),
    ],
)
def test_mistakes(
    places: list[str], metric: str, said: str, made_up: Callable, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if places == ["made_up"]:
        made_up([1])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=said):
        compare(places, metric)


def test_a_sweep_ends_in_an_answer(start: Start, tmp_path: Path) -> None:
    process = start("-m", "optimizer.lr=0.01,1e30,0.1", "trainer.max_epochs=2", "seed=3")
    out, err = process.communicate(timeout=200)
    assert process.returncode == 1  # for the job that diverged, which didn't stop the others
    assert err.count("mlp_lab: diverged") == 1
    assert "Traceback" not in err
    [sweep] = tmp_path.glob("mnist_hw4/sweeps/*")
    jobs = {path.name: Run(path) for path in sweep.iterdir() if (path / "config.yaml").is_file()}
    assert set(jobs) == {"0_lr=0.01", "1_lr=1e+30", "2_lr=0.1"}
    tested = [name for name, run in jobs.items() if run.result["evaluations"]]
    losses = {name: run.history[-1]["loss/validation"] for name, run in jobs.items() if run.history}
    assert tested == [min(losses, key=losses.__getitem__)]
    [entry] = jobs[tested[0]].result["evaluations"]
    assert (entry["split"], entry["checkpoint"]) == ("test", "best")
    assert "chosen by validation loss" in out
    assert "its test, once" in out
    header = (sweep / "summary.csv").read_text().splitlines()[0]
    assert header.startswith("optimizer.lr,epochs,")
    assert "seed=3" in OmegaConf.load(sweep / tested[0] / "overrides.yaml")


def test_a_sweep_of_which_nothing_came_ends_in_lines(start: Start) -> None:
    process = start("-m", "optimizer.lr=1e30,1e31", "trainer.max_epochs=1")
    _, err = process.communicate(timeout=200)
    assert process.returncode == 1
    lines = err.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("mlp_lab: ") for line in lines)
    assert lines[2] == "mlp_lab: metric=loss: no run has it (these are there: none)"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("sweep/*.yaml")), ids=lambda path: path.stem)
def test_each_value_of_a_preset_is_one(path: Path, compose: Callable) -> None:
    params = OmegaConf.load(path).hydra.sweeper.params
    for key, values in params.items():
        for value in str(values).split(", "):
            compose(f"{key}={value}")


def test_a_preset_names_its_jobs_by_what_it_varies(start: Start, tmp_path: Path) -> None:
    process = start("-m", "sweep=learning_rates", "trainer.max_epochs=1", "callbacks=none")
    _, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    folders = [path for path in tmp_path.glob("mnist_hw4/sweeps/*/*_*") if path.is_dir()]
    assert {path.name for path in folders} == {"0_lr=0.01", "1_lr=0.1", "2_lr=1"}
    assert {Run(path).config.optimizer.lr for path in folders} == {0.01, 0.1, 1}


def test_compare_as_a_command_needs_no_torch(made_up: Callable, tmp_path: Path) -> None:
    made_up([2], "seed=0")
    made_up([1], "seed=1")
    (tmp_path / "torch.py").write_text("raise ImportError('torch was loaded')")
    script = Path(__file__).parents[1] / "scripts" / "compare.py"
    code = f"import runpy, sys; sys.path.insert(0, {str(tmp_path)!r}); sys.argv[1:] = ['made_up']"
    code += f"; runpy.run_path({str(script)!r}, run_name='__main__')"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "chosen by validation loss: seed=1, epoch 1" in done.stdout
    for folder in Path(tmp_path / "made_up").glob("2*"):
        assert Run(folder).result["evaluations"] == []
