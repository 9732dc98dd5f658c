"""Convert files of earlier versions, so that their run and sweep folders stay readable.

``config.yaml`` and ``sweep.yaml`` have a ``version``; version 0 had no such key. When a class that
a config can name is moved or renamed, when a key is renamed, or when a value has another meaning,
increase ``CONFIG_VERSION`` and add a step to ``migrate``. ``overrides.yaml`` has the version of the
``config.yaml`` beside it, except that version 1 did not convert the overrides of version 0.

Version 2 has another perceptron rule ``lecture``; that of earlier versions is ``sign``. Version 3
reads CSV files with any number of features, and divides them into splits that are stratified.
"""

import re
from collections.abc import Sequence
from pathlib import Path
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

CONFIG_VERSION = 3

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
    "mlp_lab.data.PointsFile": data.CSVFile._target_,
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

# The current options and values for the rule ``sign``, by the key of an override and its names of
# version 1.
_NAMES_OF_VERSION_1 = {
    "experiment": {"perceptron": "perceptron_sign"},
    "task": {"perceptron": "perceptron_sign"},
    "task.rule": {"lecture": "sign"},
}
# Presets of sweeps that vary the experiment, with the rule ``sign`` in version 1.
_SWEEPS_OF_VERSION_1 = ("sweep=perceptron_limits", "sweep=train_sizes")
# The data of CSV files of versions 1 and 2, and how their examples are divided today.
_POINTS_FILE = "mlp_lab.data.points_file.PointsFile"
_KEYS_OF_POINTS_FILE = {"file": "path", "points_seed": "split_seed"}
_NOT_STRATIFIED = "data.stratify=false"
# Data sets of version 1, which had no key ``drop_last``. Those of users keep their keys.
_DATA_TARGETS = {schema._target_ for schema in vars(data).values() if hasattr(schema, "_target_")}

