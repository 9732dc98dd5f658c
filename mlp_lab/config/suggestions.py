"""Suggest the closest match of a wrong name."""

from collections.abc import Sequence
from difflib import get_close_matches

from mlp_lab.errors import UserError


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


def check_names(names: Sequence[str], known: Sequence[str], kind: str) -> None:
    """Check that all ``names`` are ``known``.

    Args:
        names: names that a user has typed.
        known: allowed names.
        kind: what they name, in the singular: ``topic``.

    Raises:
        UserError: a name is not known.
    """
    for name in names:
        if name not in known:
            hint = suggestion(name, known)
            raise UserError(f"{name}: no such {kind}{hint} ({kind}s: {', '.join(known)})")
