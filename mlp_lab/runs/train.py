"""Train one run: from its config to its result. Start reading here."""

import logging
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from mlp_lab.config.command_line import command_line, override
from mlp_lab.config.schemas.data import is_refit
from mlp_lab.data.datamodule import DataModule
from mlp_lab.errors import UserError, first_line
from mlp_lab.lightning import callbacks_of, is_first_process, pl
from mlp_lab.nn.probes import count_parameters, describe, has_batch_normalization
from mlp_lab.runs import report
from mlp_lab.runs.build import build_task
from mlp_lab.runs.callbacks.changed_config import ChangedConfig
from mlp_lab.runs.callbacks.epoch_checkpoint import EpochCheckpoint
from mlp_lab.runs.callbacks.figure_callback import FigureCallback
from mlp_lab.runs.callbacks.stop_reason import stop_reason
from mlp_lab.runs.cluster import shared_folder
from mlp_lab.runs.data_paths import difference, with_absolute_paths
from mlp_lab.runs.denormals import denormals_as_zero
from mlp_lab.runs.evaluate import assess
from mlp_lab.runs.logger import TensorBoard
from mlp_lab.runs.resumed_config import changed_config
from mlp_lab.runs.threads import busy_hint
from mlp_lab.runs.trainer import build_trainer
from mlp_lab.storage.checkpoints import (
    check_resumable,
    load_network,
    stopped_early,
    trained_epochs,
)
from mlp_lab.storage.log import console
from mlp_lab.storage.results import Result, Status
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.tasks.base import Diverged, Task

log = logging.getLogger(__name__)


