import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import DictConfig
from PIL import Image
from torch import Tensor

from mlp_lab import figures
from mlp_lab.build import build_task
from mlp_lab.data.batches import ChunkLoader
from mlp_lab.errors import UserError
from mlp_lab.evaluation import confusion_counts, evaluate
from mlp_lab.networks import MLP
from mlp_lab.runs import Run
from mlp_lab.schedules import Constant
from mlp_lab.tasks import Classification

Evaluate = Callable[..., dict]
FIGURES = ("confusion_matrix", "class_errors", "most_confident_errors")


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
    assert list(entry) == ["split", "checkpoint", "epoch", "loss", "error"]
    assert (entry["split"], entry["checkpoint"], entry["epoch"]) == (split, which, epoch)
    assert entry["loss"] == pytest.approx(loss / len(targets), rel=1e-5)
    assert entry["error"] == error / len(targets)
    assert 0.05 < entry["error"] < 0.95, "nothing to tell apart"


def test_entry_repeats_what_training_wrote(
    run_folder: Path, tmp_path: Path, tiny_mnist: Path, evaluated: Evaluate
) -> None:
    folder = shutil.copytree(run_folder, tmp_path / "run")
    before = json.loads((folder / "result.json").read_text())
    entry = evaluated(folder)
    after = json.loads((folder / "result.json").read_text())
    assert entry == before["evaluations"][0]
    assert list(entry) == list(before["evaluations"][0])
    assert after == before | {"evaluations": [*before["evaluations"], entry]}


def test_epoch_of_a_run_that_was_killed_in_its_first(folder: Path, evaluated: Evaluate) -> None:
    path = folder / "checkpoints" / "last.ckpt"
    content = torch.load(path, weights_only=True)
    content["callbacks"]["Keeper"]["history"] = []
    torch.save(content, path)
    assert evaluated(folder, "checkpoint=last")["epoch"] == 0


def test_a_killed_run_keeps_its_entries_and_stays_unfinished(
    folder: Path, evaluated: Evaluate
) -> None:
    (folder / "result.json").unlink()
    entries = [evaluated(folder), evaluated(folder, "split=validation", "checkpoint=last")]
    assert Run(folder).result["status"] == "unfinished"
    assert Run(folder).result["evaluations"] == entries


def test_figures_bear_the_split_and_the_checkpoint(folder: Path, evaluated: Evaluate) -> None:
    evaluated(folder)
    evaluated(folder, "split=train", "checkpoint=last")
    expected = {f"{p}_{name}.png" for p in ("test", "train_last") for name in FIGURES}
    written = {path.name for path in (folder / "figures").iterdir()} - {"loss_curves.png"}
    assert written == expected
    for name in expected:
        Image.open(folder / "figures" / name).load()


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


def test_most_confident_errors(
    folder: Path, tiny_mnist: Path, evaluated: Evaluate, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []

    def examples(images: np.ndarray, captions: list[str]) -> object:
        drawn.append((images, captions))
        return real(images, captions)

    real = figures.examples
    monkeypatch.setattr(figures, "examples", examples)
    evaluated(folder)
    content = (tiny_mnist / "MNIST" / "raw" / "t10k-images-idx3-ubyte").read_bytes()
    pixels = np.frombuffer(content, np.uint8, offset=16).reshape(-1, 28, 28) / 255
    logs, targets = plain(folder, "test", "best")
    wrong = []
    for picture, log, target in zip(pixels, logs, targets, strict=True):
        if (digit := int(log.argmax())) != target:
            caption = f"true: {target}\npredicted: {digit}\n{100 * float(log[digit].exp()):.2f} %"
            wrong.append((float(log[digit]), caption, picture))
    expected = sorted(wrong, key=lambda error: -error[0])[:40]
    [(images, captions)] = drawn
    assert captions == [caption for _, caption, _ in expected]
    np.testing.assert_allclose(images, [picture for _, _, picture in expected], atol=1e-6)


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
    figure = figures.confusion_matrix(np.array([[5, 2, 0], [0, 7, 0], [1, 0, 0]]), ("a", "b", "c"))
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
    figure = figures.class_errors(counts, ("a", "b", "c"))
    [panel] = figure.axes
    assert [bar.get_height() for bar in panel.patches] == [0.25, 0, 0.5]
    assert [text.get_text() for text in panel.texts] == ["25.0%", "", "50.0%"]
    assert [label.get_text() for label in panel.get_xticklabels()] == ["a", "b (none)", "c"]
    assert panel.lines[0].get_ydata()[0] == pytest.approx(5 / 12)


@pytest.mark.parametrize("pictures", [0, 1, 8, 11])
def test_examples_show_every_picture(pictures: int) -> None:
    images = np.random.default_rng(0).random((pictures, 28, 28))
    captions = [f"number {i}" for i in range(pictures)]
    panels = [panel for panel in figures.examples(images, captions).axes if panel.images]
    assert [panel.texts[0].get_text() for panel in panels] == captions
    for panel, image in zip(panels, images, strict=True):
        np.testing.assert_array_equal(panel.images[0].get_array(), image)


def test_no_errors_say_so() -> None:
    figure = figures.examples(np.zeros((0, 28, 28)), [])
    assert [text.get_text() for text in figure.texts] == ["no such examples"]


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
