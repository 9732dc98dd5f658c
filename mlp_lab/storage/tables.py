"""Read CSV files of numbers, to which a run appends a row after each epoch."""

import csv
import io
from pathlib import Path

from mlp_lab.errors import UserError
from mlp_lab.storage.records import read_text, sha256

_MAX_BYTES = 2**28


def read_table(path: Path, digest: str | None) -> list[dict[str, float]]:
    """Return the rows of a table so far, each without its empty cells.

    A last line without a line end is ignored: it is being written, or its process was killed.

    Args:
        path: the file.
        digest: SHA-256 of the whole file; None: the run has not ended, or an earlier version of
            mlp_lab wrote the file.

    Raises:
        UserError: the file is damaged.
    """
    text = read_text(path, _MAX_BYTES)
    if digest not in (None, sha256(text.encode())):
        raise UserError(f"{path}: damaged: its content does not have the digest in result.json")
    lines = text[: text.rfind("\n") + 1]
    try:
        rows = [
            {name: float(cell) for name, cell in row.items() if cell}
            for row in csv.DictReader(io.StringIO(lines, newline=""), strict=True)
        ]
    except (ValueError, TypeError, csv.Error) as error:
        raise UserError(f"{path}: damaged: {error}") from error
    if any("epoch" not in row for row in rows):
        raise UserError(f"{path}: damaged: a row has no epoch")
    return rows
