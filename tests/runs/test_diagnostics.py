"""Diagnostics of an evaluation: temperature, robustness, embeddings."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import Evaluate, log_probabilities
from omegaconf import DictConfig, OmegaConf
from PIL import Image
from scipy.optimize import minimize_scalar
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.projector.projector_plugin import ProjectorPlugin
from werkzeug.test import Client

from mlp_lab.errors import UserError
from mlp_lab.images.corruptions import CORRUPTIONS
from mlp_lab.nn.seeds import epoch_seed
from mlp_lab.runs import ensemble
from mlp_lab.runs.build import build_task
from mlp_lab.runs.evaluate import check_options
from mlp_lab.runs.train import train
from mlp_lab.storage.checkpoints import load_network
from mlp_lab.storage.run_folder import RunFolder


def test_calibration_before_and_after_a_temperature(folder: Path, evaluated: Evaluate) -> None:
    entry = evaluated(folder, "temperature=true")
    before, after = entry.tables["calibration"]
    logs, targets = (t.numpy() for t in log_probabilities(folder, "validation", "best"))

    def nll(
        log_temperature: float, logs: np.ndarray = logs, targets: np.ndarray = targets
    ) -> float:
        scaled = logs.astype(float) / np.exp(log_temperature)
        scaled -= np.logaddexp.reduce(scaled, 1, keepdims=True)
        return -float(scaled[np.arange(len(targets)), targets].mean())

    best = minimize_scalar(nll, bounds=(-5, 5), options={"xatol": 1e-9}).x
    assert math.log(after["temperature"]) == pytest.approx(best, abs=1e-4)
    assert abs(best) > 0.1, "nothing to fit"
    tested = tuple(t.numpy() for t in log_probabilities(folder, "test", "best"))
    assert before["temperature"] == 1
    assert before["nll"] == pytest.approx(nll(0, *tested), rel=1e-5)
    assert after["nll"] == pytest.approx(nll(best, *tested), rel=1e-4)
    assert before["error"] == after["error"] == pytest.approx(entry.metrics["error"])
    table = (folder / "test_calibration.csv").read_text().splitlines()
    assert table[0] == "temperature,error,nll,ece"
    assert float(table[2].split(",")[0]) == after["temperature"]


def test_robustness_equals_a_plain_network_on_corrupted_images(
    folder: Path, evaluated: Evaluate
) -> None:
    entry = evaluated(folder, "robustness=true")
    clean, *spoilt = entry.tables["robustness"]
    assert (clean["corruption"], clean["error"]) == ("none", pytest.approx(entry.metrics["error"]))
    corruptions = [(row["corruption"], row["strength"], row["unit"]) for row in spoilt]
    assert corruptions == [(n, s, c.unit) for n, c in CORRUPTIONS.items() for s in c.strengths]
    data, task = build_task(RunFolder(folder).config)
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


@pytest.mark.usefixtures("without_figures")
def test_robustness_changes_normalized_images_and_does_not_normalize_them_again(
    mnist_config: Callable, evaluated: Evaluate
) -> None:
    short = ["trainer.max_epochs=1", "callbacks=none", "logger=none", "data.deslant=true"]
    folder = Path(train(mnist_config(*short, "data.normalize_width=10")).folder)
    entry = evaluated(folder, "robustness=true")
    clean = entry.tables["robustness"][0]
    assert clean["corruption"] == "none"
    assert {name: clean[name] for name in entry.metrics} == pytest.approx(entry.metrics, rel=1e-5)


@pytest.mark.usefixtures("without_figures")
def test_the_projector_shows_the_last_hidden_layer(folder: Path, evaluated: Evaluate) -> None:
    evaluated(folder, "embeddings=50")
    evaluated(folder, "embeddings=7", "split=validation")
    evaluated(folder, "embeddings=40")  # replaces the first
    client = projector(folder.parent)
    assert client("/runs") == ["run"]
    embeddings = {e["tensorName"]: e for e in client("/info", run="run")["embeddings"]}
    assert embeddings["test"]["tensorShape"] == [40, 64]
    assert embeddings["validation"]["tensorShape"] == [7, 64]
    assert embeddings["test"]["sprite"]["singleImageDim"] == [28, 28]
    data, task = build_task(RunFolder(folder).config)
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
    assert header.split("\t") == ["truth", "prediction", "correct", "index", "confidence"]
    for line, row, truth, prediction in zip(lines, rows, y[rows].tolist(), predicted, strict=True):
        right = "yes" if truth == prediction else "no"
        assert line.split("\t")[:4] == [str(truth), str(prediction), right, str(row)]
    with Image.open(folder / "projector" / "test" / "sprite.png") as sprite:
        assert sprite.size == (7 * 28, 7 * 28)


def projector(logs: Path) -> Callable[..., Any]:
    """Send a request to TensorBoard's projector plugin: ``projector(logs)("/runs")``."""
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(logs))
    multiplexer.Reload()
    provider = MultiplexerDataProvider(multiplexer, str(logs))
    apps = ProjectorPlugin(TBContext(logdir=str(logs), data_provider=provider)).get_plugin_apps()

    def ask(path: str, **query: str) -> Any:
        response = Client(apps[path]).get("/", query_string=query)
        assert response.status_code == 200, response.data
        return response.json if response.mimetype == "application/json" else response.data

    return ask


@pytest.mark.parametrize(
    ("overrides", "asked", "message"),
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
            "robustness=true: needs a run whose inputs are images",
        ),
        (
            ["experiment=curve_fit"],
            "robustness",
            "robustness=true: needs a run whose inputs are images",
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
def test_unsuitable_diagnostics_are_refused(
    compose: Callable[..., DictConfig], overrides: list[str], asked: str, message: str
) -> None:
    data, task = build_task(compose(*overrides))
    options = {name: name == asked for name in ("temperature", "robustness", "embeddings")}
    with pytest.raises(UserError, match=f"^{message}"):
        check_options(OmegaConf.create(options), data, task)


@pytest.mark.parametrize("override", ["temperature=true", "robustness=true", "embeddings=5"])
def test_diagnostics_of_an_ensemble_are_refused(
    compose: Callable[..., DictConfig], folder: Path, override: str
) -> None:
    before = RunFolder(str(folder)).result
    with pytest.raises(
        UserError, match=f"^{override.partition('=')[0]}: not available for an ensemble"
    ):
        ensemble.evaluate(compose(f"run=['{folder}','{folder}']", override, root="evaluate"))
    assert RunFolder(str(folder)).result == before
