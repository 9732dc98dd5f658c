"""Compose many configs that differ mostly in values."""

from collections.abc import Callable, Sequence
from copy import deepcopy

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig, OmegaConf


class SharedComposition:
    """Composes one config for each choice of options, and sets other values in copies of it.

    Hydra needs about 0.2 s for a composition, a copy takes 10 ms. Options bring other keys, values
    do not.

    Args:
        compose: function that composes a config from overrides.
        loader: Hydra's config loader, which knows the config groups.
    """

    def __init__(
        self, compose: Callable[[Sequence[str]], DictConfig], loader: ConfigLoader
    ) -> None:
        self._compose = compose
        self._loader = loader
        self._parser = OverridesParser.create(loader)
        self._composed: dict[tuple[str | None, ...], DictConfig] = {}

    def __call__(self, overrides: Sequence[str]) -> DictConfig:
        """Return the config that ``compose(overrides)`` returns, but for its node ``hydra``.

        Raises:
            HydraException: for overrides that cannot be composed.
        """
        parsed = self._parser.parse_overrides(list(overrides))
        values = {o.key_or_group: o for o in parsed if self._is_value(o)}
        options = [o.input_line for o in parsed if o.key_or_group not in values]
        shared = (*options, None, *values)
        if shared not in self._composed:
            self._composed[shared] = self._compose(overrides)
        cfg = deepcopy(self._composed[shared])
        for key, override in values.items():
            OmegaConf.update(cfg, key, override.value())
        return cfg

    def _is_value(self, override: Override) -> bool:
        """Return whether an override replaces the value of one key."""
        return (
            override.type == OverrideType.CHANGE
            and not override.is_hydra_override()
            and not self._loader.get_group_options(override.key_or_group)
            and not isinstance(override.value(), dict)  # merged with the previous value
        )
