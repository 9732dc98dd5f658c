"""Classes of torch and Lightning that a config can name without a schema here.

``optimizer=torch optimizer.name=Adamax`` is ``_target_: torch.optim.Adamax``, and so on for
schedulers, callbacks and loggers. The schema of such a class is derived from its constructor, which
imports torch. A config cannot name other classes: only public ones, with the base class below.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from inspect import Parameter, signature
from typing import Any

from mlp_lab.config.derived_schemas import derived_schema
from mlp_lab.config.suggestions import suggestion
from mlp_lab.errors import UserError


@dataclass(frozen=True)
class Library:
    """The classes that the options of a config group can name.

    Attributes:
        module: the module that has them.
        base: name of their base class in the module.
        given: parameters that the package passes.
        refused: the reasons why classes can't be used, by name.
        selector: key of the config that is a part of ``_target_`` only; None: there is none.
    """

    module: str
    base: str
    given: tuple[str, ...]
    refused: Mapping[str, str] = field(default_factory=dict)
    selector: str | None = "name"


_NEEDS_OBJECT = "it needs objects that a config can't contain"
_CHECKPOINTS = "each run keeps its best and its last epoch without it"

_PROGRESS = "each run has a progress bar without it"
_OF_STEPS = (
    "BackboneFinetuning", "BaseFinetuning", "BatchSizeFinder", "GradientAccumulationScheduler",
    "LearningRateFinder", "SpikeDetection", "ThroughputMonitor",
)  # fmt: skip
_AVERAGES = ("EMAWeightAveraging", "StochasticWeightAveraging", "WeightAveraging")

#: By config group.
LIBRARIES = {
    "optimizer": Library(
        "torch.optim",
        "Optimizer",
        ("params",),
        {"SparseAdam": "it needs sparse gradients"},
    ),
    "schedule": Library(
        "torch.optim.lr_scheduler",
        "LRScheduler",
        ("optimizer", "last_epoch"),
        {
            "ReduceLROnPlateau": "it depends on a metric, and a schedule only on the time",
            "ChainedScheduler": _NEEDS_OBJECT,
            "SequentialLR": _NEEDS_OBJECT,
        },
    ),
    "callbacks": Library(
        "pytorch_lightning.callbacks",
        "Callback",
        (),
        dict.fromkeys(("Checkpoint", "ModelCheckpoint", "OnExceptionCheckpoint"), _CHECKPOINTS)
        | dict.fromkeys(("ProgressBar", "RichProgressBar", "TQDMProgressBar"), _PROGRESS)
        | dict.fromkeys(_OF_STEPS, "it expects one minibatch per step, a step here has several")
        | dict.fromkeys(_AVERAGES, "average_decay averages the weights after each minibatch"),
    ),
    "logger": Library(
        "pytorch_lightning.loggers", "Logger", ("save_dir", "version"), selector=None
    ),
}


def selector_of(target: str) -> str | None:
    """Return the key of a config that is a part of ``target`` and no argument of its class."""
    module = target.rpartition(".")[0]
    return next((x.selector for x in LIBRARIES.values() if x.module == module), None)


def library_schema(group: str, target: str) -> Any:
    """Return the schema of a class of torch or Lightning; None if ``target`` is not one of them.

    Raises UserError for a class that does not exist or can't be used.
    """
    cls = library_class(group, target)
    if cls is None:
        return None
    return _schema(cls, target, LIBRARIES[group].given)


def library_class(group: str, target: str) -> Any:
    """Return the class of torch or Lightning that a target names; None for another target.

    Raises UserError if the library has no such class, or it can't be used.
    """
    module, _, name = target.rpartition(".")
    library = LIBRARIES.get(group)
    if library is None or module != library.module:
        return None
    classes = _classes(library)
    where = f"{group}: {target}"
    if name not in classes:
        names = ", ".join(classes)
        raise UserError(
            f"{where}: no such class{suggestion(name, list(classes))} (classes: {names})"
        )
    if reason := library.refused.get(name):
        raise UserError(f"{where}: can't be used: {reason}")
    if group == "optimizer" and _needs_closure(classes[name].step):
        raise UserError(f"{where}: can't be used: it computes the loss several times in each step")
    return classes[name]


def _classes(library: Library) -> dict[str, Any]:
    """Return the public classes of a library, without its base class."""
    import_module("mlp_lab.lightning")  # with any build of torch
    module = import_module(library.module)
    base = getattr(module, library.base)
    public = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    return {
        name: value
        for name, value in sorted(public.items())
        if isinstance(value, type) and issubclass(value, base) and value is not base
    }


def _needs_closure(step: Callable[..., Any]) -> bool:
    closure = signature(step).parameters.get("closure")
    return closure is not None and closure.default is Parameter.empty


@cache
def _schema(cls: type, target: str, given: tuple[str, ...]) -> Any:
    return derived_schema(cls, target, given, lambda base: None, lenient=True)
