"""What a schema is made of: fields with limits."""

import re
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from omegaconf import MISSING


@dataclass(frozen=True)
class Limits:
    """Which values a field takes; the limits of a list hold for each of its elements."""

    minimum: float | None = None
    above: float | None = None
    maximum: float | None = None
    below: float | None = None
    one_of: tuple[str, ...] = ()
    length: int | None = None
    pattern: str | None = None

    def allow(self, value: Any) -> bool:
        """Whether ``value`` (a number, a string, or a list of these; not None) lies inside."""
        if isinstance(value, list):
            fits = len(value) > 0 if self.length is None else len(value) == self.length
            return fits and all(self.allow(element) for element in value)
        return (
            # Written so that nan, which compares false with everything, is refused.
            (self.minimum is None or value >= self.minimum)
            and (self.above is None or value > self.above)
            and (self.maximum is None or value <= self.maximum)
            and (self.below is None or value < self.below)
            and (not self.one_of or value in self.one_of)
            and (self.pattern is None or re.fullmatch(self.pattern, value) is not None)
        )

    def __str__(self) -> str:
        if self.one_of:
            return "one of " + ", ".join(self.one_of)
        if self.pattern:
            return "of letters, digits, dots, dashes and underscores"
        words = {"minimum": "at least", "above": "above", "maximum": "at most", "below": "below"}
        bounds = ((word, getattr(self, key)) for key, word in words.items())
        said = (f"{word} {bound:.10g}" for word, bound in bounds if bound is not None)
        return " and ".join(said).replace("below inf", "finite")


def limited(
    *,
    minimum: float | None = None,
    above: float | None = None,
    maximum: float | None = None,
    below: float | None = None,
    one_of: tuple[str, ...] = (),
    length: int | None = None,
    pattern: str | None = None,
) -> Any:
    """A dataclass field with limits and without a default."""
    limits = Limits(minimum, above, maximum, below, one_of, length, pattern)
    return field(default=MISSING, metadata={"limits": limits})


# Only fields and defaults are of use here; leaving the generated methods out halves the time
# that it takes to refuse a wrong override.
schema = partial(dataclass, init=False, repr=False, eq=False)
