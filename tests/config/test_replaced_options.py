"""Options on the command line against the values of presets, compared with Hydra's compositions."""

import hydra
import pytest
from helpers import composed
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.errors import ConfigCompositionException
from omegaconf import DictConfig, OmegaConf

from mlp_lab.config.compose import config_loader


def plain(*overrides: str) -> dict:
    with config_loader():
        return OmegaConf.to_container(hydra.compose("train", list(overrides)))


@pytest.mark.parametrize(
    ("preset", "overrides"),
    [
        ("mnist_hw4", ["network=siren"]),
        ("mnist_hw4", ["network=siren", "network.depth=2", "optimizer.lr=0.3"]),
        ("mnist_hw4", ["data=points"]),
        ("mnist_hw4", ["data=points", "data.noise=0.2", "seed=3"]),
        ("image_best", ["encoding=positional"]),
        ("mnist_lecture", ["task=regression"]),
        ("td_gammon_0", ["network=perceptron", "logger=none"]),
    ],
)
def test_an_option_of_another_class_replaces_the_values_of_a_preset(
    preset: str, overrides: list[str]
) -> None:
    group = overrides[0].partition("=")[0]
    cfg = plain(f"experiment={preset}", *overrides)
    own = [o for o in overrides if o.startswith(group)]
    others = [o for o in overrides if not o.startswith(group)]
    assert cfg[group] == plain("~experiment", *own)[group]
    expected = plain(f"experiment={preset}", *others)
    assert {k: cfg[k] for k in cfg if k != group} == {k: expected[k] for k in cfg if k != group}


@pytest.mark.parametrize(
    ("preset", "option", "key", "value"),
    [
        ("mnist_lecture", "task=classification_by_hand", "task.loss", "squared_error"),
        ("mnist_adam", "data=fashion_mnist", "data.batch_size", 512),
        ("mnist_fast", "augmentation=elastic", "augmentation.cooldown", 0.2),
        ("mnist_fast", "trainer=gpu", "trainer.max_epochs", 120),
        ("mnist_hw4", "network=mlp", "network.width", 64),
    ],
)
def test_an_option_that_shares_the_keys_keeps_the_values_of_a_preset(
    preset: str, option: str, key: str, value: object
) -> None:
    with config_loader():
        cfg = hydra.compose("train", [f"experiment={preset}", option])
    assert OmegaConf.select(cfg, key) == value
    group, _, _ = option.partition("=")
    assert cfg[group]._target_ == plain("~experiment", option)[group]["_target_"]


def test_values_of_debug_options_are_kept() -> None:
    data = plain("data=points", "debug=overfit")["data"]
    assert (data["batch_size"], data["train_size"]) == (32, 256)
    assert data["noise"] == plain("~experiment", "data=points")["data"]["noise"]


def test_a_key_of_the_replaced_option_is_refused_if_it_was_typed() -> None:
    with pytest.raises(ConfigCompositionException):
        composed("network=siren", "network.activation=tanh")


def test_without_a_chosen_option_a_config_is_composed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    load = ConfigLoaderImpl._load_configuration_impl

    def counted(self: ConfigLoaderImpl, *args: object, **kw: object) -> DictConfig:
        calls.append(kw)
        return load(self, *args, **kw)

    monkeypatch.setattr(ConfigLoaderImpl, "_load_configuration_impl", counted)
    plain("network.width=3", "experiment=mnist_lecture", "callbacks=none")
    assert len(calls) == 1