# Keys that are newer than the version of some configs, with the values that change nothing.
_NEWER_KEYS: dict[str, dict[str, Any]] = {
    **{
        schema._target_: {"unit_norm": False}
        for schema in (encoding.Basic, encoding.Positional, encoding.Gaussian)
    },
    encoding.HashGrid._target_: {"interpolation": "linear"},
    **{
        schema._target_: {"fold": None, "normalize_width": None, "deslant": False}
        for schema in (data.MNIST, data.FashionMNIST)
    },
    augmentation.Augmentation._target_: {
        "rotation_or_shear": False,
        "weak_classes": None,
        "weak_factor": 0.5,
    },
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
    # Runs from before these keys existed.
    cfg.setdefault("gradients", "autograd")
    cfg.setdefault("train_metrics", "during")
    cfg.setdefault("figures", {"format": "png"})
    if version < 1:
        cfg = _from_version_0(cfg)
    if version < 2:
        cfg = _from_version_1(cfg)
    if version < 3:
        cfg = _from_version_2(cfg)
    return _with_newer_keys(cfg)


def read_version(content: dict[str, Any]) -> int:
    """Return the version of a file's content. Raises UserError if it is a later one."""
    version = content.get("version", 0)
    if not isinstance(version, int) or version > CONFIG_VERSION:
        raise UserError(
            f"version={version}: not a version that this mlp_lab can read (0 to {CONFIG_VERSION})"
        )
    return version


def version_of_config(path: Path) -> int:
    """Return the version of a ``config.yaml``, which is its first line after that of the digest.

    It is 0 if there is no version. Reading the whole file takes a hundred times as long.
    """
    if not path.is_file():
        return 0
    with path.open(encoding="utf-8", errors="replace") as file:
        lines = file.readline(), file.readline()
    version = re.match(r"(?:#[^\n]*\n)?version: (\d+)\n", "".join(lines))
    return int(version[1]) if version else 0


def migrate_overrides(
    overrides: Sequence[str], version: int, command: Sequence[str] | None = None
) -> list[str]:
    """Return overrides of any version with the current names of options, callbacks and classes.

    Args:
        overrides: overrides, or keys without values: ``optimizer=adam_fast,sgd``.
        version: version of the config or the sweep that the overrides belong to.
        command: all overrides of the command, if ``overrides`` are keys; None: ``overrides``.
    """
    if version >= 3:
        return list(overrides)
    changed = _overrides_from_version_2(overrides, "data=csv" in (command or overrides))
    if version == 2:
        return changed
    changed = [_migrate_override(override) for override in changed]
    if any(o in _SWEEPS_OF_VERSION_1 for o in changed) and not any(
        o.startswith("experiment=") for o in changed
    ):
        changed.append("experiment=perceptron_sign,points_mlp")
    return changed


def _overrides_from_version_2(overrides: Sequence[str], is_csv: bool) -> list[str]:
    """Return overrides with the keys of CSV files of version 3, whose splits are not stratified."""
    changed = [re.sub(r"^data\.file\b", "data.path", override) for override in overrides]
    if is_csv:
        changed = [re.sub(r"^data\.points_seed\b", "data.split_seed", each) for each in changed]
    if "data=csv" in changed and _NOT_STRATIFIED not in changed:
        changed.append(_NOT_STRATIFIED)
    return changed


def _migrate_override(override: str) -> str:
    key, equals, value = with_new_keys(override).partition("=")
    group = key.lstrip("+~").partition("@")[0]
    names = (
        TARGETS_OF_VERSION_0 | RENAMED_OPTIONS.get(group, {}) | _NAMES_OF_VERSION_1.get(group, {})
    )
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
    version = read_version(content)
    return content | {
        key: migrate_overrides(content[key], version, content["overrides"])
        for key in ("overrides", "varied")
    }


def _class_name(target: str) -> str:
    return target.rpartition(".")[2]


def _from_version_0(cfg: dict[str, Any]) -> dict[str, Any]:
    """Return the config of version 1: new names of callbacks and of the classes of options."""

    def renamed(node: Any) -> Any:
        old = node.get("_target_") if isinstance(node, dict) else None
        return node | {"_target_": TARGETS_OF_VERSION_0.get(str(old), old)} if old else node

    changed = {group: renamed(cfg[group]) for group in GROUPS if group in cfg}
    if isinstance(callbacks := cfg.get("callbacks"), dict):
        changed["callbacks"] = {
            RENAMED_CALLBACKS.get(name, name): renamed(node) for name, node in callbacks.items()
        }
    return cfg | changed


def _from_version_1(cfg: dict[str, Any]) -> dict[str, Any]:
    """Return the config of version 2: the perceptron rule ``sign``, and new keys."""
    changed = {}
    if (node := _node(cfg, "task")) and node["_target_"] == task.PerceptronRule._target_:
        changed["task"] = node | {"rule": "sign" if node["rule"] == "lecture" else node["rule"]}
    if (node := _node(cfg, "data")) and node["_target_"] in _DATA_TARGETS:
        changed["data"] = {"drop_last": False} | node
    if node := _node(cfg, "trainer"):
        changed["trainer"] = {"gradient_clip_val": None, "gradient_clip_algorithm": "norm"} | node
    return cfg | changed


def _from_version_2(cfg: dict[str, Any]) -> dict[str, Any]:
    """Return the config of version 3: CSV files of any number of features."""
    node = _node(cfg, "data")
    if node is None or node["_target_"] not in (_POINTS_FILE, data.CSVFile._target_):
        return cfg
    renamed = {_KEYS_OF_POINTS_FILE.get(key, key): value for key, value in node.items()}
    new = {
        "target": None,
        "features": None,
        "kind": "classification",
        "header": None,
        "drop_last": False,
        "stratify": False,
        "standardize_targets": False,
    }
    return cfg | {"data": new | renamed | {"_target_": data.CSVFile._target_}}


def _with_newer_keys(cfg: dict[str, Any]) -> dict[str, Any]:
    """Return a config with the keys that are newer than its version, at their defaults."""
    changed = {}
    for group in ("augmentation", "data", "encoding"):
        if node := _node(cfg, group):
            newer = _NEWER_KEYS.get(node["_target_"], {})
            changed[group] = node | {key: newer[key] for key in newer if key not in node}
    return cfg | changed


def _node(cfg: dict[str, Any], group: str) -> dict[str, Any] | None:
    """Return the option of a group; None if the config is damaged."""
    node = cfg.get(group)
    return node if isinstance(node, dict) and "_target_" in node else None
