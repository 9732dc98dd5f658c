"""Build the objects that a config describes."""

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
from torch.optim.lr_scheduler import LRScheduler

from mlp_lab.config.flatten import flatten, format_value, is_within
from mlp_lab.config.library_classes import library_class, selector_of
from mlp_lab.config.names import EPOCH_SPLITS
from mlp_lab.config.registry import registered_class
from mlp_lab.config.schemas import GROUPS
from mlp_lab.config.schemas.data import DATA_PATHS
from mlp_lab.data.datamodule import DataModule
from mlp_lab.errors import UserError, first_line
from mlp_lab.images.augmentations import InputAugmentation
from mlp_lab.lightning import pl
from mlp_lab.nn.encodings import Identity
from mlp_lab.nn.gradient_clipping import GradientClipping
from mlp_lab.nn.schedules import Schedule
from mlp_lab.nn.torch_schedules import TorchSchedule
from mlp_lab.runs.data_paths import difference
from mlp_lab.storage.checkpoints import load_network
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.storage.sweep_folder import open_runs
from mlp_lab.tasks.base import Task

# Length of a training up to which a scheduler of torch is checked: this takes 0.1 s.
_CHECKED_EPOCHS = 10_000


def target_of(node: DictConfig) -> Any:
    """Return the class or function that ``node._target_`` names.

    Raises:
        UserError: it has no schema in ``config/schemas/``, is not registered by a plug-in, and is
            not one of the classes in ``config/library_classes.py``.
    """
    target = str(node["_target_"])
    if (registered := registered_class(target)) is not None:
        return registered
    for group, schemas in GROUPS.items():
        if any(schema._target_ == target for schema in schemas):
            module, _, name = target.rpartition(".")
            return getattr(import_module(module), name)
        if (cls := library_class(group, target)) is not None:
            return cls
    raise UserError(f"_target_={target}: is neither a class of mlp_lab nor one of a plug-in")


def build(node: DictConfig, *positional: Any, **given: Any) -> Any:
    """Call ``target_of(node)`` with the other keys of ``node`` and the given arguments."""
    # Plain containers: an object may keep them, and a checkpoint must not contain config nodes.
    plain = cast(dict[str, Any], OmegaConf.to_container(node))
    ours = ("_target_", selector_of(str(node["_target_"])))
    arguments = {key: value for key, value in plain.items() if key not in ours}
    return target_of(node)(*positional, **(arguments | given))


