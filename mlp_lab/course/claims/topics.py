"""Topics of the claims. Each has a module ``<topic>_claims.py``, imported when it is checked."""

from collections.abc import Sequence
from importlib import import_module

from mlp_lab.config.suggestions import suggestion
from mlp_lab.course.claims.claim import Claim
from mlp_lab.errors import UserError

TOPICS = (
    "perceptron",
    "activations",
    "collapse",
    "vanishing_gradients",
    "boolean",
    "backpropagation",
    "kernels",
)


def check_names(names: Sequence[str]) -> None:
    """Check that all names are topics.

    Raises:
        UserError: a name is not a topic.
    """
    for name in names:
        if name not in TOPICS:
            raise UserError(
                f"{name}: no such topic{suggestion(name, TOPICS)} (topics: {', '.join(TOPICS)})"
            )


def check_topic(topic: str) -> list[Claim]:
    """Measure and return the claims of a topic."""
    return list(import_module(f"mlp_lab.course.claims.{topic}_claims").claims())
