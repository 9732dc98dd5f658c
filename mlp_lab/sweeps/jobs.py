"""Train the jobs of a sweep: those of one shape as one network, the others one by one."""

from collections.abc import Callable, Sequence
from contextlib import suppress

import torch

from mlp_lab.errors import UserError
from mlp_lab.runs.data_paths import follow_moved_data
from mlp_lab.storage.log import console
from mlp_lab.storage.results import Result, Status
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.sweeps.group_trainer import GroupTrainer, Results, failed_result, result_line
from mlp_lab.sweeps.groups import Job, TrainingGroup, training_groups
from mlp_lab.sweeps.progress import JobEnded, SweepBar
from mlp_lab.sweeps.workers import Send, run_in_processes

_NOT_STARTED = Result("", Status.INTERRUPTED, "not started, since another job ended the sweep")
# If trained again, a job that diverged would diverge again.
_FINAL = (Status.FINISHED, Status.DIVERGED)


def train_jobs(
    jobs: Sequence[Job], fail_fast: bool = False, bar: SweepBar | None = None, processes: int = 1
) -> list[Result]:
    """Train all jobs; return their results in the same order.

    A job that fails or diverges does not stop the others. With ``fail_fast`` it does, and so does
    an interrupt. Unfinished jobs can be resumed later.

    Args:
        jobs: the jobs.
        fail_fast: whether the first failure ends the sweep.
        bar: progress bar of the sweep; None: no bar.
        processes: maximum number of processes, each of which trains one group at a time. A group is
            divided among them.
    """
    bar = bar or SweepBar(len(jobs), shown=False)
    results = {job.folder: final for job in jobs if (final := _final_result(job)) is not None}
    bar.skip(len(results))
    if torch.cuda.is_available():  # neither CUDA nor its autograd threads survive a fork
        processes = 1
    with console():
        unfinished = [job for job in jobs if job.folder not in results]
        _complete_checkpoints(unfinished)
        groups = training_groups(unfinished, processes)
        if processes == 1 or len(groups) == 1:
            results |= _train_here(groups, fail_fast, bar)
        else:
            results |= _train_in_processes(groups, processes, bar)
    return [results.get(job.folder, _NOT_STARTED) for job in jobs]


def _train_here(groups: Sequence[TrainingGroup], fail_fast: bool, bar: SweepBar) -> Results:
    report = bar.listener()
    trainer = GroupTrainer(report, fail_fast)
    for group in groups:
        trainer.train(group)
        report(None)
    return trainer.results


def _train_in_processes(groups: Sequence[TrainingGroup], processes: int, bar: SweepBar) -> Results:
    """Train each group in one of several processes.

    If a process dies, another one continues its group from the checkpoints, once. If that one dies,
    too, the jobs of the group have failed.
    """
    results: Results = {}
    continued: list[TrainingGroup] = []
    report_lost = bar.listener()

    def begin(send: Send) -> Callable[[TrainingGroup], Results]:
        torch.set_num_threads(1)  # threads do not survive a fork
        trainer = GroupTrainer(send, fail_fast=False)

        def train(group: TrainingGroup) -> Results:
            trainer.train(group)
            return {job.folder: trainer.results.get(job.folder, _NOT_STARTED) for job in group.jobs}

        return train

    def on_done(group: TrainingGroup, outcome: Results) -> None:
        results.update(outcome)

    def on_death(group: TrainingGroup, reason: str) -> bool:
        if group not in continued:
            continued.append(group)
            _complete_checkpoints(group.jobs)
            names = ", ".join(job.folder.name for job in group.jobs)
            report_lost(f"{names}: {reason}; another process continues")
            return True
        for job in group.jobs:
            result = _final_result(job) or _lost_result(job, reason)
            results[job.folder] = result
            report_lost(JobEnded(result_line(result)))
        return False

    try:
        run_in_processes(groups, processes, begin, bar.listener, on_done, on_death)
    except KeyboardInterrupt:
        every = [results.get(job.folder, _NOT_STARTED) for group in groups for job in group.jobs]
        if not any(result.status is Status.INTERRUPTED for result in every):
            raise  # otherwise the results show the interrupt, and the failures before it
    return results


def _final_result(job: Job) -> Result | None:
    """Return the result of a job that needs no training; None if it does."""
    try:
        run = RunFolder(job.folder)
        before = run.result
        if before.status in _FINAL:
            follow_moved_data(run, job.cfg)  # the chosen run is evaluated at the end
    except UserError as error:  # keep the damaged file: the user may repair it
        return Result(str(job.folder), Status.FAILED, str(error))
    return before if before.status in _FINAL else None


def _complete_checkpoints(jobs: Sequence[Job]) -> None:
    """Finish the checkpoints of a killed stack, before its jobs are grouped by their steps."""
    for job in jobs:
        with suppress(UserError):  # reported when the job starts
            RunFolder(job.folder).checkpoints.complete()


def _lost_result(job: Job, reason: str) -> Result:
    return failed_result(RunFolder(job.folder), job.cfg, UserError(reason))
