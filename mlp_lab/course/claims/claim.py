"""What is claimed, and what came out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # whoever asks which topics there are needs no plotting library
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Claim:
    """One claim of the course, checked.

    Attributes:
        text: what is claimed: ``f'(x) = f(x) (1 - f(x)) for the sigmoid``.
        source: where: ``lecture, activations``.
        expected: what it says of what is measured.
        measured: what came out.
        holds: whether the two agree.
        figures: that show it, by the names of their files without suffix.
    """

    text: str
    source: str
    expected: str
    measured: str
    holds: bool
    figures: "Mapping[str, Figure]" = field(default_factory=dict)
