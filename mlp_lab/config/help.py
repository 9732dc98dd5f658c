"""Return the text of ``--help``, from the files of ``conf/`` and their schemas."""

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path

from mlp_lab.config.check import allowed_values, is_group, known_keys
from mlp_lab.config.command_line import example
from mlp_lab.config.option_files import Key, OptionFile, group_options, read_option
from mlp_lab.config.schemas import GROUPS
from mlp_lab.config.schemas.hydra import PLUGINS
from mlp_lab.config.suggestions import suggestion
from mlp_lab.errors import UserError

_WIDTH = 100
_FIRST_COLUMN = 34  # at most
_FLAGS = """\
Your own classes and options: plugins=[my_module] --config-dir DIR (see mlp_lab/README.md).
Flags: --cfg job shows the config and stops, -sc install=bash prints shell completion, --hydra-help
lists those of Hydra. HYDRA_FULL_ERROR=1 shows the traceback of an error."""
# Groups whose options set keys of other groups, not keys of their own.
_PRESETS = ("experiment", "sweep", "debug")
_KEYS = "keys"  # the topic of keys that belong to no group
_TARGET = "_target_"
_OF_SWEEP = "hydra.sweeper.params."

# What a command with config groups can do, and the arguments.
_USES = {
    "train the default experiment": "",
    "override options and keys": "experiment=parity network.width=8",
    "sweep: all combinations": "-m optimizer.lr=0.01,0.1 seed=0,1",
    "sweep: a preset": "-m sweep=learning_rates",
    "resume a run or a sweep": "resume=logs/mnist_hw4/2026-01-31_12-00-00",
    "describe a group": "--help network",
    "describe an option": "--help network=siren",
    "describe the other keys": f"--help {_KEYS}",
}


def help_text(name: str, root: type, folders: Sequence[Path], topics: Sequence[str] = ()) -> str:
    """Return the help of a command that has a config.

    Raises UserError for an unknown topic.

    Args:
        name: name of the command and of its config ``<folder>/<name>.yaml``.
        root: schema of the config; its docstring describes the command.
        folders: folders of configs: conf/, and further ones of the user.
        topics: what is described: config groups (``network``), options (``network=siren``) or keys;
            nothing: the command.
    """
    file = read_option("", name, folders)
    if topics and _has_groups(root):
        return "\n\n".join(_topic(root, file, folders, topic) for topic in topics)
    described = _overview(name, root, file, folders) if _has_groups(root) else _keys(root, file)
    usage = f"usage: {example(name, file.example)}"
    return "\n\n".join([usage, root.__doc__ or "", described, _FLAGS])


def _has_groups(root: type) -> bool:
    return any(f.name == "network" for f in fields(root))


def _overview(name: str, root: type, file: OptionFile, folders: Sequence[Path]) -> str:
    """Return the uses of a command with config groups, its groups and the names of its keys."""
    groups = {
        group: ", ".join(f"{o}*" if o == file.choices.get(group) else o for o in options)
        for group, options in _ordered_groups(folders).items()
    }
    uses = {use: example(name, arguments).strip() for use, arguments in _USES.items()}
    listed = _columns(groups | {_KEYS: ", ".join(_own_keys(root))})
    return f"{_columns(uses)}\n\nConfig groups and their options (*: the default):\n{listed}"


def _ordered_groups(folders: Sequence[Path]) -> dict[str, list[str]]:
    """Return the options of each group: experiments first, then in the order of the config."""
    options = group_options(folders)
    order = dict.fromkeys(["experiment", *GROUPS, *options])
    return {group: options[group] for group in order if group in options}


def _topic(root: type, file: OptionFile, folders: Sequence[Path], topic: str) -> str:
    """Return the description of a group, an option or a key."""
    key, _, option = topic.lstrip("+~").partition("=")
    groups = _ordered_groups(folders)
    parents = {k for own in _own_keys(root) for k in (own, own.partition(".")[0])}
    if key == _KEYS or (key in parents and key not in groups):
        return _keys(root, file)
    group = next((g for g in groups if key in (g, g.rpartition("/")[2])), None)
    if group is None and key in known_keys(root):
        group = key.partition(".")[0]
    if group is None:
        hint = suggestion(key, [*groups, *known_keys(root)])
        raise UserError(f"{topic}: no such group or key{hint} (groups: {', '.join(groups)})")
    if option in groups[group]:
        return _option(group, option, folders)
    return _group(group, groups[group], folders)


