"""Predictions for the rows of CSV files, and for images of a user's classes."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import Evaluate
from omegaconf import DictConfig
from PIL import Image

from mlp_lab.errors import UserError
from mlp_lab.runs.predict import Prediction, predict
from mlp_lab.runs.run import Run
from mlp_lab.runs.train import train
from mlp_lab.storage.results import Result

Train = Callable[..., Result]
Predict = Callable[..., Any]


@pytest.fixture
def trained(compose: Callable[..., DictConfig], tmp_path: Path) -> Train:
    """``trained("data=csv", ...)``: train for two epochs without figures."""
    common = [
        "trainer.max_epochs=2", "trainer.accelerator=cpu", "callbacks=none", "logger=none",
        "network.width=8", f"logs='{tmp_path}/logs'",
    ]  # fmt: skip
    return lambda *overrides: train(compose(*overrides, *common), overrides)


@pytest.fixture
def predicted(compose: Callable[..., DictConfig]) -> Predict:
    """``predicted(result, "table=x.csv", ...)``: predict with a run."""
    return lambda result, *rest: predict(compose(f"run='{result.folder}'", *rest, root="predict"))


def write_table(path: Path, x: np.ndarray, targets: list[Any]) -> Path:
    rows = (f"{a!r},{target},{b!r}" for (a, b), target in zip(x.tolist(), targets, strict=True))
    path.write_text("\n".join(["height,kind,width", *rows]))
    return path


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(0).normal([10, -3], [4, 0.5], (60, 2))


def test_classes_of_rows_are_those_of_the_network(
    x: np.ndarray, trained: Train, predicted: Predict, tmp_path: Path
) -> None:
    kinds = ["rose", "aster", "tulip"] * 20
    path = write_table(tmp_path / "flowers.csv", x, kinds)
    result = trained("data=csv", f"data.path='{path}'", "data.target=kind")
    run = Run(result.folder)
    training, _ = run.split("train")
    data, _ = run._built
    np.testing.assert_allclose(training.numpy().mean(0), 0, atol=1e-5)
    probabilities = run.network(data.from_features(x)).softmax(1)
    (tmp_path / "new.csv").write_text(
        "id,width,height\n" + "".join(f"n{i},{b!r},{a!r}\n" for i, (a, b) in enumerate(x.tolist()))
    )
    rows = predicted(result, f"table='{tmp_path}/new.csv'")
    assert [row["line"] for row in rows] == list(range(2, 62))
    expected = [("aster", "rose", "tulip")[k] for k in probabilities.argmax(1)]
    assert [row["kind"] for row in rows] == expected
    np.testing.assert_allclose(
        [row["confidence"] for row in rows], probabilities.amax(1), rtol=1e-5
    )
    plain = tmp_path / "plain.csv"  # no header: the features in their order
    plain.write_text("".join(f"{a!r};{b!r}\n" for a, b in x.tolist()))
    output = tmp_path / "out" / "predictions.csv"
    again = predicted(result, f"table='{plain}'", f"output='{output}'")
    assert [row["kind"] for row in again] == expected
    with output.open(newline="") as file:
        written = list(csv.DictReader(file))
    assert [row["kind"] for row in written] == expected
    assert [int(row["line"]) for row in written] == list(range(1, 61))


def test_numbers_have_the_units_of_the_data(
    x: np.ndarray, trained: Train, predicted: Predict, tmp_path: Path
) -> None:
    y = (1e6 + 5e4 * x[:, 0]).tolist()
    path = write_table(tmp_path / "houses.csv", x, y)
    options = ["task=regression", "data.kind=regression", "data.target=kind"]
    result = trained("data=csv", f"data.path='{path}'", *options)
    run = Run(result.folder)
    data, _ = run._built
    _, targets = run.split("train")
    rows = predicted(result, f"table='{path}'")
    outputs = run.network(data.from_features(x)).numpy()
    scale = data.values(targets.numpy())
    np.testing.assert_allclose(
        [row["kind"] for row in rows], outputs[:, 0] * scale.std() + scale.mean(), rtol=1e-5
    )
    assert "confidence" not in rows[0]
    assert len(targets) == 36


def test_points_are_predicted(trained: Train, predicted: Predict, tmp_path: Path) -> None:
    result = trained("experiment=points_mlp", "data.set=moons", "data.size=20")
    points, _ = Run(result.folder).split("test")
    path = tmp_path / "points.csv"
    path.write_text("".join(f"{a},{b}\n" for a, b in points.tolist()))
    rows = predicted(result, f"table='{path}'")
    logits = Run(result.folder).network(points)[:, 0]
    assert [row["target"] for row in rows] == [str(int(logit > 0)) for logit in logits]
    expected = torch.sigmoid(logits.abs())
    np.testing.assert_allclose([row["confidence"] for row in rows], expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["line", "confidence"])
def test_targets_with_the_names_of_other_columns(
    name: str, x: np.ndarray, trained: Train, predicted: Predict, tmp_path: Path
) -> None:
    path = write_table(tmp_path / "flowers.csv", x, ["rose", "aster"] * 30)
    path.write_text(path.read_text().replace("kind", name))
    result = trained("data=csv", f"data.path='{path}'", f"data.target={name}")
    rows = predicted(result, f"table='{path}'")
    assert list(rows[0]) == ["line", f"predicted_{name}", "confidence"]
    assert {row[f"predicted_{name}"] for row in rows} <= {"rose", "aster"}
    assert [row["line"] for row in rows] == list(range(2, 62))


@pytest.mark.parametrize(
    ("content", "rest", "message"),
    [
        ("long,wide\n1,2\n3,x\n", [], r"new\.csv: line 3: 'x' is not a finite number"),
        ("width,heigth\n1,2\n", [], r"new\.csv: has the columns width, heigth; must have height"),
        ("height,width\n1,\n", [], r"new\.csv: line 2: the value of width is missing"),
        ("a,b,c\n1,2,3\n", [], r"new\.csv: has the columns a, b, c; must have height, width"),
        (None, [], r"new\.csv: No such file"),
        ("1,2\n", ["images=x.png"], r"images=x\.png: must be null: .* learned from a table"),
        ("1,2\n", ["data.path=moved.csv"], r"moved\.csv: no such file or folder; data\.path="),
    ],
)  # fmt: skip
def test_wrong_tables_are_one_line(
    content: str | None, rest: list[str], message: str, x: np.ndarray, trained: Train,
    predicted: Predict, tmp_path: Path,
) -> None:  # fmt: skip
    path = write_table(tmp_path / "flowers.csv", x, ["a", "b"] * 30)
    result = trained("data=csv", f"data.path='{path}'", "data.target=kind")
    if content is not None:
        (tmp_path / "new.csv").write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        predicted(result, f"table='{tmp_path}/new.csv'", *rest)
    assert len(str(caught.value).splitlines()) == 1


def test_changed_data_are_refused_and_moved_data_are_found(
    x: np.ndarray, trained: Train, predicted: Predict, tmp_path: Path
) -> None:
    path = write_table(tmp_path / "flowers.csv", x, ["a", "b"] * 30)
    result = trained("data=csv", f"data.path='{path}'", "data.target=kind")
    expected = predicted(result, f"table='{path}'")
    moved = path.rename(tmp_path / "moved.csv")
    assert predicted(result, f"table='{moved}'", f"data.path='{moved}'") == expected
    with pytest.raises(UserError, match="table: a value is needed"):
        predicted(result, f"data.path='{moved}'")
    write_table(path, x + 1, ["a", "b"] * 30)
    with pytest.raises(UserError, match="these are not the data that"):
        predicted(result, f"table='{moved}'")


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    """Return a folder of light and dark images of two classes."""
    random = np.random.default_rng(0)
    for name, ground in (("day", 230), ("night", 20)):
        (tmp_path / "shapes" / name).mkdir(parents=True)
        for i in range(15):
            pixels = random.integers(ground - 20, ground + 20, (12, 12)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "shapes" / name / f"{i}.png")
    return tmp_path / "shapes"


@pytest.mark.parametrize("kind", ["folder", "npz"])
def test_user_images_are_predicted_and_get_robustness_and_galleries(
    kind: str, shapes: Path, trained: Train, predicted: Predict, evaluated: Evaluate,
    tmp_path: Path,
) -> None:  # fmt: skip
    overrides = ["data=folder", f"data.path='{shapes}'", "data.side=12"]
    if kind == "npz":
        files = sorted(shapes.glob("*/*.png"))
        images = np.stack([np.asarray(Image.open(file)) for file in files])
        np.savez(tmp_path / "x.npz", x=images, y=[file.parent.name for file in files])
        overrides = ["data=npz", f"data.path='{tmp_path}/x.npz'"]
    result = trained(*overrides, "optimizer=adam", "data.batch_size=4", "trainer.max_steps=9")
    for name in ("day", "night"):  # not inverted, unlike digits
        rows: list[Prediction] = predicted(result, f"images='{shapes / name}'")
        assert {row.label for row in rows} == {name}
    evaluation = evaluated(result.folder, "split=validation", "robustness=true")
    assert {row["corruption"] for row in evaluation.tables["robustness"]} >= {"none", "rotation"}
    figures = {path.name for path in (Path(result.folder) / "figures").iterdir()}
    assert {"validation_robustness.png", "validation_errors_01.png"} <= figures
