"""One experiment: config in, Result out. Read this first."""

import logging
import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mlp_lab.config.schemas.data import is_refit
from mlp_lab.data.datamodule import DataModule
from mlp_lab.errors import UserError
from mlp_lab.lightning import callbacks_of, is_first_process, pl
from mlp_lab.nn.probes import count_parameters, describe
from mlp_lab.runs import report
from mlp_lab.runs.build import build_task
from mlp_lab.runs.callbacks.epoch_checkpoint import EpochCheckpoint
from mlp_lab.runs.evaluate import assess
from mlp_lab.runs.logger import TensorBoard
from mlp_lab.runs.threads import busy_hint
from mlp_lab.runs.trainer import build_trainer
from mlp_lab.storage.checkpoints import load_network, stopped_early, trained_epochs
from mlp_lab.storage.log import console
from mlp_lab.storage.results import Result, Status
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.tasks.base import Diverged, Task

log = logging.getLogger(__name__)

# What may differ when a run goes on: how long and how fast, not what is learnt.
RESUMABLE = ("trainer.max_epochs", "trainer.max_steps", "threads")

_FOLDER_VARIABLE = "MLP_LAB_RUN_FOLDER"


@dataclass
class Training:
    """A run that is about to train: its folder, and what its config builds.

    Attributes:
        cfg: the checked config.
        overrides: what the user typed, kept for the record.
        checkpoint: what it goes on from, if it does.
    """

    cfg: DictConfig
    overrides: Sequence[str]
    run: RunFolder
    data: DataModule
    task: Task
    trainer: pl.Trainer
    checkpoint: Path | None = None

    @classmethod
    def new(
        cls, cfg: DictConfig, overrides: Sequence[str] = (), folder: str | Path | None = None
    ) -> "Training":
        """A new run, in ``folder`` or, where that is None, in ``<logs>/<name>/<date_time>``."""
        data, task = build_task(cfg)
        data.prepare_data()
        task.begin(data)
        run = _new_run(cfg, folder)
        try:
            trainer = build_trainer(cfg, run)
        except BaseException:
            if is_first_process():
                run.discard()
            raise
        if trainer.is_global_zero:
            run.write_start(cfg, overrides)
        return cls(cfg, overrides, run, data, task, trainer)

    @classmethod
    def going_on(cls, folder: str | Path, changes: Mapping[str, Any]) -> "Training":
        """The run in ``folder``, with ``changes`` to its config (dotted keys)."""
        for key in changes:
            if key not in RESUMABLE:
                allowed = ", ".join(RESUMABLE)
                raise UserError(
                    f"{key}: can't be changed when a run goes on (these can: {allowed})"
                )
        run = RunFolder.open(str(folder))
        cfg = OmegaConf.create(OmegaConf.to_container(run.config))
        assert isinstance(cfg, DictConfig)
        for key, value in changes.items():
            OmegaConf.update(cfg, key, value)
        checkpoint = run.checkpoint("last")
        data, task = build_task(cfg)
        _refuse_done(run, cfg, load_network(task, checkpoint))
        data.prepare_data()
        trainer = build_trainer(cfg, run)
        if trainer.is_global_zero:
            run.write_config(cfg)
        overrides = [f"{key}={value}" for key, value in changes.items()]
        return cls(cfg, overrides, run, data, task, trainer, checkpoint)

    def introduce(self) -> None:
        """Say what is about to be trained."""
        log.info("%s: %s", self.cfg.name, describe(self.task.network))
        log.info("run folder: %s", self.run.folder)
        if hint := self.data.encoding_hint(self.task.encoding):
            log.warning("%s", hint)
        report.show_config(self.trainer.logger, self.cfg)

    def conclude(
        self, status: Status, reason: str | None, seconds: float, *, test: bool = False
    ) -> Result:
        """Write down what came out of a fit, and say it; ``test``: touch the test set for it."""
        result = self._collect(seconds)
        result.status, result.reason = status, reason or self._stopped_by()
        if self.trainer.is_global_zero:
            if test and status is Status.FINISHED and result.best is not None:
                # Where the data are; Lightning took it away.
                self.task.to(self.trainer.strategy.root_device)
                epoch = trained_epochs(load_network(self.task, self.run.checkpoint("best")))
                result.evaluations.append(assess(self.data, self.task, "test", "best", epoch))
            self.run.write_result(result)
            report.show_outcome(self.trainer.logger, self.cfg, result)
            log.info("%s", report.outcome(result))
        return result

    def close(self) -> None:
        """Let go of what the run holds open."""
        if isinstance(self.trainer.logger, TensorBoard):
            self.trainer.logger.close()

    def _stopped_by(self) -> str | None:
        """What a callback says that ended the run before its time."""
        ends = (getattr(callback, "ended", None) for callback in callbacks_of(self.trainer))
        return next(filter(None, ends), None)

    def _collect(self, seconds: float) -> Result:
        """What is known after a fit, with what the run's folder knows of earlier ones."""
        checkpoint = EpochCheckpoint.of(self.trainer)
        before = self.run.result
        last = checkpoint.history[-1] if checkpoint.history else None
        return Result(
            str(self.run.folder),
            refit=is_refit(self.cfg),
            parameters=count_parameters(self.task.network),
            epochs=len(checkpoint.history),
            steps=0 if last is None else int(last["step"]),
            best=checkpoint.best,
            last=last,
            seconds=[*before.seconds, seconds],
            evaluations=before.evaluations,
        )


