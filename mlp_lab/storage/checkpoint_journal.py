"""Replace the checkpoints of several runs together: all or none, even after an error or a kill.

The runs of a stack are resumed as one stack only if their checkpoints are of the same step. The new
checkpoints are first written to one file, the journal, in the folder of the first run. If the
process ends while it replaces the checkpoints, ``complete`` continues from the journal.
"""

import io
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

from mlp_lab.errors import UserError
from mlp_lab.storage.archives import checked_names
from mlp_lab.storage.files import write_whole

_JOURNAL = ".journal"
# Names in a journal: paths in the folder that contains the run folders.
_NAME = re.compile(r"(?!\.)[^/\\]+/checkpoints/(best|last)\.ckpt")


def replace_together(contents: Mapping[Path, bytes]) -> None:
    """Write checkpoints to ``<run folder>/checkpoints``; the run folders are in one folder.

    ``best.ckpt`` of a run is written first: a run that is resumed from ``last.ckpt`` must not miss
    an epoch before it.
    """
    several = len({path.parent for path in contents}) > 1
    journal = min(contents).parent / _JOURNAL if several else None
    if journal is not None:
        write_whole(journal, _packed(contents))
    for path in sorted(contents):
        write_whole(path, contents[path])
    if journal is not None:  # after an error, such as a full disk, it is kept for ``complete``
        journal.unlink()


def complete(checkpoints: Path) -> None:
    """Finish what another process has begun, if there is a journal in the folder of a run.

    Checkpoints that are newer than the journal are kept: they are complete, or of a later training.
    Raises UserError if the journal is damaged.
    """
    journal = checkpoints / _JOURNAL
    if not journal.is_file():
        return
    for name in checked_names(journal):
        if not _NAME.fullmatch(name):
            raise UserError(f"{journal}: damaged: it contains {name!r}")
    with zipfile.ZipFile(journal) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    written = journal.stat().st_mtime_ns
    for name in sorted(contents):
        path = checkpoints.parents[1] / name
        is_newer = path.is_file() and path.stat().st_mtime_ns >= written
        if path.parent.is_dir() and not is_newer:
            write_whole(path, contents[name])
    journal.unlink()


def _packed(contents: Mapping[Path, bytes]) -> bytes:
    """Return the content of a journal."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, content in contents.items():
            archive.writestr("/".join(path.parts[-3:]), content)
    return packed.getvalue()
