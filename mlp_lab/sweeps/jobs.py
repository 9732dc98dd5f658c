"""The jobs of a sweep: those of one shape train as one network, the others one by one."""

import logging
import shutil
import time
import traceback
from collections.abc import Hashable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from mlp_lab.build import build_group_trainer
from mlp_lab.callbacks import Progress, SweepProgress
from mlp_lab.checkpoints import read_checkpoint
from mlp_lab.console import console, metric
from mlp_lab.errors import UserError
from mlp_lab.experiment import Result, Training, fit, fit_alone
from mlp_lab.networks import describe
from mlp_lab.runs import Run
from mlp_lab.stacking import UnstackableError, shape
from mlp_lab.tasks.stack import Member, Stack

log = logging.getLogger(__name__)

# Members of one stack at most: more gain no time, and all their memory is needed at once.
_MOST = 64

_NOT_BEGUN = Result("", "interrupted", "not begun, since another job failed")


@dataclass(frozen=True)
class Job:
    """One run of a sweep.

    Attributes:
        cfg: its checked config.
        overrides: what makes it this job.
        folder: the run's own. A finished run in it is left as it is, another goes on.
    """

    cfg: DictConfig
    overrides: Sequence[str]
    folder: Path


@dataclass
class _Group:
    """Jobs that train together, or one, and why it trains alone."""

    trainings: list[Training]
    alone: str = "no other job has its shape"


def train_jobs(jobs: Sequence[Job], fail_fast: bool = False) -> list[Result]:
    """Train all jobs; return what came of each, in their order.

    A job that fails or diverges doesn't stop the others, unless ``fail_fast`` says so. Then, and
    when the user interrupts, those that were training or had not begun can go on another time.
    """
    results: dict[Path, Result] = {}
    ready = []
    with console(None):
        for job in jobs:
            try:
                result = _finished(job)
                if result is None:
                    ready.append(_ready(job))
            except Exception as error:
                result = _failed(job.folder, job.cfg, error)
            if result is not None:
                results[job.folder] = result
        progress = SweepProgress([training.cfg.trainer.max_epochs for training in ready])
        before: Training | None = None
        for group in _groups(ready):
            if not _goes_on(results.values(), fail_fast):
                break
            _share_data(before, group.trainings[0])
            results |= _train_group(group, progress, fail_fast)
            before = group.trainings[0]
        progress.close()
    return [results.get(job.folder, _NOT_BEGUN) for job in jobs]


def _goes_on(results: Iterable[Result], fail_fast: bool) -> bool:
    ends = {"interrupted"} | ({"failed", "diverged"} if fail_fast else set())
    return not any(result.status in ends for result in results)


def _finished(job: Job) -> Result | None:
    before = Run(job.folder).result
    return Result(**before) if before.get("status") == "finished" else None


def _ready(job: Job) -> Training:
    """A training of the job: the one that was begun or, where nothing is kept of it, a new one."""
    if (Run(job.folder).checkpoints / "last.ckpt").is_file():
        return Training.going_on(job.folder, {})
    shutil.rmtree(job.folder, ignore_errors=True)
    return Training.new(job.cfg, job.overrides, job.folder)


def _failed(folder: Path, cfg: DictConfig, error: Exception) -> Result:
    """Leave a traceback and a result in the job's folder."""
    run = Run(folder)
    run.folder.mkdir(parents=True, exist_ok=True)
    run.write_config(cfg)
    with run.log.open("a") as file:
        file.writelines(traceback.format_exception(error))
    told = [] if isinstance(error, UserError) else [type(error).__name__]
    result = Result(str(folder), "failed", ": ".join([*told, *filter(None, [str(error)])]))
    run.write_result(asdict(result))
    return result


def _groups(trainings: Sequence[Training]) -> list[_Group]:
    """What can train together, in the order of the first jobs."""
    groups: dict[Hashable, _Group] = {}
    for training in trainings:
        try:
            key = _likeness(training)
        except UnstackableError as error:
            groups[id(training)] = _Group([training], str(error))
            continue
        while len(groups.setdefault(key, _Group([])).trainings) == _MOST:
            key = (key, "more")
        groups[key].trainings.append(training)
    return list(groups.values())


def _likeness(training: Training) -> Hashable:
    """What trainings have to agree in to be stacked. Raises UnstackableError if one can't be."""
    cfg, checkpoint = training.cfg, training.checkpoint
    if cfg.trainer.profiler is not None:
        raise UnstackableError("trainer.profiler is set")
    step = None if checkpoint is None else read_checkpoint(checkpoint)["global_step"]
    alike = (OmegaConf.to_yaml(cfg[key]) for key in ("task", "data", "trainer"))
    return step, shape(training.task.network), *alike


def _share_data(before: Training | None, training: Training) -> None:
    """Spare ``training`` the reading of data that lie in memory already."""
    if before is not None and all(before.cfg[k] == training.cfg[k] for k in ("data", "trainer")):
        training.data.splits = before.data.splits


def _train_group(group: _Group, progress: SweepProgress, fail_fast: bool) -> dict[Path, Result]:
    trainings = group.trainings
    names = ", ".join(training.run.folder.name for training in trainings)
    network = describe(trainings[0].task.network)
    try:
        if len(trainings) == 1:
            with progress.aside():
                log.info("%s trains alone (%s): %s", names, group.alone, network)
            _watch(trainings, progress)
            results = [fit_alone(trainings[0], test=False, terminal=False)]
        else:
            with progress.aside():
                log.info("%d jobs train as one network (%s): %s", len(trainings), network, names)
            results = _fit_stack(trainings, progress, fail_fast)
    except Exception as error:
        results = [_failed(t.run.folder, t.cfg, error) for t in trainings]
        if len(trainings) > 1:
            with progress.aside():
                log.info("together they failed (%s); now one by one", type(error).__name__)
            return _train_apart(trainings, progress, fail_fast)
    progress.done([training.cfg.trainer.max_epochs for training in trainings])
    with progress.aside():
        for result in results:
            log.info("%s", _told(result))
    return {Path(result.folder): result for result in results}


def _train_apart(
    trainings: Sequence[Training], progress: SweepProgress, fail_fast: bool
) -> dict[Path, Result]:
    """Train jobs one by one that failed as a stack: a fault may be that of one of them."""
    results: dict[Path, Result] = {}
    for before in trainings:
        if _goes_on(results.values(), fail_fast):
            again = _ready(Job(before.cfg, before.overrides, before.run.folder))
            results |= _train_group(_Group([again], "the stack failed"), progress, fail_fast)
    return results


def _fit_stack(
    trainings: Sequence[Training], progress: SweepProgress, fail_fast: bool
) -> list[Result]:
    """Train several runs as one network; what each of them leaves is that of a run of its own."""
    members = [Member(t.task, t.trainer, t.checkpoint) for t in trainings]
    with ExitStack() as locks:
        for training in trainings:
            locks.enter_context(training.run.in_training())
            with console(training.run.log, terminal=False):
                training.introduce()
        group = build_group_trainer(trainings[0].cfg, _watch(trainings, progress))
        began = time.perf_counter()
        ended = fit(group, Stack(members, fail_fast), trainings[0].data)
        if ended[0] == "diverged":
            ended = "interrupted", "stopped, since another job diverged"
        seconds = time.perf_counter() - began
        results = []
        for training, member in zip(trainings, members, strict=True):
            with console(training.run.log, terminal=False):
                if member.ended is None and ended[0] == "interrupted":
                    member.show("on_exception", KeyboardInterrupt())
                results.append(training.conclude(*(member.ended or ended), seconds))
    return results


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
