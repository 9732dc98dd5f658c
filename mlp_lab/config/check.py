"""Check a composed config against its schemas: convert its values and make it read-only.

hydra-zen and pydantic are not used: their schemas refer to the classes that a config names. They
would import these and therefore torch, which takes seconds, before the first mistake is reported.
"""

import os
import re
import types
from copy import deepcopy
from dataclasses import Field, fields, is_dataclass
from functools import cache
from typing import Any, cast, get_args, get_origin, get_type_hints

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException, ValidationError

from mlp_lab.config.library_classes import library_schema, selector_of
from mlp_lab.config.limits import Limits
from mlp_lab.config.plugin_modules import PLUGINS_KEY, import_installed, needed_plugin
from mlp_lab.config.schemas import GROUPS
from mlp_lab.config.suggestions import suggestion
from mlp_lab.errors import UserError

# Keys whose values are paths.
_PATHS = (
    "logs", "resume", "config", "run", "images", "table", "output", "root", "path", "image", "game",
    "teacher",
)  # fmt: skip
_TYPE_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "a string"}


def check(cfg: DictConfig, root: type) -> DictConfig:
    """Return a read-only copy of ``cfg`` with resolved interpolations and converted values.

    Args:
        cfg: composed config.
        root: schema of the whole config, such as ``schemas.train.Train``.

    Raises:
        UserError: for the first key that is unknown, has a wrong type or is out of range.
    """
    try:
        plain = OmegaConf.to_container(cfg, resolve=True)
    except OmegaConfBaseException as error:
        reason = str(error.msg).splitlines()[0]
        if absent := re.fullmatch("Interpolation key '(.+)' not found", reason):
            raise UserError(
                f"{error.full_key}: refers to {absent[1]}, which is not a key of this config; give"
                " it a value"
            ) from error
        raise UserError(f"{error.full_key}: can't be resolved: {reason}") from error
    plain = cast(dict[str, Any], plain)
    if PLUGINS_KEY in plain:
        raise UserError(f"{PLUGINS_KEY}: can't be in a file: name plug-ins on the command line")
    result = OmegaConf.create(_check_with_plugins(plain, root))
    OmegaConf.set_readonly(result, True)
    return result


def _check_with_plugins(plain: dict[str, Any], root: type) -> dict[str, Any]:
    """Check a config; import installed plug-ins only for one that is not allowed without them."""
    try:
        return _check_root(plain, root)
    except UserError as error:
        refusal = error
    try:
        imported = import_installed()
    except UserError as error:
        raise UserError(f"{refusal}; {error}") from refusal
    if not imported:
        raise refusal
    return _check_root(plain, root)


def _check_root(plain: dict[str, Any], root: type) -> dict[str, Any]:
    checked = _check_node(plain, root, "")
    groups = [f.name for f in fields(root) if is_group(f)]
    for group in groups:
        value = checked[group]
        if group == "callbacks":
            callbacks = _require_mapping(value, group).items()
            checked[group] = {
                k: _check_option(v, group, f"{group}.{k}") for k, v in callbacks if v is not None
            }
        else:
            checked[group] = _check_option(value, group, group)
    return checked


def unknown_key(key: str, known: list[str]) -> str:
    """Return the error message for a dotted ``key`` that the config does not have."""
    if others := options_with(key):
        return f"{key}: not a key of the chosen {key.partition('.')[0]}, but of {', '.join(others)}"
    return f"{key}: no such key{suggestion(key, known)}"


def options_with(key: str) -> list[str]:
    """Return the options that have the dotted ``key``, which other options of its group lack."""
    group, _, name = key.partition(".")
    return [s.__name__ for s in GROUPS.get(group, ()) if name in {f.name for f in fields(s)}]


