"""Configs of the cached composer equal those that Hydra composes one by one."""

import hydra
import pytest
from cached_hydra import keep_configs
from omegaconf import OmegaConf

from mlp_lab.config.cached_composer import CachedComposer
from mlp_lab.config.compose import config_loader

JOBS = [
    ["experiment=mnist_hw4", "optimizer.lr=0.1", "seed=1"],
    ["experiment=mnist_hw4", "optimizer.lr=1e-2", "seed=null"],
    ["experiment=mnist_hw4", "optimizer.lr=${network.dropout}", "seed=1"],
    ["experiment=mnist_hw4", "seed=1", "seed=2", "optimizer.lr=0.3"],
    ["experiment=mnist_hw4", "optimizer=adam", "optimizer.lr=0.1"],
    ["experiment=mnist_hw4", "optimizer=adam", "optimizer.lr=0.2"],
    ["experiment=mnist_hw4", "optimizer=adam", "optimizer.betas=[0.8,0.9]"],
    ["experiment=mnist_hw4", "optimizer=adam", "optimizer={lr:0.2}"],
    ["experiment=mnist_hw4", "optimizer=adam", "optimizer={eps:0.2}"],
    ["experiment=mnist_hw4", "+callbacks.early_stopping.patience=1", "seed=4"],
    ["experiment=mnist_hw4", "callbacks=none", "name='a, b'"],
    ["experiment=mnist_hw4", "callbacks=none", "name=b"],
    ["experiment=points_mlp", "callbacks=none", "name=b"],
    ["name=b"],
    ["optimizer.lr=0.1", "optimizer={lr:0.2}"],
    ["++network.width=3"],
    ["++network.width=5"],
]


def test_configs_equal_hydras() -> None:
    composed = []

    def compose(overrides):
        composed.append(overrides)
        return hydra.compose("train", list(overrides))

    with config_loader() as loader:
        composer = CachedComposer(compose, loader)
        for overrides in JOBS:
            assert composer(overrides) == hydra.compose("train", list(overrides)), overrides
        # Five combinations of options, and six jobs with overrides that add or merge keys.
        assert len(composed) == 5 + 6
        composer(JOBS[0])
        assert len(composed) == 5 + 6


def test_errors_are_hydras() -> None:
    with config_loader() as loader:
        composer = CachedComposer(lambda o: hydra.compose("train", list(o)), loader)
        with pytest.raises(hydra.errors.ConfigCompositionException, match="Could not override"):
            composer(["optimizer.lrr=1"])


def test_configs_that_the_tests_keep_are_hydras(kept_configs: pytest.MonkeyPatch) -> None:
    def compose_all() -> list[object]:
        with config_loader():
            configs = [
                hydra.compose("train", overrides, return_hydra_config=True)
                for overrides in (*JOBS[::4], ["hydra/launcher=basic", "hydra.verbose=true"])
            ]
        return [OmegaConf.to_container(cfg, resolve=False) for cfg in configs]

    kept = [compose_all(), compose_all()]
    kept_configs.undo()
    try:
        assert kept == [compose_all()] * 2
    finally:
        keep_configs(kept_configs)
