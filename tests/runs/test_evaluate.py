import json
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig
from PIL import Image
from scipy.optimize import minimize_scalar
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.projector.projector_plugin import ProjectorPlugin
from torch import Tensor
from werkzeug.test import Client

from mlp_lab.data.batches import ChunkLoader
from mlp_lab.errors import UserError
from mlp_lab.figures import confusion, image_grid
from mlp_lab.images.corruptions import CORRUPTIONS
from mlp_lab.nn.mlp import MLP
from mlp_lab.nn.schedules import Constant
from mlp_lab.nn.seeds import epoch_seed
from mlp_lab.runs import ensemble
from mlp_lab.runs import evaluate as evaluation
from mlp_lab.runs.build import build_task
from mlp_lab.runs.diagnostics.class_errors import confusion_counts, look_at_classes
from mlp_lab.runs.diagnostics.diagnostic import Seen
from mlp_lab.runs.diagnostics.selection import looks
from mlp_lab.runs.evaluate import evaluate
from mlp_lab.runs.train import train
from mlp_lab.storage.checkpoints import load_network
from mlp_lab.storage.run_folder import Run
from mlp_lab.tasks.classification import Classification, Classifier

Evaluate = Callable[..., dict]
FIGURES = {"confusion_matrix", "class_errors", "calibration"}


@pytest.fixture
def folder(run_folder: Path, tmp_path: Path, tiny_mnist: Path) -> Path:
    """A run whose networks err often, differently in each checkpoint, and ``best`` a first epoch.

    The network of ``run_folder`` itself makes no errors, and its best epoch is its last.
    """
    copy = shutil.copytree(run_folder, tmp_path / "run")
    for seed, which in enumerate(("best", "last")):
        path = copy / "checkpoints" / f"{which}.ckpt"
        content = torch.load(path, weights_only=True)
        weight = content["state_dict"]["network.2.weight"]
        weight += 0.3 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(seed))
        if which == "best":
            del content["callbacks"]["Keeper"]["history"][1:]
        torch.save(content, path)
    return copy


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take most of an evaluation's time."""
    monkeypatch.setattr(evaluation, "_tell", lambda *_: None)


@pytest.fixture
def evaluated(compose: Callable[..., DictConfig]) -> Evaluate:
    """``evaluated(folder, "split=train", ...)``: the entry."""
    return lambda folder, *rest: evaluate(compose(f"run='{folder}'", *rest, root="evaluate"))


def plain(folder: Path, split: str, which: str) -> tuple[Tensor, Tensor]:
    """Logarithms of the probabilities, and the targets, with nothing but torch."""
    data, _ = build_task(Run.open(str(folder)).config)
    data.setup()
    network = MLP(784, 10, width=64)
    content = torch.load(folder / "checkpoints" / f"{which}.ckpt", weights_only=True)
    state = content["state_dict"].items()
    network.load_state_dict({k.removeprefix("network."): v for k, v in state})
    x, y = data.splits[split]
    with torch.no_grad():
        return torch.stack([network(row[None])[0].log_softmax(0) for row in x]), y


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("split", ["train", "validation", "test"])
@pytest.mark.parametrize(("which", "epoch"), [("best", 1), ("last", 2)])
def test_entry_is_that_of_a_plain_loop(
    folder: Path, evaluated: Evaluate, split: str, which: str, epoch: int
) -> None:
    logs, targets = plain(folder, split, which)
    loss = error = 0.0
    for log, target in zip(logs, targets, strict=True):
        loss -= float(log[target])
        error += int(log.argmax()) != int(target)
    entry = evaluated(folder, f"split={split}", f"checkpoint={which}")
    told = ["split", "checkpoint", "epoch", "loss", "error", "classes", "calibration"]
    assert list(entry) == told
    assert (entry["split"], entry["checkpoint"], entry["epoch"]) == (split, which, epoch)
    assert entry["loss"] == pytest.approx(loss / len(targets), rel=1e-5)
    assert entry["error"] == error / len(targets)
    assert 0.05 < entry["error"] < 0.95, "nothing to tell apart"


@pytest.mark.usefixtures("undrawn")
def test_entry_repeats_what_training_wrote(
    run_folder: Path, tmp_path: Path, tiny_mnist: Path, evaluated: Evaluate
) -> None:
    folder = shutil.copytree(run_folder, tmp_path / "run")
    before = json.loads((folder / "result.json").read_text())
    entry = evaluated(folder)
    after = json.loads((folder / "result.json").read_text())
    [trained] = before["evaluations"]
    assert {key: entry[key] for key in trained} == trained
    assert after == before | {"evaluations": [*before["evaluations"], entry]}


