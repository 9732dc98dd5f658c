"""Functions that train the same jobs one by one and as a stack."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from helpers import assert_same_runs

from mlp_lab.runs.train import Training, fit_alone
from mlp_lab.storage.results import Result
from mlp_lab.sweeps import group_trainer
from mlp_lab.sweeps.groups import Job
from mlp_lab.sweeps.jobs import train_jobs
from mlp_lab.tasks.stack import Stack

MakeJobs = Callable[..., list[Job]]


def train_singly(jobs: Sequence[Job]) -> list[Result]:
    trainings = [Training.new(job.cfg, job.overrides, job.folder) for job in jobs]
    return [fit_alone(training, test=False, terminal=False) for training in trainings]


def train_as_stack(jobs: Sequence[Job], **options: Any) -> list[Result]:
    """Train jobs and assert that all of them train as one stack."""
    stacks = []

    class Watched(Stack):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            stacks.append(len(self.members))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(group_trainer, "Stack", Watched)
        results = train_jobs(jobs, **options)
    assert stacks == [len(jobs)]
    return results


def assert_stack_equals_single_runs(
    make_jobs: MakeJobs, *job_overrides: Sequence[str], common: Sequence[str] = ()
) -> None:
    singles = train_singly(make_jobs("apart", *job_overrides, common=common))
    assert_same_runs(singles, train_as_stack(make_jobs("stacked", *job_overrides, common=common)))
