"""Derive the schema of a class from the annotations of its constructor."""

import sys
import types
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import field, fields, make_dataclass
from functools import reduce
from inspect import Parameter, signature
from operator import or_
from pathlib import Path
from types import GenericAlias, SimpleNamespace
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from omegaconf import MISSING

from mlp_lab.config.limits import Limits
from mlp_lab.errors import UserError

# A type that OmegaConf knows, and the limits of its values.
_Kind = tuple[Any, Limits | None]

_PLAIN = (int, float, bool, str)
_SUPPORTED = "int, float, bool, str, a list of these, Literal or Annotated[int, Range(1, 10)]"


class UnsupportedTypeError(Exception):
    """A type that a config can't contain."""


def derived_schema(
    cls: type,
    target: str,
    given: Collection[str],
    schema_of: Callable[[type], type | None],
    *,
    lenient: bool = False,
) -> Any:
    """Return the schema of a class: a dataclass like those in ``schemas/``.

    Its fields are the parameters of the constructor and, if that accepts further keywords
    (``**common``), of the constructors of the base classes.

    Args:
        cls: the class.
        target: value of ``_target_`` that names it in a config.
        given: parameters that a config does not contain, since the package passes them.
        schema_of: function from a base class to its schema, None for a class without one. The
            types and limits in a schema precede the annotations.
        lenient: whether parameters that a config can't contain are omitted if they have defaults,
            and such types if they are one of several.

    Raises:
        UserError: a parameter has no annotation, or one that a config can't contain.
    """
    columns: dict[str, tuple[Any, Any]] = {"_target_": (str, field(default=target))}
    for base in _constructors(cls):
        kind_of = _kinds(base, schema_of(base), lenient)
        for parameter in _keywords(base):
            name = parameter.name
            if name in given or name in columns:
                continue
            try:
                kind = kind_of(name)
                if kind is not None:
                    columns[name] = _with_default(parameter, *kind)
            except UnsupportedTypeError as error:
                if not lenient:
                    raise UserError(f"{target}: {name}: {error}") from error
                if parameter.default is Parameter.empty:
                    raise UserError(
                        f"{target}: can't be used: a config can't contain its {name}"
                    ) from error
    # As limits.schema: nothing calls the methods that dataclasses can have.
    named = [(name, kind, default) for name, (kind, default) in columns.items()]
    return make_dataclass(cls.__name__, named, init=False, repr=False, eq=False)


def _constructors(cls: type) -> Iterator[type]:
    """Yield the classes whose constructors get the keywords of a config."""
    for base in cls.__mro__[:-1]:
        if "__init__" in vars(base):
            yield base
            if all(p.kind is not Parameter.VAR_KEYWORD for p in _parameters(base)):
                return


def _parameters(cls: type) -> Iterable[Parameter]:
    return signature(cls.__init__).parameters.values()  # type: ignore[misc]


def _keywords(cls: type) -> list[Parameter]:
    """Return the parameters of a constructor that have names, without ``self``."""
    _, *parameters = _parameters(cls)
    variadic = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    return [p for p in parameters if p.kind not in variadic]


def _kinds(cls: type, known: Any, lenient: bool) -> Callable[[str], _Kind | None]:
    """Return a function from a parameter to its type and limits, None for one of no config.

    It raises UnsupportedTypeError.
    """
    if known is not None:
        limits = {f.name: f.metadata.get("limits") for f in fields(known)}
        types_of = get_type_hints(known)
        return lambda name: (types_of[name], limits[name]) if name in limits else None
    annotations = cls.__init__.__annotations__  # type: ignore[misc]
    # torch imports these names for type checkers only.
    names = {"Callable": Callable, "Iterable": Iterable, "Sequence": Sequence}
    names |= vars(sys.modules[cls.__init__.__module__])  # type: ignore[misc]

    def kind_of(name: str) -> _Kind:
        annotation = SimpleNamespace(__annotations__={name: annotations.get(name, Any)})
        try:
            hint = get_type_hints(annotation, names, include_extras=True)[name]
        except NameError as error:
            raise UnsupportedTypeError(f"its annotation can't be read: {error}") from error
        return _kind(hint, lenient)

    return kind_of


