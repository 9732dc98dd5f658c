"""Build Lightning's Trainer for a run."""

from collections.abc import Iterator, Sequence
from inspect import signature
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from mlp_lab.config.schemas.data import is_refit
from mlp_lab.errors import UserError, first_line
from mlp_lab.lightning import pl
from mlp_lab.runs.build import build, target_of
from mlp_lab.runs.callbacks.epoch_checkpoint import EpochCheckpoint
from mlp_lab.runs.precision import resolve_precision
from mlp_lab.storage.checkpoints import AtomicCheckpoints
from mlp_lab.storage.run_folder import RunFolder

_PROFILERS = {
    "simple": pl.profilers.SimpleProfiler,
    "advanced": pl.profilers.AdvancedProfiler,
    "pytorch": pl.profilers.PyTorchProfiler,
}
_Misconfiguration = pl.utilities.exceptions.MisconfigurationException
# What callbacks and loggers raise for a wrong value, or if a package is not installed.
_REFUSALS = (ImportError, TypeError, ValueError, _Misconfiguration)
# Settings that the loaders and the task apply.
_NOT_LIGHTNINGS = (
    "limit_train_batches",
    "limit_val_batches",
    "gradient_clip_val",
    "gradient_clip_algorithm",
    "profiler",
)


def build_trainer(cfg: DictConfig, run: RunFolder) -> pl.Trainer:
    """Return a Trainer that writes everything to the folder of ``run``."""
    profiler = cfg.trainer.profiler
    if profiler is not None:
        profiler = _PROFILERS[profiler](dirpath=str(run.folder), filename="profile")
    by = (f"{cfg.select.metric}/validation", cfg.select.mode)
    checkpoint = EpochCheckpoint(run, *(("epoch", "max") if is_refit(cfg) else by))
    return _trainer(
        cfg,
        default_root_dir=str(run.folder),
        callbacks=[checkpoint, *_callbacks(cfg.callbacks)],
        logger=_logger(cfg.logger, run) if cfg.logger else False,
        profiler=profiler,
    )


def _callbacks(nodes: DictConfig) -> Iterator[pl.Callback]:
    """Yield the callbacks of a config. Raises UserError for values that one of them refuses."""
    for name in map(str, nodes):
        try:
            yield build(nodes[name])
        except _REFUSALS as error:
            raise UserError(f"callbacks.{name}: {first_line(error)}") from error


def _logger(node: DictConfig, run: RunFolder) -> pl.loggers.Logger:
    """Return a logger with its files in the run folder.

    Raises UserError if the package of a logger is not installed, or it refuses its values.
    """
    cls: type[pl.loggers.Logger] = target_of(node)
    if "/" in str(node.get("name", "")):  # a subfolder in some loggers
        raise UserError(f"logger.name={node.name}: must be a name without a slash")
    accepted = signature(cls).parameters
    folders = {key: str(run.folder) for key in ("folder", "save_dir") if key in accepted}
    try:
        return cast(pl.loggers.Logger, build(node, **folders))
    except _REFUSALS as error:
        raise UserError(f"logger: {cls.__name__}: {first_line(error)}") from error


def build_group_trainer(cfg: DictConfig, callbacks: Sequence[pl.Callback]) -> pl.Trainer:
    """Return a Trainer for a stack of runs, whose members have trainers that write files."""
    return _trainer(cfg, callbacks=list(callbacks), logger=False, enable_checkpointing=False)


class _FitLoop(pl.loops.fit_loop._FitLoop):
    """Lightning's loop over epochs, but a resumed run starts a new epoch, also with max_steps.

    Lightning assumes that a run with ``max_steps`` is resumed within an epoch: it would not call
    the hook of the epoch's start. The hooks of the start and the end of the training are called
    also if no epochs are left.

    Lightning's class is private. There is no public one, and no option of the trainer for this.
    """

    @property
    def skip(self) -> bool:
        return False

    def _iteration_based_training(self) -> bool:
        return False


class _EpochLoop(pl.loops.training_epoch_loop._TrainingEpochLoop):
    """Lightning's loop over chunks, but the last step of ``max_steps`` is always validated.

    Lightning validates only after the last chunk of an epoch. A run whose ``max_steps`` end in
    another chunk would have no best epoch. Lightning's class is private; see ``_FitLoop``.
    """

    def _should_check_val_fx(self, data_fetcher: Any) -> bool:
        ends = 0 <= self.max_steps <= self.global_step and self.trainer.enable_validation
        return ends or super()._should_check_val_fx(data_fetcher)


def _trainer(cfg: DictConfig, **given: Any) -> pl.Trainer:
    settings = OmegaConf.create(OmegaConf.to_container(cfg.trainer))
    assert isinstance(settings, DictConfig)
    # A step of Lightning is a chunk; the loaders and the task apply the limits in minibatches.
    # The task also clips the gradients, since Lightning does not with manual optimization.
    for key in _NOT_LIGHTNINGS:
        del settings[key]
    settings["precision"] = resolve_precision(settings["precision"], settings["accelerator"])
    settings["log_every_n_steps"] = 0
    if settings["max_steps"] is None:
        settings["max_steps"] = -1
    try:
        trainer: pl.Trainer = build(
            settings,
            plugins=[AtomicCheckpoints()],
            num_sanity_val_steps=0,
            limit_val_batches=0 if is_refit(cfg) else 1.0,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            **given,
        )
    except _Misconfiguration as error:
        raise UserError(f"trainer: {first_line(error)}") from error
    loop = _FitLoop(trainer, trainer.min_epochs, trainer.max_epochs)
    loop.epoch_loop = _EpochLoop(trainer, trainer.min_steps, trainer.max_steps)
    trainer.fit_loop = loop
    return trainer
