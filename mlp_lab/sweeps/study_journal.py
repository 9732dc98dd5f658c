"""The file of a search: one change per line, each with a checksum."""

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from optuna.storages.journal import JournalFileBackend

from mlp_lab.errors import UserError

_CHECKSUM = "crc32"


class StudyJournal(JournalFileBackend):
    """Optuna's journal in a file, which detects damage.

    Lines without a checksum are read as well: earlier versions wrote them.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.path = path

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append changes to the file."""
        super().append_logs([log | {_CHECKSUM: _checksum(log)} for log in logs])

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:  # type: ignore[override]
        """Yield the changes in the file. Raises UserError if it is damaged."""
        try:
            for log in super().read_logs(log_number_from):
                if log.pop(_CHECKSUM, None) not in (None, _checksum(log)):
                    raise ValueError("a line does not have its checksum")
                yield log
        except (ValueError, AttributeError, RecursionError) as error:  # such as [] instead of {}
            raise UserError(f"{self.path}: damaged: {error}") from error


def drop_incomplete_line(path: Path) -> None:
    """Remove the start of a line whose process was killed, and the lock of such a process.

    The next line would continue the former. Optuna would wait half a minute for the lock. No other
    process may use the file.
    """
    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
    content = path.read_bytes() if path.is_file() else b""
    if not content.endswith(b"\n") and content:
        with path.open("r+b") as file:
            file.truncate(content.rfind(b"\n") + 1)


def _checksum(log: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(log, sort_keys=True).encode())