def _with_default(parameter: Parameter, kind: Any, limits: Limits | None) -> tuple[Any, Any]:
    """Return the type and the dataclass field of a parameter, with its default value.

    Raises UnsupportedTypeError for a default that is not allowed.
    """
    metadata: dict[str, Any] = {} if limits is None else {"limits": limits}
    if kind is Any:
        metadata["description"] = "a value of one of several types"
    default = parameter.default
    if default is Parameter.empty:
        return kind, field(default=MISSING, metadata=metadata)
    if default is None:
        return kind if kind is Any else kind | None, field(default=None, metadata=metadata)
    is_list = isinstance(default, list | tuple)
    plain = list(default) if is_list else default
    if any(type(value) not in _PLAIN for value in (plain if is_list else [plain])):
        raise UnsupportedTypeError(f"its default {default!r} can't be in a config")
    if limits is not None and not limits.allow(plain):
        raise UnsupportedTypeError(f"its default {default!r} must be {limits}")
    if is_list:
        return kind, field(default_factory=lambda: list(plain), metadata=metadata)
    return kind, field(default=plain, metadata=metadata)


def _kind(hint: Any, lenient: bool) -> _Kind:
    """Return the type and the limits of an annotation. Raises UnsupportedTypeError."""
    if hint in (*_PLAIN, types.NoneType):
        return hint, None
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        kind, limits = _kind(arguments[0], lenient)
        return kind, next((a for a in arguments[1:] if isinstance(a, Limits)), limits)
    if origin is Literal:
        return _literal(arguments)
    if origin in (Union, types.UnionType):
        return _union(arguments, lenient)
    if origin in (list, tuple, Sequence, Iterable):
        return _list(origin, arguments, lenient)
    shown = getattr(hint, "__name__", str(hint))
    raise UnsupportedTypeError(f"needs the type {_SUPPORTED}, not {shown}")


def _literal(values: tuple[Any, ...]) -> _Kind:
    kinds = {type(value) for value in values} - {types.NoneType}
    if kinds not in ({str}, {int}):
        raise UnsupportedTypeError("Literal needs strings, or whole numbers")
    [kind] = kinds
    limits = Limits(one_of=tuple(value for value in values if value is not None))
    return kind | None if None in values else kind, limits


def _union(members: tuple[Any, ...], lenient: bool) -> _Kind:
    """Return the type of ``int | None``; if lenient, that of the members that a config can have."""
    if Path in members:  # a config from elsewhere must not choose where a library writes files
        raise UnsupportedTypeError("must not be a path")
    parts = []
    for member in members:
        try:
            parts.append(_kind(member, lenient))
        except UnsupportedTypeError:
            if not lenient:
                raise
    kinds = [kind for kind, _ in parts if kind is not types.NoneType]
    if len(kinds) == 1:
        limits = next((limits for _, limits in parts if limits is not None), None)
        return reduce(or_, [kind for kind, _ in parts]), limits
    if lenient and kinds:
        return Any, None
    raise UnsupportedTypeError(f"needs one type, or one type and None, not {members}")


def _list(origin: Any, arguments: tuple[Any, ...], lenient: bool) -> _Kind:
    parts = {_kind(argument, lenient) for argument in arguments if argument is not Ellipsis}
    kinds = {kind for kind, _ in parts}
    if len(kinds) != 1 or not kinds <= set(_PLAIN):
        raise UnsupportedTypeError("needs elements of one type: int, float, bool or str")
    [(kind, limits)] = parts
    fixed = origin is tuple and Ellipsis not in arguments
    listed = GenericAlias(list, (kind,))
    return listed, Limits(length=len(arguments)) if fixed else limits
