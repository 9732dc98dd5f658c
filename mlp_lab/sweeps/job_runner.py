"""What a sweep's launcher calls for its jobs, wherever they run.

Torch is loaded where a job is trained, not here.
"""

import math
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from mlp_lab.config import schemas
from mlp_lab.config.check import check
from mlp_lab.runs.threads import processes_for, set_threads, threads_from_environment
from mlp_lab.storage.run_folder import SIGN
from mlp_lab.storage.sweep_folder import Sweep

if TYPE_CHECKING:
    from mlp_lab.runs.train import Result
    from mlp_lab.sweeps.progress import SweepBar

# A job's number, its config and its own overrides.
NumberedJob = tuple[int, DictConfig, list[str]]


class Task:
    """What a launcher calls for each job, in this process, in another or on another machine.

    The launcher pickles it with the sweep that it holds, so that no process needs the command
    line of the first. Only the first shows a progress bar and says which jobs fail: what others
    write to standard error can end in a file on another machine.

    Args:
        sweep: whose jobs these are.

    Attributes:
        jobs: of the whole sweep, once a sweeper has counted them.
        command: the command line of the first process, which runs record.
        told: names of the folders of failed jobs that the user has been told of.
    """

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep
        self.jobs: int | None = None
        self.command = sys.argv
        self.told: set[str] = set()
        self._process = os.getpid()
        self._threads = threads_from_environment()  # by the user, before a batch of jobs sets them
        self._bar: SweepBar | None = None  # which the jobs of a process have in common

    def __call__(self, cfg: DictConfig) -> float:
        """Train the job that Hydra's own config describes; see ``train``."""
        job = HydraConfig.get()
        return self.train([(job.job.num, cfg, list(job.overrides.task))])[0]

    def train(self, jobs: Sequence[NumberedJob], processes: int | None = 1) -> list[float]:
        """Train jobs together; return the best validation value of each.

        They are divided among at most so many ``processes`` of one thread each; None: one for each
        core, as far as that is of use; see ``threads.processes_for``.

        The value is that of ``select.metric``; infinitely bad for a job that diverged in its first
        epoch, nan for one that left none otherwise. A job that fails doesn't stop the others,
        except with ``sweep.fail_fast``. Raises UserError for a wrong config before any job begins,
        and KeyboardInterrupt if a job is interrupted.
        """
        os.chdir(self.sweep.directory)
        sys.argv = self.command  # recorded by each run; Hydra or the launcher has set another
        configs = [check(cfg, schemas.Train) for _, cfg, _ in jobs]
        if self.sweep.stopped:
            return [math.nan] * len(jobs)
        shared, fail_fast = configs[0], configs[0].sweep.fail_fast
        # Only within one process a job that fails ends those that train with it.
        asked = processes_for(processes, shared.threads or self._threads)
        most = 1 if fail_fast else min(len(jobs), asked)
        set_threads(1 if most > 1 else shared.threads)
        from mlp_lab.sweeps.groups import Job
        from mlp_lab.sweeps.jobs import train_jobs
        from mlp_lab.sweeps.progress import SweepBar

        first = os.getpid() == self._process
        self._bar = self._bar or SweepBar(self.jobs, shown=first)
        results = train_jobs(
            [
                Job(cfg, overrides, self.sweep.job_folder(number, overrides))
                for cfg, (number, _, overrides) in zip(configs, jobs, strict=True)
            ],
            fail_fast,
            self._bar,
            most,
        )
        failures = {
            os.path.basename(result.folder): result.reason or result.status
            for result in results
            if result.status not in ("finished", "interrupted")
        }
        if first:
            with self._bar.aside():
                self.tell(failures)
        elif self.jobs is not None:
            print(f"{len(self.sweep.finished)} of {self.jobs} jobs have finished", flush=True)
        if failures and fail_fast:
            self.sweep.stop()
        elif any(result.status == "interrupted" for result in results):
            raise KeyboardInterrupt
        return [_value(cfg.select, result) for cfg, result in zip(configs, results, strict=True)]

    def close(self) -> None:
        """End the progress bar, if there is one."""
        if self._bar is not None:
            self._bar.close()

    def tell(self, failures: dict[str, str]) -> None:
        """One line on standard error for each failure that the user doesn't know yet."""
        for name, reason in failures.items():
            if name not in self.told:
                print(f"mlp_lab: {name}: {' '.join(reason.split())}", file=sys.stderr, flush=True)
        self.told |= failures.keys()


def _value(select: DictConfig, result: "Result") -> float:
    # A run that diverged is infinitely bad, one that failed says nothing of its config.
    worst = SIGN[select.mode] * math.inf if result.status == "diverged" else math.nan
    return (result.best or {}).get(f"{select.metric}/validation", worst)
