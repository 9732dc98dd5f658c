"""The figures in the folder of a run."""

from pathlib import Path

from mlp_lab.config.names import FIGURE_FORMATS
from mlp_lab.storage.files import figure_writer, write_whole

_IMAGES = (".png", ".gif")
_SUFFIXES = (*_IMAGES, *(f".{name}" for name in FIGURE_FORMATS[1:]))


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
        """Return the path of a figure; None if there is none of this name.

        It is that of an image, if there is one.
        """
        paths = (self.folder / f"{name}{suffix}" for suffix in _SUFFIXES)
        return next((path for path in paths if name in self.names and path.is_file()), None)

    def save(self, name: str, content: bytes) -> None:
        """Write a figure, which replaces the same figure in another format.

        Args:
            name: file name with the suffix of the format.
            content: content of the file.
        """
        figure_writer(self.folder)(name, content)

    def save_animation(self, name: str, content: bytes) -> None:
        """Write ``<name>.gif``."""
        write_whole(self.folder / f"{name}.gif", content)

    def remove(self, pattern: str) -> None:
        """Remove figures whose names match, since new figures may not overwrite all of them."""
        for suffix in _SUFFIXES:
            for path in self.folder.glob(f"{pattern}{suffix}"):
                path.unlink()