@pytest.mark.usefixtures("undrawn")
def test_epoch_of_a_run_that_was_killed_in_its_first(folder: Path, evaluated: Evaluate) -> None:
    path = folder / "checkpoints" / "last.ckpt"
    content = torch.load(path, weights_only=True)
    content["callbacks"]["Keeper"]["history"] = []
    torch.save(content, path)
    assert evaluated(folder, "checkpoint=last")["epoch"] == 0


@pytest.mark.usefixtures("undrawn")
def test_a_killed_run_keeps_its_entries_and_stays_unfinished(
    folder: Path, evaluated: Evaluate
) -> None:
    (folder / "result.json").unlink()
    entries = [evaluated(folder), evaluated(folder, "split=validation", "checkpoint=last")]
    assert Run(folder).result["status"] == "unfinished"
    assert Run(folder).result["evaluations"] == entries


def test_figures_bear_the_split_and_the_checkpoint(folder: Path, evaluated: Evaluate) -> None:
    evaluated(folder)
    evaluated(folder, "split=validation", "checkpoint=last")
    written = {path.name for path in (folder / "figures").iterdir()}
    for prefix in ("test", "validation_last"):
        own = {name for name in written if name.startswith(f"{prefix}_")}
        pages = {name for name in own if name.startswith(f"{prefix}_errors_")}
        assert own - pages == {f"{prefix}_{name}.png" for name in FIGURES}
        wrong = sum(row["wrong"] for row in Run(folder).result["evaluations"][-2]["classes"])
        if prefix == "test":
            assert len(pages) == -(-wrong // 100) > 1
    for name in written:
        Image.open(folder / "figures" / name).load()


def test_tensorboard_shows_the_figures_and_tables_of_each_split(
    folder: Path, evaluated: Evaluate
) -> None:
    evaluated(folder)
    evaluated(folder, "split=validation")
    evaluated(folder)  # in place of the first
    events = EventAccumulator(str(folder), size_guidance={"images": 0}).Reload()
    for split in ("test", "validation"):
        shown = {t.partition("/")[2] for t in events.Tags()["images"] if t.startswith(f"{split}/")}
        names = (folder / "figures").glob(f"{split}_*.png")
        assert shown == {path.stem.removeprefix(f"{split}_") for path in names} > FIGURES
        assert len(events.Images(f"{split}/confusion_matrix")) == 1
        [text] = events.Tensors(split)
        assert b"| class | examples | wrong | error |" in text.tensor_proto.string_val[0]


def test_pages_of_earlier_errors_go(folder: Path, evaluated: Evaluate) -> None:
    stale = folder / "figures" / "test_errors_99.png"
    others = folder / "figures" / "test_last_errors_99.png"
    for path in (stale, others):
        path.write_bytes(b"")
    evaluated(folder)
    assert (stale.exists(), others.exists()) == (False, True)


def test_what_was_measured_is_written_down_before_anything_is_drawn(
    folder: Path, evaluated: Evaluate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    before = Run(folder).result["evaluations"]
    monkeypatch.setattr(confusion, "confusion_matrix", fail)
    with pytest.raises(OSError, match="disk full"):
        evaluated(folder)
    assert len(Run(folder).result["evaluations"]) == len(before) + 1


def test_tables(folder: Path, evaluated: Evaluate, capsys: pytest.CaptureFixture[str]) -> None:
    entry = evaluated(folder)
    logs, targets = plain(folder, "test", "best")
    words = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["test", f"{entry['loss']:.4f}", f"{100 * entry['error']:.2f}", "%"] in words
    for digit in range(10):
        own = logs[targets == digit]
        wrong = sum(int(log.argmax()) != digit for log in own)
        row = [str(digit), str(len(own)), str(wrong), f"{100 * wrong / len(own):.2f}", "%"]
        assert row in words


def test_all_errors_are_drawn_the_surest_first(
    folder: Path, tiny_mnist: Path, evaluated: Evaluate, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []

    def examples(images: np.ndarray, captions: list[str], title: str) -> object:
        drawn.append((images, captions, title))
        return real(images, captions, title)

    real = image_grid.image_grid
    monkeypatch.setattr(image_grid, "image_grid", examples)
    evaluated(folder)
    content = (tiny_mnist / "MNIST" / "raw" / "t10k-images-idx3-ubyte").read_bytes()
    pixels = np.frombuffer(content, np.uint8, offset=16).reshape(-1, 28, 28) / 255
    logs, targets = plain(folder, "test", "best")
    wrong = []
    for picture, log, target in zip(pixels, logs, targets, strict=True):
        if (digit := int(log.argmax())) != target:
            caption = f"{target} → {digit}\n{100 * float(log[digit].exp()):.2f} %"
            wrong.append((float(log[digit]), caption, picture))
    expected = sorted(wrong, key=lambda error: -error[0])
    assert [caption for _, captions, _ in drawn for caption in captions] == [
        c for _, c, _ in expected
    ]
    shown = np.concatenate([images for images, _, _ in drawn])
    np.testing.assert_allclose(shown, [picture for _, _, picture in expected], atol=1e-6)
    assert [len(images) for images, _, _ in drawn[:-1]] == [100] * (len(drawn) - 1)
    assert f"errors 101 to {min(200, len(wrong))} of {len(wrong)}" in drawn[1][2]


def test_a_classifier_without_probabilities_has_errors_without_confidence(
    compose: Callable[..., DictConfig], tiny_mnist: Path
) -> None:
    data, task = build_task(
        compose("experiment=perceptron", "data=mnist", f"data.root='{tiny_mnist}'")
    )
    data.setup()
    assert isinstance(task, Classifier)
    finding = look_at_classes(Seen.of(data, task, "test"))
    page = finding.figures["errors_01"]()
    captions = [text.get_text() for text in page.axes[0].texts[1:]]
    wrong = sum(row["wrong"] for row in finding.rows)
    assert len(captions) == min(wrong, 100)
    assert all(re.fullmatch(r"\d → \d", caption) for caption in captions)
    assert looks(data, task, temperature=False, robustness=False, embeddings=False) == [
        look_at_classes
    ]


def test_classes_of_points_have_no_pages(
    compose: Callable[..., DictConfig], evaluated: Evaluate, tmp_path: Path
) -> None:
    words = ["data.size=40", "trainer.max_epochs=2", "trainer.accelerator=cpu", "callbacks=none"]
    result = train(compose("experiment=points_mlp", *words, f"logs='{tmp_path}'"))
    entry = evaluated(Path(result.folder), "embeddings=9", "split=train")
    assert [row["class"] for row in entry["classes"]] == ["0", "1"]
    written = {path.stem for path in (Path(result.folder) / "figures").iterdir()}
    assert written == {f"train_{name}" for name in FIGURES}
    projected = Path(result.folder) / "projector" / "train"
    assert {path.name for path in projected.iterdir()} == {"tensors.tsv", "metadata.tsv"}


# --- calibration --------------------------------------------------------------------------------


def test_calibration_before_and_after_a_temperature(folder: Path, evaluated: Evaluate) -> None:
    entry = evaluated(folder, "temperature=true")
    before, after = entry["calibration"]
    logs, targets = (t.numpy() for t in plain(folder, "validation", "best"))

    def nll(
        log_temperature: float, logs: np.ndarray = logs, targets: np.ndarray = targets
    ) -> float:
        scaled = logs.astype(float) / np.exp(log_temperature)
        scaled -= np.logaddexp.reduce(scaled, 1, keepdims=True)
        return -float(scaled[np.arange(len(targets)), targets].mean())

    best = minimize_scalar(nll, bounds=(-5, 5), options={"xatol": 1e-9}).x
    assert math.log(after["temperature"]) == pytest.approx(best, abs=1e-4)
    assert abs(best) > 0.1, "nothing to fit"
    tested = tuple(t.numpy() for t in plain(folder, "test", "best"))
    assert before["temperature"] == 1
    assert before["nll"] == pytest.approx(nll(0, *tested), rel=1e-5)
    assert after["nll"] == pytest.approx(nll(best, *tested), rel=1e-4)
    assert before["error"] == after["error"] == pytest.approx(entry["error"])
    table = (folder / "test_calibration.csv").read_text().splitlines()
    assert table[0] == "temperature,error,nll,ece"
    assert float(table[2].split(",")[0]) == after["temperature"]


# --- robustness ---------------------------------------------------------------------------------


def test_robustness_is_that_of_a_plain_network_on_spoilt_pictures(
    folder: Path, evaluated: Evaluate
) -> None:
    entry = evaluated(folder, "robustness=true")
    clean, *spoilt = entry["robustness"]
    assert (clean["corruption"], clean["error"]) == ("none", pytest.approx(entry["error"]))
    told = [(row["corruption"], row["strength"], row["unit"]) for row in spoilt]
    assert told == [(n, s, c.unit) for n, c in CORRUPTIONS.items() for s in c.strengths]
    data, task = build_task(Run(folder).config)
    load_network(task, folder / "checkpoints" / "best.ckpt")
    data.setup()
    x, y = data.splits["test"]
    pixels = (x * 0.3081 + 0.1307 if data.standardize else x).view(-1, 28, 28)
    for row in spoilt:
        name, strength = row["corruption"], row["strength"]
        generator = torch.Generator().manual_seed(epoch_seed(0, 0, f"{name} {strength}"))
        worse = CORRUPTIONS[name].apply(pixels, strength, generator).flatten(1)
        with torch.no_grad():
            outputs = task.network((worse - 0.1307) / 0.3081 if data.standardize else worse)
        assert row["error"] == pytest.approx(
            float((outputs.argmax(1) != y).float().mean()), abs=0.003
        )
    table = (folder / "test_robustness.csv").read_text().splitlines()
    assert table[0] == "corruption,strength,unit,loss,error"
    assert len(table) == 2 + len(spoilt)


# --- embeddings ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("undrawn")
def test_the_projector_shows_the_last_hidden_layer(folder: Path, evaluated: Evaluate) -> None:
    evaluated(folder, "embeddings=50")
    evaluated(folder, "embeddings=7", "split=validation")
    evaluated(folder, "embeddings=40")  # in place of the first
    client = projector(folder.parent)
    assert client("/runs") == ["run"]
    told = {e["tensorName"]: e for e in client("/info", run="run")["embeddings"]}
    assert told["test"]["tensorShape"] == [40, 64]
    assert told["validation"]["tensorShape"] == [7, 64]
    assert told["test"]["sprite"]["singleImageDim"] == [28, 28]
    data, task = build_task(Run(folder).config)
    load_network(task, folder / "checkpoints" / "best.ckpt")
    data.setup()
    x, y = data.splits["test"]
    rows = np.linspace(0, 399, 40).round().astype(int)
    with torch.no_grad():
        hidden = task.network[1](task.network[0](x[rows])).numpy()
        predicted = task.network(x[rows]).argmax(1).tolist()
    shown = np.frombuffer(client("/tensor", run="run", name="test"), "float32").reshape(40, 64)
    np.testing.assert_allclose(shown, hidden, rtol=1e-4, atol=1e-5)
    header, *lines = client("/metadata", run="run", name="test").decode().splitlines()
    assert header.split("\t") == ["truth", "prediction", "right", "index", "confidence"]
    for line, row, truth, prediction in zip(lines, rows, y[rows].tolist(), predicted, strict=True):
        right = "yes" if truth == prediction else "no"
        assert line.split("\t")[:4] == [str(truth), str(prediction), right, str(row)]
    with Image.open(folder / "projector" / "test" / "sprite.png") as sprite:
        assert sprite.size == (7 * 28, 7 * 28)


def projector(logs: Path) -> Callable[..., Any]:
    """Ask TensorBoard's own plugin: ``projector(logs)("/runs")``."""
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(logs))
    multiplexer.Reload()
    provider = MultiplexerDataProvider(multiplexer, str(logs))
    apps = ProjectorPlugin(TBContext(logdir=str(logs), data_provider=provider)).get_plugin_apps()

    def ask(path: str, **query: str) -> Any:
        response = Client(apps[path]).get("/", query_string=query)
        assert response.status_code == 200, response.data
        return response.json if response.mimetype == "application/json" else response.data

    return ask


# --- what doesn't go together -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "asked", "message"),
    [
        (
            ["experiment=perceptron"],
            "temperature",
            "temperature=true: needs a run that learns prob",
        ),
        (["data.refit=true"], "temperature", "temperature=true: data.refit=true leaves no valid"),
        (
            ["experiment=points_mlp"],
            "robustness",
            "robustness=true: needs a run that learns classes",
        ),
        (
            ["experiment=curve_fit"],
            "robustness",
            "robustness=true: needs a run that learns classes",
        ),
        (
            ["experiment=perceptron"],
            "embeddings",
            "embeddings: need a run that learns classes, with",
        ),
        (
            ["experiment=curve_fit"],
            "embeddings",
            "embeddings: need a run that learns classes, with",
        ),
    ],
)
def test_what_does_not_go_with_a_run_is_refused(
    compose: Callable[..., DictConfig], words: list[str], asked: str, message: str
) -> None:
    data, task = build_task(compose(*words))
    options = {name: name == asked for name in ("temperature", "robustness", "embeddings")}
    with pytest.raises(UserError, match=f"^{message}"):
        looks(data, task, **options)


@pytest.mark.parametrize("word", ["temperature=true", "robustness=true", "embeddings=5"])
def test_a_committee_is_not_looked_into(
    compose: Callable[..., DictConfig], folder: Path, word: str
) -> None:
    before = Run(str(folder)).result
    with pytest.raises(UserError, match=f"^{word.partition('=')[0]}: a committee"):
        ensemble.evaluate(compose(f"run=['{folder}','{folder}']", word, root="evaluate"))
    assert Run(str(folder)).result == before


def test_outputs_come_in_order_and_without_dropout() -> None:
    torch.manual_seed(0)
    network = MLP(4, 3, width=8, dropout=0.5)
    task = Classification(
        output="softmax",
        loss="cross_entropy",
        network=network,
        optimizer=torch.optim.SGD,
        schedule=Constant(),
        seed=0,
    )
    x, y = torch.randn(25, 4), torch.arange(25) % 3
    task.train()
    outputs, targets = task.outputs(ChunkLoader((x, y), 7))
    torch.testing.assert_close(outputs, network[3](network[0](x).relu()))
    assert targets.tolist() == y.tolist()


def test_confusion_counts_are_those_of_a_loop() -> None:
    random = np.random.default_rng(0)
    targets, predictions = random.integers(0, 7, 500), random.integers(0, 6, 500)
    expected = np.zeros((7, 7), int)
    for target, prediction in zip(targets, predictions, strict=True):
        expected[target, prediction] += 1
    np.testing.assert_array_equal(confusion_counts(targets, predictions, 7), expected)


def test_confusion_matrix_has_true_classes_in_rows() -> None:
    figure = confusion.confusion_matrix(
        np.array([[5, 2, 0], [0, 7, 0], [1, 0, 0]]), ("a", "b", "c")
    )
    [panel] = figure.axes
    cells = {text.get_position(): text.get_text() for text in panel.texts}
    # A position is (x, y): (column, row).
    assert cells == {(0, 0): "5", (1, 0): "2", (1, 1): "7", (0, 2): "1"}
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("predicted class", "true class")
    shown = panel.images[0].get_array()
    assert shown.mask[range(3), range(3)].all(), "the diagonal would drown the errors"
    assert shown[0, 1] > shown[2, 0] > shown[1, 0] == 0


def test_class_errors() -> None:
    counts = np.array([[3, 1, 0], [0, 0, 0], [2, 2, 4]])
    figure = confusion.class_errors(counts, ("a", "b", "c"))
    [panel] = figure.axes
    assert [bar.get_height() for bar in panel.patches] == [0.25, 0, 0.5]
    assert [text.get_text() for text in panel.texts] == ["25.0%", "", "50.0%"]
    assert [label.get_text() for label in panel.get_xticklabels()] == ["a", "b (none)", "c"]
    assert panel.lines[0].get_ydata()[0] == pytest.approx(5 / 12)


@pytest.mark.parametrize("pictures", [1, 10, 11, 35])
def test_examples_show_every_picture(pictures: int) -> None:
    images = np.random.default_rng(0).random((pictures, 28, 28))
    captions = [f"number {i}" for i in range(pictures)]
    [panel] = image_grid.image_grid(images, captions, "title").axes
    assert [text.get_text() for text in panel.texts] == ["title", *captions]
    boxes = []
    for shown, image, text in zip(panel.images, images, panel.texts[1:], strict=True):
        np.testing.assert_array_equal(shown.get_array(), image)
        left, right, bottom, top = shown.get_extent()
        assert right - left == pytest.approx(bottom - top)  # square, in inches both
        x, y = text.get_position()
        assert left < x < right
        assert bottom < y
        boxes.append((left, top))
    assert len(set(boxes)) == pictures
    width, height = panel.figure.get_size_inches()
    assert (panel.get_xlim(), panel.get_ylim()) == ((0, width), (height, 0))


def test_no_errors_say_so() -> None:
    figure = image_grid.image_grid(np.zeros((0, 28, 28)), [])
    assert [text.get_text() for text in figure.texts] == ["no examples"]


@pytest.mark.parametrize("mistake", ["no folder", "no run", "no checkpoint", "damaged"])
def test_mistakes_name_the_path(folder: Path, evaluated: Evaluate, mistake: str) -> None:
    named = checkpoint = folder / "checkpoints" / "best.ckpt"
    if mistake == "no folder":
        shutil.rmtree(named := folder)
    elif mistake == "no run":
        (folder / "config.yaml").unlink()
        named = folder
    elif mistake == "no checkpoint":
        checkpoint.unlink()
        named = folder
    else:
        checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(UserError) as caught:
        evaluated(folder)
    assert str(caught.value).startswith(f"{named}: ")
    assert len(str(caught.value).splitlines()) == 1
