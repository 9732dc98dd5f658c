"""Common parts of the figures of many runs: the lines that have colours, room for labels."""

import textwrap
from collections.abc import Sequence

from mlp_lab.figures.rendering import legend_label

#: Only the best lines have colours and legend entries: more are hard to distinguish.
MOST = 9

_WRAP = 44  # letters in a line of the legend


def legend_width(texts: Sequence[str]) -> float:
    """Return the width of a legend in inches."""
    return 0.7 + 0.07 * max(len(line) for text in texts for line in text.split("\n"))


def wrapped(label: str) -> str:
    """Return a label of a legend, wrapped to its width."""
    return legend_label(textwrap.fill(label, _WRAP, break_on_hyphens=False))
