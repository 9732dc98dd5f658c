"""Train groups of jobs in one process."""

import time
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from mlp_lab.config.metrics import get_metric, metric_order
from mlp_lab.errors import UserError
from mlp_lab.lightning import callbacks_of
from mlp_lab.nn.encodings import fingerprint
from mlp_lab.nn.probes import describe
from mlp_lab.runs.callbacks.epoch_checkpoint import EpochCheckpoint
from mlp_lab.runs.callbacks.progress_bar import Progress
from mlp_lab.runs.data_paths import lost_paths
from mlp_lab.runs.train import Training, fit, fit_alone
from mlp_lab.runs.trainer import build_group_trainer
from mlp_lab.storage.log import console
from mlp_lab.storage.results import Result, Status
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.sweeps.groups import Job, TrainingGroup
from mlp_lab.sweeps.progress import JobEnded, SweepProgress
from mlp_lab.sweeps.workers import Send
from mlp_lab.tasks.stack import Stack
from mlp_lab.tasks.stack_member import Member

Results = dict[Path, Result]  # by run folder


class GroupTrainer:
    """Trains one group after another, until a job ends the sweep.

    Args:
        report: receives progress messages and one line for each job that ends.
        fail_fast: train no further group after a job that failed.

    Attributes:
        results: results of the jobs so far, by run folder.
    """

    def __init__(self, report: Send, fail_fast: bool) -> None:
        self.results: Results = {}
        self._report = report
        self._fail_fast = fail_fast
        self._latest: Training | None = None

    def train(self, group: TrainingGroup) -> None:
        """Train the jobs of a group, each in its run folder, which is locked in the meantime."""
        if self._is_over:
            return
        stack_failed = False
        with ExitStack() as stack:
            trainings = []
            for job in group.jobs:
                started = _start(job, stack)
                if isinstance(started, Result):
                    self._record(started)
                else:
                    trainings.append(started)
            if trainings:
                self._share_data(trainings[0])
            if len(trainings) == 1:
                self._train_alone(trainings[0], group.reason_alone)
            elif trainings:
                stack_failed = not self._train_stack(trainings)
        if stack_failed:  # perhaps because of only one of the jobs
            for job in group.jobs:
                if job.folder not in self.results:
                    self.train(TrainingGroup([job], "the stack failed"))

    @property
    def _is_over(self) -> bool:
        ends = {Status.INTERRUPTED}
        if self._fail_fast:
            ends |= {Status.FAILED, Status.DIVERGED}
        return any(result.status in ends for result in self.results.values())

    def _share_data(self, training: Training) -> None:
        """Give ``training`` the data of the latest one, if they are the same."""
        if self._latest is not None and _data_key(self._latest) == _data_key(training):
            training.data.splits = self._latest.data.splits
        self._latest = training

    def _train_alone(self, training: Training, reason: str) -> None:
        network = describe(training.task.network)
        self._report(f"{training.run.folder.name} trains alone ({reason}): {network}")
        _replace_progress([training], self._report)
        try:
            result = fit_alone(training, test=False, terminal=False)
        except Exception as error:
            result = failed_result(training.run, training.cfg, error)
        self._record(result)

    def _train_stack(self, trainings: Sequence[Training]) -> bool:
        """Train several runs as one network; return whether this succeeded."""
        names = ", ".join(training.run.folder.name for training in trainings)
        network = describe(trainings[0].task.network)
        self._report(f"{len(trainings)} jobs train as one network ({network}): {names}")
        start = time.perf_counter()

        def on_end(training: Training, status: Status, reason: str | None) -> None:
            seconds = time.perf_counter() - start
            self._record(_finish(training, status, reason, seconds))

        EpochCheckpoint.write_together([EpochCheckpoint.of(t.trainer) for t in trainings])
        members = [Member(t.task, t.trainer, t.checkpoint, partial(on_end, t)) for t in trainings]
        try:
            self._fit(members, trainings)
        except Exception as error:
            for training in trainings:
                if training.run.folder not in self.results:
                    _write_traceback(training.run, error)
            name = type(error).__name__
            self._report(f"the stack failed ({name}); its jobs now train one by one")
            return False
        return True

    def _fit(self, members: Sequence[Member], trainings: Sequence[Training]) -> None:
        for training in trainings:
            with console(training.run.log, terminal=False):
                training.log_start()
        first, progress = trainings[0], _replace_progress(trainings, self._report)
        trainer = build_group_trainer(first.cfg, progress)
        with console(*(training.run.log for training in trainings), terminal=False):
            status, reason = fit(trainer, Stack(members, self._fail_fast), first.data)
        if status is Status.DIVERGED:
            reason = "stopped, since another job diverged"
        for member in members:
            if member.active:
                member.fail(Status.INTERRUPTED, KeyboardInterrupt(reason))

    def _record(self, result: Result) -> None:
        self.results[Path(result.folder)] = result
        line = result_line(result)
        self._report(line if result.status is Status.INTERRUPTED else JobEnded(line))


