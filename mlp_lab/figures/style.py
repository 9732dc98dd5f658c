"""The common style of all figures: colours, dashes, markers, sizes of texts."""

from collections.abc import Mapping
from typing import Any

#: Colours that people with defective colour vision can distinguish (Okabe and Ito 2008). Those of
#: areas and points have yellow, which is too light for lines, grey and brown as well.
BLUE, VERMILLION, GREEN = "#0072B2", "#D55E00", "#009E73"
COLOURS = (BLUE, VERMILLION, GREEN, "#E69F00", "#CC79A7", "#56B4E9", "#000000")
AREA_COLOURS = (*COLOURS, "#F0E442", "#999999", "#7F4A1E")

#: Colours of the splits.
SPLIT_COLOURS = {"train": BLUE, "validation": VERMILLION}
#: Dashes of the splits.
SPLIT_DASHES = {"train": "--", "validation": "-"}

_DASHES = ("-", "--", "-.", ":")
MARKERS = "os^Dv<>pPX"
_MARKED = 8  # points of a line that have a marker, at most

#: Settings of matplotlib in ``rendering.py``; all others have matplotlib's default.
SETTINGS: Mapping[Any, Any] = {
    "text.parse_math": False,  # class names and paths may contain dollars
    "axes.axisbelow": True,
    "axes.titlesize": 10,
    "figure.titlesize": 10,
    "legend.fontsize": 8,
    "legend.title_fontsize": 9,
    "lines.linewidth": 1.4,
    "lines.markersize": 5,
    "svg.hashsalt": "mlp_lab",  # the same file for the same figure
}


#: Settings of lines whose axes include all of their points: a line at 0 covers the axis.
ON_TOP: dict[str, Any] = {"clip_on": False, "zorder": 3}


def line_style(place: int, points: int = 1) -> dict[str, Any]:
    """Return colour, dashes and marker of a line: different ones for 28 lines.

    Args:
        place: number of the line, from 0.
        points: number of its points. Of many points, only some have a marker, other ones than on
            neighbouring lines.
    """
    step = max(1, -(-points // _MARKED))
    return {
        "color": COLOURS[place % len(COLOURS)],
        "ls": _DASHES[place % len(_DASHES)],
        "marker": MARKERS[place % len(MARKERS)],
        "markevery": (place * step // 3 % step, step),
        "ms": 4,
    }
