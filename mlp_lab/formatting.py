"""Tables in plain text and in Markdown, and durations."""

from collections.abc import Iterable, Sequence
from textwrap import indent


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in plain text: the first column aligned left, the others right."""
    return indent(_table(header, rows, "plain"), "  ")


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown: the first column aligned left, the others right."""
    return _table(header, rows, "pipe")


def duration(seconds: float) -> str:
    """Return a duration: ``45 s`` below 100 s, ``12 min`` below 100 min, otherwise ``3.5 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], style: str) -> str:
    # Importing it takes tens of milliseconds, and most commands print no table.
    from tabulate import tabulate

    alignments = ("left", *["right"] * (len(header) - 1))
    return tabulate(rows, header, style, disable_numparse=True, colalign=alignments)
