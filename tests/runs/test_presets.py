"""The presets of conf/experiment and conf/debug."""

from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import PRESETS, Experiment, shortened_preset
from omegaconf import OmegaConf

from mlp_lab.config.compose import CONFIG_FOLDER
from mlp_lab.runs.train import train

# One preset of each kind of figures. tests/tasks renders those of measurements, solids and scenes.
RENDERED = {
    "curve_fit",
    "image_hw",
    "mnist_gradients",
    "mnist_record",
    "parity",
    "perceptron",
}


# tests/figures renders the figures of backgammon.
MARKS = dict.fromkeys(RENDERED, pytest.mark.renders) | {"td_gammon_quick": pytest.mark.draws}


@pytest.mark.parametrize("name", [pytest.param(n, marks=MARKS.get(n, [])) for n in PRESETS])
def test_every_preset_runs(name: str, compose: Callable, tiny_mnist: Path, tmp_path: Path) -> None:
    overrides = [*shortened_preset(name, tiny_mnist), f"logs='{tmp_path}'"]
    result = train(compose(*overrides), overrides)
    assert result.status == "finished"
    assert f"/{name}/" in result.folder
    assert "not drawn" not in (Path(result.folder) / "train.log").read_text()


@pytest.mark.parametrize(
    ("name", "parameters"), [("mnist_hw4", 50_890), ("mnist_lecture", 203_530)]
)
def test_presets_have_the_published_number_of_parameters(
    name: str, parameters: int, experiment: Experiment
) -> None:
    assert experiment(f"experiment={name}", "debug=fast_dev_run").parameters == parameters


def test_debug_fast_dev_run_makes_one_step_an_epoch(experiment: Experiment) -> None:
    assert experiment("debug=fast_dev_run").steps == 3  # the fixture asks for 3 epochs


def test_debug_overfit_reaches_error_zero(experiment: Experiment) -> None:
    result = experiment("debug=overfit", "trainer.max_epochs=60")
    assert result.last is not None
    assert result.last["error/train"] == 0


def test_debug_profile_writes_a_profile(experiment: Experiment) -> None:
    result = experiment("debug=profile")
    assert "run_training_epoch" in (Path(result.folder) / "fit-profile.txt").read_text()


def test_presets_do_not_set_optimizer_keys() -> None:
    # With optimizer=adam on the command line, the learning rate must be adam's default.
    for path in CONFIG_FOLDER.glob("experiment/*.yaml"):
        assert "optimizer" not in OmegaConf.load(path), path
