"""A page with one example of each kind of figure, made by short runs."""

import html
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import yaml

from mlp_lab.config.command_line import example, override
from mlp_lab.config.suggestions import check_names
from mlp_lab.errors import UserError
from mlp_lab.storage.files import write_whole

_FILE = Path(__file__).with_name("gallery.yaml")
_IMAGES = (".png", ".gif")
_STYLE = "body {font-family: sans-serif; margin: 2em} img {max-width: 100%; max-height: 45em}"

#: Function of the arguments of a command, without those that name its folder, and of this folder.
Program = Callable[[Sequence[str], Path], object]


@dataclass(frozen=True)
class Exhibit:
    """A command and the figures of it that the gallery shows.

    Attributes:
        name: short name, also of the folder of its runs.
        command: a command and its arguments; ``{name}`` is the run folder of an earlier exhibit.
        figures: names of the figures, without suffixes.
    """

    name: str
    command: str
    figures: Sequence[str]

    def arguments(self, root: Path) -> list[str]:
        """Return the arguments of the command, with run folders instead of names.

        Raises:
            UserError: an earlier exhibit has no run.
        """
        _, *words = shlex.split(self.command)
        runs = [_run_in(word, root) for word in words]
        return [
            word if run is None else override(word.partition("=")[0], str(run))
            for word, run in zip(words, runs, strict=True)
        ]

    def _drawn_in(self, root: Path) -> Path:
        """Return the folder of the figures: an evaluation draws in the folder of its run."""
        _, *words = shlex.split(self.command)
        runs = [_run_in(word, root) for word in words if word.startswith("run=")]
        return next((run for run in runs if run is not None), root / self.name)

    def files(self, root: Path, since: float) -> dict[str, list[Path]]:
        """Return the files of each figure that were written since a time, one of each suffix."""
        folder = self._drawn_in(root)
        return {name: _files(name, folder, since) for name in self.figures}


def exhibits(names: Sequence[str] = ()) -> list[Exhibit]:
    """Return the entries of ``gallery.yaml`` with the given names; all if there are none.

    Raises:
        UserError: there is no such entry.
    """
    entries = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    check_names(names, list(entries), "exhibit")
    return [Exhibit(name, **entry) for name, entry in entries.items() if name in (names or entries)]


def make(every: Sequence[Exhibit], root: Path, programs: Mapping[str, Program]) -> list[str]:
    """Run the commands, write ``index.html``, and return what failed: one line for each failure.

    A command that fails does not stop the others.

    Args:
        every: what the page shows.
        root: folder of the page, with a folder for each command.
        programs: functions that run a command, by its name.
    """
    failures: list[str] = []
    sections: list[str] = []
    for number, exhibit in enumerate(every, 1):
        print(f"[{number}/{len(every)}] {exhibit.name}", flush=True)
        try:
            shown, missing = _run(exhibit, root, programs)
        except UserError as error:
            failures.append(f"{exhibit.name}: {error}")
            continue
        sections.append(shown)
        failures += [f"{exhibit.name}: has not drawn {name}" for name in missing]
    write_whole(root / "index.html", page(sections, failures).encode())
    return failures


def page(sections: Sequence[str], failures: Sequence[str]) -> str:
    """Return the page: failures, if there are any, and a section for each command."""
    head = f'<!doctype html>\n<meta charset="utf-8">\n<title>mlp_lab</title><style>{_STYLE}</style>'
    lines = [f"<p>failed: {html.escape(failure)}</p>" for failure in failures]
    return "\n".join([head, "<h1>Figures of mlp_lab</h1>", *lines, *sections, ""])


def section(name: str, command: str, figures: Mapping[str, Sequence[str]]) -> str:
    """Return a section: a command, and the images of each figure with their names.

    Args:
        name: heading.
        command: command that draws the figures.
        figures: paths of images relative to the page, by name of the figure.
    """
    lines = [f"<h2>{html.escape(name)}</h2>", f"<pre>{html.escape(command)}</pre>"]
    for figure, paths in figures.items():
        images = (f'<img src="{html.escape(path)}" alt="{html.escape(figure)}">' for path in paths)
        lines.append(f"<h3>{html.escape(figure)}</h3>\n{' '.join(images)}")
    return "\n".join(lines)


def _run(exhibit: Exhibit, root: Path, programs: Mapping[str, Program]) -> tuple[str, list[str]]:
    """Run a command; return its section of the page and the names of missing figures."""
    folder = root / exhibit.name
    folder.mkdir(parents=True, exist_ok=True)
    program, _, _ = exhibit.command.partition(" ")
    arguments = exhibit.arguments(root)
    start = time.time() - 1  # times of files may be rounded
    with (folder / "output.txt").open("w", encoding="utf-8") as output, redirect_stdout(output):
        programs[program](arguments, folder)
    files = exhibit.files(root, start)
    paths = {n: [p.relative_to(root).as_posix() for p in each] for n, each in files.items()}
    command = example(program, shlex.join(arguments)).strip()
    return section(exhibit.name, command, paths), [name for name, each in files.items() if not each]


def _run_in(word: str, root: Path) -> Path | None:
    """Return the run folder of the exhibit whose name is in braces; None: there is no name."""
    key, _, name = word.partition("={")
    if not name.endswith("}"):
        return None
    runs = sorted(path.parent for path in (root / name[:-1]).rglob("config.yaml"))
    if not runs:
        raise UserError(f"{key}: {name[:-1]} has no run")
    return runs[-1]


def _files(name: str, folder: Path, since: float) -> list[Path]:
    """Return the newest image of a figure for each suffix, of a sweep that of its summary."""
    newest = {}
    for suffix in _IMAGES:
        paths = [*folder.rglob(f"{name}{suffix}"), *folder.rglob(f"*_{name}{suffix}")]
        found = [path for path in paths if path.stat().st_mtime >= since]
        if found:
            newest[suffix] = min(found, key=lambda path: (len(path.parts), -path.stat().st_mtime))
    return list(newest.values())