def train(
    cfg: DictConfig, overrides: Sequence[str] = (), folder: str | Path | None = None
) -> Result:
    """Train as ``cfg`` says (see ``config.check``), in a new folder; see ``Training.new``."""
    return fit_alone(Training.new(cfg, overrides, folder), test=True)


def resume(folder: str, changes: Mapping[str, Any]) -> Result:
    """Go on with the run in ``folder``; see ``Training.going_on``."""
    return fit_alone(Training.going_on(folder, changes), test=True)


def fit_alone(training: Training, *, test: bool, terminal: bool = True) -> Result:
    """Fit, select, write down what came out; with ``test``, touch the test set once for it.

    What there is to say goes to the run's log and, with ``terminal``, to standard output.
    """
    trainer, run = training.trainer, training.run
    first = trainer.is_global_zero
    lock = run.in_training() if first else nullcontext()
    log_to = console(run.log if first else None, terminal=first and terminal)
    with lock, log_to, closing(training):
        training.introduce()
        if hint := busy_hint():
            log.info("%s", hint)
        began = time.perf_counter()
        status, reason = fit(trainer, training.task, training.data, training.checkpoint)
        return training.conclude(status, reason, time.perf_counter() - began, test=test)


def fit(
    trainer: pl.Trainer, task: pl.LightningModule, data: DataModule, checkpoint: Path | None = None
) -> tuple[Status, str | None]:
    """Train; return how it ended and, if early, why."""
    on_interrupt = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(task, data, ckpt_path=checkpoint)
    except Diverged as error:
        return Status.DIVERGED, str(error)
    except SystemExit:
        # Lightning turns Ctrl-C into an exit, and leaves the process deaf to the next.
        signal.signal(signal.SIGINT, on_interrupt)
        if not trainer.interrupted:
            raise
        return Status.INTERRUPTED, f"interrupted in epoch {trainer.current_epoch + 1}"
    return Status.FINISHED, None


def _new_run(cfg: DictConfig, folder: str | Path | None) -> RunFolder:
    """A new folder; the processes that a distributed run starts join that of the first."""
    if is_first_process():
        run = RunFolder.create(cfg.logs, cfg.name) if folder is None else RunFolder.claim(folder)
        os.environ[_FOLDER_VARIABLE] = str(run.folder)
    return RunFolder(os.environ[_FOLDER_VARIABLE])


def _refuse_done(run: RunFolder, cfg: DictConfig, checkpoint: Mapping[str, Any]) -> None:
    """Raise UserError if the run has trained all that ``cfg`` asks for."""
    finished = run.result.status is Status.FINISHED
    if finished and stopped_early(checkpoint):
        raise UserError(f"{run.folder}: stopped early; it has no more epochs to train")
    limits = {"max_epochs": trained_epochs(checkpoint), "max_steps": checkpoint["global_step"]}
    for name, trained in limits.items():
        most = cfg.trainer[name]
        if most is not None and (most < trained or (most == trained and finished)):
            raise UserError(
                f"{run.folder}: trained {name}={trained} already;"
                f" a larger trainer.{name} lets it go on"
            )
