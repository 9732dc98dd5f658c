"""Suggest the closest match of a wrong name."""

from collections.abc import Sequence
from difflib import get_close_matches


def suggestion(key: str, known: Sequence[str]) -> str:
    """Return ``; did you mean ...?`` with the closest of the ``known`` keys, or an empty string."""
    leaf = key.rpartition(".")[2]
    # A correct name without its group (``lr=0.1``) is closer than any misspelling, and so is the
    # last word of a name (``epochs``).
    matches = (
        [k for k in known if k.rpartition(".")[2] == leaf]
        or [k for k in known if k.endswith(f"_{leaf}")]
        or get_close_matches(key, known, 1)
    )
    return f"; did you mean {matches[0]}?" if matches else ""
