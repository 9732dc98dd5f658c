"""The classes of labels that are texts."""

import math
from collections.abc import Sequence

import numpy as np

from mlp_lab.data.csv_reader import parse_number
from mlp_lab.errors import UserError

_MAX_CLASSES = 1_000


def classes_of(labels: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the names of the classes and the class of each label, int64 ``[examples]``.

    The classes are sorted by value if all labels are finite numbers, else alphabetically.

    Raises:
        UserError: there are fewer than 2 or more than 1,000 classes, more than half as many as
            examples, or two labels are the same number.
    """
    different = sorted(set(labels))
    numeric = all(map(_is_finite, different))
    if numeric:
        _check_distinct(different)
    count, most = len(different), min(_MAX_CLASSES, max(2, len(labels) // 2))
    if count == 1:
        raise UserError(f"all examples have the label {labels[0]!r}; must be two or more")
    if count > most:
        hint = " (data.kind=regression learns numbers)" if numeric else ""
        raise UserError(
            f"different labels: {count:,} of {len(labels):,} examples; must be at most"
            f" {most:,}{hint}"
        )
    names = tuple(sorted(different, key=float) if numeric else different)
    numbers = {name: number for number, name in enumerate(names)}
    return names, np.array([numbers[label] for label in labels], np.int64)


def _is_finite(label: str) -> bool:
    number = parse_number(label)
    return number is not None and math.isfinite(number)


def _check_distinct(labels: Sequence[str]) -> None:
    """Raise UserError if two labels are the same number."""
    numbers: dict[float, str] = {}
    for label in labels:
        if (other := numbers.setdefault(float(label), label)) != label:
            raise UserError(
                f"the labels {other!r} and {label!r} are the same number; one class must have one"
                " label"
            )
