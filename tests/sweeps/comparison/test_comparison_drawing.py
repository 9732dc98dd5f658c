"""Figures of a comparison, on disk and in TensorBoard."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard_plugins import hparams

from mlp_lab.config.flatten import flatten, format_value
from mlp_lab.runs.train import train
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.sweeps.comparison.answer import compare
from mlp_lab.sweeps.comparison.comparison import (
    Comparison,
    find_runs,
)
from mlp_lab.sweeps.comparison.drawing import draw


def test_figures_show_the_test_value_of_the_chosen_job(make_run: Callable, tmp_path: Path) -> None:
    make_run([2, 3], "optimizer.lr=0.1", tested=[1])
    make_run([4], "optimizer.lr=1", tested=[1])
    make_run([5], "optimizer.lr=10")
    [panel] = draw(Comparison(find_runs([str(tmp_path)])))["loss_against_optimizer.lr"]().axes
    stars = [line.get_xydata().tolist() for line in panel.lines if line.get_marker() == "*"]
    assert stars == [[[0.1, 0.5]]]


def test_figures_depend_on_the_swept_keys(make_run: Callable, tmp_path: Path) -> None:
    for lr in (0.01, 0.1):
        for width in (8, 16):
            for seed in (0, 1):
                losses = [1.0, lr + width / 100 + seed / 10]
                make_run(losses, f"optimizer.lr={lr}", f"network.width={width}", f"seed={seed}")
    drawn = draw(Comparison(find_runs([str(tmp_path)]), "loss"))
    assert set(drawn) == {
        "error_curves", "seed_bands", "seed_curves", "heat_map", "heat_map_train",
        "loss_against_optimizer.lr", "loss_against_network.width",
    }  # fmt: skip
    bands = drawn["seed_bands"]()
    labels = [text.get_text() for text in bands.legends[0].get_texts()]
    assert labels[0] == "width=8 lr=0.01  (2 seeds)"
    figure = drawn["loss_against_network.width"]()
    [panel], [_, legend] = figure.axes, figure.legends
    assert legend.get_title().get_text() == "optimizer.lr"
    assert [text.get_text() for text in legend.get_texts()] == ["0.01", "0.1"]
    train, validation, *_ = [line for line in panel.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(validation.get_xydata(), [[8, 0.14], [16, 0.22]])
    np.testing.assert_allclose(train.get_xydata(), [[8, 0.07], [16, 0.11]])  # half as much


def test_figures_show_how_well_the_training_data_were_fitted_in_the_end(
    make_run: Callable, tmp_path: Path
) -> None:
    for width in (8, 16):  # the first epoch is the best one on validation data
        make_run([1.0, 2.0 * width], f"network.width={width}")
    figure = draw(Comparison(find_runs([str(tmp_path)])))["loss_against_network.width"]()
    train, *_ = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    np.testing.assert_allclose(train.get_xydata(), [[8, 8], [16, 16]])  # half of the last loss


@pytest.mark.draws
def test_a_failed_figure_loses_nothing_else(
    make_run: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    for seed in (0, 1):
        make_run([1.0, 0.5], f"seed={seed}")

    def fail(*_: object) -> None:
        raise ValueError("cannot draw")

    monkeypatch.setattr("mlp_lab.sweeps.comparison.drawing.epoch_curves.error_curves", fail)
    assert "chosen by validation loss" in compare([str(tmp_path)]).text
    assert "figure error_curves: not drawn: ValueError: cannot draw" in caplog.messages
    assert (tmp_path / "summary.md").is_file()
    drawn = {path.name for path in (tmp_path / "figures").iterdir()}
    assert drawn == {"seed_bands.png", "seed_curves.png"}


def test_runs_that_differ_in_a_third_key_have_no_heat_map(
    make_run: Callable, tmp_path: Path
) -> None:
    for lr in (0.1, 0.2):
        make_run([1.0], f"optimizer.lr={lr}")
        for omega in (10, 30):
            make_run([lr], "network=siren", f"network.first_omega={omega}", f"optimizer.lr={lr}")
    drawn = draw(Comparison(find_runs([str(tmp_path)])))
    assert not [name for name in drawn if "heat_map" in name]


def test_half_empty_grids_have_no_heat_map(make_run: Callable, tmp_path: Path) -> None:
    for i in range(1, 4):
        make_run([1], f"network.width={i}", f"network.depth={i}")
    drawn = draw(Comparison(find_runs([str(tmp_path)])))
    assert not [name for name in drawn if "heat_map" in name]


def test_tensorboard_shows_the_summary_and_its_figures_once(
    make_run: Callable, tmp_path: Path
) -> None:
    event_file = make_run([2, 3], "seed=0") / "events.out.tfevents.1.host.2.0"
    event_file.write_bytes(b"")
    make_run([1], "seed=1")
    for _ in range(2):
        compare([str(tmp_path)])
    assert event_file.is_file()
    assert len(list(tmp_path.glob("events.out.tfevents.*"))) == 1
    events = EventAccumulator(str(tmp_path)).Reload()
    pictures = {path.stem: path.read_bytes() for path in (tmp_path / "figures").iterdir()}
    assert set(pictures) == {"error_curves", "seed_bands", "seed_curves"}
    assert set(events.Tags()["images"]) == {f"all_runs/{name}" for name in pictures}
    for name, picture in pictures.items():
        [shown] = events.Images(f"all_runs/{name}")
        with Image.open(io.BytesIO(picture)) as file:
            halved = file.reduce(2)
        with Image.open(io.BytesIO(shown.encoded_image_string)) as image:
            assert image.tobytes() == halved.tobytes()
        assert (shown.width, shown.height) == halved.size
    [text] = events.Tensors("all_runs")
    assert text.tensor_proto.string_val[0].decode() == (tmp_path / "summary.md").read_text()
    assert events.summary_metadata["all_runs"].plugin_data.plugin_name == "text"


def test_hparams_compare_several_runs_with_true_values(
    tiny_mnist: Path, tmp_path: Path, compose: Callable
) -> None:
    # Keys that only one optimizer has, and another value in a sweep of another key.
    for name, overrides in (
        ("a/0", ["optimizer=sgd", "data.train_size=null"]),
        ("a/1", ["optimizer=adam", "data.train_size=null"]),
        ("b/0", ["optimizer=sgd", "data.train_size=1000", "trainer.max_epochs=2"]),
    ):
        overrides += ["network.width=4", "trainer.accelerator=cpu", f"data.root='{tiny_mnist}'"]
        train(compose("trainer.max_epochs=1", *overrides), overrides, tmp_path / name)
    columns, rows = hparams(tmp_path)
    assert set(rows) == {"a/0", "a/1", "b/0"}
    configs = {name: flatten(RunFolder(tmp_path / name).config) for name in rows}
    names = [column.name for column in columns.hparam_infos]
    parts = {"seed", "encoding", "network", "augmentation", "optimizer", "schedule", "task", "data"}
    keys = {key for config in configs.values() for key in config if key.partition(".")[0] in parts}
    limits = {"average_decay", "trainer.max_epochs", "trainer.max_steps", "trainer.precision"}
    assert set(names) == (keys | limits) - {"data.root"}
    assert {"optimizer.momentum", "optimizer.betas"} <= set(names)
    assert names[:4] == ["data.train_size", "optimizer", "optimizer.lr", "trainer.max_epochs"]
    for name, row in rows.items():
        for key in names:
            value = configs[name].get(key)
            if key not in configs[name]:
                assert key not in row.hparams
            elif type(value) in (int, float):
                assert row.hparams[key].number_value == value
            else:
                assert row.hparams[key].string_value == format_value(value)
        history = RunFolder(tmp_path / name).history
        best = min(history, key=lambda epoch: epoch["loss/validation"])
        reached = {metric.name.tag: metric.value for metric in row.metric_values}
        for key in ("loss/train", "loss/validation", "error/train", "error/validation"):
            assert reached[f"~best/{key}"] == pytest.approx(best[key])
            assert reached[key] == pytest.approx(history[-1][key])


def test_heat_map_shows_the_means(make_run: Callable, tmp_path: Path) -> None:
    cells = {(8, 1): [1.0, 3.0], (8, 2): [4.0], (16, 1): [5.0]}
    for (width, depth), losses in cells.items():
        for seed, loss in enumerate(losses):
            make_run([loss], f"network.width={width}", f"network.depth={depth}", f"seed={seed}")
    figure = draw(Comparison(find_runs([str(tmp_path)])))["heat_map"]()
    shown = figure.axes[0].images[0].get_array()
    np.testing.assert_array_equal(shown.filled(np.nan), [[2.0, 4.0], [5.0, np.nan]])
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["1", "2"]
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["8", "16"]


def test_a_heat_map_shows_where_the_training_ended(make_run: Callable, tmp_path: Path) -> None:
    for width, depth in ((8, 1), (8, 2), (16, 1), (16, 2)):
        for seed in (0, 1):
            losses = [1.0, width + depth + seed]  # the first epoch is chosen
            make_run(losses, f"network.width={width}", f"network.depth={depth}", f"seed={seed}")
    figure = draw(Comparison(find_runs([str(tmp_path)])))["heat_map_train"]()
    assert figure.get_suptitle() == "loss on training data, last epoch\nmean over repeated runs"
    shown = figure.axes[0].images[0].get_array()
    # The training loss of make_run is half the validation loss.
    np.testing.assert_array_equal(shown, np.array([[9.5, 10.5], [17.5, 18.5]]) / 2)


def test_chosen_epoch_is_marked(make_run: Callable, tmp_path: Path) -> None:
    make_run([3, 1, 2], "seed=0")
    make_run([3, 2, 4], "seed=1")
    panel = draw(Comparison(find_runs([str(tmp_path)])))["error_curves"]().axes[1]
    [ring] = [line for line in panel.lines if line.get_linestyle() == "None"]
    np.testing.assert_array_equal(ring.get_xydata(), [[2, 1]])
