"""Topics of the claims. Each has a module ``<topic>_claims.py``, imported when it is checked."""

from importlib import import_module

from mlp_lab.course.claims.claim import Claim

TOPICS = (
    "perceptron",
    "activations",
    "collapse",
    "vanishing_gradients",
    "boolean",
    "backpropagation",
    "kernels",
)


def check_topic(topic: str) -> list[Claim]:
    """Measure and return the claims of a topic."""
    return list(import_module(f"mlp_lab.course.claims.{topic}_claims").claims())
