"""Convert errors of Hydra and OmegaConf to error messages of one line."""

import os
import re
from dataclasses import fields
from functools import singledispatch

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf.errors import OmegaConfBaseException

from mlp_lab.config.check import known_keys, takes_list, unknown_key, values_of
from mlp_lab.config.command_line import override, shell_quoted
from mlp_lab.config.library_classes import LIBRARIES
from mlp_lab.config.renamed import RENAMED_OPTIONS, with_new_keys
from mlp_lab.config.suggestions import suggestion
from mlp_lab.errors import UserError, first_line

_KEY = re.compile(r"[+~]*[A-Za-z_][\w/@:$-]*(\.[\w/@:$-]+)*", re.ASCII)
# Hydra's errors for keys that do not exist, or have another value.
_DELETED = re.compile(r"Could not delete from config\. (?:The value of )?'([^']*)'")
#: Errors of a user while a config is used. While it is composed, all errors are those of the user.
USER_ERRORS = (UserError, OSError)
# Modules that runs import, by the extra that installs them.
_EXTRAS = {"numba": "backgammon"}
# Hydra's errors for values such as 1,2 or range(3) without -m.
_SWEPT = re.compile(r"\s*(?:Ambiguous value for argument|Sweep parameters) '(.*)'")


@singledispatch
def explain(error: Exception, root: type) -> str:
    """Return an error message of one line.

    Args:
        error: error that occurred while a config was composed or used.
        root: schema of the whole config.
    """
    return first_line(error)


@explain.register
def _(error: UserError, root: type) -> str:
    return " ".join(str(error).split())


@explain.register
def _(error: OSError, root: type) -> str:
    return f"{error.filename}: {error.strerror}" if error.filename else first_line(error)


@explain.register
def _(error: MissingConfigException, root: type) -> str:
    group, _, option = (error.missing_cfg_file or "").rpartition("/")
    if new_name := RENAMED_OPTIONS.get(group, {}).get(option):
        return f"{group}={option}: renamed to {group}={new_name}"
    if error.options is None or error.missing_cfg_file is None:
        return first_line(error)
    hint = suggestion(option, error.options)
    return f"{group}={option}: no such option{hint} (options: {', '.join(error.options)})"


@explain.register
def _(error: OverrideParseException, root: type) -> str:
    text = str(error.override)
    key, equals, value = text.partition("=")
    if not equals:
        hint = _path_hint(text, root) or suggestion(key, known_keys(root))
        return f"{text}: must be key=value{hint}"
    if not _KEY.fullmatch(key) or _is_readable(value):
        return f"{key}: no such key{suggestion(key, known_keys(root))}"
    quoted = shell_quoted(override(key, value))
    return f"{text}: can't be read; text with special characters needs quotes: {quoted}"


def _is_readable(value: str) -> bool:
    """Return whether Hydra reads a value, so that the key of an override is wrong."""
    try:
        OverridesParser.create().parse_override(f"x={value}")
    except HydraException:
        return False
    return True


@explain.register
def _(error: ConfigCompositionException, root: type) -> str:
    if swept := _SWEPT.match(str(error)):
        key, _, value = swept[1].partition("=")
        if takes_list(key, root):
            quoted = shell_quoted(f"{key}=[{value}]")
            return f"{swept[1]}: several values need -m (a sweep), a list brackets: {quoted}"
        return f"{swept[1]}: several values need -m (a sweep)"
    refused = re.match(r"Could not (?:override|delete from config\.) '([^']*)'", str(error))
    if refused and (new_key := with_new_keys(refused[1])) != refused[1]:
        return f"{refused[1]}: renamed to {new_key}"
    if deleted := _DELETED.match(str(error)):
        return f"~{deleted[1]}: can't be deleted: must be an entry, such as ~callbacks.progress"
    cause = error.__cause__
    if isinstance(cause, OmegaConfBaseException) and cause.full_key:
        key = str(cause.full_key)
        if "is not in struct" in str(cause):
            return f"{unknown_key(key, known_keys(root))}{_library_hint(key)}"
        if expected := values_of(key, root):
            return f"{key}: must be {expected} ({first_line(cause)})"
        return f"{key}: can't be set: {first_line(cause)}"
    unmatched = re.match(r"Could not override '([^']*)'", str(error))
    if unmatched:  # an option of a group that does not exist
        key = unmatched.group(1)
        return f"{key}: no such choice{suggestion(key, known_keys(root))}"
    return first_line(error)


def _path_hint(text: str, root: type) -> str:
    """Return the key that a path on the command line lacks: ``; did you mean run=logs/...?``."""
    keys = {f.name for f in fields(root)}
    wanted = ["images", "run", "resume"] if os.path.isfile(text) else ["run", "resume"]
    key = next((key for key in wanted if key in keys), None)
    if key is None or not (os.sep in text or os.path.exists(text)):
        return ""
    return f"; did you mean {key}={text}?"


def _library_hint(key: str) -> str:
    """Return how to set an argument of a class of torch or Lightning."""
    option = {"callbacks": "lightning"}.get(group := key.partition(".")[0], "torch")
    if group not in LIBRARIES or group == "logger":
        return ""
    return f" ({group}={option} takes further keys with a plus: +{key})"


@explain.register
def _(error: ValueError, root: type) -> str:
    if str(error).startswith("Config group override must be"):
        return "a choice such as network=mlp takes the name of an option, not null or a number"
    return first_line(error)


def user_message(
    error: Exception, root: type, errors: tuple[type[Exception], ...] = USER_ERRORS
) -> str | None:
    """Return the message of an error that a user can correct; None for a bug of the program.

    Args:
        error: the error.
        root: schema of the whole config.
        errors: classes of such errors, besides those for an extra that is not installed.
    """
    return _missing_extra(error) or (explain(error, root) if isinstance(error, errors) else None)


def _missing_extra(error: Exception) -> str | None:
    """Return the message for an extra that is not installed, None for another error."""
    if not isinstance(error, ModuleNotFoundError) or error.name not in _EXTRAS:
        return None
    extra = f"mlp-lab[{_EXTRAS[error.name]}]"
    return f"{error.name} is not installed: pip install '{extra}'"
