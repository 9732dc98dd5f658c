"""Convert files of earlier versions, so that their run and sweep folders stay readable.

``config.yaml`` and ``sweep.yaml`` have a ``version``; version 0 had no such key. When a class that
a config can name is moved or renamed, or when a key is renamed, increase ``CONFIG_VERSION`` and add
a step to ``migrate``. ``overrides.yaml`` has none: a run that is resumed keeps that of its start.
"""

import re
from collections.abc import Sequence
from typing import Any

from mlp_lab.config.renamed import RENAMED_CALLBACKS, RENAMED_OPTIONS, with_new_keys
from mlp_lab.config.schemas import (
    GROUPS,
    augmentation,
    callbacks,
    data,
    encoding,
    logger,
    network,
    schedule,
    task,
)
from mlp_lab.errors import UserError

CONFIG_VERSION = 1

# Run folders keep these names of version 0, so that those of any version are read in one way:
# pictures/, pictures.csv and figures/pictures.gif (of the callback ImageProgress), and
# figures/variants.png (of AugmentedExamples).

# Targets by those of version 0, most of which named the package of a class, not its module.
TARGETS_OF_VERSION_0 = {
    "mlp_lab.augmentations.Augmentation": augmentation.Augmentation._target_,
    "mlp_lab.callbacks.CurveFit": callbacks.CurveFit._target_,
    "mlp_lab.callbacks.DecisionRegions": callbacks.DecisionRegions._target_,
    "mlp_lab.callbacks.Features": callbacks.EncodingFeatures._target_,
    "mlp_lab.callbacks.Layers": callbacks.Layers._target_,
    "mlp_lab.callbacks.LossCurves": callbacks.LossCurves._target_,
    "mlp_lab.callbacks.Pictures": callbacks.ImageProgress._target_,
    "mlp_lab.callbacks.Progress": callbacks.Progress._target_,
    "mlp_lab.callbacks.Variants": callbacks.AugmentedExamples._target_,
    "mlp_lab.callbacks.Weights": callbacks.Weights._target_,
    "mlp_lab.callbacks.pruning.Pruning": callbacks.Pruning._target_,
    "mlp_lab.data.Boolean": data.Boolean._target_,
    "mlp_lab.data.Curve": data.Curve._target_,
    "mlp_lab.data.FashionMNIST": data.FashionMNIST._target_,
    "mlp_lab.data.Image": data.Image._target_,
    "mlp_lab.data.MNIST": data.MNIST._target_,
    "mlp_lab.data.Points": data.Points._target_,
    "mlp_lab.data.PointsFile": data.PointsFile._target_,
    "mlp_lab.encodings.Basic": encoding.Basic._target_,
    "mlp_lab.encodings.Centred": encoding.Centred._target_,
    "mlp_lab.encodings.Gaussian": encoding.Gaussian._target_,
    "mlp_lab.encodings.HashGrid": encoding.HashGrid._target_,
    "mlp_lab.encodings.Identity": encoding.Identity._target_,
    "mlp_lab.encodings.Positional": encoding.Positional._target_,
    "mlp_lab.logger.TensorBoard": logger.TensorBoard._target_,
    "mlp_lab.networks.MLP": network.MLP._target_,
    "mlp_lab.networks.Perceptron": network.PerceptronNetwork._target_,
    "mlp_lab.networks.Siren": network.Siren._target_,
    "mlp_lab.schedules.Constant": schedule.Constant._target_,
    "mlp_lab.schedules.Cooldown": schedule.Cooldown._target_,
    "mlp_lab.schedules.Cosine": schedule.Cosine._target_,
    "mlp_lab.schedules.InverseTime": schedule.InverseTime._target_,
    "mlp_lab.schedules.OneCycle": schedule.OneCycle._target_,
    "mlp_lab.schedules.Step": schedule.Step._target_,
    "mlp_lab.tasks.Classification": task.Classification._target_,
    "mlp_lab.tasks.ClassificationByHand": task.ClassificationByHand._target_,
    "mlp_lab.tasks.Perceptron": task.PerceptronRule._target_,
    "mlp_lab.tasks.Regression": task.Regression._target_,
}


def migrate(cfg: dict[str, Any]) -> dict[str, Any]:
    """Convert a config of any version to the current one; return it without its version.

    Args:
        cfg: content of a ``config.yaml``, in plain containers.

    Raises:
        UserError: the config was written by a later version of mlp_lab.
    """
    version = read_version(cfg)
    cfg = {key: value for key, value in cfg.items() if key != "version"}
    return _from_version_0(cfg) if version < 1 else cfg


def read_version(content: dict[str, Any]) -> int:
    """Return the version of a file's content. Raises UserError if it is a later one."""
    version = content.get("version", 0)
    if not isinstance(version, int) or version > CONFIG_VERSION:
        raise UserError(
            f"version={version}: not a version that this mlp_lab can read (0 to {CONFIG_VERSION})"
        )
    return version


def migrate_overrides(overrides: Sequence[str]) -> list[str]:
    """Return overrides of any version with the current names of options, callbacks and classes.

    Args:
        overrides: overrides, or keys without values: ``optimizer=adam_fast,sgd``.
    """
    return [_migrate_override(override) for override in overrides]


def _migrate_override(override: str) -> str:
    key, equals, value = with_new_keys(override).partition("=")
    group = key.lstrip("+~").partition("@")[0]
    names = TARGETS_OF_VERSION_0 | RENAMED_OPTIONS.get(group, {})
    # The value may be a name, a list of names or a sweep over both; the names in it are replaced.
    return key + equals + re.sub(r"[\w./-]+", lambda name: names.get(name[0], name[0]), value)


def migrate_checkpoint(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a checkpoint, with the current class names of callbacks.

    A checkpoint has no version, but each one of version 0 has a state of ``Keeper``. Others are not
    changed: a state of ``Layers`` in them belongs to another class, such as one of the user.
    """
    states = content.get("callbacks", {})
    if "Keeper" not in states:
        return content
    targets = {old: new for old, new in TARGETS_OF_VERSION_0.items() if ".callbacks." in old}
    names = {_class_name(old): _class_name(new) for old, new in targets.items()}
    names["Keeper"] = "EpochCheckpoint"  # not an option of conf/: each run has it
    return content | {"callbacks": {names.get(key, key): value for key, value in states.items()}}


def migrate_sweep(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a ``sweep.yaml`` with the current names of options and classes."""
    if read_version(content) >= 1:
        return content
    return content | {key: migrate_overrides(content[key]) for key in ("overrides", "varied")}


def _class_name(target: str) -> str:
    return target.rpartition(".")[2]


def _from_version_0(cfg: dict[str, Any]) -> dict[str, Any]:
    """Return the config with new names for its callbacks and the classes that its options name."""

    def renamed(node: Any) -> Any:
        old = node.get("_target_") if isinstance(node, dict) else None
        return node | {"_target_": TARGETS_OF_VERSION_0.get(str(old), old)} if old else node

    changed = {group: renamed(cfg[group]) for group in GROUPS if group in cfg}
    if isinstance(callbacks := cfg.get("callbacks"), dict):
        changed["callbacks"] = {
            RENAMED_CALLBACKS.get(name, name): renamed(node) for name, node in callbacks.items()
        }
    return {"gradients": "autograd"} | cfg | changed
