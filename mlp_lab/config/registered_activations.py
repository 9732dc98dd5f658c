"""The activations of plug-ins by name. This module imports neither torch nor omegaconf."""

import re
from collections.abc import Callable
from typing import Any

from mlp_lab.config.names import ACTIVATIONS
from mlp_lab.errors import UserError

_ACTIVATIONS: dict[str, Callable[..., Any]] = {}


def add_activation(activation: Callable[..., Any]) -> None:
    """Add an activation; its name is that of the function, or ``leaky_tanh`` for ``LeakyTanh``.

    Raises:
        UserError: the package has an activation of this name.
    """
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", activation.__name__).lower()
    if name in ACTIVATIONS and name not in _ACTIVATIONS:
        raise UserError(f"{activation.__module__}.{activation.__name__}: {name} exists already")
    if name not in ACTIVATIONS:
        ACTIVATIONS.append(name)
    _ACTIVATIONS[name] = activation


def registered_activation(name: str) -> Callable[..., Any] | None:
    """Return the registered activation with a name, None if there is none."""
    return _ACTIVATIONS.get(name)


def registered_activations() -> list[Callable[..., Any]]:
    """Return the registered activations: functions and classes."""
    return list(_ACTIVATIONS.values())
