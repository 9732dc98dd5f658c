"""Figures of the layers' gradients over several runs."""

from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import layer_rows
from omegaconf import OmegaConf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mlp_lab.figures import layer_profiles
from mlp_lab.storage.results import Result, Status
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.sweeps.comparison.answer import compare
from mlp_lab.sweeps.comparison.comparison import Comparison, find_runs
from mlp_lab.sweeps.comparison.layer_curves import draw


@pytest.fixture
def make_run(tmp_path: Path, compose: Callable) -> Callable[..., None]:
    """``make_run({0: norms, 1: norms}, "network.depth=1")``: a run folder with layers.csv."""

    def make(norms: dict[int, list[float]], *overrides: str, loss: float = 1.0) -> None:
        run = RunFolder.create(str(tmp_path), "made_up")
        run.write_start(compose("callbacks=layers", *overrides), overrides)
        history = {"epoch": 1, "loss/train": loss, "loss/validation": loss}
        run.write_history(list(history), [history])
        run.write_result(Result(str(run.folder), Status.FINISHED))
        if norms:
            columns = ["epoch", "layer", "gradient norm", "sparsity"]
            run.write_table("layers", columns, layer_rows(norms))

    return make


def drawn(folder: Path) -> dict[str, dict[str, list[list[float]]]]:
    """Return the lines by panel and figure."""
    drawn = draw(Comparison(find_runs([str(folder)])))
    return {
        name: {
            panel.get_title(): [line.get_ydata().tolist() for line in panel.lines]
            for panel in figure().axes
            if panel.lines
        }
        for name, figure in drawn.items()
    }


def test_one_panel_contains_all_depths(make_run: Callable, tmp_path: Path) -> None:
    for activation, factor in (("sigmoid", 1.0), ("relu", 3.0)):
        for depth in (1, 2):
            norms = {0: [factor * (depth + i) for i in range(depth + 1)], 2: [9.0] * (depth + 1)}
            overrides = [f"network.activation={activation}", f"network.depth={depth}"]
            make_run(norms, *overrides, loss=depth / factor)
    assert drawn(tmp_path) == {
        "gradient_norms_before_training": {
            "activation=relu": [[3, 6], [6, 9, 12]],
            "activation=sigmoid": [[1, 2], [2, 3, 4]],
        },
        "gradient_norms_after_training": {
            "activation=relu": [[9, 9], [9, 9, 9]],
            "activation=sigmoid": [[9, 9], [9, 9, 9]],
        },
    }


def test_colours_encode_the_depth(make_run: Callable, tmp_path: Path) -> None:
    make_run({0: [1.0, 2.0]}, "network.depth=1")
    make_run({0: [1.0] * 8}, "network.depth=7")
    for figure in draw(Comparison(find_runs([str(tmp_path)]))).values():
        bar = figure().axes[-1]
        assert (bar.get_ylabel(), bar.get_ylim()) == ("hidden layers", (1, 7))


def test_seeds_are_averaged(make_run: Callable, tmp_path: Path) -> None:
    make_run({0: [1.0, 2.0]}, "seed=1")
    make_run({0: [3.0, 6.0]}, "seed=2")
    assert drawn(tmp_path)["gradient_norms_before_training"] == {"": [[2, 4]]}


def test_runs_without_layers_are_omitted(make_run: Callable, tmp_path: Path) -> None:
    make_run({}, "optimizer.lr=0.1")
    assert drawn(tmp_path) == {}
    make_run({0: [1.0, 2.0]}, "optimizer.lr=0.2")
    assert drawn(tmp_path)["gradient_norms_after_training"] == {"lr=0.2": [[1, 2]]}


def test_the_best_of_many_settings(make_run: Callable, tmp_path: Path) -> None:
    for i in range(14):
        make_run({0: [1.0, float(i + 1)]}, f"optimizer.lr={i + 1}", loss=i)
    figure = draw(Comparison(find_runs([str(tmp_path)])))["gradient_norms_before_training"]()
    assert figure.get_suptitle() == "gradient norm by layer, before training, the best 12"
    titles = [panel.get_title() for panel in figure.axes if panel.lines]
    assert titles == [f"lr={i + 1}" for i in range(12)]


def test_a_comparison_writes_layer_curves_to_disk_and_tensorboard(
    make_run: Callable, tmp_path: Path
) -> None:
    make_run({0: [1.0, 2.0]}, "network.depth=1")
    make_run({0: [3.0, 6.0, 9.0]}, "network.depth=2")
    compare([str(tmp_path)])
    names = {"gradient_norms_before_training", "gradient_norms_after_training"}
    assert names <= {path.stem for path in (tmp_path / "figures").iterdir()}
    shown = EventAccumulator(str(tmp_path)).Reload().Tags()["images"]
    assert {f"all_runs/{name}" for name in names} <= set(shown)


def test_the_sweep_of_vanishing_gradients(command: Callable, tmp_path: Path) -> None:
    overrides = ["-m", "experiment=mnist_gradients", "sweep=vanishing_gradients"]
    small = ["network.depth=4", "trainer.max_epochs=1", "callbacks.layers.examples=50"]
    fast = ["logger=none", "callbacks.loss_curves=null", "data.train_size=100"]
    status, out, err = command(*overrides, *small, *fast)
    assert status == 0, out + err
    [folder] = (tmp_path / "mnist_gradients" / "sweeps").iterdir()
    runs = find_runs([str(folder)])
    settings = {
        tuple(
            OmegaConf.select(run.config, f"network.{key}")
            for key in ("activation", "initialization")
        )
        for run in runs
    }
    assert settings == {("sigmoid", "uniform"), ("relu", "uniform"), ("relu", "he")}
    assert len(runs) == 3
    pictures = {path.stem for path in (folder / "figures").iterdir()}
    assert {"gradient_norms_before_training", "sparsity_after_training"} <= pictures
    first = {
        run.config.network.initialization + run.config.network.activation: norms[0] / norms[-1]
        for run in runs
        for norms in [layer_profiles.values_by_epoch(run.table("layers"), "gradient norm")[0]]
    }
    assert first["uniformsigmoid"] < 0.1
    assert first["herelu"] > 0.3
