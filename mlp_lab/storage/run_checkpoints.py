"""The checkpoints in the folder of a run: which there are, and from which it can be resumed."""

import shutil
from pathlib import Path

from mlp_lab.errors import UserError
from mlp_lab.storage.checkpoint_journal import complete
from mlp_lab.storage.files import remove_incomplete, write_whole


class RunCheckpoints:
    """The checkpoints ``best`` and ``last`` of a run, and copies of them for the last whole epoch.

    Args:
        folder: folder of the run, which need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._run = folder
        self.folder = folder / "checkpoints"
        self._whole_epochs = self.folder / "whole_epochs"

    def path(self, which: str) -> Path:
        """Return the path of the checkpoint ``best`` or ``last``, which need not exist."""
        return self.folder / f"{which}.ckpt"

    def existing(self, which: str) -> Path:
        """Return the path of the checkpoint ``best`` or ``last``. Raises UserError if missing."""
        path = self.path(which)
        if not path.is_file():
            raise UserError(f"{self._run}: has no {path.relative_to(self._run)}")
        return path

    @property
    def of_last_whole_epoch(self) -> Path | None:
        """The checkpoint from which the run can be resumed; None if there is none.

        It is always that of a whole epoch, see ``keep_whole_epochs``.
        """
        paths = (folder / "last.ckpt" for folder in (self._whole_epochs, self.folder))
        return next((path for path in paths if path.is_file()), None)

    def complete(self) -> None:
        """Replace the checkpoints that a killed process was about to replace."""
        complete(self.folder)

    def remove_incomplete(self) -> None:
        """Remove the temporary files of a killed process. No other process may be writing."""
        remove_incomplete(self.folder)

    def keep_whole_epochs(self) -> None:
        """Copy both checkpoints to ``checkpoints/whole_epochs``.

        They are those of the last whole epoch, if the training ends within the next one.
        """
        _copy(self.folder, self._whole_epochs)

    def restore_whole_epochs(self) -> None:
        """Replace both checkpoints by those of ``keep_whole_epochs``, if there are any.

        The order of the files allows repeating this if the process is killed.
        """
        if not (self._whole_epochs / "last.ckpt").is_file():
            return
        self.path("best").unlink(missing_ok=True)
        _copy(self._whole_epochs, self.folder)
        shutil.rmtree(self._whole_epochs)


def _copy(source: Path, target: Path) -> None:
    """Copy the existing checkpoints of one folder to another, ``best.ckpt`` first."""
    for name in ("best.ckpt", "last.ckpt"):
        if (source / name).is_file():
            write_whole(target / name, (source / name).read_bytes())
