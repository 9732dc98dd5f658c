import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import Evaluate, log_probabilities, single_spaced
from omegaconf import DictConfig
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mlp_lab.data.batches import ChunkLoader
from mlp_lab.errors import UserError
from mlp_lab.figures import confusion, image_grid
from mlp_lab.nn.mlp import MLP
from mlp_lab.nn.schedules import Constant
from mlp_lab.runs.build import build_task
from mlp_lab.runs.train import train
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.tasks.classification import Classification
from mlp_lab.tasks.diagnostics.class_errors import class_errors
from mlp_lab.tasks.diagnostics.split_predictions import SplitPredictions

FIGURES = {"confusion_matrix", "class_errors", "calibration"}


@pytest.mark.usefixtures("without_figures")
@pytest.mark.parametrize("split", ["train", "validation", "test"])
@pytest.mark.parametrize(("which", "epoch"), [("best", 1), ("last", 2)])
def test_the_evaluation_equals_a_plain_loop(
    folder: Path, evaluated: Evaluate, split: str, which: str, epoch: int
) -> None:
    logs, targets = log_probabilities(folder, split, which)
    loss = error = 0.0
    for log, target in zip(logs, targets, strict=True):
        loss -= float(log[target])
        error += int(log.argmax()) != int(target)
    entry = evaluated(folder, f"split={split}", f"checkpoint={which}")
    keys = ["split", "checkpoint", "epoch", "loss", "error", "classes", "calibration"]
    assert list(entry.to_json()) == keys
    assert (entry.split, entry.checkpoint, entry.epoch) == (split, which, epoch)
    assert entry.metrics["loss"] == pytest.approx(loss / len(targets), rel=1e-5)
    assert entry.metrics["error"] == error / len(targets)
    assert 0.05 < entry.metrics["error"] < 0.95, "nothing to tell apart"


@pytest.mark.usefixtures("without_figures")
def test_the_evaluation_equals_the_one_of_training(
    run_folder: Path, tmp_path: Path, tiny_mnist: Path, evaluated: Evaluate
) -> None:
    folder = shutil.copytree(run_folder, tmp_path / "run")
    before = json.loads((folder / "result.json").read_text())
    entry = evaluated(folder).to_json()
    after = json.loads((folder / "result.json").read_text())
    [trained] = before["evaluations"]
    assert {key: entry[key] for key in trained} == trained
    assert after.pop("sha256") != before.pop("sha256")
    assert after == before | {"evaluations": [*before["evaluations"], entry]}


@pytest.mark.usefixtures("without_figures")
def test_epoch_of_a_run_killed_in_its_first_epoch(folder: Path, evaluated: Evaluate) -> None:
    path = folder / "checkpoints" / "last.ckpt"
    content = torch.load(path, weights_only=True)
    content["callbacks"]["EpochCheckpoint"]["history"] = []
    torch.save(content, path)
    assert evaluated(folder, "checkpoint=last").epoch == 0


@pytest.mark.usefixtures("without_figures")
def test_evaluating_a_killed_run_keeps_it_unfinished(folder: Path, evaluated: Evaluate) -> None:
    (folder / "result.json").unlink()
    entries = [evaluated(folder), evaluated(folder, "split=validation", "checkpoint=last")]
    assert RunFolder(folder).result.status == "unfinished"
    assert RunFolder(folder).result.evaluations == entries


