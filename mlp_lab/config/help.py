"""Return the text of ``--help``: config groups, their options, and the allowed values of keys."""

from dataclasses import Field, fields, is_dataclass
from pathlib import Path
from typing import Any

from mlp_lab.config.check import allowed_values, is_group
from mlp_lab.config.command_line import example
from mlp_lab.config.schemas import GROUPS

_FOOTER = """\
Flags: -m (train.py only; a sweep: key=value,value ...), --cfg job (show the config and stop),
--hydra-help (Hydra's flags). HYDRA_FULL_ERROR=1 shows the traceback of an error."""


def help_text(name: str, root: type, folder: Path) -> str:
    """Return the help of a command that has a config.

    Args:
        name: name of the command and of its config ``<folder>/<name>.yaml``.
        root: schema of the config; its docstring describes the command.
        folder: the folder conf/.
    """
    first = (folder / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[0]
    usage = example(name, first.removeprefix(f"# python scripts/{name}.py "))
    lines = [f"usage: {usage}", "", root.__doc__ or ""]
    if "task" in {f.name for f in fields(root)}:
        groups: dict[str, list[str]] = {}
        for path in sorted(folder.glob("*/**/*.yaml")):
            groups.setdefault(path.parent.relative_to(folder).as_posix(), []).append(path.stem)
        options = {group: ", ".join(names) for group, names in groups.items()}
        lines += ["", "Config groups and their options:", *_columns(options)]
    return "\n".join([*lines, "", "Keys:", *_columns(_keys(root)), "", _FOOTER])


def _keys(root: type) -> dict[str, str]:
    groups = {f.name for f in fields(root) if is_group(f)}
    keys = {f.name: allowed_values(root, f) for f in fields(root) if f.name not in groups}
    for name, schemas in GROUPS.items():
        if name not in groups or name == "callbacks":
            continue
        for schema in schemas:
            keys |= {
                f"{name}.{f.name}": allowed_values(schema, f)
                for f in _fields_without_target(schema)
            }
    for f in fields(root):
        if isinstance(f.type, type) and is_dataclass(f.type):
            del keys[f.name]
            keys |= {f"{f.name}.{g.name}": allowed_values(f.type, g) for g in fields(f.type)}
    return keys


def _fields_without_target(schema: type) -> list[Field[Any]]:
    return [f for f in fields(schema) if f.name != "_target_"]


def _columns(rows: dict[str, str]) -> list[str]:
    width = max(map(len, rows))
    return [f"  {key:<{width}}  {text}" for key, text in rows.items()]
