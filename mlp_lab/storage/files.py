"""Write files atomically (they are complete or absent), and convert their content."""

import csv
import io
import json
import os
import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from mlp_lab.errors import UserError

# libyaml, if PyYAML was built with it: a comparison reads hundreds of configs.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is complete or absent, even if the process is killed.

    Raises:
        OSError: the file cannot be written; the error has its name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # tempfile.mkstemp would ignore the user's umask, which decides who can read the file.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")
    try:
        with temporary.open("xb") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(FileNotFoundError):  # an interrupt after it was renamed
            os.unlink(temporary)
        if isinstance(error, OSError):  # its message lacks the name of the file
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def png_writer(folder: Path) -> Callable[[str, bytes], None]:
    """Return a function of a name and a content, which writes ``<folder>/<name>.png``."""
    return lambda name, content: write_whole(folder / f"{name}.png", content)


def read_json(path: Path) -> Any:
    """Return the content of a JSON file. Raises UserError if it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: damaged: {error}") from error


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file. Raises UserError if it is damaged."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _LOADER)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: damaged: {str(error).splitlines()[0]}") from error


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """Return rows as lines of comma-separated values; None becomes an empty cell."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def json_text(value: Any) -> str:
    """Return a value as indented JSON."""
    return json.dumps(value, indent=2) + "\n"
