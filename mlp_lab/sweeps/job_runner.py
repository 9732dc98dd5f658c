"""The function that a sweep's launcher calls for its jobs, in whichever process they run.

Torch is imported where a job is trained, not with this module.
"""

import math
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from mlp_lab.config.check import check
from mlp_lab.config.command_line import recorded_overrides
from mlp_lab.config.compose import ROOTS
from mlp_lab.config.metrics import SIGN
from mlp_lab.config.plugin_modules import import_plugins, named_plugins
from mlp_lab.runs.cluster import without_cluster_variables
from mlp_lab.runs.threads import processes_for, set_threads, threads_from_environment
from mlp_lab.storage.results import Result, Status
from mlp_lab.storage.sweep_folder import SweepFolder
from mlp_lab.sweeps.plan import Plan

if TYPE_CHECKING:  # imports torch
    from mlp_lab.sweeps.progress import SweepBar

# A job's number, its config and its overrides.
NumberedJob = tuple[int, DictConfig, list[str]]


class JobRunner:
    """Trains the jobs of a sweep, in this process, in another or on another machine.

    Launchers pickle it together with its sweep, so that the other processes do not need the
    command line. Only the first process shows a progress bar and reports failures: the standard
    error of the others may be a file on another machine.

    Args:
        sweep: the sweep folder.
        plan: the sweep's plan; only sweepers need it.

    Attributes:
        jobs: number of jobs of the sweep, once the sweeper has counted them.
        ended: number of jobs that an earlier command has trained and the sweeper leaves out.
        command: command line of the first process, which runs record.
        plugins: modules of plug-ins that the command names.
        reported: folder names of failed jobs that have been reported.
    """

    def __init__(self, sweep: SweepFolder, plan: Plan | None = None) -> None:
        self.sweep = sweep
        self.plan = plan
        self.jobs: int | None = None
        self.ended = 0
        self.command = sys.argv
        self.plugins = named_plugins()
        self.reported: set[str] = set()
        self._process = os.getpid()
        self._threads = threads_from_environment()  # the user's, before a batch of jobs sets them
        self._bar: SweepBar | None = None  # shared by the jobs of a process

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"plan": None}  # sweepers run in the first process only

    def __call__(self, cfg: DictConfig) -> float:
        """Train the job that Hydra's config describes; see ``train``."""
        hydra = HydraConfig.get()
        return self.train([(hydra.job.num, cfg, recorded_overrides(hydra))])[0]

    def train(self, jobs: Sequence[NumberedJob], processes: int | None = 1) -> list[float]:
        """Train jobs together; return the best validation value of each.

        The value is that of ``select.metric``. It is infinitely bad for a job that diverged in its
        first epoch, and nan for a job that has no value for another reason. A failed job does not
        stop the others, except with ``sweep.fail_fast``. Raises UserError for a wrong config before
        any job starts, and KeyboardInterrupt if a job is interrupted.

        Args:
            jobs: number, config and overrides of each job.
            processes: maximum number of processes, of one thread each; None: one per core, where
                this is useful; see ``threads.processes_for``.
        """
        os.chdir(self.sweep.directory)
        sys.argv = self.command  # recorded by each run; Hydra or the launcher has set another
        import_plugins(self.plugins)  # not imported yet in another process or on another machine
        configs = [check(cfg, ROOTS["train"]) for _, cfg, _ in jobs]
        if self.sweep.stopped:
            return [math.nan] * len(jobs)
        numbered = [
            (number, cfg, overrides)
            for cfg, (number, _, overrides) in zip(configs, jobs, strict=True)
        ]
        with without_cluster_variables():  # Slurm sets them in the processes that it starts
            results = self._train(numbered, processes)
        failures = {
            os.path.basename(result.folder): result.reason or result.status
            for result in results
            if result.status not in (Status.FINISHED, Status.INTERRUPTED)
        }
        self._report(failures)
        if failures and configs[0].sweep.fail_fast:
            self.sweep.stop()
        elif any(result.status is Status.INTERRUPTED for result in results):
            raise KeyboardInterrupt
        return [_value(cfg.select, result) for cfg, result in zip(configs, results, strict=True)]

    def close(self) -> None:
        """Close the progress bar, if there is one."""
        if self._bar is not None:
            self._bar.close()

    def announce(self, text: str) -> None:
        """Print a line on the whole sweep."""
        # Without a bar, the jobs train in other processes.
        with nullcontext() if self._bar is None else self._bar.cleared():
            print(text, flush=True)

    def report_failures(self, failures: Mapping[str, str]) -> None:
        """Print one line on standard error for each failure that has not been reported yet."""
        for name, reason in failures.items():
            if name not in self.reported:
                print(f"mlp_lab: {name}: {' '.join(reason.split())}", file=sys.stderr, flush=True)
        self.reported |= failures.keys()

    def _train(self, jobs: Sequence[NumberedJob], processes: int | None) -> list[Result]:
        _, shared, _ = jobs[0]
        fail_fast = shared.sweep.fail_fast
        available = processes_for(processes, shared.threads or self._threads)
        # A failed job can stop only jobs of its process.
        processes = 1 if fail_fast else min(len(jobs), available)
        set_threads(1 if processes > 1 else shared.threads)
        from mlp_lab.runs.denormals import denormals_as_zero
        from mlp_lab.sweeps.groups import Job
        from mlp_lab.sweeps.jobs import train_jobs
        from mlp_lab.sweeps.progress import SweepBar

        if self._bar is None:
            self._bar = SweepBar(self.jobs, shown=self._is_first_process)
            self._bar.skip(self.ended)
        to_train = [
            Job(cfg, overrides, self.sweep.job_folder(number, overrides))
            for number, cfg, overrides in jobs
        ]
        with denormals_as_zero():
            return train_jobs(to_train, fail_fast, self._bar, processes)

    def _report(self, failures: Mapping[str, str]) -> None:
        if self._is_first_process:
            assert self._bar is not None
            with self._bar.cleared():
                self.report_failures(failures)
        elif self.jobs is not None:
            print(f"{len(self.sweep.finished)} of {self.jobs} jobs have finished", flush=True)

    @property
    def _is_first_process(self) -> bool:
        return os.getpid() == self._process


def _value(select: DictConfig, result: Result) -> float:
    # A run that diverged is infinitely bad; one that failed gives no information on its config.
    worst = SIGN[select.mode] * math.inf if result.status is Status.DIVERGED else math.nan
    return (result.best or {}).get(f"{select.metric}/validation", worst)
