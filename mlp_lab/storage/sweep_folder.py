"""The folder of a sweep: its settings, the names of its jobs' folders, and their states."""

import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import filelock
import yaml

from mlp_lab.errors import UserError
from mlp_lab.storage.files import write_whole
from mlp_lab.storage.folders import new_folder
from mlp_lab.storage.migration import CONFIG_VERSION, migrate_sweep, read_version
from mlp_lab.storage.records import read_yaml, yaml_with_digest
from mlp_lab.storage.results import Status
from mlp_lab.storage.run_folder import RunFolder

log = logging.getLogger(__name__)

_FILE = "sweep.yaml"
_LENGTH = 100  # most characters of a label
_MAX_BYTES = 200  # of a label: file systems limit names to 255 bytes, with the number of the job
_NUMBER = re.compile(r"[+-]?(\d*\.)?\d+([eE][+-]?\d+)?")
_KEYS = ("overrides", "varied", "started", "directory")  # of the file, besides its version


@dataclass(frozen=True)
class SweepFolder:
    """The folder of a sweep; it can be pickled for other processes and machines.

    Attributes:
        folder: absolute path of the folder.
        overrides: overrides of the command, without ``-m``.
        varied: keys that differ between jobs, as in the overrides of the jobs.
        started: start time in ISO format, with the offset from UTC.
        directory: working directory of the command, to which paths in ``overrides`` are relative.
    """

    folder: Path
    overrides: list[str]
    varied: list[str]
    started: str
    directory: str

    @classmethod
    def create(
        cls, logs: str, name: str, overrides: Sequence[str], varied: Sequence[str]
    ) -> "SweepFolder":
        """Create the folder ``<logs>/<name>/sweeps/<date_time>`` of a new sweep; return it."""
        folder = new_folder(Path(logs).absolute() / name / "sweeps")
        started = datetime.now().astimezone().isoformat(timespec="seconds")
        sweep = cls(folder, list(overrides), list(varied), started, os.getcwd())
        content = {"version": CONFIG_VERSION, **{key: getattr(sweep, key) for key in _KEYS}}
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
        write_whole(folder / _FILE, yaml_with_digest(text).encode())
        return sweep

    @classmethod
    def open(cls, folder: str | Path) -> "SweepFolder":
        """Return the sweep in an existing folder, with the current names of options.

        Raises UserError if there is none, or if its file is damaged or of a later version.
        """
        path = Path(folder).absolute() / _FILE
        if not cls.is_sweep(folder):
            raise UserError(f"{folder}: not the folder of a sweep: it has no {_FILE}")
        content = read_yaml(path, references=True)
        try:
            content = _checked(content)
        except ValueError as error:
            raise UserError(f"{path}: damaged: {error}") from error
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
        return cls(path.parent, **{key: content[key] for key in _KEYS})

    @staticmethod
    def is_sweep(folder: str | Path) -> bool:
        """Return whether a folder is that of a sweep."""
        return (Path(folder) / _FILE).is_file()

    def job_folder(self, number: int, overrides: Sequence[str]) -> Path:
        """Return the folder of a job, named by its varied keys: ``3_lr=0.1,seed=2``.

        If the job has started under the old name of an option, its folder keeps the old name.
        """
        name = self._job_name(number, overrides)
        if not (self.folder / name).is_dir():
            for path in self.folder.glob(f"{number}_*"):
                if self._job_name(number, RunFolder(path).overrides) == name:
                    return path
        return self.folder / name

    def _job_name(self, number: int, overrides: Sequence[str]) -> str:
        pairs = [override.partition("=") for override in overrides]
        settings = [(k.rpartition(".")[2], _short(v)) for k, _, v in pairs if k in self.varied]
        label = ""
        for name, value in settings:
            setting = f"{',' if label else ''}{name}={value}"
            if len(label) + len(setting) > _LENGTH and _NUMBER.fullmatch(value):
                break  # a number that is cut would be another one
            label += setting
        label = re.sub(r"[^\w=.,+-]+", "-", label)[:_LENGTH]
        label = label.encode()[:_MAX_BYTES].decode(errors="ignore")
        return f"{number}_{label}" if label else str(number)

    def runs(self) -> list[RunFolder]:
        """Return the jobs that have started, ordered by number."""
        matches = {path: re.fullmatch(r"(\d+)(_.*)?", path.name) for path in self.folder.iterdir()}
        jobs = [(int(match[1]), path) for path, match in matches.items() if match and path.is_dir()]
        return [RunFolder(path) for _, path in sorted(jobs)]

    @property
    def finished(self) -> list[RunFolder]:
        """The jobs that have finished so far, in any process."""
        return [run for run in self.runs() if run.result.status is Status.FINISHED]

    def failures(self) -> dict[str, str]:
        """Return the reasons of the jobs that have started but not finished, by folder name."""
        results = {run.folder.name: run.result for run in self.runs()}
        return {
            name: result.reason or _reason(result.status)
            for name, result in results.items()
            if result.status is not Status.FINISHED
        }

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from running this sweep. Raises UserError if one runs it already."""
        try:
            with filelock.FileLock(self.folder / ".running", timeout=0):
                self._stopped.unlink(missing_ok=True)
                yield
        except filelock.Timeout as error:
            raise UserError(f"{self.folder}: another process runs this sweep") from error

    @property
    def stopped(self) -> bool:
        """Whether no process may start another job until the sweep is resumed."""
        return self._stopped.exists()

    def stop(self) -> None:
        """Keep all processes from starting further jobs."""
        self._stopped.touch()

    @property
    def _stopped(self) -> Path:
        return self.folder / ".stopped"


def open_runs(folder: str) -> list[RunFolder]:
    """Return the run in a folder, or the finished jobs of the sweep in it.

    Logs how many jobs of the sweep have not finished. Raises UserError if there is no such folder,
    or if none of the jobs has finished.
    """
    if not SweepFolder.is_sweep(folder):
        return [RunFolder.open(folder)]
    sweep = SweepFolder.open(folder)
    finished, started = sweep.finished, len(sweep.runs())
    if not finished:
        raise UserError(f"{sweep.folder}: none of its jobs has finished")
    if others := started - len(finished):
        log.info("%s: %d of %d jobs left out: not finished", sweep.folder, others, started)
    return finished


def _checked(content: Any) -> dict[str, Any]:
    """Return the content of a sweep's file, in the current version.

    Raises ValueError if it is damaged, and UserError if a later version of mlp_lab wrote it.
    """
    if not isinstance(content, dict):
        raise ValueError("not a sweep")
    if read_version(content) < 1:
        content = {"overrides" if key == "words" else key: content[key] for key in content}
    if content.keys() - {"version"} != set(_KEYS):
        raise ValueError(f"its keys must be {', '.join(_KEYS)}")
    for key in ("overrides", "varied"):
        if not (isinstance(content[key], list) and all(isinstance(x, str) for x in content[key])):
            raise ValueError(f"{key}: must be a list of strings")
    for key in ("started", "directory"):
        if not isinstance(content[key], str):
            raise ValueError(f"{key}: must be a string")
    return migrate_sweep(content)


def _short(value: str) -> str:
    """Return a number that is not whole with four digits, another text unchanged."""
    is_fraction = _NUMBER.fullmatch(value) and not value.lstrip("+-").isdigit()
    return f"{float(value):.4g}" if is_fraction else value


def _reason(status: Status) -> str:
    """Return why a job did not finish, if only its status is known."""
    return "ended before its result" if status is Status.UNFINISHED else status