def _start(job: Job, stack: ExitStack) -> Training | Result:
    """Start or resume a job; return its training, or its result if it can't be started.

    The run folder is locked, and its files are open, until ``stack`` is closed.
    """
    run = RunFolder(job.folder)
    try:
        stack.enter_context(run.locked())
    except UserError as error:  # another process trains here: leave its files alone
        return Result(str(job.folder), Status.FAILED, str(error))
    try:
        if run.checkpoints.of_last_whole_epoch is not None:
            training = Training.resumed(job.folder, lost_paths(run, job.cfg))
        else:
            run.clear()
            training = Training.new(job.cfg, job.overrides, job.folder)
    except Exception as error:
        return failed_result(run, job.cfg, error)
    stack.callback(training.close)
    return training


def _data_key(training: Training) -> dict[str, Any]:
    """Return everything that the data in memory depend on."""
    cfg = training.cfg
    data = {key: value for key, value in cfg.data.items() if key != "batch_size"}
    data |= {key: cfg.trainer[key] for key in ("accelerator", "devices", "precision")}
    return data | {"encoding": fingerprint(training.task.encoding)}


def _finish(training: Training, status: Status, reason: str | None, seconds: float) -> Result:
    with console(training.run.log, terminal=False):
        try:
            return training.finish(status, reason, seconds)
        except Exception as error:
            return failed_result(training.run, training.cfg, error)
        finally:
            training.draw_figures()


def failed_result(run: RunFolder, cfg: DictConfig, error: Exception) -> Result:
    """Write config, traceback and result of a failed job; return the result."""
    run.write_config(cfg)
    _write_traceback(run, error)
    name = [] if isinstance(error, UserError) else [type(error).__name__]
    reason = ": ".join([*name, *filter(None, [str(error)])])
    result = replace(run.result, folder=str(run.folder), status=Status.FAILED, reason=reason)
    run.write_result(result)
    return result


def _write_traceback(run: RunFolder, error: Exception) -> None:
    with run.log.open("a", encoding="utf-8") as file:
        file.writelines(traceback.format_exception(error))


def _replace_progress(trainings: Sequence[Training], report: Send) -> list[SweepProgress]:
    """Replace the progress bars of the runs by the sweep's; return its callbacks for a stack."""
    progress = SweepProgress(report)
    has_bar = False
    for training in trainings:
        callbacks = callbacks_of(training.trainer)
        for bar in [callback for callback in callbacks if isinstance(callback, Progress)]:
            callbacks.remove(bar)
            has_bar = True
        if len(trainings) == 1 and has_bar:
            callbacks.insert(0, progress)
    return [progress] if has_bar else []


def result_line(result: Result) -> str:
    """Return one line for the terminal."""
    best = result.best or {}
    keys = sorted((key for key in best if key.endswith("/validation")), key=metric_order)
    values = [f"{key} {get_metric(key).text(best[key])}" for key in keys]
    epoch = [f"best epoch {best['epoch']:.0f}"] if best else []
    name = Path(result.folder).name
    return f"{name}: {', '.join([result.status, *epoch, *values])}"
