"""``scripts/backprop.py``: the table, the file and the figure of a worked example."""

import csv
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mlp_lab.commands.backprop import backprop
from mlp_lab.course.lecture_networks import EXAMPLES
from mlp_lab.course.worked_example import METHODS, draw, run_worked_example
from mlp_lab.errors import UserError
from mlp_lab.nn.scalar_backpropagation import Gradients

Work = Callable[..., dict[str, Gradients]]


@pytest.fixture
def work(compose: Callable, tmp_path: Path) -> Work:
    """``work("example=lecture_2_2_1", ...)``: return the gradients by method."""
    return lambda *overrides: run_worked_example(
        compose(*overrides, f"logs='{tmp_path}'", root="backprop")
    )


def test_gradients_equal_the_formulas(work: Work) -> None:
    weights = "weights={w13:0.5,w14:1,w23:-2,w24:0.25,w35:3,w45:-1}"
    results = work("example=lecture_2_2_1_relu", weights, "inputs=[4,0.5]", "target=2")
    # f3 = 2 - 1 = 1, f4 = 4 + 0.125, g5 = 3 - 4.125 = -1.125, 2(g5-y) = -6.25
    expected = {
        "w13": -6.25 * 3 * 4,
        "w14": -6.25 * -1 * 4,
        "w23": -6.25 * 3 * 0.5,
        "w24": -6.25 * -1 * 0.5,
        "w35": -6.25 * 1,
        "w45": -6.25 * 4.125,
    }
    assert list(results) == list(METHODS)
    for gradients in results.values():
        assert gradients == pytest.approx(expected, rel=1e-15)


def test_gradients_of_an_inactive_relu_are_zero(work: Work) -> None:
    results = work("example=lecture_2_2_1_relu", "weights={w13:-5}")
    for gradients in results.values():
        assert gradients["w13"] == gradients["w23"] == gradients["w35"] == 0
        assert gradients["w14"] != 0


def test_weights_can_be_given_by_name_or_in_order(work: Work) -> None:
    by_name = "weights={w8:3,w0:7}"
    values = [*EXAMPLES["lecture_2_2_2_1"].weights.values()]
    values[8], values[0] = 3, 7
    example = "example=lecture_2_2_2_1"
    assert work(example, by_name) == work(example, f"weights={values}") != work(example)


def test_another_activation(work: Work) -> None:
    results = work("activation=tanh")
    assert results["by paths"] == pytest.approx(results["by autograd"], rel=1e-12)
    assert results["by paths"] != work("activation=identity")["by paths"]
    assert work("activation=identity") == work()


@pytest.mark.renders
def test_files_of_a_worked_example(
    work: Work, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = work("example=lecture_2_2_2_1")
    [folder] = (tmp_path / "backprop" / "lecture_2_2_2_1").iterdir()
    out = capsys.readouterr().out
    assert f"folder: {folder} " in out
    [line] = [line for line in out.splitlines() if "dE/dw2 " in line]
    printed = "dE/dw2 = 2(g7-y) w8 w4 x2 + 2(g7-y) w9 w5 x2 0.25 -1.5 -1.5 -1.5"
    assert " ".join(line.split()) == printed
    with (folder / "gradients.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for way, gradients in results.items():
        assert [float(row[way]) for row in rows] == list(gradients.values())
    assert rows[8]["gradient"] == "dE/dw8 = 2(g7-y) g5"
    with Image.open(folder / "network.png") as picture:
        assert picture.width > picture.height > 200
    events = EventAccumulator(str(folder)).Reload()
    assert events.Tags()["images"] == ["summary/network"]


@pytest.mark.renders
def test_the_figure_in_another_format(
    work: Work, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work("figures.format=svg")
    [folder] = (tmp_path / "backprop" / "lecture_2_2_1").iterdir()
    assert f"folder: {folder} (network.svg, gradients.csv)" in capsys.readouterr().out
    assert not (folder / "network.png").exists()
    root = ElementTree.fromstring((folder / "network.svg").read_text())
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    events = EventAccumulator(str(folder)).Reload()
    assert events.Images("summary/network")[0].encoded_image_string.startswith(b"\x89PNG")


def test_values_and_gradients_are_drawn() -> None:
    figure = draw(EXAMPLES["lecture_2_2_1"], "mine")
    panel, scale = figure.axes
    texts = {text.get_text() for text in panel.texts}
    # 2(g5-y) = -1, as in the table
    assert {"x1 = 1", "x2 = 2", "f3 = 1\ng3 = 1\ndE/df3 = -2"} <= texts
    assert {"f4 = 1.5\ng4 = 1.5\ndE/df4 = 1", "f5 = 0.5\ng5 = 0.5\ndE/df5 = -1"} <= texts
    assert {"w13 = 0.5\ndE/dw13 = -2", "w45 = -1\ndE/dw45 = -1.5"} <= texts
    assert figure.get_suptitle() == "mine: E = (g5 - y)² = 0.25 with y = 1"
    assert scale.get_ylim() == (-4, 4)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["weights={w99:1}"], "weights.w99: no such weight (weights of the example: w13, w14, w23"),
        (["weights=[1,2]"], "weights=[1, 2]: must be 6 numbers: w13, w14, w23, w24, w35, w45"),
        (["weights=[]"], "weights=[]: must be 6 numbers: w13"),
        (["weights=3"], "weights=3: must be a list of w13, w14, w23, w24, w35, w45, or some of"),
        (["weights={w13:abc}"], "weights.w13=abc: must be a number at least -1000000 and at most"),
        (["weights={w13:true}"], "weights.w13=True: must be a number"),
        (["weights={w13:nan}"], "weights.w13=nan: must be a number"),
        (["weights={w13:1e7}"], "weights.w13=10000000.0: must be a number"),
        (["weights=[1,2,3,4,5,null]"], "weights.w45=None: must be a number"),
        (["inputs=[1]"], "inputs=[1.0]: must be 2 numbers: x1, x2"),
        (["inputs=[1,2,3]"], "inputs=[1.0, 2.0, 3.0]: must be 2 numbers: x1, x2"),
    ],
)
def test_wrong_options_are_reported(
    overrides: list[str], message: str, work: Work, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as caught:
        work(*overrides)
    assert str(caught.value).startswith(message)
    assert not list(tmp_path.iterdir())


def test_the_backprop_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = ["example=lecture_2_2_1", "weights={w13:0.5,w35:2}"]
    monkeypatch.setattr(sys, "argv", ["backprop.py", *overrides])
    monkeypatch.chdir(tmp_path)
    backprop()
    out, err = capsys.readouterr()
    assert "dE/dw13 = 2(g5-y) w35 x1" in out
    assert err == ""
    assert len(list(tmp_path.glob("logs/backprop/lecture_2_2_1/*/network.png"))) == 1
