"""Figures of networks on points in the plane: decision regions and weights."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import assert_equal_weights, stopped_in, weights
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from omegaconf import DictConfig
from PIL import Image, ImageSequence
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from mlp_lab.figures import class_regions, training_curves, weight_images
from mlp_lab.figures.rendering import rgb_pixels
from mlp_lab.figures.style import AREA_COLOURS
from mlp_lab.lightning import pl
from mlp_lab.runs.build import build_task
from mlp_lab.runs.callbacks.decision_regions import DecisionRegions
from mlp_lab.runs.callbacks.first_layer import FirstLayerWeights
from mlp_lab.runs.train import resume, train
from mlp_lab.storage.checkpoints import load_network, read_checkpoint
from mlp_lab.storage.results import Result
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.sweeps.groups import Job
from mlp_lab.sweeps.jobs import train_jobs

Configure = Callable[..., DictConfig]


@pytest.fixture
def configure(compose: Callable, tmp_path: Path) -> Configure:
    """``configure("experiment=perceptron", ...)``: 30 points, 8 epochs."""

    def make(*overrides: str, callbacks: str = "points") -> DictConfig:
        common = ["trainer.accelerator=cpu", "trainer.max_epochs=8", f"logs='{tmp_path}'"]
        common += [] if "data=csv" in overrides else ["data.size=30"]
        common += ["callbacks=none"] if callbacks == "none" else ["~callbacks.progress"]
        return compose(*common, *overrides)

    return make


def kept(result: Result, name: str) -> dict[str, Any]:
    """Return the state of a callback in the last checkpoint."""
    return read_checkpoint(RunFolder(result.folder).checkpoints.existing("last"))["callbacks"][name]


# --- decision regions ---------------------------------------------------------------------------


@pytest.fixture
def drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> list[tuple[class_regions.ScatterPoints, list[class_regions.NetworkRegions]]]:
    """Return the arguments of each figure of decision regions; the figures have titles only."""
    calls: list[tuple[class_regions.ScatterPoints, list[class_regions.NetworkRegions]]] = []

    def note(
        points: class_regions.ScatterPoints, panels: list[class_regions.NetworkRegions]
    ) -> Figure:
        calls.append((points, panels))
        figure = Figure(figsize=(2, 1))
        figure.text(0.1, 0.1, panels[-1].title)
        return figure

    monkeypatch.setattr(class_regions, "decision_regions", note)
    return calls


@pytest.mark.parametrize("name", ["perceptron", "logistic_regression", "points_mlp"])
@pytest.mark.draws
def test_regions_and_errors_equal_the_networks_outputs(
    name: str, configure: Configure, drawn: list
) -> None:
    cfg = configure(f"experiment={name}", "data.set=overlapping")
    result = train(cfg)
    data, task = build_task(cfg)
    data.setup()
    x, y = (tensor.numpy() for tensor in data.splits["train"])
    strip, *frames = drawn
    titles = [panel.title.split("\n")[0] for _, [panel] in frames]
    assert titles == ["start", *(f"epoch {i}" for i in (1, 2, 3, 5, 7, 8))]
    assert [panel.title.split("\n")[0] for panel in strip[1]] == [
        "start", "epoch 1", "epoch 2", "epoch 5", "epoch 7", "epoch 8"
    ]  # fmt: skip
    for (points, [panel]), checkpoint in ((frames[0], None), (frames[-1], "last")):
        if checkpoint:
            load_network(task, RunFolder(result.folder).checkpoints.existing(checkpoint))
        task.eval()
        np.testing.assert_allclose(points.coordinates, x, rtol=1e-6)
        assert np.array_equal(points.classes, y)
        left, right, lower, upper = points.extent
        assert left < x[:, 0].min() < x[:, 0].max() < right
        assert lower < x[:, 1].min() < x[:, 1].max() < upper
        rows, columns = panel.classes.shape
        with torch.no_grad():
            output = task.network(torch.tensor(x))[:, 0].numpy()
            wrong = (output > 0) != y
            assert np.array_equal(panel.wrong, wrong)
            assert panel.title.endswith(f"\n{wrong.sum()} of 30 wrong")
            for row, column in np.random.default_rng(0).integers(0, (rows, columns), (200, 2)):
                first = left + (right - left) * (column + 0.5) / columns
                second = lower + (upper - lower) * (row + 0.5) / rows
                z = task.network(torch.tensor([[first, second]], dtype=torch.float32)).item()
                assert abs(z) < 1e-5 or panel.classes[row, column] == (z > 0)


@pytest.mark.parametrize(
    "encoding",
    [
        "centred",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("gaussian", "hash_grid")),
    ],
)
@pytest.mark.draws
def test_regions_of_encoded_points(encoding: str, configure: Configure, drawn: list) -> None:
    short = "trainer.max_epochs=1"
    cfg = configure("experiment=points_mlp", f"encoding={encoding}", "logger=none", short)
    result = train(cfg)
    data, task = build_task(cfg)
    load_network(task, RunFolder(result.folder).checkpoints.existing("last"))
    task.eval()
    points, panels = drawn[0]
    x = data.read(torch.device("cpu"))["train"][0]
    assert np.allclose(points.coordinates, x)
    left, right, lower, upper = points.extent
    classes = panels[-1].classes
    rows, columns = classes.shape
    first = left + (right - left) * (np.arange(columns) + 0.5) / columns
    second = lower + (upper - lower) * (np.arange(rows) + 0.5) / rows
    grid = torch.tensor(np.stack(np.meshgrid(first, second), -1), dtype=torch.float32)
    with torch.no_grad():
        z = task(grid.view(-1, 2)).view(rows, columns).numpy()
    assert np.all((np.abs(z) < 1e-3) | (classes == (z > 0)))


@pytest.mark.draws
def test_regions_are_recorded_six_times_a_decade(configure: Configure, drawn: list) -> None:
    result = train(configure("experiment=perceptron", "trainer.max_epochs=80", "logger=none"))
    expected = [0, 1, 2, 3, 5, 7, 10, 15, 22, 32, 46, 68]
    assert list(kept(result, "DecisionRegions")["seen"]) == expected
    _, *frames = drawn
    assert len(frames) == len(expected) + 1  # the last epoch, too


@pytest.mark.renders
def test_tensorboard_shows_the_strip_and_each_frame(configure: Configure) -> None:
    result = train(configure("experiment=perceptron", "trainer.max_epochs=2"))
    events = EventAccumulator(result.folder, size_guidance={"images": 0}).Reload()
    assert {"decision_regions", "weights", "loss_curves"} <= set(events.Tags()["images"])
    frames = events.Images("decision_regions_by_epoch")
    assert [frame.step for frame in frames] == [0, 1, 2]
    with Image.open(Path(result.folder) / "figures" / "decision_regions.gif") as animation:
        pairs = zip(frames, ImageSequence.Iterator(animation), strict=True)
        for frame, shown in pairs:
            one = np.asarray(Image.open(io.BytesIO(frame.encoded_image_string)), float)
            other = np.asarray(shown.convert("RGB"), float)
            assert abs(one - other).mean() < 6  # of 255: a GIF has 256 colours


def test_figures_do_not_change_the_training(configure: Configure) -> None:
    overrides = ["experiment=points_mlp", "network.dropout=0.5", "network.normalization=batch"]
    overrides += ["trainer.max_epochs=2"]
    watched, plain = train(configure(*overrides)), train(configure(*overrides, callbacks="none"))
    assert_equal_weights(watched, plain)


@pytest.mark.draws
def test_a_resumed_run_draws_the_regions_of_an_uninterrupted_run(
    configure: Configure, drawn: list
) -> None:
    cfg = configure("experiment=perceptron", "data.set=xor", "logger=none")
    whole = train(cfg)
    expected = [panel for _, [panel] in drawn[1:]]
    drawn.clear()
    with stopped_in(3, KeyboardInterrupt):
        interrupted = train(cfg)
    assert interrupted.status == "interrupted"
    assert [r.title.split("\n")[0] for _, [r] in drawn[1:]] == [
        "start", "epoch 1", "epoch 2", "epoch 3"
    ]  # fmt: skip
    drawn.clear()
    resumed = resume(interrupted.folder, {})
    for (_, [panel]), other in zip(drawn[1:], expected, strict=True):
        assert panel.title == other.title
        assert np.array_equal(panel.classes, other.classes)
        assert np.array_equal(panel.wrong, other.wrong)
    assert kept(resumed, "FirstLayerWeights") == kept(whole, "FirstLayerWeights")


@pytest.mark.usefixtures("drawn")
def test_members_of_a_stack_have_the_regions_of_single_runs(
    configure: Configure, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["experiment=perceptron", "data.set=overlapping", "data.points_seed=0"]
    job_overrides = [[*common, f"seed={seed}"] for seed in (0, 1)]
    jobs = [
        Job(configure(*overrides), overrides, tmp_path / str(i))
        for i, overrides in enumerate(job_overrides)
    ]
    members = train_jobs(jobs)
    assert "2 jobs train as one network" in capsys.readouterr().out
    for member, overrides in zip(members, job_overrides, strict=True):
        alone = train(configure(*overrides))
        assert kept(member, "DecisionRegions")["seen"].keys() == {0, 1, 2, 3, 5, 7}
        np.testing.assert_allclose(
            kept(member, "FirstLayerWeights")["history"],
            kept(alone, "FirstLayerWeights")["history"],
            rtol=1e-4,
        )
        names = {path.name for path in (Path(alone.folder) / "figures").iterdir()}
        assert {path.name for path in (Path(member.folder) / "figures").iterdir()} == names
        assert {"decision_regions.png", "decision_regions.gif", "weights.png"} <= names


@pytest.mark.draws
def test_three_classes_of_a_file(configure: Configure, tmp_path: Path, drawn: list) -> None:
    rows = [f"{100 + i % 3},{1e-3 * (i % 5)},{'abc'[i % 3]}" for i in range(30)]
    (tmp_path / "points.csv").write_text("height,width,kind\n" + "\n".join(rows))
    overrides = ["data=csv", f"data.path='{tmp_path}/points.csv'"]
    train(configure("experiment=points_mlp", *overrides))
    points, panels = drawn[0]
    assert (points.class_names, points.feature_names) == (("a", "b", "c"), ("height", "width"))
    np.testing.assert_allclose(points.coordinates[:, 0], 100 + points.classes)  # not standardized
    assert set(np.unique(panels[-1].classes)) == {0, 1, 2}


def test_other_data_have_no_such_figures(
    compose: Callable, tiny_mnist: Path, tmp_path: Path
) -> None:
    overrides = [
        "experiment=perceptron",
        "data=mnist",
        "trainer.max_epochs=1",
        f"logs='{tmp_path}'",
    ]
    result = train(compose(*overrides, f"data.root='{tiny_mnist}'", "trainer.accelerator=cpu"))
    figures_there = {path.name for path in (Path(result.folder) / "figures").iterdir()}
    assert figures_there == {"loss_curves.png", "weights.png"}
    assert kept(result, "FirstLayerWeights") == {"history": []}


# --- the figure ---------------------------------------------------------------------------------


def some_regions(*classes: list[int], wrong: int = 0) -> class_regions.NetworkRegions:
    errors = np.arange(6) < wrong
    return class_regions.NetworkRegions(f"epoch 3\n{wrong} of 6 wrong", np.array(classes), errors)


POINTS = class_regions.ScatterPoints(
    np.array([[-1, -1], [-1, 1], [1, -1], [1, 1], [0, 0], [0.5, 0]]),
    np.array([0, 0, 1, 1, 2, 2]),
    ("a", "b", "c"),
    ("height", "width"),
    (-2, 2, -2, 2),
)


@pytest.mark.parametrize("panels", [1, 2, 6])
def test_the_figure_is_not_clipped(panels: int) -> None:
    regions = [some_regions([0, 1], [2, 1], wrong=2)] * panels
    figure = Figure()

    def draw() -> Figure:  # in the style of the package
        nonlocal figure
        figure = class_regions.decision_regions(POINTS, regions)
        return figure

    rgb_pixels(draw)  # which lays out
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert min(box.x0, box.y0, width - box.x1, height - box.y1) > -0.01
    [legend] = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b", "c", "wrong"]
    assert not any(legend.get_window_extent().overlaps(panel.bbox) for panel in figure.axes)


def test_each_point_has_the_colour_of_its_class() -> None:
    figure = class_regions.decision_regions(POINTS, [some_regions([0, 1], [2, 1], wrong=2)])
    [panel] = figure.axes
    shown = panel.images[0].get_array()
    full = np.array([to_rgb(colour) for colour in AREA_COLOURS[:3]])
    light = 0.75 + 0.25 * full
    np.testing.assert_allclose(shown, [[light[0], light[1]], [light[2], light[1]]])
    assert panel.images[0].origin == "lower"
    *of_classes, wrong = [c.get_offsets() for c in panel.collections if len(c.get_offsets())][-4:]
    for number, places in enumerate(of_classes):
        np.testing.assert_array_equal(places, POINTS.coordinates[POINTS.classes == number])
    np.testing.assert_array_equal(wrong, POINTS.coordinates[:2])


def test_a_network_that_predicts_one_class_has_no_boundary() -> None:
    regions = [some_regions([0, 0], [0, 0], wrong=4)]
    rgb_pixels(lambda: class_regions.decision_regions(POINTS, regions))


# --- weights ------------------------------------------------------------------------------------


@pytest.mark.draws
def test_weights_are_recorded_at_the_start_and_after_each_epoch(
    configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    plain = training_curves.weight_curves
    monkeypatch.setattr(
        training_curves, "weight_curves", lambda *args: (calls.append(args), plain(*args))[1]
    )
    cfg = configure("experiment=perceptron", "data.set=xor", "select.metric=loss")
    result = train(cfg)
    [(values, names)] = calls
    assert names == ["w1", "w2", "bias"]
    assert values.shape == (9, 3)
    _, task = build_task(cfg)
    start = torch.cat([p.detach().flatten() for p in task.network.parameters()])
    np.testing.assert_allclose(values[0], start)
    for which, epoch in (("best", int((result.best or {})["epoch"])), ("last", 8)):
        load_network(task, RunFolder(result.folder).checkpoints.existing(which))
        now = torch.cat([p.detach().flatten() for p in task.network.parameters()])
        np.testing.assert_allclose(values[epoch], now)


def test_weight_curves_are_labelled() -> None:
    values = np.random.default_rng(0).normal(size=(5, 3))
    figure = training_curves.weight_curves(values, ["w1", "w2", "bias"])
    lines = figure.axes[0].lines[:3]
    assert [line.get_label() for line in lines] == ["w1", "w2", "bias"]
    for line, expected in zip(lines, values.T, strict=True):
        np.testing.assert_array_equal(line.get_xydata(), np.stack([np.arange(5), expected], 1))


@pytest.mark.parametrize(
    ("network", "noted"),
    [
        (nn.Sequential(nn.Linear(2, 3)), 9),
        (nn.Sequential(nn.Linear(12, 1)), 0),
        (nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1)), 0),
    ],
)
def test_weights_are_recorded_only_for_one_small_layer(network: nn.Module, noted: int) -> None:
    task = pl.LightningModule()
    task.network = network
    callback = FirstLayerWeights()
    callback.on_train_epoch_end(pl.Trainer(logger=False), task)
    assert sum(map(len, callback.history)) == noted


def test_callbacks_restore_their_state() -> None:
    for callback, state in (
        (FirstLayerWeights(), {"history": [[1.0, 2.0]]}),
        (DecisionRegions(), {"seen": {0: (b"a", b"b")}}),
    ):
        callback.load_state_dict(state)
        assert callback.state_dict() == state


# --- weights of image networks ------------------------------------------------------------------


@pytest.mark.draws
@pytest.mark.parametrize(
    ("network", "layer", "shape"),
    [
        (["network.width=5"], 0, (5, 28, 28)),
        (["network=convolutional", "network.channels=[5,6]"], 1, (5, 3, 3)),
    ],
    ids=["mlp", "convolutional"],
)
def test_first_layer_weights_of_image_networks_are_drawn_as_images(
    network: list[str],
    layer: int,
    shape: tuple[int, ...],
    compose: Callable,
    tiny_mnist: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[np.ndarray] = []
    plain = weight_images.weight_images

    def note(weights: np.ndarray) -> Any:
        drawn.append(weights)
        return plain(weights)

    monkeypatch.setattr(weight_images, "weight_images", note)
    overrides = [
        *network,
        "trainer.max_epochs=1",
        f"logs='{tmp_path}'",
        "~callbacks.progress",
    ]
    result = train(compose(*overrides, f"data.root='{tiny_mnist}'", "trainer.accelerator=cpu"))
    weight = weights(result)[f"network.{layer}.weight"]
    np.testing.assert_array_equal(drawn[0], weight.reshape(shape))
    assert (Path(result.folder) / "figures" / "weights.png").is_file()
    events = EventAccumulator(result.folder).Reload()
    assert {"weights", "loss_curves"} == set(events.Tags()["images"])


@pytest.mark.parametrize("units", [1, 5, 64, 256, 300])
def test_weight_images_show_all_units_or_the_largest(units: int) -> None:
    weights = np.random.default_rng(0).normal(size=(units, 4, 3))
    weights *= np.linspace(1, 2, units)[:, None, None]
    figure = weight_images.weight_images(weights)
    panel = figure.axes[0]
    mosaic = panel.images[0].get_array()
    shown = weights
    if units > 256:
        assert "256 of 300 units" in figure.get_suptitle()
        norms = np.sqrt((weights**2).sum((1, 2)))
        shown = np.array(sorted(weights, key=lambda w: -np.sqrt((w**2).sum())))[:256]
        assert np.sort(norms)[-256] == pytest.approx(np.sqrt((shown[-1] ** 2).sum()))
    columns = int(np.ceil(np.sqrt(len(shown))))
    for unit, expected in enumerate(shown):
        row, column = divmod(unit, columns)
        cell = mosaic[5 * row : 5 * row + 4, 4 * column : 4 * column + 3]
        np.testing.assert_array_equal(cell, expected)
    assert (~mosaic.mask).sum() == shown.size
    low, high = panel.images[0].get_clim()
    assert -low == high > 0
