"""What lies in a sweep's folder besides its jobs, and what the jobs' folders are called."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import filelock
import yaml

from mlp_lab.errors import UserError
from mlp_lab.storage.files import write_whole
from mlp_lab.storage.results import Status
from mlp_lab.storage.run_folder import RunFolder, new_folder

_FILE = "sweep.yaml"


@dataclass(frozen=True)
class SweepFolder:
    """One sweep's folder, in a form that travels to other processes and machines.

    Attributes:
        folder: an absolute path.
        words: the command's overrides as they were typed, without ``-m``.
        varied: the keys that differ between jobs, as their overrides name them.
        started: when, with the offset from UTC.
        directory: the working directory of the command: what relative paths in ``words`` mean.
    """

    folder: Path
    words: list[str]
    varied: list[str]
    started: str
    directory: str

    @classmethod
    def create(
        cls, logs: str, name: str, words: Sequence[str], varied: Sequence[str]
    ) -> "SweepFolder":
        """A new sweep in a folder ``<logs>/<name>/sweeps/<date_time>`` of its own."""
        folder = new_folder(Path(logs).absolute() / name / "sweeps")
        started = datetime.now().astimezone().isoformat(timespec="seconds")
        sweep = cls(folder, list(words), list(varied), started, os.getcwd())
        known = {key: value for key, value in vars(sweep).items() if key != "folder"}
        text = yaml.safe_dump(known, sort_keys=False, allow_unicode=True)
        write_whole(folder / _FILE, text.encode())
        return sweep

    @classmethod
    def open(cls, folder: str | Path) -> "SweepFolder":
        """The sweep in an existing folder. Raises UserError if there is none."""
        path = Path(folder).absolute() / _FILE
        if not cls.lies_in(folder):
            raise UserError(f"{folder}: not the folder of a sweep: it has no {_FILE}")
        try:
            return cls(path.parent, **yaml.safe_load(path.read_text(encoding="utf-8")))
        except (yaml.YAMLError, TypeError, UnicodeDecodeError) as error:
            raise UserError(f"{path}: damaged: {str(error).splitlines()[0]}") from error

    @staticmethod
    def lies_in(folder: str | Path) -> bool:
        """Whether a folder is that of a sweep."""
        return (Path(folder) / _FILE).is_file()

    def job_folder(self, number: int, overrides: Sequence[str]) -> Path:
        """The folder of a job, named by what varies: ``3_lr=0.1,seed=2``."""
        pairs = [word.partition("=") for word in overrides]
        varied = (f"{key.rpartition('.')[2]}={v}" for key, _, v in pairs if key in self.varied)
        label = re.sub(r"[^\w=.,+-]+", "-", ",".join(varied))[:100]
        return self.folder / (f"{number}_{label}" if label else str(number))

    def runs(self) -> list[RunFolder]:
        """The jobs that have begun, by their numbers."""
        found = {path: re.fullmatch(r"(\d+)(_.*)?", path.name) for path in self.folder.iterdir()}
        jobs = [(int(match[1]), path) for path, match in found.items() if match and path.is_dir()]
        return [RunFolder(path) for _, path in sorted(jobs)]

    @property
    def finished(self) -> list[RunFolder]:
        """The jobs that have finished so far, in all processes."""
        return [run for run in self.runs() if run.result.status is Status.FINISHED]

    def failures(self) -> dict[str, str]:
        """Return the reasons of the jobs that have begun and not finished, by folder name."""
        results = {run.folder.name: run.result for run in self.runs()}
        return {
            name: result.reason or _reason(result.status)
            for name, result in results.items()
            if result.status is not Status.FINISHED
        }

    @contextmanager
    def running(self) -> Iterator[None]:
        """Keep others from running this sweep. Raises UserError if somebody does already."""
        try:
            with filelock.FileLock(self.folder / ".running", timeout=0):
                self._stopped.unlink(missing_ok=True)
                yield
        except filelock.Timeout as error:
            raise UserError(f"{self.folder}: another process runs this sweep") from error

    @property
    def stopped(self) -> bool:
        """Whether no further job shall begin, in any process, until the sweep goes on."""
        return self._stopped.exists()

    def stop(self) -> None:
        """Let no further job begin."""
        self._stopped.touch()

    @property
    def _stopped(self) -> Path:
        return self.folder / ".stopped"


def _reason(status: Status) -> str:
    """Return why a job did not finish, if only its status is known."""
    return "ended before its result" if status is Status.UNFINISHED else status
