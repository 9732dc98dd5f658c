"""The jobs of a sweep: those of one shape train as one network, the others one by one."""

import logging
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from mlp_lab.errors import UserError
from mlp_lab.formatting import console, metric
from mlp_lab.lightning import callbacks_of
from mlp_lab.nn.encodings import fingerprint
from mlp_lab.nn.probes import describe
from mlp_lab.runs.callbacks.progress_bar import Progress
from mlp_lab.runs.train import Result, Training, fit, fit_alone
from mlp_lab.runs.trainer import build_group_trainer
from mlp_lab.storage.run_folder import Run
from mlp_lab.sweeps.groups import Group, Job, groups
from mlp_lab.sweeps.progress import Ended, SweepBar, SweepProgress
from mlp_lab.sweeps.workers import Tell, spread
from mlp_lab.tasks.stack import Member, Stack

log = logging.getLogger(__name__)

_NOT_BEGUN = Result("", "interrupted", "not begun, since another job ended the sweep")
_Results = dict[Path, Result]  # what came of jobs, by their folders
_ENDED = ("finished", "diverged")  # trained again, a job that diverged would diverge again


def train_jobs(
    jobs: Sequence[Job], fail_fast: bool = False, bar: SweepBar | None = None, processes: int = 1
) -> list[Result]:
    """Train all jobs; return what came of each, in their order.

    A job that fails or diverges doesn't stop the others, unless ``fail_fast`` says so. Then, and
    when the user interrupts, those that were training or had not begun can go on another time.
    ``bar`` shows them as part of a sweep. With several ``processes``, each trains a group at a
    time, and what fits into one group is divided among them.
    """
    bar = bar or SweepBar(len(jobs), shown=False)
    results = {job.folder: known for job in jobs if (known := _known(job)) is not None}
    bar.skip(len(results))
    if torch.cuda.is_available():  # neither it nor autograd beside it goes on in a forked process
        processes = 1
    with console(None):
        to_train = groups([job for job in jobs if job.folder not in results], processes)
        if processes == 1 or len(to_train) == 1:
            results |= _train_here(to_train, fail_fast, bar)
        else:
            results |= _train_apart(to_train, processes, bar)
    return [results.get(job.folder, _NOT_BEGUN) for job in jobs]


def _train_here(to_train: Sequence[Group], fail_fast: bool, bar: SweepBar) -> _Results:
    tell = bar.source()
    course = _Course(tell, fail_fast)
    for group in to_train:
        course.train(group)
        tell(None)
    return course.results


def _train_apart(to_train: Sequence[Group], processes: int, bar: SweepBar) -> _Results:
    """Train each group in one of several processes; the jobs of one that dies have failed."""
    results: _Results = {}
    lost = bar.source()

    def begin(tell: Tell) -> Callable[[Group], _Results]:
        torch.set_num_threads(1)  # those that the first process has had are not in this one
        course = _Course(tell, fail_fast=False)

        def train(group: Group) -> _Results:
            course.train(group)
            return {job.folder: course.results.get(job.folder, _NOT_BEGUN) for job in group.jobs}

        return train

    def done(group: Group, found: _Results | str) -> None:
        if isinstance(found, str):
            results.update({job.folder: _known(job) or _lost(job, found) for job in group.jobs})
            for job in group.jobs:
                lost(Ended(_told(results[job.folder])))
        else:
            results.update(found)

    try:
        spread(to_train, processes, begin, bar.source, done)
    except KeyboardInterrupt:
        every = [results.get(job.folder, _NOT_BEGUN) for group in to_train for job in group.jobs]
        if not any(result.status == "interrupted" for result in every):
            raise  # else the results tell of it, and of failures before it
    return results


def _known(job: Job) -> Result | None:
    """What came of a job that needs no training any more."""
    try:
        before = Run(job.folder).result
    except UserError as error:  # a damaged result is not ours to throw away
        return Result(str(job.folder), "failed", str(error))
    return Result(**before) if before.get("status") in _ENDED else None


