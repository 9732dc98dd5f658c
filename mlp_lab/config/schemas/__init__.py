"""Define the keys, types and limits of each option of conf/, and the class that it configures.

Values are in conf/, types and limits are here: each folder or file of conf/ has a module here. A
node of the config is checked against the schema with the same ``_target_``. Only classes with a
schema can be built from a config. ``config.registry`` adds those of plug-ins.
"""

from dataclasses import Field
from types import ModuleType
from typing import Any, ClassVar, Protocol

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


class Schema(Protocol):
    """A dataclass of the keys of an option."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    _target_: str


def _options(module: ModuleType) -> tuple[type[Schema], ...]:
    """Return the schemas of a module that have a ``_target_``."""
    return tuple(s for s in vars(module).values() if getattr(s, "_target_", MISSING) != MISSING)


#: The schemas of each config group, in the order of train.yaml.
GROUPS: dict[str, tuple[type[Schema], ...]] = {
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

#: The schemas of keys that classes of plug-ins inherit, by base class; besides those of ``GROUPS``.
SHARED_KEYS: dict[str, type] = {
    "mlp_lab.data.datamodule.DataModule": data.DataModule,
    "mlp_lab.data.points.LabelledPoints": data.Points,
    "mlp_lab.data.split_examples.SplitExamples": data.SplitExamples,
}
