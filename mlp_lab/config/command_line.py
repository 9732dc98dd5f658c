"""Write the commands that mlp_lab prints, so that a user can paste them into a shell."""

import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from omegaconf import DictConfig, ListConfig, OmegaConf

from mlp_lab.config.flatten import format_value
from mlp_lab.config.plugin_modules import plugins_overrides, split_plugins

# Values that need no quotes unless they are numbers, null or true. Hydra can read others without
# quotes as well, but its parser takes minutes for some of them.
_PLAIN = re.compile(r"[A-Za-z0-9_./-]+")
#: An interpolation of OmegaConf, such as ``${data.size}``.
INTERPOLATION = re.compile(r"\$\{")
#: An interpolation that calls a function, such as ``${oc.env:HOME}``.
RESOLVER = re.compile(r"\$\{[^{}]*:")
_WITH_OVERRIDES = ("train", "evaluate", "predict", "play")  # commands that take plug-ins
_INSTALLED = "mlp-"  # prefix of the commands that an installation adds, such as mlp-train


def command_line(name: str, overrides: Sequence[str]) -> str:
    """Return a command with overrides, quoted for a shell.

    A command that has overrides names the plug-ins of this process.

    Args:
        name: name of the command, such as ``train``.
        overrides: overrides in Hydra's syntax, as typed or from ``override``.
    """
    needs = name in _WITH_OVERRIDES and not split_plugins(overrides)[0]
    plugins = plugins_overrides() if needs else []
    return " ".join([_program(name), *map(shell_quoted, [*overrides, *plugins])])


def override(key: str, value: str) -> str:
    """Return an override that sets a key to a string, with quotes if Hydra needs them."""
    # Another key, since this one may be wrong: then the message shows it.
    parse = OverridesParser.create().parse_override
    if _PLAIN.fullmatch(value) and parse(f"x={value}").value() == value:
        return f"{key}={value}"
    return f"{key}={_quoted(value)}"


def with_plain_values(
    overrides: Sequence[str], cfg: DictConfig, replaced: re.Pattern[str] = INTERPOLATION
) -> list[str]:
    """Return overrides in which the values of a config replace interpolations.

    An override of a key that the config does not have is omitted.

    Args:
        overrides: overrides that were composed to ``cfg``.
        cfg: config.
        replaced: pattern of the interpolations.
    """
    plain = []
    for text in overrides:
        if not replaced.search(text):
            plain.append(text)
            continue
        prefix, key = re.match(r"([+~]*)([^=]*)", text).groups()  # type: ignore[union-attr]
        value = OmegaConf.select(cfg, key)
        if isinstance(value, str):
            plain.append(prefix + override(key, value))
        elif isinstance(value, ListConfig | int | float):
            shown = OmegaConf.to_container(value) if isinstance(value, ListConfig) else value
            plain.append(f"{prefix}{key}={format_value(shown)}")
    return plain


def search_path(folders: Sequence[str]) -> str:
    """Return the override that adds folders of configs, given as URLs such as ``file:///x``."""
    return f"hydra.searchpath=[{','.join(map(_quoted, folders))}]"


def shell_quoted(text: str) -> str:
    """Return a word in the syntax of POSIX shells, with the most readable quotes."""
    if "'" in text and not set(text) & set('"$`\\!'):
        return f'"{text}"'
    return shlex.quote(text)


def recorded_overrides(hydra: Any) -> list[str]:
    """Return the overrides that a run records: as typed, and those of ``extension_overrides``.

    Args:
        hydra: the node ``hydra`` of a composed config.
    """
    return [*hydra.overrides.task, *extension_overrides(hydra)]


def extension_overrides(hydra: Any) -> list[str]:
    """Return the overrides that add the folders of configs and the plug-ins of the command line.

    Args:
        hydra: the node ``hydra`` of a composed config.
    """
    folders = [
        f"{source.schema}://{source.path}"
        for source in hydra.runtime.config_sources
        if "command-line" in source.provider  # --config-dir, or an override of hydra.searchpath
    ]
    return [*([search_path(folders)] if folders else []), *plugins_overrides()]


def interpreter_command(name: str, arguments: Sequence[str]) -> list[str]:
    """Return a command as the arguments of a process; it needs no script and no installation."""
    start = f"from mlp_lab.commands.{name} import {name}; {name}()"
    return [sys.executable, "-c", start, *arguments]


def example(name: str, arguments: str) -> str:
    """Return an example of a command: ``python scripts/train.py`` or ``mlp-train``, as started."""
    return f"{_example_program(name)} {arguments}"


def _program(name: str) -> str:
    """Return how to start a command in the way in which this process was started."""
    started = Path(sys.argv[0])
    if _is_installed(started) or not started.is_file():
        return _example_program(name)
    script = started.with_name(f"{name}.py")
    if not script.is_file():  # a notebook or a program of the user
        return _example_program(name)
    if script.is_absolute() and script.is_relative_to(Path.cwd()):
        script = script.relative_to(Path.cwd())
    return f"python {shell_quoted(str(script))}"


def _example_program(name: str) -> str:
    if _is_installed(Path(sys.argv[0])):
        return f"{_INSTALLED}{name}"
    return f"python scripts/{name}.py"


def _is_installed(program: Path) -> bool:
    return program.name.startswith(_INSTALLED)


def _quoted(value: str) -> str:
    """Return a string in quotes, as Hydra and OmegaConf read it."""
    # OmegaConf's escape: the backslashes before ${ are doubled, and one is added.
    escaped = re.sub(r"(\\*)\$\{", r"\1\1\\${", value)
    return QuotedString(escaped, Quote.single).with_quotes()
