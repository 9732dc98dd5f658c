"""Compose a config from ``conf/`` and check it."""

from collections.abc import Sequence
from pathlib import Path

import hydra
from omegaconf import DictConfig

from mlp_lab.config import schemas
from mlp_lab.config.check import check

_PACKAGE = Path(__file__).resolve().parents[1]

# The wheel contains conf/ inside the package; a checkout has it beside the package.
CONFIG_FOLDER = next(p for p in (_PACKAGE / "conf", _PACKAGE.parent / "conf") if p.is_dir())

#: The schema of each config ``conf/<name>.yaml``.
ROOTS: dict[str, type] = {
    "train": schemas.Train,
    "evaluate": schemas.Evaluate,
    "predict": schemas.Predict,
    "backprop": schemas.Backprop,
}


def compose(overrides: Sequence[str], name: str = "train") -> DictConfig:
    """Return the checked, read-only config ``conf/<name>.yaml`` with ``overrides``.

    Raises:
        HydraException: for overrides that cannot be composed.
        UserError: for values that the schema does not allow.
    """
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(CONFIG_FOLDER)):
        return check(hydra.compose(name, list(overrides)), ROOTS[name])
