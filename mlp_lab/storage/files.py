"""Files that are whole or not there, and what is written into them or read from them."""

import csv
import io
import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlp_lab.errors import UserError

if TYPE_CHECKING:  # most files are no pictures
    from matplotlib.figure import Figure


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is there with all its content or not at all, whatever happens.

    Raises OSError with the file's name: a full disk, a folder that can't be written to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o644)  # a temporary file is private; the finished one is ordinary
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(FileNotFoundError):  # an interrupt came after it had got its name
            os.unlink(temporary)
        if isinstance(error, OSError):  # which alone doesn't say what could not be written
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def read_json(path: Path) -> Any:
    """What a JSON file holds. Raises UserError if it is none."""
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise UserError(f"{path}: damaged: {error}") from error


def write_png(path: Path, figure: "Figure") -> bytes:
    """Write a figure as a picture; return the file's content, since drawing it takes time."""
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=120)
    write_whole(path, png.getvalue())
    return png.getvalue()


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """Rows as lines of comma-separated values; None as an empty one."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def json_text(value: Any) -> str:
    """A value as JSON that people can read."""
    return json.dumps(value, indent=2) + "\n"