def known_keys(root: type) -> list[str]:
    """Return all dotted keys that an override can name in a config with the schema ``root``."""
    keys = []
    for f in fields(root):
        # Users choose the keys of callbacks; those of conf/callbacks are the schemas' names.
        schemas: tuple[type[Any], ...] = (
            GROUPS[f.name] if is_group(f) and f.name != "callbacks" else ()
        )
        schemas += (f.type,) if isinstance(f.type, type) and is_dataclass(f.type) else ()
        inner = [k.name for s in schemas for k in fields(s) if k.name != "_target_"]
        if f.name == "callbacks":
            inner = [f"{_snake_case(s)}.{k.name}" for s in GROUPS[f.name] for k in fields(s)]
        keys += [f.name, *(f"{f.name}.{name}" for name in dict.fromkeys(inner))]
    return keys


def allowed_values(schema: type, field: Field[Any]) -> str:
    """Return a description of a field's values: ``a whole number at least 1 or null``."""
    if "description" in field.metadata:
        return str(field.metadata["description"])
    hint = _hints(schema)[field.name]
    options = get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    kind = next(o for o in options if o is not types.NoneType)
    limits: Limits | None = field.metadata.get("limits")
    if get_origin(kind) is list:
        length = "" if limits is None or limits.length is None else f" of {limits.length}"
        text = f"a list{length}, each element {_TYPE_NAMES[get_args(kind)[0]]}"
    else:
        text = _TYPE_NAMES.get(kind, "a group of keys")
    if limits:
        text = str(limits) if limits.one_of else f"{text} {limits}".rstrip()
    return text + (" or null" if types.NoneType in options else "")


def values_of(key: str, root: type) -> str | None:
    """Return a description of the values of a dotted key; None for an unknown key or a group."""
    group, _, name = key.rpartition(".")
    for schema in GROUPS.get(group, ()) if group else (root,):
        for field in fields(schema):
            if field.name == name and not is_group(field):
                return allowed_values(schema, field)
    return None


def takes_list(key: str, root: type) -> bool:
    """Return whether a dotted key takes a list, for one of the options that have it."""
    group, _, name = key.rpartition(".")
    if key == "callbacks":  # the only group of which several options can be used
        return True
    nodes = [f.type for f in fields(root) if f.name == group and isinstance(f.type, type)]
    schemas = [*GROUPS.get(group, ()), *nodes] if group else [root]
    hints = [_hints(schema).get(name) for schema in schemas]
    return any(get_origin(kind) is list for hint in hints for kind in (hint, *get_args(hint)))


def is_group(field: Field[Any]) -> bool:
    """Return whether a field of a root schema is a config group, not a value or a group of keys."""
    return field.name in GROUPS and not is_dataclass(field.type)


def _snake_case(schema: type) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", schema.__name__).lower()


def _check_option(node: Any, group: str, path: str) -> dict[str, Any]:
    """Check one option of a group against the schema with the same ``_target_``."""
    node = _require_mapping(node, path)
    if not node:  # an option such as logger=none
        return {}
    target = node.get("_target_")
    if target is None:
        raise UserError(f"{path}: an option is needed (it has no _target_)")
    # The key that is a part of the target, such as ``optimizer.name``, is no argument of the class.
    selector = selector_of(str(target))
    selected = {key: value for key, value in node.items() if key == selector}
    node = {key: value for key, value in node.items() if key not in selected}
    values = _check_node(node, _option_schema(str(target), group, path, bool(selected)), path)
    if values.get("nesterov") and values.get("momentum") == 0:
        raise UserError(f"{path}.nesterov=true: needs {path}.momentum above 0")
    return values | selected


