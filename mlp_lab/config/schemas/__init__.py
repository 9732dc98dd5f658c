"""What each option of conf/ may hold: types, limits and the class that it configures.

Values live in conf/, types and limits here: a folder or a file there has a module here. A node of
the config is checked against the schema that bears its ``_target_``, so that these schemas are also
the list of all that a config can build.
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
from mlp_lab.config.schemas.train import Select, Sweep, Train

__all__ = [
    "GROUPS",
    "Backprop",
    "Evaluate",
    "Grid",
    "Predict",
    "Search",
    "Select",
    "Sweep",
    "Train",
    "Vectorized",
]


def _options(module: ModuleType) -> tuple[type, ...]:
    """The schemas of a module that say what they configure."""
    return tuple(s for s in vars(module).values() if getattr(s, "_target_", MISSING) != MISSING)


# Which schemas stand behind which folder of conf/, in the order of train.yaml.
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