def test_figure_names_contain_the_split_and_the_checkpoint(
    folder: Path, evaluated: Evaluate
) -> None:
    evaluated(folder)
    evaluated(folder, "split=validation", "checkpoint=last")
    written = {path.name for path in (folder / "figures").iterdir()}
    for prefix in ("test", "validation_last"):
        with_prefix = {name for name in written if name.startswith(f"{prefix}_")}
        pages = {name for name in with_prefix if name.startswith(f"{prefix}_errors_")}
        assert with_prefix - pages == {f"{prefix}_{name}.png" for name in FIGURES}
        classes = RunFolder(folder).result.evaluations[-2].tables["classes"]
        wrong = sum(row["wrong"] for row in classes)
        if prefix == "test":
            assert len(pages) == -(-wrong // 100) > 1
    for name in written:
        Image.open(folder / "figures" / name).load()


def test_tensorboard_shows_the_figures_and_tables_of_each_split(
    folder: Path, evaluated: Evaluate
) -> None:
    evaluated(folder)
    evaluated(folder, "split=validation")
    evaluated(folder)  # replaces the first
    events = EventAccumulator(str(folder), size_guidance={"images": 0}).Reload()
    for split in ("test", "validation"):
        shown = {t.partition("/")[2] for t in events.Tags()["images"] if t.startswith(f"{split}/")}
        names = (folder / "figures").glob(f"{split}_*.png")
        assert shown == {path.stem.removeprefix(f"{split}_") for path in names} > FIGURES
        assert len(events.Images(f"{split}/confusion_matrix")) == 1
        [text] = events.Tensors(split)
        shown = single_spaced(text.tensor_proto.string_val[0].decode())
        assert "| class | examples | wrong | error |" in shown


def test_error_pages_of_earlier_evaluations_are_removed(folder: Path, evaluated: Evaluate) -> None:
    stale = folder / "figures" / "test_errors_99.png"
    others = folder / "figures" / "test_last_errors_99.png"
    for path in (stale, others):
        path.write_bytes(b"")
    evaluated(folder)
    assert (stale.exists(), others.exists()) == (False, True)


@pytest.mark.draws
def test_a_failed_figure_is_a_line_in_the_log(
    folder: Path,
    evaluated: Evaluate,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    before = RunFolder(folder).result.evaluations
    monkeypatch.setattr(confusion, "confusion_matrix", fail)
    evaluated(folder)
    assert len(RunFolder(folder).result.evaluations) == len(before) + 1
    assert "figure confusion_matrix: not drawn: OSError: disk full\n" in capsys.readouterr().out


def test_tables(folder: Path, evaluated: Evaluate, capsys: pytest.CaptureFixture[str]) -> None:
    entry = evaluated(folder)
    logs, targets = log_probabilities(folder, "test", "best")
    cells = [line.split() for line in capsys.readouterr().out.splitlines()]
    loss, error = entry.metrics["loss"], entry.metrics["error"]
    assert ["test", f"{loss:.4f}", f"{100 * error:.2f}", "%"] in cells
    for digit in range(10):
        digit_logs = logs[targets == digit]
        wrong = sum(int(log.argmax()) != digit for log in digit_logs)
        row = [
            str(digit),
            str(len(digit_logs)),
            str(wrong),
            f"{100 * wrong / len(digit_logs):.2f}",
            "%",
        ]
        assert row in cells


@pytest.mark.draws
def test_all_errors_are_drawn_by_decreasing_confidence(
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
    logs, targets = log_probabilities(folder, "test", "best")
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
    predictions = SplitPredictions(data, task, "test")
    finding = class_errors(predictions)
    page = finding.figures["errors_01"]()
    captions = [text.get_text() for text in page.axes[0].texts]
    wrong = sum(row["wrong"] for row in finding.rows)
    assert len(captions) == min(wrong, 100)
    assert all(re.fullmatch(r"\d → \d", caption) for caption in captions)
    assert [diagnostic.name for diagnostic in task.diagnostics(predictions)] == ["classes"]


def test_classes_of_points_have_no_pages(
    compose: Callable[..., DictConfig], evaluated: Evaluate, tmp_path: Path
) -> None:
    overrides = [
        "data.size=40",
        "trainer.max_epochs=2",
        "trainer.accelerator=cpu",
        "callbacks=none",
    ]
    result = train(compose("experiment=points_mlp", *overrides, f"logs='{tmp_path}'"))
    entry = evaluated(Path(result.folder), "embeddings=9", "split=train")
    assert [row["class"] for row in entry.tables["classes"]] == ["0", "1"]
    written = {path.stem for path in (Path(result.folder) / "figures").iterdir()}
    assert written == {f"train_{name}" for name in FIGURES}
    projected = Path(result.folder) / "projector" / "train"
    assert {path.name for path in projected.iterdir()} == {"tensors.tsv", "metadata.tsv"}


def test_outputs_are_in_order_and_without_dropout() -> None:
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


@pytest.mark.parametrize("mistake", ["no folder", "no run", "no checkpoint", "damaged"])
def test_wrong_run_folders_are_reported_with_their_path(
    folder: Path, evaluated: Evaluate, mistake: str
) -> None:
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
