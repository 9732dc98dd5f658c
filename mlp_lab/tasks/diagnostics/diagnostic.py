"""The result of a diagnostic function: a table and figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlp_lab.figures.rendering import Draw


@dataclass(frozen=True)
class Diagnostic:
    """A table and figures that an evaluation adds.

    An evaluation stores the rows in its entry under the key ``name``, prints them, and writes them
    to ``<split>_<name>.csv``.

    Attributes:
        name: name of the table.
        rows: rows of the table, at least one; each has the same columns, with text or numbers. A
            float is printed as the metric with the name of its column.
        figures: functions that draw the figures, by name.
    """

    name: str
    rows: Sequence[Mapping[str, Any]]
    figures: Mapping[str, Draw] = field(default_factory=dict)
