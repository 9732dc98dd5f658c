"""The one place where a config turns into objects."""

from collections import OrderedDict
from collections.abc import Iterable
from contextlib import nullcontext
from functools import partial
from importlib import import_module
from typing import Any, cast

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn
from torch.optim import Optimizer

from mlp_lab.config.names import EPOCH_SPLITS
from mlp_lab.config.schemas import GROUPS
from mlp_lab.data.datamodule import DataModule
from mlp_lab.errors import UserError
from mlp_lab.images.augmentations import Augmentation
from mlp_lab.lightning import pl
from mlp_lab.nn.encodings import Identity
from mlp_lab.tasks.base import Task
from mlp_lab.tasks.classification import Classifier

_ALLOWED = {schema._target_ for group in GROUPS.values() for schema in group}  # type: ignore[attr-defined]


def build(node: DictConfig, *positional: Any, **given: Any) -> Any:
    """Call what ``node._target_`` names with the other keys of ``node`` and what else is given.

    Only what has a schema in ``config/schemas/`` can be built. Raises UserError otherwise.
    """
    target = node["_target_"]
    if target not in _ALLOWED:
        raise UserError(f"_target_={target}: not one of what may be built: {', '.join(_ALLOWED)}")
    module, _, name = target.rpartition(".")
    # Plain containers: what is built may keep them, and a checkpoint must not hold a config's.
    plain = cast(dict[str, Any], OmegaConf.to_container(node))
    arguments = {key: value for key, value in plain.items() if key != "_target_"}
    return getattr(import_module(module), name)(*positional, **(arguments | given))


def build_task(cfg: DictConfig, *, initialize: bool = True) -> tuple[DataModule, Task]:
    """The data of a config, not yet fetched or read, and the task, with fresh weights.

    ``initialize=False`` leaves the network on torch's meta device: it has shapes, but no weights.
    """
    limits = {"train": cfg.trainer.limit_train_batches, "validation": cfg.trainer.limit_val_batches}
    data: DataModule = build(cfg.data, seed=cfg.seed, limits=limits)
    pl.seed_everything(cfg.seed, verbose=False)
    encoding = _build_encoding(cfg, data)
    try:
        with nullcontext() if initialize else torch.device("meta"):
            network = build(
                cfg.network, in_features=encoding.out_features, out_features=data.out_features
            )
    except RuntimeError as error:  # torch's, when the memory doesn't suffice
        raise UserError(f"network: {str(error).splitlines()[0]}") from error
    if list(encoding.parameters()):  # what is trained can't be encoded beforehand
        network = nn.Sequential(OrderedDict(encoding=encoding, network=network))
        encoding = Identity(data.in_features)
    data.encoding = encoding
    task: Task = build(
        cfg.task,
        encoding=encoding,
        network=network,
        optimizer=partial(_build_optimizer, cfg.optimizer),
        schedule=build(cfg.schedule),
        augmentation=_build_augmentation(cfg, data),
        seed=cfg.seed,
        average_decay=cfg.average_decay,
        log_every_n_steps=cfg.trainer.log_every_n_steps,
    )
    if isinstance(task, Classifier) != bool(data.class_names):
        targets = "classes" if data.class_names else "numbers"
        name = type(task).__name__.lower()
        raise UserError(f"task={name}: doesn't learn what these data ask for, which is {targets}")
    if task.average is not None and cfg.trainer.precision == "bf16-true":
        raise UserError("trainer.precision=bf16-true: too coarse to average weights; or bf16-mixed")
    metrics = ("loss", *task.metrics)
    if cfg.select.metric not in metrics:
        raise UserError(f"select.metric={cfg.select.metric}: must be one of {', '.join(metrics)}")
    if cfg.trainer.check_val_every_n_epoch > cfg.trainer.max_epochs:
        raise UserError(
            f"trainer.check_val_every_n_epoch: must be at most trainer.max_epochs="
            f"{cfg.trainer.max_epochs}, or there is nothing to choose by"
        )
    for name, callback in cfg.callbacks.items():
        if data.refit and "monitor" in callback:
            raise UserError(f"callbacks.{name}: data.refit=true leaves no validation data for it")
        monitored = [f"{metric}/{split}" for metric in metrics for split in EPOCH_SPLITS]
        if callback.get("monitor", monitored[0]) not in monitored:
            key = f"callbacks.{name}.monitor={callback.monitor}"
            raise UserError(f"{key}: must be one of {', '.join(monitored)}")
    return data, task


def _build_encoding(cfg: DictConfig, data: DataModule) -> Any:
    try:
        encoding = build(cfg.encoding, in_features=data.in_features)
    except ValueError as error:
        raise UserError(f"encoding.{error}") from error
    except RuntimeError as error:  # torch's, when the memory doesn't suffice
        raise UserError(f"encoding: {str(error).splitlines()[0]}") from error
    if not isinstance(encoding, Identity):
        if data.picture is not None:
            raise UserError("encoding: needs data that are no pictures; or encoding=identity")
        if cfg.trainer.precision == "bf16-true":
            raise UserError("trainer.precision=bf16-true: too coarse to encode; or bf16-mixed")
    return encoding


def _build_optimizer(node: DictConfig, parameters: Iterable[nn.Parameter]) -> Optimizer:
    parameters = list(parameters)
    # In bfloat16 the fused kernel of torch 2.13 leaves weights on the CPU as they are.
    if node["_target_"] == "torch.optim.SGD" and parameters[0].dtype == torch.bfloat16:
        return build(node, parameters, fused=False)
    return build(node, parameters)


def _build_augmentation(cfg: DictConfig, data: DataModule) -> Augmentation | None:
    augmentation = build(cfg.augmentation, **(data.picture or {}))
    if augmentation.is_identity:
        return None
    if data.picture is None:
        raise UserError("augmentation: needs data that are pictures; or augmentation=none")
    return augmentation
