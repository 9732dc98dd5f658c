"""Define fields of schemas with limits."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from omegaconf import MISSING


@dataclass(frozen=True)
class Limits:
    """The values that a field allows; the limits of a list apply to each element."""

    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None
    one_of: Sequence[str | int] = ()
    length: int | None = None
    pattern: str | None = None

    def allow(self, value: Any) -> bool:
        """Return whether ``value`` (a number, a string, or a list of these) is allowed."""
        if isinstance(value, list):
            fits = len(value) > 0 if self.length is None else len(value) == self.length
            return fits and all(self.allow(element) for element in value)
        return (
            # All comparisons with nan are false, so that these refuse nan.
            (self.minimum is None or value >= self.minimum)
            and (self.above is None or value > self.above)
            and (self.maximum is None or value <= self.maximum)
            and (self.below is None or value < self.below)
            and (not self.one_of or value in self.one_of)
            and (self.pattern is None or re.fullmatch(self.pattern, value) is not None)
        )

    def __str__(self) -> str:
        if self.one_of:
            return "one of " + ", ".join(map(str, self.one_of))
        if self.pattern:
            return "of letters, digits, dots, dashes and underscores"
        prefixes = {"minimum": "at least", "above": "above", "maximum": "at most", "below": "below"}
        bounds = ((prefix, getattr(self, name)) for name, prefix in prefixes.items())
        texts = (f"{prefix} {bound:.10g}" for prefix, bound in bounds if bound is not None)
        return " and ".join(texts).replace("below inf", "finite")


#: The name in annotations of plug-ins: ``Annotated[int, mlp_lab.Range(1, 1000)]``.
Range = Limits


def limited(
    *,
    minimum: float | None = None,
    above: float | None = None,
    maximum: float | None = None,
    below: float | None = None,
    one_of: Sequence[str | int] = (),
    length: int | None = None,
    pattern: str | None = None,
) -> Any:
    """Return a dataclass field with limits and without a default."""
    limits = Limits(minimum, maximum, above, below, one_of, length, pattern)
    return field(default=MISSING, metadata={"limits": limits})


# Schemas need only fields and defaults. Without the generated methods, a command refuses a wrong
# override in half the time.
schema = partial(dataclass, init=False, repr=False, eq=False)
