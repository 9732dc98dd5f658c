"""Define the keys, types and limits of each option of conf/, and the class that it configures.

Values are in conf/, types and limits are here: each folder or file of conf/ has a module here. A
node of the config is checked against the schema with the same ``_target_``. Only classes with a
schema can be built from a config.
"""

from types import ModuleType

from omegaconf import MISSING

from mlp_lab.config.schemas import (
    augmentation,
    callbacks,
    data,
    encoding,
    logger,
    network,
    optimizer,
    schedule,
    task,
    trainer,
)
from mlp_lab.config.schemas.backprop import Backprop
from mlp_lab.config.schemas.evaluate import Evaluate
from mlp_lab.config.schemas.hydra import Grid, Search, Vectorized
from mlp_lab.config.schemas.predict import Predict
from mlp_lab.config.schemas.train import SelectSettings, SweepSettings, Train

__all__ = [
    "GROUPS",
    "Backprop",
    "Evaluate",
    "Grid",
    "Predict",
    "Search",
    "SelectSettings",
    "SweepSettings",
    "Train",
    "Vectorized",
]


def _options(module: ModuleType) -> tuple[type, ...]:
    """Return the schemas of a module that have a ``_target_``."""
    return tuple(s for s in vars(module).values() if getattr(s, "_target_", MISSING) != MISSING)


#: The schemas of each config group, in the order of train.yaml.
GROUPS = {
    module.__name__.rpartition(".")[2]: _options(module)
    for module in (
        task,
        data,
        encoding,
        network,
        augmentation,
        optimizer,
        schedule,
        trainer,
        callbacks,
        logger,
    )
}
