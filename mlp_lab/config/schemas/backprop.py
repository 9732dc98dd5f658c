"""Schema of the keys in conf/backprop.yaml."""

from dataclasses import field
from typing import Any

from omegaconf import MISSING

from mlp_lab.config.limits import Limits, limited, schema
from mlp_lab.config.names import BACKPROP_ACTIVATIONS, BACKPROP_EXAMPLES
from mlp_lab.config.schemas.train import FigureSettings

NUMBER = Limits(minimum=-1_000_000, maximum=1_000_000)


@schema
class Backprop:
    """Compute all gradients of a small network in three ways, and draw it."""

    example: str = limited(one_of=BACKPROP_EXAMPLES)
    weights: Any = field(
        default=MISSING,
        metadata={"description": "a list of all, a mapping by name, or null"},
    )
    inputs: list[float] | None = field(default=MISSING, metadata={"limits": NUMBER})
    target: float | None = field(default=MISSING, metadata={"limits": NUMBER})
    activation: str | None = limited(one_of=BACKPROP_ACTIVATIONS)
    figures: FigureSettings = field(default_factory=FigureSettings)
    logs: str = MISSING