def build_task(cfg: DictConfig, *, initialize: bool = True) -> tuple[DataModule, Task]:
    """Return the data of a config, not yet downloaded or read, and the task with new weights.

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
    except (RuntimeError, ValueError) as error:  # RuntimeError: such as too little memory
        raise UserError(f"network: {first_line(error)}") from error
    if list(encoding.parameters()):  # a trained encoding is a part of the network
        network = nn.Sequential(OrderedDict(encoding=encoding, network=network))
        encoding = Identity(data.in_features)
    data.encoding = encoding
    teacher = partial(_load_teacher, cfg, data)
    task: Task = build(
        cfg.task,
        **({"teacher": teacher} if target_of(cfg.task).takes_teacher else {}),
        encoding=encoding,
        network=network,
        optimizer=partial(_build_optimizer, cfg.optimizer),
        schedule=build_schedule(cfg),
        augmentation=_build_augmentation(cfg, data),
        seed=cfg.seed,
        average_decay=cfg.average_decay,
        gradients=cfg.gradients,
        train_metrics=cfg.train_metrics,
        clipping=_build_clipping(cfg.trainer),
        log_every_n_steps=cfg.trainer.log_every_n_steps,
    )
    _check_task(cfg, data, task)
    return data, task


def _check_task(cfg: DictConfig, data: DataModule, task: Task) -> None:
    """Raise UserError for settings that are unsuitable for the task or its data."""
    if task.target_kind != data.target_kind:
        name = type(task).__name__
        raise UserError(
            f"task: {name} learns {task.target_kind}, but the targets of these data are"
            f" {data.target_kind}"
        )
    if task.average is not None and cfg.trainer.precision == "bf16-true":
        raise UserError(
            "trainer.precision=bf16-true: too coarse to average weights; must be bf16-mixed"
        )
    metrics = ("loss", *task.metrics)
    if cfg.select.metric not in metrics:
        raise UserError(f"select.metric={cfg.select.metric}: must be one of {', '.join(metrics)}")
    if cfg.trainer.check_val_every_n_epoch > cfg.trainer.max_epochs:
        raise UserError(
            f"trainer.check_val_every_n_epoch: must be at most trainer.max_epochs="
            f"{cfg.trainer.max_epochs}, since validation selects the epoch"
        )
    for name, callback in cfg.callbacks.items():
        if data.refit and "monitor" in callback:
            raise UserError(f"callbacks.{name}: data.refit=true leaves no validation data for it")
        monitored = [f"{metric}/{split}" for metric in metrics for split in EPOCH_SPLITS]
        if callback.get("monitor", monitored[0]) not in monitored:
            key = f"callbacks.{name}.monitor={callback.monitor}"
            raise UserError(f"{key}: must be one of {', '.join(monitored)}")


def _load_teacher(cfg: DictConfig, data: DataModule) -> list[nn.Module]:
    """Return the trained networks of the run or sweep ``cfg.task.teacher``.

    Each maps encoded inputs to outputs.

    Args:
        cfg: config of the run that learns from them.
        data: data of that run, after ``prepare_data``.

    Raises:
        UserError: there is no such run, a run learned no softmax probabilities, or its examples
            are not those of ``data``. With other splits, it would have learned validation data.
    """
    return [_teacher_network(run, cfg, data) for run in open_runs(cfg.task.teacher)]


def _teacher_network(run: RunFolder, cfg: DictConfig, data: DataModule) -> nn.Module:
    """Return the trained network of a run of the teacher, see ``_load_teacher``."""
    key = f"task.teacher={run.folder}"
    theirs, ours = map(_settings_of_examples, (run.config, cfg))
    for name in ours | theirs:
        if theirs.get(name) != ours.get(name):
            value, expected = (format_value(each.get(name)) for each in (theirs, ours))
            raise UserError(f"{key}: was trained with {name}={value}; must be {expected}")
    if other := difference(run, cfg, data):
        raise other
    _, task = build_task(run.config)
    load_network(task, run.checkpoints.existing("best"))
    encodings = (module.buffers() for module in (task.encoding, data.encoding))
    if not all(map(torch.equal, *encodings)):
        raise UserError(f"{key}: has another random encoding, that of seed={run.config.seed}")
    return task.evaluated


def _settings_of_examples(cfg: DictConfig) -> dict[str, Any]:
    """Return the settings of the examples in the splits, their encoding, and the outputs."""
    ignored = (*DATA_PATHS, "data.batch_size", "data.passes", "data.drop_last")
    return {
        key: value
        for key, value in flatten(cfg).items()
        if is_within(key, ("data", "encoding", "task.output")) and key not in ignored
    }


def _build_encoding(cfg: DictConfig, data: DataModule) -> Any:
    """Return the encoding of the inputs."""
    try:
        encoding = build(cfg.encoding, in_features=data.in_features)
    except ValueError as error:
        raise UserError(f"encoding.{error}") from error
    except RuntimeError as error:  # such as torch's error for too little memory
        raise UserError(f"encoding: {first_line(error)}") from error
    if not isinstance(encoding, Identity):
        if data.image_side is not None:
            raise UserError("encoding: must be identity for data whose inputs are images")
        if cfg.trainer.precision == "bf16-true":
            raise UserError("trainer.precision=bf16-true: too coarse to encode; must be bf16-mixed")
    return encoding


def build_schedule(cfg: DictConfig) -> Schedule:
    """Return the schedule of the learning rate. Raises UserError if torch refuses its values."""
    target = target_of(cfg.schedule)
    if not (isinstance(target, type) and issubclass(target, LRScheduler)):
        return cast(Schedule, build(cfg.schedule))
    try:
        schedule = TorchSchedule(partial(build, cfg.schedule), cfg.optimizer.lr)
        epochs = cfg.trainer.max_epochs
        if cfg.trainer.max_steps is None and epochs <= _CHECKED_EPOCHS:
            schedule(epochs - 1, epochs)  # some schedulers refuse steps after their own end
        return schedule
    except (TypeError, ValueError) as error:
        raise UserError(f"schedule: {target.__name__}: {first_line(error)}") from error


def _build_optimizer(node: DictConfig, parameters: Iterable[nn.Parameter]) -> Optimizer:
    parameters = list(parameters)
    # In bfloat16, the fused kernel of torch 2.13 does not change weights on the CPU.
    if node["_target_"] == "torch.optim.SGD" and parameters[0].dtype == torch.bfloat16:
        return cast(Optimizer, build(node, parameters, fused=False))
    try:
        return cast(Optimizer, build(node, parameters))
    except (RuntimeError, TypeError, ValueError) as error:  # such as torch's limits of values
        raise UserError(f"optimizer: {node['_target_']}: {first_line(error)}") from error


def _build_clipping(node: DictConfig) -> GradientClipping | None:
    """Return the gradient clipping, None if there is no limit (null or 0, as in Lightning)."""
    if not node.gradient_clip_val:
        return None
    return GradientClipping(node.gradient_clip_val, node.gradient_clip_algorithm)


def _build_augmentation(cfg: DictConfig, data: DataModule) -> InputAugmentation | None:
    """Return the augmentation of the inputs, None if it changes nothing."""
    cls: type[InputAugmentation] = target_of(cfg.augmentation)
    images = {"side": data.image_side, "fill": data.image_fill}
    given = images if cls.of_images and data.image_side is not None else {}
    augmentation: InputAugmentation = build(cfg.augmentation, **given)
    if augmentation.is_identity:
        return None
    if cls.of_images and data.image_side is None:
        raise UserError("augmentation: must be none for data whose inputs are not images")
    if not isinstance(data.encoding, Identity):  # inputs are encoded once, before the training
        raise UserError("augmentation: must be none with this encoding; needs encoding=identity")
    number = len(data.class_names)
    if unknown := [each for each in augmentation.classes if each >= number]:
        raise UserError(f"augmentation: no class {unknown[0]} in data with {number} classes")
    return augmentation
