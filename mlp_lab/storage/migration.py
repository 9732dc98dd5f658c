"""Convert files of earlier versions, so that their run and sweep folders stay readable.

``config.yaml`` has a ``version``; version 0 had no such key. When a class that a config can name is
moved or renamed, or when a key is renamed, increase ``CONFIG_VERSION`` and add a step to
``migrate``.
"""

from typing import Any

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
    version = cfg.get("version", 0)
    if not isinstance(version, int) or version > CONFIG_VERSION:
        raise UserError(
            f"version={version}: not a version that this mlp_lab can read (0 to {CONFIG_VERSION})"
        )
    cfg = {key: value for key, value in cfg.items() if key != "version"}
    return _with_targets(cfg, TARGETS_OF_VERSION_0) if version < 1 else cfg


def migrate_checkpoint(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a checkpoint, with the current class names of callbacks."""
    targets = {old: new for old, new in TARGETS_OF_VERSION_0.items() if ".callbacks." in old}
    names = {_class_name(old): _class_name(new) for old, new in targets.items()}
    names["Keeper"] = "EpochCheckpoint"  # not an option of conf/: each run has it
    states = content.get("callbacks", {})
    return content | {"callbacks": {names.get(key, key): value for key, value in states.items()}}


def migrate_sweep(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a ``sweep.yaml``; the key ``overrides`` was named ``words``."""
    return {"overrides" if key == "words" else key: value for key, value in content.items()}


def _class_name(target: str) -> str:
    return target.rpartition(".")[2]


def _with_targets(cfg: dict[str, Any], targets: dict[str, str]) -> dict[str, Any]:
    """Return the config with new names for the classes that its options name."""

    def renamed(node: Any) -> Any:
        target = targets.get(str(node.get("_target_"))) if isinstance(node, dict) else None
        return node if target is None else node | {"_target_": target}

    changed = {group: renamed(cfg[group]) for group in GROUPS if group in cfg}
    if isinstance(callbacks := cfg.get("callbacks"), dict):
        changed["callbacks"] = {name: renamed(node) for name, node in callbacks.items()}
    return cfg | changed
