"""Zip archives without compression, such as checkpoints: verified before they are read."""

import zipfile
from pathlib import Path

from mlp_lab.errors import UserError, first_line


def checked_names(path: Path) -> list[str]:
    """Return the names of the entries of an archive, whose checksums are verified.

    Raises UserError if the file is damaged, or if its entries are larger than the file itself (a
    zip bomb).
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise zipfile.BadZipFile("compressed entries")
            if sum(entry.file_size for entry in entries) > path.stat().st_size:
                raise zipfile.BadZipFile("overlapping entries")
            if damaged := archive.testzip():
                raise zipfile.BadZipFile(f"wrong checksum of {damaged}")
    except Exception as error:  # zipfile raises various exceptions for damaged files
        raise UserError(f"{path}: damaged: {first_line(error)}") from error
    return [entry.filename for entry in entries]
