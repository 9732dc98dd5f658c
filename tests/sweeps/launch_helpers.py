"""A stub of the training of a sweep's jobs, and the folder of the sweep."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlp_lab.storage.results import Result, Status
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.sweeps.comparison.answer import Summary
from mlp_lab.sweeps.groups import Job


class TrainingStub:
    """Replacement of ``train_jobs`` that records the jobs of each call and ends them as configured.

    Attributes:
        calls: folder names and overrides of the jobs of each call.
        processes: number of processes of the latest call.
        directory: working directory of the latest call.
        endings: final status by job number; ``finished`` if missing.
    """

    def __init__(self) -> None:
        self.calls: list[list[tuple[str, list[str]]]] = []
        self.endings: dict[int, str] = {}

    def __call__(
        self, batch: Sequence[Job], fail_fast: bool, bar: Any, processes: int
    ) -> list[Result]:
        self.processes = processes
        self.directory = os.getcwd()
        self.calls.append([(job.folder.name, list(job.overrides)) for job in batch])
        return [self._end(job) for job in batch]

    def _end(self, job: Job) -> Result:
        number = int(job.folder.name.partition("_")[0])
        status = Status(self.endings.get(number, "finished"))
        job.folder.mkdir(exist_ok=True)
        reason = None if status is Status.FINISHED else "it\nhad to"
        result = Result(str(job.folder), status, reason)
        result.best = {"loss/validation": 10.0 + number, "error/validation": number / 10}
        RunFolder(job.folder).write_result(result)
        return result

    @property
    def names(self) -> list[list[str]]:
        return [[name for name, _ in batch] for batch in self.calls]


SEARCH = ["hydra/sweeper=search", "optimizer.lr=interval(0.1,1)"]


def sweep_folder(logs: Path = Path("logs")) -> Path:
    [folder] = logs.glob("*/sweeps/*")
    return folder


def summary_of(folder: str, text: str) -> Summary:
    """Return a summary without runs."""
    return Summary(Path(folder), text, [], None)
