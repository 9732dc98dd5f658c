"""A claim of the course and its measured result."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

# Importing matplotlib would delay --help and the error for an unknown topic.
if TYPE_CHECKING:
    from mlp_lab.figures.rendering import Draw


@dataclass(frozen=True)
class Claim:
    """A claim of the course with its measured result.

    Attributes:
        text: claim, such as ``sigmoid: f'(x) = f(x) (1 - f(x))``.
        source: source of the claim, such as ``lecture, activations``.
        expected: result that the claim predicts.
        measured: result of the measurement.
        holds: whether the measured result agrees with the expected one.
        figures: functions that draw figures for the claim, by file name without suffix.
    """

    text: str
    source: str
    expected: str
    measured: str
    holds: bool
    figures: "Mapping[str, Draw]" = field(default_factory=dict)
