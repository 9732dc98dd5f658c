"""Which topics there are: each is a module of this package, and is loaded when it is asked for."""

from collections.abc import Sequence
from importlib import import_module

from mlp_lab.config.check import nearest
from mlp_lab.course.claims.claim import Claim
from mlp_lab.errors import UserError

TOPICS = (
    "activations",
    "collapse",
    "vanishing_gradients",
    "boolean",
    "backpropagation",
    "kernels",
)


def refuse_unknown(names: Sequence[str]) -> None:
    """Raise UserError for a name that is no topic's."""
    for name in names:
        if name not in TOPICS:
            raise UserError(
                f"{name}: no such topic{nearest(name, TOPICS)} (topics: {', '.join(TOPICS)})"
            )


def check(topic: str) -> list[Claim]:
    """The claims of a topic, each with what was measured."""
    return list(import_module(f"mlp_lab.course.claims.{topic}").claims())
