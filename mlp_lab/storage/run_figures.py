"""The figures in the folder of a run."""

from pathlib import Path

from mlp_lab.config.names import FIGURE_FORMATS
from mlp_lab.storage.files import figure_writer, write_whole

# Images first, which ``RunFigures.path`` prefers.
_SUFFIXES = tuple(f".{name}" for name in dict.fromkeys(["png", "gif", *FIGURE_FORMATS]))


class RunFigures:
    """The figures and animations of a run.

    Args:
        folder: their folder, which need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def names(self) -> list[str]:
        """The names of the figures, sorted, without suffixes."""
        return sorted({path.stem for path in self.folder.glob("*") if path.suffix in _SUFFIXES})

    def path(self, name: str) -> Path | None:
        """Return the path of a figure, preferably that of an image; None if there is none."""
        if name not in self.names:  # such as ../checkpoints/best
            return None
        paths = (self.folder / f"{name}{suffix}" for suffix in _SUFFIXES)
        return next(path for path in paths if path.is_file())

    def save(self, file_name: str, content: bytes) -> None:
        """Write a figure, which replaces the same figure in another format.

        Args:
            file_name: name with the suffix of the format.
            content: content of the file.
        """
        figure_writer(self.folder)(file_name, content)

    def save_animation(self, name: str, content: bytes) -> None:
        """Write ``<name>.gif``."""
        write_whole(self.folder / f"{name}.gif", content)

    def remove(self, pattern: str) -> None:
        """Remove figures, since new ones may not replace all of them.

        Args:
            pattern: glob pattern of their names without suffixes.
        """
        for suffix in _SUFFIXES:
            for path in self.folder.glob(f"{pattern}{suffix}"):
                path.unlink()
