"""Find and import plug-ins: modules that register classes of the user.

A plug-in is imported if it is installed (the entry points ``mlp_lab.plugins`` of its package) or
if the user names it: ``plugins=[my_module]`` on the command line, or ``MLP_LAB_PLUGINS=my_module``.
A file, such as the config of a run, never causes an import: it may come from elsewhere.
"""

import importlib
import os
import re
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import entry_points

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import OverrideType

from mlp_lab.errors import UserError, first_line

#: Environment variable with the modules of plug-ins, separated by commas. Processes that a command
#: starts inherit it.
VARIABLE = "MLP_LAB_PLUGINS"
#: The override of a command that names plug-ins. It is not a key of a config.
PLUGINS_KEY = "plugins"
_ENTRY_POINTS = "mlp_lab.plugins"
# Packages whose classes are no plug-ins.
_NO_PLUGINS = ("mlp_lab", "builtins", "torch", "pytorch_lightning")
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_PLUGINS = re.compile(rf"\+{{0,2}}{PLUGINS_KEY}(=|$)")


def split_plugins(overrides: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the modules that overrides ``plugins=[...]`` name, and the other overrides.

    Raises UserError if such an override is not a list of modules.
    """
    modules: list[str] = []
    for text in filter(_PLUGINS.match, overrides):
        modules += _modules(text)
    return modules, [text for text in overrides if not _PLUGINS.match(text)]


def import_plugins(modules: Sequence[str]) -> None:
    """Import modules, and those of ``MLP_LAB_PLUGINS``; add them to this variable.

    The current folder is searched after the installed packages, so that no file in it replaces a
    module of theirs. Raises UserError for a module that can't be imported.
    """
    modules = list(dict.fromkeys([*named_plugins(), *modules]))
    if not modules:
        return
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    for module in modules:
        _import(module)
    os.environ[VARIABLE] = ",".join(modules)


def named_plugins() -> list[str]:
    """Return the modules in ``MLP_LAB_PLUGINS``."""
    return [name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip()]


def plugins_overrides() -> list[str]:
    """Return the override that names the plug-ins of this process, if there are any."""
    modules = named_plugins()
    return [f"{PLUGINS_KEY}=[{','.join(modules)}]"] if modules else []


def import_installed() -> bool:
    """Import the plug-ins of installed packages; return whether there was one not yet imported.

    Raises UserError for a plug-in that can't be imported.
    """
    new = [e for e in entry_points(group=_ENTRY_POINTS) if e.module not in sys.modules]
    for entry in new:
        _import(entry.module)
    return bool(new)


def needed_plugin(target: str) -> str | None:
    """Return how to name the plug-in that probably has a class, None if it is not of a plug-in."""
    module = target.rpartition(".")[0]
    if not _MODULE.fullmatch(module) or module.partition(".")[0] in _NO_PLUGINS:
        return None
    return f"{PLUGINS_KEY}=[{module}]"


def _modules(override: str) -> list[str]:
    """Return the modules in an override ``plugins=[...]``."""
    parsed = OverridesParser.create().parse_override(override)
    value = parsed.value()
    modules = [str(x) for x in (value if isinstance(value, list) else [value] if value else [])]
    is_change = parsed.type is OverrideType.CHANGE and not parsed.is_sweep_override()
    if not is_change or not all(map(_MODULE.fullmatch, modules)):
        raise UserError(f"{override}: must be a list of modules, such as {PLUGINS_KEY}=[my_module]")
    return modules


def _import(module: str) -> None:
    """Import a module of a plug-in. Raises UserError if that fails."""
    try:
        importlib.import_module(module)
    except UserError:
        raise
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise UserError(f"plug-in {module}: {_place(error)}{first_line(error)}") from error
        raise UserError(
            f"plug-in {module}: no module {error.name} in the current folder, in PYTHONPATH or"
            " among the installed packages"
        ) from error
    except Exception as error:  # the code of the plug-in can raise any exception
        text = f"{type(error).__name__}: {first_line(error)}"
        raise UserError(f"plug-in {module}: {_place(error)}{text}") from error


def _place(error: Exception) -> str:
    """Return the file and the line in which the code of a plug-in failed."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}: "
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename}, line {last.lineno}: "
