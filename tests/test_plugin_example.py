"""The example of ``mlp_lab/README.md``, "From outside the package", in all commands."""

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import scalars
from sklearn.datasets import load_digits
from test_readmes import added_files
from torch import Tensor

from mlp_lab.storage.checkpoints import read_checkpoint
from mlp_lab.storage.run_folder import RunFolder

PLUGINS = ["plugins=[digits_lab]", "--config-dir", "my_conf"]
Run = Callable[..., str]


@pytest.fixture
def run(
    plugins: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> Iterator[Run]:
    """``run("train", "seed=1", ...)``: run a command with the example; return its output."""
    for name, text in added_files().items():
        if not name.startswith(("mlp_lab/", "conf/")):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)

    def command(name: str, *arguments: str) -> str:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *PLUGINS, *arguments])
        getattr(import_module(f"mlp_lab.commands.{name}"), name)()
        return capsys.readouterr().out

    return command


def split(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the inputs and targets of a split of the digits."""
    x, y = load_digits(return_X_y=True)
    rows = {"validation": slice(1000, 1300), "test": slice(1300, None)}[name]
    return x[rows] / 16, y[rows]


def maxout(state: dict[str, Tensor], x: np.ndarray, pieces: int) -> np.ndarray:
    """Return the outputs of a maxout network, unit by unit."""
    names = ("hidden.weight", "hidden.bias", "output.weight", "output.bias")
    w, b, v, c = (state[f"network.{name}"].double().numpy() for name in names)
    units = []
    for unit in range(len(b) // pieces):
        maps = [x @ w[unit * pieces + i] + b[unit * pieces + i] for i in range(pieces)]
        units.append(np.max(maps, 0))
    return np.stack(units, 1) @ v.T + c


def margin_loss(outputs: np.ndarray, y: np.ndarray, margin: float) -> float:
    """Return the mean excess of other outputs over the true one (Weston and Watkins 1999)."""
    losses = [
        sum(max(0.0, margin - row[k] + row[j]) for j in range(len(row)) if j != k) / len(row)
        for row, k in zip(outputs, y, strict=True)
    ]
    return float(np.mean(losses))


def test_the_example_trains_and_is_evaluated(run: Run, tmp_path: Path) -> None:
    options = ["experiment=digits", "network.pieces=3", "task.margin=0.5", "trainer.max_epochs=3"]
    run("train", *options, "trainer.accelerator=cpu")
    [folder] = tmp_path.glob("logs/digits/2*")
    result = RunFolder(folder).result
    assert result.best is not None
    state = read_checkpoint(folder / "checkpoints" / "best.ckpt")["state_dict"]
    for name in ("validation", "test"):
        x, y = split(name)
        outputs = maxout(state, np.concatenate([x, x**2], 1), 3)
        expected = margin_loss(outputs, y, 0.5), np.mean(outputs.argmax(1) != y)
        printed = run("evaluate", f"run='{folder}'", f"split={name}")
        metrics = RunFolder(folder).result.evaluations[-1].metrics
        assert (metrics["loss"], metrics["error"]) == pytest.approx(expected, rel=1e-4)
        assert f"{100 * expected[1]:.2f} %" in printed
    rows = [value for _, _, value in scalars(result, "loss/validation")]
    assert min(rows) == pytest.approx(result.best["loss/validation"])
    run("train", f"resume='{folder}'", "trainer.max_epochs=4")
    assert len(RunFolder(folder).history) == 4


def test_the_example_is_swept(run: Run, tmp_path: Path) -> None:
    options = ["experiment=digits", "trainer.max_epochs=1", "callbacks=none", "logger=none"]
    out = run("train", "-m", *options, "network.pieces=2,3", "seed=1,2", "trainer.accelerator=cpu")
    assert "trains alone (Maxout has no stacked form)" in out
    assert "plugins=[digits_lab]" in out.partition("run it again: ")[2]
    [sweep] = tmp_path.glob("logs/digits/sweeps/*")
    header, *rows = (sweep / "summary.csv").read_text().splitlines()
    assert "network.pieces" in header.split(",")
    assert len(rows) == 4
    assert len(list(sweep.glob("*/result.json"))) == 4


def test_digits_are_predicted(run: Run, tmp_path: Path) -> None:
    options = ["experiment=digits", "task=classification", "encoding=identity"]
    options += ["data.as_images=true", "trainer.max_epochs=2", "trainer.accelerator=cpu"]
    run("train", *options)
    [folder] = tmp_path.glob("logs/digits/2*")
    x, _ = split("test")
    images = (255 * x[:20]).round().astype("u1").reshape(-1, 8, 8)
    np.savez(tmp_path / "images.npz", images=images)
    prediction = [f"run='{folder}'", "images=images.npz", "preprocessing=none", "invert=no"]
    run("predict", *prediction, "output=predictions.csv")
    _, *rows = (tmp_path / "predictions.csv").read_text().splitlines()
    state = read_checkpoint(folder / "checkpoints" / "best.ckpt")["state_dict"]
    outputs = maxout(state, images.reshape(-1, 64) / 255, 2)
    assert [int(row.split(",")[1]) for row in rows] == outputs.argmax(1).tolist()
    torch.testing.assert_close(
        torch.tensor([float(row.split(",")[2]) for row in rows]).double(),
        torch.from_numpy(outputs).softmax(1).amax(1),
        atol=1e-5,
        rtol=0,
    )


def test_help_lists_the_example(run: Run) -> None:
    assert "maxout" in run("train", "--help")
    out = run("train", "--help", "network=maxout")
    assert "network.pieces=2" in out
    assert "at least 1 and at most 10000" in out
