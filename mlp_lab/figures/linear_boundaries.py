"""Linear decision boundaries in the plane."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mlp_lab.figures.style import BLUE, line_style

_MARGIN = 0.5


def linear_boundaries(
    points: np.ndarray,
    classes: np.ndarray,
    lines: Mapping[str, tuple[np.ndarray, float]],
    title: str,
) -> Figure:
    """Plot points of two classes in the plane and straight lines.

    Args:
        points: coordinates of the points, ``[points, 2]``.
        classes: class of each point, ``[points]``: class 1 if positive, class -1 otherwise.
        lines: coefficients w, ``[2]``, not both 0, and b of the line w.x + b = 0, by label.
        title: title of the figure.
    """
    figure = Figure(figsize=(6, 4.2), layout="constrained")
    panel = figure.subplots()
    for place, (label, (w, b)) in enumerate(lines.items()):
        nearest = -b * w / (w @ w)  # the point of the line that is nearest to the origin
        direction = np.array([-w[1], w[0]])
        style = line_style(place) | {"marker": "none"}
        panel.axline(nearest, nearest + direction, label=label, **style)
    size = min(11.0, 50 / len(points) ** 0.5)  # of a marker, in points: many points would overlap
    for positive, marker, name in ((True, "o", "class 1"), (False, "s", "class -1")):
        members, face = points[(classes > 0) == positive], BLUE if positive else "white"
        panel.plot(*members.T, marker, ms=size, mfc=face, mec=BLUE, label=name, zorder=3)
    low, high = points.min(0) - _MARGIN, points.max(0) + _MARGIN
    panel.set(xlabel="x1", ylabel="x2", xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    panel.xaxis.set_major_locator(MaxNLocator(5))
    panel.yaxis.set_major_locator(MaxNLocator(5))
    figure.legend(loc="outside right upper")
    figure.suptitle(title)
    return figure
