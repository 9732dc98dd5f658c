"""Register classes outside the package, so that a config can name them.

A config is data: it can name a registered class, but it never causes an import. Classes are
registered by the modules of the user that a command imports, see ``plugin_modules.py``.
"""

from collections.abc import Callable, Collection
from typing import Any, TypeVar

from mlp_lab.config.derived_schemas import derived_schema
from mlp_lab.config.registered_activations import add_activation
from mlp_lab.config.schemas import GROUPS, SHARED_KEYS, Schema
from mlp_lab.config.suggestions import suggestion
from mlp_lab.errors import UserError

Registered = TypeVar("Registered", bound=Callable[..., Any])

#: The parameters that ``runs/build.py`` passes to the classes of a group, besides the config's.
GIVEN: dict[str, tuple[str, ...]] = {
    "task": (
        "network",
        "optimizer",
        "schedule",
        "seed",
        "augmentation",
        "log_every_n_steps",
        "encoding",
        "average_decay",
        "gradients",
        "train_metrics",
        "clipping",
    ),
    "data": ("seed", "limits"),
    "encoding": ("in_features",),
    "network": ("in_features", "out_features"),
    "augmentation": ("side", "fill"),
    "optimizer": ("params",),
    "schedule": (),
    "callbacks": (),
}
_KINDS = (*GIVEN, "activation")

_CLASSES: dict[str, Any] = {}  # by target


def register(kind: str, *, fixed: Collection[str] = ()) -> Callable[[Registered], Registered]:
    """Return a decorator that makes a class an option of a config group.

    A config names it by its module and its name, ``_target_: my_module.Maxout``. Its keys are the
    parameters of its constructor, with types and limits of the annotations: ``int``, ``float``,
    ``bool``, ``str``, a list of these, ``Literal["a", "b"]``, ``Annotated[int, Range(1, 1000)]``,
    each optionally ``| None``. With ``**common``, the keys of the base class are inherited.

    An ``activation`` is a function of a tensor, or a class of modules without arguments and
    parameters, and gets a name such as ``network.activation`` instead: that of the function, or
    ``leaky_tanh`` for ``LeakyTanh``.

    Args:
        kind: config group, or ``activation``.
        fixed: keys of base classes that the class itself sets.

    Raises:
        UserError: there is no such group, or a parameter can't be a key of a config.
    """
    if kind not in _KINDS:
        hint = suggestion(kind, _KINDS)
        raise UserError(f"register({kind!r}): must be one of {', '.join(_KINDS)}{hint}")

    def decorate(registered: Registered) -> Registered:
        if kind == "activation":
            add_activation(registered)
        else:
            _add_class(kind, registered, fixed)
        return registered

    return decorate


def registered_class(target: str) -> Any:
    """Return the registered class with a ``_target_``, None if there is none."""
    return _CLASSES.get(target)


def _add_class(group: str, cls: Any, fixed: Collection[str]) -> None:
    target = f"{cls.__module__}.{cls.__qualname__}"
    if not isinstance(cls, type):
        raise UserError(f"{target}: must be a class")
    schema = derived_schema(cls, target, (*GIVEN[group], *fixed), _schema_of)
    # A module that is loaded again, for example in a notebook, replaces its classes.
    others = tuple(s for s in GROUPS[group] if s._target_ != target)
    GROUPS[group] = (*others, schema)
    _CLASSES[target] = cls


def _schema_of(cls: type) -> type[Schema] | None:
    """Return the schema of a class of the package, None for another class."""
    path = f"{cls.__module__}.{cls.__qualname__}"
    if path in _CLASSES:
        return None
    by_target = {schema._target_: schema for group in GROUPS.values() for schema in group}
    return SHARED_KEYS.get(path) or by_target.get(path)
