"""What a claim is, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from matplotlib.figure import Figure


@dataclass(frozen=True)
class Claim:
    """A statement of the course, and how it was found to be.

    Attributes:
        text: what is claimed: ``f'(x) = f(x) (1 - f(x)) for the sigmoid``.
        source: where it is claimed: ``lecture, activations``.
        expected: what has to come out, in words or numbers.
        measured: what came out.
        holds: whether that is the same.
        figures: by file name without suffix.
    """

    text: str
    source: str
    expected: str
    measured: str
    holds: bool
    figures: Mapping[str, Figure] = field(default_factory=dict)
