"""The presets of conf/sweep."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from mlp_lab.config.compose import CONFIG_FOLDER
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.sweeps.overrides import NO_VALUE


@pytest.mark.parametrize(
    "path", sorted(CONFIG_FOLDER.glob("sweep/*.yaml")), ids=lambda path: path.stem
)
def test_each_value_of_a_sweep_preset_is_valid(path: Path, compose: Callable) -> None:
    params = OmegaConf.select(OmegaConf.load(path), "hydra.sweeper.params") or {}
    overrides = [f"{key}={values}" for key, values in params.items()]
    values: dict[str, list[object]] = {}
    for override in OverridesParser.create().parse_overrides(overrides):
        value = override.value()
        if override.is_interval_sweep():
            values[override.key_or_group] = [value.start, value.end]
        elif override.is_sweep_override():
            values[override.key_or_group] = list(override.sweep_string_iterator())
        else:
            values[override.key_or_group] = [value]
    # A key may belong to a choice of the preset or to the experiment named in its first line.
    named = re.search(r"\bexperiment=\w+", path.read_text())
    chosen = {"experiment": named[0]} if named else {}
    chosen |= {
        key: f"{key}={key_values[0]}"
        for key, key_values in values.items()
        if (CONFIG_FOLDER / key).is_dir()
    }
    for key, key_values in values.items():
        for value in key_values:
            if value == NO_VALUE:
                continue
            compose(*(chosen | {key: f"{key}={value}"}).values())


def test_a_sweep_preset_names_jobs_by_the_varied_keys(command: Callable, tmp_path: Path) -> None:
    overrides = ["sweep=learning_rates", "trainer.max_epochs=1", "callbacks=none", "logger=none"]
    status, _, err = command("-m", *overrides)
    assert status == 0, err
    folders = [path for path in tmp_path.glob("mnist_hw4/sweeps/*/*_*") if path.is_dir()]
    assert {path.name for path in folders} == {"0_lr=0.01", "1_lr=0.1", "2_lr=1"}
    assert {RunFolder(path).config.optimizer.lr for path in folders} == {0.01, 0.1, 1}
