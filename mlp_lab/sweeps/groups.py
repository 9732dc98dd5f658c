"""Which jobs of a sweep train together, as one network: those that differ in numbers only."""

import itertools
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from mlp_lab.nn.encodings import fingerprint
from mlp_lab.nn.stacking import UnstackableError, shape
from mlp_lab.runs.build import build_task
from mlp_lab.storage.checkpoints import read_checkpoint
from mlp_lab.storage.run_folder import Run
from mlp_lab.tasks.base import Task

# Members of one stack at most: more gain no time, and all their memory is needed at once.
_MOST = 64


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
class Group:
    """Jobs that train together, or one, and why it trains alone."""

    jobs: Sequence[Job]
    alone: str


def groups(jobs: Sequence[Job], processes: int = 1) -> list[Group]:
    """What can train together, in the order of the first jobs; enough for all ``processes``."""
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
        Group(part, alone.get(key, usual if len(group) == 1 else "its stack is divided"))
        for key, group in alike.items()
        # As many as its share of all jobs is of the processes.
        for part in _parts(
            group, math.ceil(max(len(group) * processes / len(jobs), len(group) / _MOST))
        )
    ]


def _parts(jobs: Sequence[Job], number: int) -> list[Sequence[Job]]:
    """At most ``number`` parts of even sizes; jobs of one seed, who share minibatches, together."""
    if number == 1:
        return [jobs]
    jobs = sorted(jobs, key=lambda job: job.cfg.seed)
    bounds = [len(jobs) * place // number for place in range(number + 1)]
    return [jobs[start:end] for start, end in itertools.pairwise(bounds) if start < end]


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