def _option_schema(target: str, group: str, path: str, of_library: bool) -> type:
    """Return the schema of a target. Raises UserError if it is not one that a config can name.

    Args:
        target: value of ``_target_``.
        group: config group.
        path: dotted key of the option.
        of_library: whether the schema is that of a class of torch or Lightning, even if mlp_lab has
            one with fewer keys.
    """
    by_target = {schema._target_: schema for schema in GROUPS[group]}
    if target in by_target and not of_library:
        return by_target[target]
    if (schema := library_schema(group, target)) is not None:
        return cast(type, schema)
    allowed = ", ".join(by_target)
    if (plugin := needed_plugin(target)) is None:
        raise UserError(f"{path}._target_={target}: must be one of {allowed}")
    module = target.rpartition(".")[0]
    if any(other.rpartition(".")[0] == module for other in by_target):
        raise UserError(
            f"{path}._target_={target}: {module} registers no such class"
            f"{suggestion(target, list(by_target))} (registered: {allowed})"
        )
    raise UserError(
        f"{path}._target_={target}: needs its plug-in: add {plugin} if you trust that code;"
        f" without a plug-in, must be one of {allowed}"
    )


def _require_mapping(node: Any, path: str) -> dict[str, Any]:
    if not isinstance(node, dict):
        shown = "null" if node is None else node
        raise UserError(f"{path}={shown}: must be a group of keys, not a value")
    return node


def _check_node(plain: dict[str, Any], schema: type, path: str) -> dict[str, Any]:
    """Check the keys, types and limits of one mapping against one schema."""
    prefix = f"{path}." if path else ""
    known = {f.name: f for f in fields(schema)}
    for key in plain:
        if key not in known:
            keys = [k for k in known if k != "_target_"]
            candidates = [prefix + k for k in keys] if path else known_keys(schema)
            message = unknown_key(f"{prefix}{key}", candidates)
            raise UserError(f"{message} (keys of {path or 'the config'}: {', '.join(keys)})")
    values = cast(dict[str, Any], OmegaConf.to_container(_structured(schema)))
    for name, field in known.items():
        if is_dataclass(field.type):
            inner, node = cast(type, field.type), prefix + name
            values[name] = _check_node(_require_mapping(plain.get(name, {}), node), inner, node)
        elif name in plain:
            values[name] = _converted(schema, prefix, field, plain[name])
    values |= {name: _expanded(values[name]) for name in _PATHS if name in values}
    for name, value in values.items():
        if value == "???":
            expected = allowed_values(schema, known[name])
            raise UserError(f"{prefix}{name}: a value is needed: {expected}")
        limits = known[name].metadata.get("limits")
        if limits and value is not None and not limits.allow(value):
            raise _invalid_value(schema, prefix, known[name], plain[name])
    return values


def _converted(schema: type, prefix: str, field: Field[Any], value: Any) -> Any:
    """Return a value converted to the type of its field, such as 1 to 1.0."""
    # The typed config converts all values like this, but takes several times as long.
    hint = _hints(schema)[field.name]
    accepted = get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if hint is Any or type(value) in accepted:
        return value
    if type(value) is int and hint is float:
        return float(value)
    typed = deepcopy(_structured(schema))
    try:
        typed[field.name] = value
    except ValidationError as error:
        raise _invalid_value(schema, prefix, field, value) from error
    return cast(dict[str, Any], OmegaConf.to_container(typed))[field.name]


@cache
def _hints(schema: type) -> dict[str, Any]:
    """Return the type of each field of a schema."""
    return get_type_hints(schema)


@cache
def _structured(schema: type) -> DictConfig:
    """Return the typed config of a schema, with its default values."""
    return cast(DictConfig, OmegaConf.structured(schema))


def _expanded(path: Any) -> Any:
    """Return a path, or a list of paths, with the home folder instead of ``~``.

    Shells do not expand it in the middle of a word such as ``logs=~/logs``.
    """
    if isinstance(path, list):
        return [_expanded(each) for each in path]
    return os.path.expanduser(path) if isinstance(path, str) else path


def _invalid_value(schema: type, prefix: str, field: Field[Any], value: Any) -> UserError:
    shown = str(value).lower() if isinstance(value, bool) else "null" if value is None else value
    return UserError(f"{prefix}{field.name}={shown}: must be {allowed_values(schema, field)}")
