"""Read npz files of arrays without running code and without exceeding a limit of memory."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mlp_lab.errors import UserError
from mlp_lab.images.image_decoding import READ_ERRORS, read_error_reason

_MAX_BYTES = 2**30  # without compression: a million images of digits


@contextmanager
def open_npz(path: Path) -> Iterator[Any]:
    """Open an npz file; yield numpy's archive, whose ``files`` are the names of its arrays.

    Raises:
        UserError: the file is damaged, too large, or has arrays of objects; also if reading an
            array fails in the body of the with statement.
    """
    try:
        if not zipfile.is_zipfile(path):
            raise ValueError("not an npz file")
        with path.open("rb") as file, np.load(file) as archive:
            size = sum(entry.file_size for entry in archive.zip.infolist())
            if size > _MAX_BYTES:
                raise ValueError(f"unpacks to more than {_MAX_BYTES:,} bytes")
            yield archive
    except READ_ERRORS as error:
        raise UserError(f"{path}: damaged: {read_error_reason(error)}") from error
