"""Check a composed config against its schemas; convert its values; freeze it."""

import re
import types
from collections.abc import Sequence
from dataclasses import Field, fields, is_dataclass
from difflib import get_close_matches
from typing import Any, cast, get_args, get_origin, get_type_hints

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException, ValidationError

from mlp_lab.config.limits import Limits
from mlp_lab.config.schemas import GROUPS
from mlp_lab.errors import UserError

_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


def check(cfg: DictConfig, root: type) -> DictConfig:
    """Return ``cfg`` with interpolations resolved, every value converted and inside its limits.

    ``root`` is the schema of the whole config (``schemas.Train`` ...). The result can't be
    modified. Raises UserError for the first key that is unknown, mistyped or out of range.
    """
    try:
        plain = OmegaConf.to_container(cfg, resolve=True)
    except OmegaConfBaseException as error:
        raise UserError(f"{error.full_key}: {str(error.msg).splitlines()[0]}") from error
    checked = _node(cast(dict[str, Any], plain), root, "")
    for group, value in checked.items():
        if group == "callbacks":
            named = _mapping(value, group).items()
            checked[group] = {
                k: _choice(v, group, f"{group}.{k}") for k, v in named if v is not None
            }
        elif group in GROUPS:
            checked[group] = _choice(value, group, group)
    result = OmegaConf.create(checked)
    OmegaConf.set_readonly(result, True)
    return result


def nearest(key: str, known: Sequence[str]) -> str:
    """``; did you mean ...?`` for the nearest of ``known`` keys, else an empty string."""
    leaf = key.rpartition(".")[2]
    # A right name in the wrong place (``lr=0.1``) is nearer than any misspelling.
    found = [k for k in known if k.rpartition(".")[2] == leaf] or get_close_matches(key, known, 1)
    return f"; did you mean {found[0]}?" if found else ""


def unknown_key(key: str, known: list[str]) -> str:
    """What to say of a dotted ``key`` that the config at hand doesn't have."""
    if others := owners(key):
        return f"{key}: not a key of the chosen {key.partition('.')[0]}, but of {', '.join(others)}"
    return f"{key}: no such key{nearest(key, known)}"


def owners(key: str) -> list[str]:
    """The options that have the dotted ``key``, which another option of its group lacks."""
    group, _, name = key.partition(".")
    return [s.__name__ for s in GROUPS.get(group, ()) if name in {f.name for f in fields(s)}]


def known_keys(root: type) -> list[str]:
    """All keys that an override can name under ``root``, dotted."""
    keys = []
    for f in fields(root):
        # The keys of callbacks are the users' names for them.
        schemas = GROUPS[f.name] if f.name in GROUPS and f.name != "callbacks" else ()
        schemas += (f.type,) if isinstance(f.type, type) and is_dataclass(f.type) else ()
        inner = [k.name for s in schemas for k in fields(s) if k.name != "_target_"]
        if f.name == "callbacks":  # by the names that conf/callbacks gives them
            inner = [f"{_snake(s)}.{k.name}" for s in GROUPS[f.name] for k in fields(s)]
        keys += [f.name, *(f"{f.name}.{name}" for name in dict.fromkeys(inner))]
    return keys


def _snake(schema: type) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", schema.__name__).lower()


def _choice(node: Any, group: str, path: str) -> dict[str, Any]:
    """Check one option of a group against the schema that bears its ``_target_``."""
    node = _mapping(node, path)
    if not node:  # an option such as logger=none
        return {}
    target = node.get("_target_")
    by_target = {s._target_: s for s in GROUPS[group]}  # type: ignore[attr-defined]
    if target is None:
        raise UserError(f"{path}: an option is needed (it has no _target_)")
    if target not in by_target:
        allowed = ", ".join(by_target)
        raise UserError(f"{path}._target_={target}: not one of what may be built: {allowed}")
    values = _node(node, by_target[target], path)
    if values.get("nesterov") and values["momentum"] == 0:
        raise UserError(f"{path}.nesterov=true: needs {path}.momentum above 0")
    return values


def _mapping(node: Any, path: str) -> dict[str, Any]:
    if not isinstance(node, dict):
        shown = "null" if node is None else node
        raise UserError(f"{path}={shown}: must be a group of keys, not a value")
    return node


def _node(plain: dict[str, Any], schema: type, path: str) -> dict[str, Any]:
    """Check the keys, types and limits of one mapping against one dataclass."""
    dotted = f"{path}." if path else ""
    known = {f.name: f for f in fields(schema)}
    for key in plain:
        if key not in known:
            keys = [k for k in known if k != "_target_"]
            nearby = [dotted + k for k in keys] if path else known_keys(schema)
            message = unknown_key(f"{dotted}{key}", nearby)
            raise UserError(f"{message} (keys of {path or 'the config'}: {', '.join(keys)})")
    plain = dict(plain)
    for name, field in known.items():
        if is_dataclass(field.type):
            inner, node = cast(type, field.type), dotted + name
            plain[name] = _node(_mapping(plain.get(name, {}), node), inner, node)
    try:
        merged = OmegaConf.merge(OmegaConf.structured(schema), plain)
    except ValidationError as error:
        name = str(error.full_key).partition("[")[0].partition(".")[0]
        raise _refused(schema, dotted, known[name], plain[name]) from error
    values = cast(dict[str, Any], OmegaConf.to_container(merged))
    for name, value in values.items():
        if value == "???":
            raise UserError(f"{dotted}{name}: a value is needed: {allowed(schema, known[name])}")
        limits = known[name].metadata.get("limits")
        if limits and value is not None and not limits.allow(value):
            raise _refused(schema, dotted, known[name], plain[name])
    return values


def _refused(schema: type, dotted: str, field: Field[Any], value: Any) -> UserError:
    shown = str(value).lower() if isinstance(value, bool) else "null" if value is None else value
    return UserError(f"{dotted}{field.name}={shown}: must be {allowed(schema, field)}")


def allowed(schema: type, field: Field[Any]) -> str:
    """What a field takes, in words: ``a whole number, at least 1, or null``."""
    if "words" in field.metadata:
        return str(field.metadata["words"])
    hint = get_type_hints(schema)[field.name]
    options = get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    kind = next(o for o in options if o is not types.NoneType)
    limits: Limits | None = field.metadata.get("limits")
    if get_origin(kind) is list:
        length = "" if limits is None or limits.length is None else f" of {limits.length}"
        words = f"a list{length}, each element {_WORDS[get_args(kind)[0]]}"
    else:
        words = _WORDS.get(kind, "a group of keys")
    if limits:
        words = str(limits) if limits.one_of else f"{words} {limits}"
    return words + (" or null" if types.NoneType in options else "")
