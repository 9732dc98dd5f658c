"""Figures of a run are drawn after its result is written."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mlp_lab.commands.api import load_run
from mlp_lab.errors import UserError
from mlp_lab.runs.train import train
from mlp_lab.storage.results import Status
from mlp_lab.storage.run_folder import RunFolder

OVERRIDES = ["experiment=points_mlp", "data.size=20", "trainer.max_epochs=1", "logger=none",
             "trainer.accelerator=cpu"]  # fmt: skip


@pytest.mark.draws
def test_a_failed_figure_is_one_line_and_loses_no_result(
    compose: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before: list[tuple[Status, int]] = []

    def fail(*_: object) -> None:
        [run] = tmp_path.glob("points_mlp/*")
        result = RunFolder(run).result
        before.append((result.status, len(result.evaluations)))
        raise ValueError("several\nlines")

    monkeypatch.setattr("mlp_lab.figures.training_curves.loss_curves", fail)
    result = train(compose(*OVERRIDES, f"logs='{tmp_path}'"))
    assert before == [(Status.FINISHED, 1)]
    log = (Path(result.folder) / "train.log").read_text()
    assert log.splitlines()[-1].endswith("figure loss_curves: not drawn: ValueError: several lines")
    figures = Path(result.folder) / "figures"
    assert {path.name for path in figures.iterdir()} == {
        "decision_regions.png", "decision_regions.gif",
    }  # fmt: skip


def test_a_figure_that_cannot_be_prepared_is_one_line(
    compose: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("no data")

    monkeypatch.setattr("mlp_lab.runs.callbacks.loss_curves.LossCurves.prepare", fail)
    result = train(compose(*OVERRIDES, f"logs='{tmp_path}'"))
    assert result.status is Status.FINISHED
    log = (Path(result.folder) / "train.log").read_text()
    assert "figure LossCurves: not drawn: ValueError: no data" in log


def test_figures_are_drawn_after_an_error(
    compose: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("mlp_lab.runs.train.Training.finish", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        train(compose(*OVERRIDES, f"logs='{tmp_path}'"))
    [run] = tmp_path.glob("points_mlp/*")
    assert (run / "figures" / "loss_curves.png").is_file()


@pytest.mark.renders
def test_figures_in_another_format_are_images_in_tensorboard(
    compose: Callable, tmp_path: Path
) -> None:
    overrides = ["experiment=points_mlp", "data.size=20", "trainer.max_epochs=1"]
    result = train(compose(*overrides, "figures.format=pdf", f"logs='{tmp_path}'"))
    figures = Path(result.folder) / "figures"
    assert {path.name for path in figures.iterdir()} == {
        "loss_curves.pdf", "decision_regions.pdf", "decision_regions.gif",
    }  # fmt: skip
    assert (figures / "loss_curves.pdf").read_bytes().startswith(b"%PDF")
    run = load_run(result.folder)
    assert run.figure("loss_curves").width == 1100, "11 inches with 100 dpi"
    assert run.figure("decision_regions").format is None, "the animation is an image"
    for path in Path(result.folder).glob("events.out*"):
        path.unlink()
    with pytest.raises(UserError, match=r"loss_curves\.pdf: can't be read as an image"):
        run.figure("loss_curves")
