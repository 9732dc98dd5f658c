"""The one place where a config turns into objects."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from functools import partial
from importlib import import_module
from typing import Any, cast

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn
from torch.optim import Optimizer

from mlp_lab.augmentations import Augmentation
from mlp_lab.backend import pl
from mlp_lab.callbacks import Keeper
from mlp_lab.checkpoints import WholeCheckpoints
from mlp_lab.config.schemas import GROUPS, SPLITS
from mlp_lab.data import DataModule
from mlp_lab.encodings import Identity
from mlp_lab.errors import UserError
from mlp_lab.runs import Run, is_refit
from mlp_lab.tasks import Classifier, Task

_ALLOWED = {schema._target_ for group in GROUPS.values() for schema in group}  # type: ignore[attr-defined]
_PROFILERS = {
    "simple": pl.profilers.SimpleProfiler,
    "advanced": pl.profilers.AdvancedProfiler,
    "pytorch": pl.profilers.PyTorchProfiler,
}


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


def build_task(cfg: DictConfig) -> tuple[DataModule, Task]:
    """The data of a config, not yet fetched or read, and the task, with fresh weights."""
    limits = {"train": cfg.trainer.limit_train_batches, "validation": cfg.trainer.limit_val_batches}
    data: DataModule = build(cfg.data, seed=cfg.seed, limits=limits)
    pl.seed_everything(cfg.seed, verbose=False)
    encoding = _build_encoding(cfg, data)
    try:
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
        monitored = [f"{metric}/{split}" for metric in metrics for split in SPLITS]
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
    if augmentation.idle:
        return None
    if data.picture is None:
        raise UserError("augmentation: needs data that are pictures; or augmentation=none")
    return augmentation


def build_trainer(cfg: DictConfig, run: Run) -> pl.Trainer:
    """A Trainer that keeps everything in the folder of ``run``."""
    profiler = cfg.trainer.profiler
    if profiler is not None:
        profiler = _PROFILERS[profiler](dirpath=str(run.folder), filename="profile")
    by = (f"{cfg.select.metric}/validation", cfg.select.mode)
    keeper = Keeper(run, *(("epoch", "max") if is_refit(cfg) else by))
    return _trainer(
        cfg,
        default_root_dir=str(run.folder),
        callbacks=[keeper, *map(build, cfg.callbacks.values())],
        logger=build(cfg.logger, folder=str(run.folder)) if cfg.logger else False,
        profiler=profiler,
    )


def build_group_trainer(cfg: DictConfig, callbacks: Sequence[pl.Callback]) -> pl.Trainer:
    """A Trainer for a stack of runs, whose own trainers keep everything."""
    return _trainer(cfg, callbacks=list(callbacks), logger=False, enable_checkpointing=False)


class _FitLoop(pl.loops.fit_loop._FitLoop):
    """Lightning's loop, which tells of its start and end also where no epochs are left to train."""

    @property
    def skip(self) -> bool:
        return False


def _trainer(cfg: DictConfig, **given: Any) -> pl.Trainer:
    settings = OmegaConf.create(OmegaConf.to_container(cfg.trainer))
    assert isinstance(settings, DictConfig)
    # Lightning sees chunks; what counts minibatches is up to the loaders and the task.
    del settings["limit_train_batches"], settings["limit_val_batches"], settings["profiler"]
    settings["log_every_n_steps"] = 0
    if settings["max_steps"] is None:
        settings["max_steps"] = -1
    try:
        trainer: pl.Trainer = build(
            settings,
            plugins=[WholeCheckpoints()],
            num_sanity_val_steps=0,
            limit_val_batches=0 if is_refit(cfg) else 1.0,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            **given,
        )
    except pl.utilities.exceptions.MisconfigurationException as error:
        raise UserError(f"trainer: {str(error).splitlines()[0]}") from error
    loop = _FitLoop(trainer, trainer.min_epochs, trainer.max_epochs)
    loop.epoch_loop = trainer.fit_loop.epoch_loop
    trainer.fit_loop = loop
    return trainer