class _Course:
    """Trains group after group, until a job ends the sweep.

    Args:
        tell: is told in lines what becomes of jobs, and how far those in training have come.
        fail_fast: train no further group after a job that failed.

    Attributes:
        results: what came of jobs so far, by their folders.
    """

    def __init__(self, tell: Tell, fail_fast: bool) -> None:
        self.results: _Results = {}
        self._tell = tell
        self._fail_fast = fail_fast
        self._latest: Training | None = None

    def train(self, group: Group) -> None:
        """Train the jobs of a group, each in its folder and kept from others meanwhile."""
        if self._over:
            return
        whole = True
        with ExitStack() as held:
            trainings = []
            for job in group.jobs:
                begun = _begin(job, held)
                if isinstance(begun, Result):
                    self._record(begun)
                else:
                    trainings.append(begun)
            if trainings:
                self._share_data(trainings[0])
            if len(trainings) == 1:
                self._train_alone(trainings[0], group.alone)
            elif trainings:
                whole = self._train_stack(trainings)
        if not whole:  # by the fault of one of them, perhaps
            for job in group.jobs:
                if job.folder not in self.results:
                    self.train(Group([job], "the stack failed"))

    @property
    def _over(self) -> bool:
        ends = {"interrupted"} | ({"failed", "diverged"} if self._fail_fast else set())
        return any(result.status in ends for result in self.results.values())

    def _share_data(self, training: Training) -> None:
        """Spare ``training`` the reading of data that lie in memory already."""
        if self._latest is not None and _content(self._latest) == _content(training):
            training.data.splits = self._latest.data.splits
        self._latest = training

    def _train_alone(self, training: Training, reason: str) -> None:
        network = describe(training.task.network)
        self._tell(f"{training.run.folder.name} trains alone ({reason}): {network}")
        _watch([training], self._tell)
        try:
            result = fit_alone(training, test=False, terminal=False)
        except Exception as error:
            result = _failed(training.run, training.cfg, error)
        self._record(result)

    def _train_stack(self, trainings: Sequence[Training]) -> bool:
        """Train several runs as one network; return whether that could be done."""
        names = ", ".join(training.run.folder.name for training in trainings)
        network = describe(trainings[0].task.network)
        self._tell(f"{len(trainings)} jobs train as one network ({network}): {names}")
        began = time.perf_counter()

        def conclude(training: Training, status: str, reason: str | None) -> None:
            seconds = time.perf_counter() - began
            self._record(_concluded(training, status, reason, seconds))

        members = [Member(t.task, t.trainer, t.checkpoint, partial(conclude, t)) for t in trainings]
        try:
            for training in trainings:
                with console(training.run.log, terminal=False):
                    training.introduce()
            group = build_group_trainer(trainings[0].cfg, _watch(trainings, self._tell))
            status, reason = fit(group, Stack(members, self._fail_fast), trainings[0].data)
            if status == "diverged":
                reason = "stopped, since another job diverged"
            for member in members:
                if member.present:
                    member.fail("interrupted", KeyboardInterrupt(reason))
        except Exception as error:
            for training in trainings:
                if training.run.folder not in self.results:
                    _write_traceback(training.run, error)
            self._tell(f"together they failed ({type(error).__name__}); now one by one")
            return False
        return True

    def _record(self, result: Result) -> None:
        self.results[Path(result.folder)] = result
        line = _told(result)
        self._tell(line if result.status == "interrupted" else Ended(line))


def _begin(job: Job, held: ExitStack) -> Training | Result:
    """The training of a job, which goes on or is new, or why it can't begin.

    Nobody else trains in its folder, and what it holds open is open, until ``held`` is closed.
    """
    run = Run(job.folder)
    try:
        held.enter_context(run.in_training())
    except UserError as error:  # the folder is another's, and so is its result
        return Result(str(job.folder), "failed", str(error))
    try:
        if run.last_checkpoint is not None:
            training = Training.going_on(job.folder, {})
        else:
            run.clear()
            training = Training.new(job.cfg, job.overrides, job.folder)
    except Exception as error:
        return _failed(run, job.cfg, error)
    held.callback(training.close)
    return training


def _content(training: Training) -> dict[str, Any]:
    """What the data in memory depend on."""
    cfg = training.cfg
    data = {key: value for key, value in cfg.data.items() if key != "batch_size"}
    data |= {key: cfg.trainer[key] for key in ("accelerator", "devices", "precision")}
    return data | {"encoding": fingerprint(training.task.encoding)}


def _concluded(training: Training, status: str, reason: str | None, seconds: float) -> Result:
    with console(training.run.log, terminal=False):
        try:
            return training.conclude(status, reason, seconds)
        except Exception as error:
            return _failed(training.run, training.cfg, error)


def _lost(job: Job, reason: str) -> Result:
    return _failed(Run(job.folder), job.cfg, UserError(reason))


def _failed(run: Run, cfg: DictConfig, error: Exception) -> Result:
    """Leave a traceback and a result in the job's folder."""
    run.write_config(cfg)
    _write_traceback(run, error)
    name = [] if isinstance(error, UserError) else [type(error).__name__]
    reason = ": ".join([*name, *filter(None, [str(error)])])
    told = {"folder": str(run.folder), "status": "failed", "reason": reason}
    result = Result(**(run.result | told))
    run.write_result(asdict(result))
    return result


def _write_traceback(run: Run, error: Exception) -> None:
    with run.log.open("a") as file:
        file.writelines(traceback.format_exception(error))


def _watch(trainings: Sequence[Training], tell: Tell) -> list[SweepProgress]:
    """Put the sweep's progress bar in the place of the runs' own, where they have any."""
    progress = SweepProgress(tell)
    watched = False
    for training in trainings:
        callbacks = callbacks_of(training.trainer)
        for own in [callback for callback in callbacks if isinstance(callback, Progress)]:
            callbacks.remove(own)
            watched = True
        if len(trainings) == 1 and watched:
            callbacks.insert(0, progress)
    return [progress] if watched else []


def _told(result: Result) -> str:
    """One line for the terminal."""
    best = result.best or {}
    found = [f"{k} {metric(k, v)}" for k, v in sorted(best.items()) if k.endswith("/validation")]
    epoch = [f"best epoch {best['epoch']:.0f}"] if best else []
    name = Path(result.folder).name
    return f"{name}: {', '.join([result.status, *epoch, *found])}"
