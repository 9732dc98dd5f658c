"""Create a folder with a new name, and explain why a path is not a run folder."""

import itertools
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from mlp_lab.config.names import CHECKPOINTS
from mlp_lab.errors import UserError


def not_a_folder(folder: str, reason: str) -> UserError:
    """Return the error for a path that is not a run folder; it names the folder that may be meant.

    Args:
        folder: path that a user gave.
        reason: error message for an existing folder.
    """
    path = Path(folder)
    if not path.exists():
        return UserError(f"{folder}: no such folder")
    for parent in list(Path(os.path.abspath(path)).parents)[:2]:
        if (parent / "config.yaml").is_file() and (parent / "checkpoints").is_dir():
            which = f" checkpoint={path.stem}" if path.stem in CHECKPOINTS else ""
            return UserError(f"{folder}: must be the run folder: {parent}{which}")
    return UserError(f"{folder}: not a folder" if path.is_file() else f"{folder}: {reason}")


def new_folder(parent: Path) -> Path:
    """Create a new folder ``<parent>/<date_time>``; return it. Concurrent calls get others."""
    parent.mkdir(parents=True, exist_ok=True)
    names = dated_names()
    while True:
        folder = parent / next(names)
        with suppress(FileExistsError):
            folder.mkdir()
            return folder


def dated_names() -> Iterator[str]:
    """Yield the names ``<date_time>``, ``<date_time>_1``, ``<date_time>_2``, ..."""
    stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    yield from (f"{stamp}_{i}" if i else stamp for i in itertools.count())