def _group(group: str, options: Sequence[str], folders: Sequence[Path]) -> str:
    """Return the options of a group, and the keys of each class that they configure."""
    files = {option: read_option(group, option, folders) for option in options}
    summaries = _columns({f"{group}={option}": file.summary for option, file in files.items()})
    parts = [f"Options of {group}:\n{summaries}"]
    if group in _PRESETS:
        return "\n\n".join([*parts, f"--help {group}={options[0]} shows what a preset sets."])
    users: dict[tuple[str, str], list[str]] = {}
    # The options that others extend come first: their values are the most general ones.
    for option in sorted(options, key=lambda o: len(files[o].bases)):
        for key, entry in files[option].keys.items():
            if key.endswith(_TARGET):
                users.setdefault((key.removesuffix(_TARGET), entry.value), []).append(option)
    keys: dict[str, dict[str, str]] = {}
    for (prefix, _), names in users.items():
        # Several options have the same callbacks: these are named by their keys.
        title = "Keys" if prefix and group == "callbacks" else f"Keys of {', '.join(names)}"
        keys.setdefault(title, {}).update(_described(group, files[names[0]], prefix))
    return "\n\n".join([*parts, *(f"{t}:\n{_columns(rows)}" for t, rows in keys.items() if rows)])


def _option(group: str, option: str, folders: Sequence[Path]) -> str:
    """Return the description of an option, a command, and its keys."""
    file = read_option(group, option, folders)
    parts = [f"{group}={option}", *_wrapped(file.description), *_wrapped(_command(file))]
    if group in _PRESETS:
        values = {key: entry for key, entry in file.keys.items() if entry.value}
        chosen = {other: Key(name, "") for other, name in file.choices.items()}
        rows = {
            f"{key.removeprefix(_OF_SWEEP)}={entry.value}": entry.meaning
            for key, entry in (chosen | values).items()
        }
        return "\n".join([*parts, "", "Sets:", _columns(rows)])
    rows = _described(group, file)
    return "\n".join([*parts, "", "Keys:", _columns(rows)] if rows else parts)


def _command(file: OptionFile) -> str:
    return example("train", file.example) if file.example else ""


def _described(group: str, file: OptionFile, prefix: str = "") -> dict[str, str]:
    """Return the keys of an option that start with a prefix, with defaults and descriptions."""
    rows = {}
    for key, entry in file.keys.items():
        name = key if file.is_global else f"{group.replace('/', '.')}.{key}"
        parent, _, last = key.rpartition(".")
        if key.startswith(prefix) or f"{key}." == prefix:
            if entry.value and last != _TARGET:
                values = _allowed(file, parent, last)
                rows[_with_default(name, entry)] = _meaning(entry, values)
            elif entry.meaning:
                rows[name] = entry.meaning
    return rows


def _allowed(file: OptionFile, parent: str, name: str) -> str:
    """Return the allowed values of a key of an option; empty if its class has no schema."""
    target = file.keys.get(f"{parent}.{_TARGET}" if parent else _TARGET, Key("", "")).value
    schemas: dict[str, type] = {s._target_: s for each in GROUPS.values() for s in each}
    schema = (schemas | PLUGINS).get(target)
    return "" if schema is None else _values(schema, name)


def _values(schema: type, name: str) -> str:
    return next((allowed_values(schema, f) for f in fields(schema) if f.name == name), "")


def _keys(root: type, file: OptionFile) -> str:
    """Return the keys of a config that belong to no group."""
    rows = {}
    for key, schema in _own_keys(root).items():
        entry = file.keys[key]
        rows[_with_default(key, entry)] = _meaning(entry, _values(schema, key.rpartition(".")[2]))
    return f"Keys:\n{_columns(rows)}"


def _own_keys(root: type) -> dict[str, type]:
    """Return the dotted keys of a config that belong to no group, with the schema of each."""
    keys: dict[str, type] = {}
    for f in fields(root):
        if isinstance(f.type, type) and is_dataclass(f.type):
            keys |= {f"{f.name}.{inner.name}": f.type for inner in fields(f.type)}
        elif not is_group(f):
            keys[f.name] = root
    return keys


def _with_default(key: str, entry: Key) -> str:
    return f"{key} (needed)" if entry.value == "???" else f"{key}={entry.value}"


def _meaning(entry: Key, values: str) -> str:
    """Return a comment and the allowed values, unless the comment lists all of them."""
    listed = re.findall(r"[\w-]+", values.removeprefix("one of ").replace(" or null", ", null"))
    if not values or (values.startswith("one of ") and _contains(entry.meaning, listed)):
        return entry.meaning
    return f"{entry.meaning} ({values})" if entry.meaning else values


def _contains(text: str, words: Iterable[str]) -> bool:
    return set(words) <= set(re.findall(r"[\w-]+", text))


def _columns(rows: Mapping[str, str]) -> str:
    """Return a row for each key; texts are wrapped, and start below keys that are too long."""
    width = min(max(map(len, rows)), _FIRST_COLUMN)
    indent = " " * (width + 4)
    lines = []
    for key, text in rows.items():
        if len(key) > width and text:
            lines += [f"  {key}", *_wrapped(text, indent)]
        else:
            first = f"  {key:<{width}}  "
            lines += _wrapped(text, indent, first) or [first.rstrip()]
    return "\n".join(lines)


def _wrapped(text: str, indent: str = "  ", first: str | None = None) -> list[str]:
    """Return the lines of a text that is indented, and the first line with another start."""
    start = indent if first is None else first
    return textwrap.wrap(text, _WIDTH, initial_indent=start, subsequent_indent=indent)
