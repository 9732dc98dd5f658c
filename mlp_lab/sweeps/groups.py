"""Divide the jobs of a sweep into groups that train together as one stacked network."""

import itertools
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from mlp_lab.lightning import pl
from mlp_lab.nn.encodings import fingerprint
from mlp_lab.nn.stacking import UnstackableError, shape
from mlp_lab.runs.build import build_task, target_of
from mlp_lab.runs.callbacks.progress_bar import Progress
from mlp_lab.storage.checkpoints import read_checkpoint
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.tasks.closed_form import output_delta
from mlp_lab.tasks.stack import replaced_methods
from mlp_lab.tasks.stack_member import uncalled_hooks

# Maximum number of members of a stack. More save no time, and need all their memory at once.
_MAX_MEMBERS = 64


@dataclass(frozen=True)
class Job:
    """One run of a sweep.

    Attributes:
        cfg: checked config.
        overrides: overrides of this job.
        folder: run folder. A finished run in it is kept, an unfinished one is resumed.
    """

    cfg: DictConfig
    overrides: Sequence[str]
    folder: Path


@dataclass(frozen=True)
class TrainingGroup:
    """Jobs that train together as one network, or a single job.

    Attributes:
        jobs: the jobs.
        reason_alone: the reason why a single job trains alone.
    """

    jobs: Sequence[Job]
    reason_alone: str


def training_groups(jobs: Sequence[Job], processes: int = 1) -> list[TrainingGroup]:
    """Return groups in the order of their first jobs, enough of them for all ``processes``."""
    by_key: dict[Hashable, list[Job]] = {}
    reasons: dict[Hashable, str] = {}
    for job in jobs:
        key: Hashable = job.folder
        try:
            key = _stacking_key(job)
        except UnstackableError as error:
            reasons[key] = str(error)
        except Exception as error:  # raised again, and reported, when the job starts
            reasons[key] = type(error).__name__
        by_key.setdefault(key, []).append(job)
    only = "no other job has its shape, inputs and progress" if len(jobs) > 1 else "the only job"
    groups = []
    for key, stackable in by_key.items():
        reason = reasons.get(key, only if len(stackable) == 1 else "its stack is divided")
        # The group's share of the processes is its share of the jobs.
        share = len(stackable) * processes / len(jobs)
        parts = math.ceil(max(share, len(stackable) / _MAX_MEMBERS))
        groups += [TrainingGroup(part, reason) for part in _parts(stackable, parts)]
    return groups


def _parts(jobs: Sequence[Job], number: int) -> list[Sequence[Job]]:
    """Divide jobs into at most ``number`` parts of even sizes.

    Jobs with the same seed stay together, since they share minibatches.
    """
    if number == 1:
        return [jobs]
    jobs = sorted(jobs, key=lambda job: job.cfg.seed)
    bounds = [len(jobs) * place // number for place in range(number + 1)]
    return [jobs[start:end] for start, end in itertools.pairwise(bounds) if start < end]


def _stacking_key(job: Job) -> Hashable:
    """Return what the jobs of a stack have in common. Raises UnstackableError."""
    cfg, last = job.cfg, RunFolder(job.folder).checkpoints.of_last_whole_epoch
    if cfg.trainer.profiler is not None:
        raise UnstackableError("trainer.profiler is set")
    _check_callbacks(cfg.callbacks)
    _, task = build_task(cfg, initialize=False)
    if task.unstackable_reason:
        raise UnstackableError(task.unstackable_reason)
    if replaced := replaced_methods(type(task)):
        raise UnstackableError(f"{type(task).__name__} defines {replaced[0]}")
    if cfg.gradients == "closed_form" and output_delta([task]) is None:
        raise UnstackableError(f"the loss of {type(task).__name__} has no closed form")
    step = 0 if last is None else read_checkpoint(last)["global_step"]
    agree = [key for key in cfg.task if key not in task.loss_numbers]
    parts = OmegaConf.masked_copy(cfg.task, agree), cfg.data, cfg.trainer
    averages = task.average is not None
    texts = map(OmegaConf.to_yaml, parts)
    # An encoding that is drawn from the seed separates jobs with different seeds: their inputs
    # differ.
    return step, shape(task.network), averages, fingerprint(task.encoding), cfg.gradients, *texts


def _check_callbacks(callbacks: DictConfig) -> None:
    """Raise UnstackableError for a callback that needs hooks that a stack does not call."""
    for node in callbacks.values():
        callback: type[pl.Callback] = target_of(node)
        if callback is not Progress and (hooks := uncalled_hooks(callback)):
            raise UnstackableError(f"{callback.__name__} needs {hooks[0]}")
