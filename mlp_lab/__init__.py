"""Experiments with multilayer perceptrons: train, evaluate, sweep and compare runs.

The Python API, in ``mlp_lab.commands.api``: ``compose``, ``train``, ``sweep``, ``compare``,
``load_run``.
For classes outside the package: ``register``, ``Range`` and ``add_metric``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlp_lab.commands.api import compare, compose, load_run, sweep, train
    from mlp_lab.config.limits import Range
    from mlp_lab.config.metrics import add_metric
    from mlp_lab.config.registry import register

__version__ = "0.1.0"
_EXTENSIONS = {
    "Range": "mlp_lab.config.limits",
    "add_metric": "mlp_lab.config.metrics",
    "register": "mlp_lab.config.registry",
}
__all__ = ["Range", "add_metric", "compare", "compose", "load_run", "register", "sweep", "train"]


def __getattr__(name: str) -> Any:
    """Import a name when it is first used, since Hydra takes a third of a second."""
    if name in __all__:
        return getattr(import_module(_EXTENSIONS.get(name, "mlp_lab.commands.api")), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