@dataclass
class Training:
    """A run before its training: its folder and the objects that its config describes.

    Attributes:
        cfg: checked config.
        overrides: overrides of the command, which are written to the run folder.
        run: run folder.
        data: data module.
        task: task with new weights or, if the run is resumed, those of the checkpoint.
        trainer: trainer that writes to the run folder.
        checkpoint: checkpoint from which the run is resumed; None: a new run.
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
        """Return a new run.

        Args:
            cfg: checked config, see ``config.check``.
            overrides: overrides of the command.
            folder: run folder, which must be empty; None: ``<logs>/<name>/<date_time>``.
        """
        cfg = with_absolute_paths(cfg)
        data, task = build_task(cfg)
        data.prepare_data()
        if has_batch_normalization(task.network):
            data.check_batch_normalization(cfg.trainer.devices)
        task.begin(data)
        teacher_digest = task.load_teacher()
        run = _new_run(cfg, folder)
        try:
            trainer = build_trainer(cfg, run)
            task.check_trainer(trainer)
        except BaseException:
            if is_first_process():
                run.discard()
            raise
        if trainer.is_global_zero:
            run.write_start(cfg, overrides, data.content_digest, teacher_digest)
        return cls(cfg, overrides, run, data, task, trainer)

    @classmethod
    def resumed(cls, folder: str | Path, changes: Mapping[str, Any]) -> "Training":
        """Return the run in ``folder`` at its last checkpoint of a whole epoch.

        The folder is changed only when the training has started.

        Args:
            folder: run folder.
            changes: new values in its config, by dotted key; see ``changed_config``.

        Raises:
            UserError: another key is changed, a value is not allowed, the data are not those of the
                training, its teacher has changed, or the run has no epochs left to train.
        """
        run = RunFolder.open(str(folder))
        run.checkpoints.complete()
        cfg = changed_config(run.config, changes)
        checkpoint = _last_checkpoint(run)
        data, task = build_task(cfg)
        content = load_network(task, checkpoint)
        check_resumable(content, checkpoint)
        _check_unfinished(run, cfg, content)
        data.prepare_data()
        if other := difference(run, cfg, data):
            raise other
        if not run.was_trained_by(task.load_teacher()):
            raise UserError(
                f"task.teacher={cfg.task.teacher}: has changed since the training of {run.folder}"
                " began"
            )
        shared_folder(str(run.folder))  # for the processes that Lightning starts
        trainer = build_trainer(cfg, run)
        # Otherwise, weights in double precision would be restored into a network of floats.
        trainer.precision_plugin.convert_module(task)
        if cfg != run.config and trainer.is_global_zero:
            callbacks_of(trainer).append(ChangedConfig(run, cfg, trained_epochs(content)))
        overrides = [f"{key}={value}" for key, value in changes.items()]
        return cls(cfg, overrides, run, data, task, trainer, checkpoint)

    def log_start(self) -> None:
        """Log the network, the run folder and warnings; write the config to TensorBoard."""
        log.info("%s: %s", self.cfg.name, describe(self.task.network))
        log.info("run folder: %s", self.run.folder)
        for warning in (self.data.encoding_hint(self.task.encoding), *self.data.warnings()):
            if warning:
                log.warning("%s", warning)
        if self.checkpoint is not None and isinstance(self.trainer.logger, TensorBoard):
            self.trainer.logger.keep_order()
        report.show_config(self.trainer.logger, self.cfg)

    def finish(
        self, status: Status, reason: str | None, seconds: float, *, test: bool = False
    ) -> Result:
        """Write the result of a fit to the run folder, log it, and return it.

        Args:
            status: how the fit ended.
            reason: why it ended early; None: it did not, or a callback has the reason.
            seconds: duration of the fit.
            test: whether to evaluate the chosen epoch on the test set if the run has finished.
        """
        result = self._collect(seconds)
        result.status, result.reason = status, reason or stop_reason(self.trainer)
        if self.trainer.is_global_zero:
            if test and status is Status.FINISHED and result.best is not None:
                # Lightning has moved the task to the CPU; the data are still on the device.
                self.task.to(self.trainer.strategy.root_device)
                epoch = trained_epochs(
                    load_network(self.task, self.run.checkpoints.existing("best"))
                )
                result.evaluations.append(assess(self.data, self.task, "test", "best", epoch))
            result.tables = self.run.table_digests()
            # The result comes second: a run that has one and is complete is not resumed.
            report.show_outcome(self.trainer.logger, self.cfg, result)
            self.run.write_result(result)
            log.info("%s", report.outcome(result, self.data, self.cfg.train_metrics))
        return result

    def draw_figures(self) -> None:
        """Draw the figures that callbacks have prepared. A failure is reported in the log."""
        for callback in callbacks_of(self.trainer):
            if isinstance(callback, FigureCallback):
                callback.draw()

    def close(self) -> None:
        """Close the event file, or the files of another logger."""
        if isinstance(self.trainer.logger, TensorBoard):
            self.trainer.logger.close()
        elif self.trainer.logger is not None:
            self.trainer.logger.finalize(self.run.result.status)

    def _collect(self, seconds: float) -> Result:
        """Return the result after a fit, with the times and evaluations of earlier fits."""
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
    """Train a new run and return its result; the arguments are those of ``Training.new``."""
    with denormals_as_zero():
        return fit_alone(Training.new(cfg, overrides, folder), test=True)


def resume(folder: str, changes: Mapping[str, Any]) -> Result:
    """Resume a run and return its result; the arguments are those of ``Training.resumed``."""
    with denormals_as_zero():
        return fit_alone(Training.resumed(folder, changes), test=True)


def fit_alone(training: Training, *, test: bool, terminal: bool = True) -> Result:
    """Train a run that is not part of a stack; return its result.

    Args:
        training: the run.
        test: whether to evaluate the chosen epoch on the test set.
        terminal: whether to log to standard output as well as to the ``train.log`` of the run.
    """
    trainer, run = training.trainer, training.run
    first = trainer.is_global_zero
    lock = run.locked() if first else nullcontext()
    log_to = console(*([run.log] if first else []), terminal=first and terminal)
    with lock, log_to, closing(training):
        training.log_start()
        if hint := busy_hint():
            log.info("%s", hint)
        start = time.perf_counter()
        try:
            status, reason = fit(trainer, training.task, training.data, training.checkpoint)
            return training.finish(status, reason, time.perf_counter() - start, test=test)
        finally:
            training.draw_figures()


def fit(
    trainer: pl.Trainer, task: pl.LightningModule, data: DataModule, checkpoint: Path | None = None
) -> tuple[Status, str | None]:
    """Train with Lightning; return how it ended and, if it ended early, the reason."""
    on_interrupt = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(task, data, ckpt_path=checkpoint)
    except Diverged as error:
        return Status.DIVERGED, str(error)
    except pl.utilities.exceptions.MisconfigurationException as error:
        raise UserError(first_line(error)) from error  # such as a callback that needs a logger
    except SystemExit as stop:
        # Lightning turns Ctrl-C and SIGTERM into SystemExit, and ignores SIGINT from then on.
        signal.signal(signal.SIGINT, on_interrupt)
        terminated = isinstance(stop, pl.utilities.exceptions.SIGTERMException)
        if not (terminated or isinstance(stop.__context__, KeyboardInterrupt)):
            raise  # the launcher ends this process and queues the job again
        return Status.INTERRUPTED, f"interrupted in epoch {trainer.current_epoch + 1}"
    return Status.FINISHED, None


def _new_run(cfg: DictConfig, folder: str | Path | None) -> RunFolder:
    """Return a new run folder; all processes of a distributed run get that of the first."""
    if not is_first_process():
        return RunFolder(shared_folder(None))
    run = RunFolder.create(cfg.logs, cfg.name) if folder is None else RunFolder.create_at(folder)
    return RunFolder(shared_folder(str(run.folder)))


def _last_checkpoint(run: RunFolder) -> Path:
    """Return the checkpoint of the last whole epoch. Raises UserError if there is none."""
    if (checkpoint := run.checkpoints.of_last_whole_epoch) is None:
        command = command_line("train", [override("config", str(run.folder / "config.yaml"))])
        raise UserError(f"{run.folder}: has no checkpoints/last.ckpt; to start again: {command}")
    return checkpoint


def _check_unfinished(run: RunFolder, cfg: DictConfig, checkpoint: Mapping[str, Any]) -> None:
    """Raise UserError if the run has no epochs or steps of ``cfg`` left to train."""
    result = run.result
    finished = result.status is Status.FINISHED
    if finished and stopped_early(checkpoint):
        raise UserError(f"{run.folder}: stopped early; it has no more epochs to train")
    # The steps of a result include those of an epoch that max_steps cut short.
    steps = result.steps if finished else checkpoint["global_step"]
    limits = {"max_epochs": trained_epochs(checkpoint), "max_steps": steps}
    for name, trained in limits.items():
        most = cfg.trainer[name]
        if most is not None and (most < trained or (most == trained and finished)):
            raise UserError(
                f"{run.folder}: trained {name}={trained} already;"
                f" set a larger trainer.{name} to continue"
            )
