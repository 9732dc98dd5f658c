"""Read the files of ``conf/`` as text: the values and comments of options, for ``--help``."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import yaml

from mlp_lab.errors import UserError

_COMMAND = re.compile(r"# python scripts/\w+\.py ?(.*?)(?: {2,}\((.*)\))?")
_PACKAGE = re.compile(r"# @package (\S+)")
_SELF = "_self_"


@dataclass(frozen=True)
class Key:
    """A key of a file.

    Attributes:
        value: default value, as written in the file.
        meaning: comment beside the key; empty if there is none.
    """

    value: str
    meaning: str


@dataclass(frozen=True)
class OptionFile:
    """The content of a file of ``conf/``.

    Attributes:
        example: overrides of the command in the first line.
        description: lines of comment below the command, or the remark beside it.
        is_global: whether its keys are those of the whole config (``@package _global_``).
        bases: the options of its group that it extends; ``_self_`` stands for the file itself.
        choices: the options of other groups that it uses, by group.
        keys: dotted keys of the file.
    """

    example: str
    description: str
    is_global: bool
    bases: list[str]
    choices: dict[str, str]
    keys: dict[str, Key]

    @property
    def summary(self) -> str:
        """The first sentence of the description, without its final period."""
        return re.split(r"\.(?= [A-Z])", self.description)[0].rstrip(".")


def group_options(folders: Sequence[Path]) -> dict[str, list[str]]:
    """Return the names of the options of each config group.

    Args:
        folders: folders of configs, such as conf/.
    """
    options: dict[str, set[str]] = {}
    for folder in folders:
        for path in folder.glob("*/**/*.yaml"):
            options.setdefault(path.parent.relative_to(folder).as_posix(), set()).add(path.stem)
    return {group: sorted(names) for group, names in sorted(options.items())}


def read_option(group: str, name: str, folders: Iterable[Path]) -> OptionFile:
    """Return the file of an option; its keys include those of the options that it extends.

    Args:
        group: config group, such as ``optimizer``; empty: a file without a group.
        name: name of the option.
        folders: folders of configs; the first that has the option counts.
    """
    paths = (f / group / f"{name}.yaml" for f in folders)
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        raise UserError(f"{group}={name}: no such option")
    file = read_file(path)
    keys: dict[str, Key] = {}
    choices: dict[str, str] = {}
    for base in file.bases:
        part = file if base == _SELF else _read_base(group, base, folders)
        choices |= part.choices
        for key, entry in part.keys.items():
            inherited = keys[key].meaning if key in keys else ""
            keys[key] = replace(entry, meaning=entry.meaning or inherited)
    return replace(file, keys=keys, choices=choices)


def _read_base(group: str, base: str, folders: Iterable[Path]) -> OptionFile:
    """Return the option that another one extends: of its group, or ``/group/name`` of any."""
    path = base if base.startswith("/") else f"{group}/{base}"
    group, _, name = path.lstrip("/").rpartition("/")
    return read_option(group, name, folders)


@cache
def read_file(path: Path) -> OptionFile:
    """Return the content of one file, without that of the options that it extends."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    package, command, remark, description = "", "", "", []
    for line in lines:
        if not line.startswith("#"):
            break
        if match := _PACKAGE.fullmatch(line):
            package = match[1]
        elif match := _COMMAND.fullmatch(line):
            command, remark = match[1], match[2] or ""
        else:
            description.append(line.strip("# "))
    root = yaml.compose(text, yaml.SafeLoader)
    keys = dict(_keys(root, lines)) if isinstance(root, yaml.MappingNode) else {}
    stated = " ".join(description) or remark
    entries = (yaml.safe_load(text) or {}).get("defaults", [])
    bases = [entry for entry in entries if isinstance(entry, str)]
    if _SELF not in bases:
        bases.append(_SELF)  # as Hydra does
    choices = {
        group.removeprefix("override ").lstrip("/"): name
        for entry in entries
        if isinstance(entry, dict)
        for group, name in entry.items()
        if name is not None
    }
    return OptionFile(command, stated, package == "_global_", bases, choices, keys)


def _keys(
    node: yaml.MappingNode, lines: Sequence[str], prefix: str = ""
) -> Iterator[tuple[str, Key]]:
    """Yield the dotted keys of a node: those of mappings, and those with a value."""
    for key, value in node.value:
        name = f"{prefix}{key.value}"
        if name == "defaults":
            continue
        nested = isinstance(value, yaml.MappingNode) and not value.flow_style
        last = key if nested else value
        yield name, Key("" if nested else _source(value, lines), _comment(last, lines))
        if nested:
            yield from _keys(value, lines, f"{name}.")


def _source(node: yaml.Node, lines: Sequence[str]) -> str:
    start, end = node.start_mark, node.end_mark
    if start.line != end.line:  # of several lines
        return " ".join(str(node.value).split())
    return lines[start.line][start.column : end.column]


def _comment(node: yaml.Node, lines: Sequence[str]) -> str:
    """Return the comment behind a key or value, with the lines that continue it."""
    place = node.end_mark
    rest = lines[place.line][place.column :] if place.line < len(lines) else ""
    before, mark, comment = rest.partition("#")
    if not mark or before.strip(" :"):
        return ""
    column = place.column + len(before)
    parts = [comment]
    for line in lines[place.line + 1 :]:
        if line[: column + 1].strip() != "#" or line[column : column + 1] != "#":
            break
        parts.append(line[column + 1 :])
    return " ".join(part.strip() for part in parts)
