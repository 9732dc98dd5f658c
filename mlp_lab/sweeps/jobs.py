"""The jobs of a sweep: those of one shape train as one network, the others one by one."""

import logging
import time
import traceback
from collections.abc import Hashable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mlp_lab.build import build_group_trainer, build_task
from mlp_lab.callbacks import Progress, SweepProgress
from mlp_lab.checkpoints import read_checkpoint
from mlp_lab.console import console, metric
from mlp_lab.encodings import fingerprint
from mlp_lab.errors import UserError
from mlp_lab.experiment import Result, Training, fit, fit_alone
from mlp_lab.networks import describe
from mlp_lab.runs import Run
from mlp_lab.stacking import UnstackableError, shape
from mlp_lab.tasks import Task
from mlp_lab.tasks.stack import Member, Stack

log = logging.getLogger(__name__)

# Members of one stack at most: more gain no time, and all their memory is needed at once.
_MOST = 64

_NOT_BEGUN = Result("", "interrupted", "not begun, since another job ended the sweep")
_ENDED = ("finished", "diverged")  # trained again, a job that diverged would diverge again


@dataclass(frozen=True)
class Job:
    """One run of a sweep.

    Attributes:
        cfg: its checked config.
        overrides: what makes it this job.
        folder: the run's own. A run in it that has ended is left as it is, another goes on.
    """

    cfg: DictConfig
    overrides: Sequence[str]
    folder: Path


@dataclass(frozen=True)
class _Group:
    """Jobs that train together, or one, and why it trains alone."""

    jobs: Sequence[Job]
    alone: str


def train_jobs(
    jobs: Sequence[Job], fail_fast: bool = False, progress: SweepProgress | None = None
) -> list[Result]:
    """Train all jobs; return what came of each, in their order.

    A job that fails or diverges doesn't stop the others, unless ``fail_fast`` says so. Then, and
    when the user interrupts, those that were training or had not begun can go on another time.
    ``progress`` shows them as part of a sweep.
    """
    progress = progress or SweepProgress(len(jobs), shown=False)
    results = {job.folder: known for job in jobs if (known := _known(job)) is not None}
    progress.skip(len(results))
    course = _Course(progress, fail_fast)
    with console(None):
        for group in _groups([job for job in jobs if job.folder not in results]):
            course.train(group)
    results |= course.results
    return [results.get(job.folder, _NOT_BEGUN) for job in jobs]


def _known(job: Job) -> Result | None:
    """What came of a job that needs no training any more."""
    try:
        before = Run(job.folder).result
    except UserError as error:  # a damaged result is not ours to throw away
        return Result(str(job.folder), "failed", str(error))
    return Result(**before) if before.get("status") in _ENDED else None


def _groups(jobs: Sequence[Job]) -> list[_Group]:
    """What can train together, in the order of the first jobs."""
    alike: dict[Hashable, list[Job]] = {}
    alone: dict[Hashable, str] = {}
    usual = "no other job has its shape, inputs and progress" if len(jobs) > 1 else "it comes alone"
    for job in jobs:
        key: Hashable = job.folder
        try:
            key = _likeness(job)
        except UnstackableError as error:
            alone[key] = str(error)
        except Exception as error:  # which it will meet again, and then be told of
            alone[key] = type(error).__name__
        alike.setdefault(key, []).append(job)
    return [
        _Group(group[start : start + _MOST], alone.get(key, usual))
        for key, group in alike.items()
        for start in range(0, len(group), _MOST)
    ]


def _likeness(job: Job) -> Hashable:
    """What jobs have to agree in to be stacked. Raises UnstackableError if one can't be."""
    cfg, last = job.cfg, Run(job.folder).last_checkpoint
    if cfg.trainer.profiler is not None:
        raise UnstackableError("trainer.profiler is set")
    _, task = build_task(cfg)
    if type(task).differentiate is not Task.differentiate:
        raise UnstackableError("its gradients are written out")
    step = None if last is None else read_checkpoint(last)["global_step"]
    agree = [key for key in cfg.task if key not in task.loss_numbers]
    parts = OmegaConf.masked_copy(cfg.task, agree), cfg.data, cfg.trainer
    # One that is drawn from the seed parts jobs with different seeds: they see different inputs.
    averages = task.average is not None
    texts = map(OmegaConf.to_yaml, parts)
    return step, shape(task.network), averages, fingerprint(task.encoding), *texts


class _Course:
    """Trains group after group, until a job ends the sweep.

    Args:
        progress: of all jobs.
        fail_fast: train no further group after a job that failed.

    Attributes:
        results: what came of jobs so far, by their folders.
    """

    def __init__(self, progress: SweepProgress, fail_fast: bool) -> None:
        self.results: dict[Path, Result] = {}
        self._progress = progress
        self._fail_fast = fail_fast
        self._latest: Training | None = None

    def train(self, group: _Group) -> None:
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
                    self.train(_Group([job], "the stack failed"))
            return
        self._progress.done(len(group.jobs))

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
        self._say(f"{training.run.folder.name} trains alone ({reason}): {network}")
        _watch([training], self._progress)
        try:
            result = fit_alone(training, test=False, terminal=False)
        except Exception as error:
            result = _failed(training.run, training.cfg, error)
        self._record(result)

    def _train_stack(self, trainings: Sequence[Training]) -> bool:
        """Train several runs as one network; return whether that could be done."""
        names = ", ".join(training.run.folder.name for training in trainings)
        network = describe(trainings[0].task.network)
        self._say(f"{len(trainings)} jobs train as one network ({network}): {names}")
        began = time.perf_counter()

        def conclude(training: Training, status: str, reason: str | None) -> None:
            seconds = time.perf_counter() - began
            self._record(_concluded(training, status, reason, seconds))

        members = [Member(t.task, t.trainer, t.checkpoint, partial(conclude, t)) for t in trainings]
        try:
            for training in trainings:
                with console(training.run.log, terminal=False):
                    training.introduce()
            group = build_group_trainer(trainings[0].cfg, _watch(trainings, self._progress))
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
            self._say(f"together they failed ({type(error).__name__}); now one by one")
            return False
        return True

    def _record(self, result: Result) -> None:
        self.results[Path(result.folder)] = result
        self._say(_told(result))

    def _say(self, line: str) -> None:
        with self._progress.aside():
            log.info("%s", line)


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


def _watch(trainings: Sequence[Training], progress: SweepProgress) -> list[SweepProgress]:
    """Put the sweep's progress bar in the place of the runs' own, where they have any."""
    watched = False
    for training in trainings:
        callbacks: list = training.trainer.callbacks  # type: ignore[attr-defined]
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
