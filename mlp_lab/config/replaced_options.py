"""Let an option on the command line replace the values that a preset has for another option.

A preset such as ``experiment=mnist_hw4`` sets keys of ``network: mlp``. With ``network=siren`` on
the command line, these keys must neither be refused nor silently apply to the other class.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig, OmegaConf

from mlp_lab.config.schemas import GROUPS

_PRESET = "experiment"
# Overrides that can set values of any group, besides the preset.
_SETTING = ("debug", "sweep", "hydra.searchpath")

Compose = Callable[[Sequence[str]], DictConfig]


def replace_options() -> None:
    """Let Hydra replace the values of presets in all configs that it composes from now on.

    Hydra has no hook for this. It composes the configs of runs, of ``--cfg`` and of a sweep's jobs
    with the method that is extended here.
    """
    load = ConfigLoaderImpl.load_configuration
    if hasattr(load, "__wrapped__"):  # already extended
        return

    @wraps(load)
    def load_and_replace(
        self: ConfigLoaderImpl, config_name: str | None, overrides: list[str], *args: Any, **kw: Any
    ) -> DictConfig:
        def compose(overrides: Sequence[str]) -> DictConfig:
            return load(self, config_name, list(overrides), *args, **kw)

        return _with_replaced_options(compose(overrides), overrides, compose)

    ConfigLoaderImpl.load_configuration = load_and_replace  # type: ignore[method-assign]


def _with_replaced_options(
    cfg: DictConfig, overrides: Sequence[str], compose: Compose
) -> DictConfig:
    """Return a config in which options replace the values of the preset.

    The values of the preset are kept if its option has the same class, or one that shares its keys:
    ``trainer=gpu`` keeps ``trainer.max_epochs``.

    Args:
        cfg: composed config.
        overrides: overrides of ``cfg``.
        compose: function that composes a config from overrides.
    """
    if _PRESET not in cfg.hydra.runtime.choices:
        return cfg
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    for group in filter(None, map(_chosen_group, parsed)):
        chosen = compose([*_texts(parsed, (group, *_SETTING)), f"~{_PRESET}"])[group]
        if _plain(chosen) == _plain(cfg[group]):
            continue
        preset = compose(_texts(parsed, (_PRESET, "hydra.searchpath")))[group]
        if not _share_keys(preset.get("_target_"), chosen.get("_target_")):
            cfg[group] = chosen
    return cfg


def _chosen_group(override: Override) -> str | None:
    """Return the config group of which an override chooses an option; None for other overrides."""
    group = override.key_or_group
    # A callback of a preset does not depend on the other callbacks.
    chooses = group in GROUPS and group != "callbacks" and isinstance(override.value(), str)
    return group if chooses and override.type is OverrideType.CHANGE else None


def _texts(overrides: Sequence[Override], parents: Sequence[str]) -> list[str]:
    """Return the overrides of keys that are or are below one of ``parents``."""
    return [
        override.input_line or ""
        for override in overrides
        if override.key_or_group in parents or override.key_or_group.partition(".")[0] in parents
    ]


def _share_keys(one: str | None, other: str | None) -> bool:
    """Return whether two classes are the same, or the schema of one extends that of the other."""
    schemas: dict[str | None, type] = {s._target_: s for each in GROUPS.values() for s in each}
    a, b = schemas.get(one), schemas.get(other)
    if a is None or b is None:
        return one == other
    return issubclass(a, b) or issubclass(b, a)


def _plain(node: DictConfig) -> Any:
    return OmegaConf.to_container(node)
