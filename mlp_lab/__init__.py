"""Experiments with multilayer perceptrons: train, evaluate, sweep and compare runs.

The Python API, see ``mlp_lab.api``: ``compose``, ``train``, ``sweep``, ``compare``, ``load_run``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlp_lab.api import compare, compose, load_run, sweep, train

__version__ = "0.1.0"
__all__ = ["compare", "compose", "load_run", "sweep", "train"]


def __getattr__(name: str) -> Any:
    """Import the API when it is first used, since Hydra takes a third of a second."""
    if name in __all__:
        return getattr(import_module("mlp_lab.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
