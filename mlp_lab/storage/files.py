"""Write files atomically (they are complete or absent), and convert their content."""

import csv
import io
import json
import os
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mlp_lab.config.names import FIGURE_FORMATS

# Names of the temporary files of ``write_whole``.
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{12}")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is complete or absent, even if the process is killed.

    Raises:
        OSError: the file cannot be written; the error has its name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # tempfile.mkstemp would ignore the user's umask, which decides who can read the file.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")
    with errors_named(path):
        try:
            with temporary.open("xb") as file:
                file.write(content)
            os.replace(temporary, path)
        except BaseException:
            with suppress(FileNotFoundError):  # an interrupt after it was renamed
                os.unlink(temporary)
            raise


@contextmanager
def errors_named(path: Path) -> Iterator[None]:
    """Give errors of the system in the context the name of a file or folder.

    Those of writing lack it, and those of a temporary file have its name.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:  # not one of the system
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def remove_incomplete(folder: Path) -> None:
    """Remove the temporary files in and below a folder that a killed process has left behind.

    No process may be writing files in the folder.
    """
    for path in folder.rglob(".*"):
        if _TEMPORARY.fullmatch(path.name):
            path.unlink()


def figure_writer(folder: Path) -> Callable[[str, bytes], None]:
    """Return a function of a file name and a content, which writes a figure in a folder.

    The figure replaces one in another format.
    """

    def write(name: str, content: bytes) -> None:
        path = folder / name
        write_whole(path, content)
        for suffix in {f".{each}" for each in FIGURE_FORMATS} - {path.suffix}:
            path.with_suffix(suffix).unlink(missing_ok=True)

    return write


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """Return rows as lines of comma-separated values; None becomes an empty cell."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def json_text(value: Any) -> str:
    """Return a value as indented JSON."""
    return json.dumps(value, indent=2) + "\n"
