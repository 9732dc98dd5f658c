"""Drawing of a feed-forward network as a graph."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Circle

_RADIUS = 0.42
_LAYER_DISTANCE, _UNIT_DISTANCE = 2.8, 2.0  # between the centres of neighbouring units
# Position of an edge's text as a fraction of its length. In the middle, edges can cross.
_TEXT_POSITION = 0.36


class Arrow(NamedTuple):
    """An edge from the unit ``tail`` to the unit ``head``; ``value`` determines its colour."""

    tail: int
    head: int
    text: str
    value: float


def network_graph(
    units: Mapping[int, str], arrows: Sequence[Arrow], title: str, value_label: str
) -> Figure:
    """Draw a feed-forward network from left to right with a text in each unit and on each edge.

    Args:
        units: text of each unit, by its number.
        arrows: edges; each leads to a unit with a larger number.
        title: title of the figure.
        value_label: label of the colour bar for the values of the edges.
    """
    positions = _positions(units, arrows)
    x, y = zip(*positions.values(), strict=True)
    width, height = max(x) - min(x) + 2 * _RADIUS, max(y) - min(y) + 2 * _RADIUS
    figure = Figure(figsize=(1.25 * width + 1.6, 1.25 * height + 0.9), layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(min(x) - 0.5, max(x) + 0.5), ylim=(min(y) - 0.5, max(y) + 0.5), aspect="equal")
    figure.suptitle(title)
    axes.set_axis_off()
    largest = max(abs(arrow.value) for arrow in arrows) or 1.0
    scale = Normalize(-largest, largest)
    colour_bar = figure.colorbar(
        axes.scatter([], [], c=[], cmap="coolwarm", norm=scale), label=value_label, shrink=0.8
    )
    for arrow in arrows:
        _draw_arrow(
            axes,
            positions[arrow.tail],
            positions[arrow.head],
            arrow,
            colour_bar.cmap(scale(arrow.value)),
        )
    for unit, text in units.items():
        axes.add_patch(Circle(positions[unit], _RADIUS, facecolor="white", edgecolor="black"))
        axes.text(*positions[unit], text, ha="center", va="center", fontsize=8)
    return figure


def _positions(units: Mapping[int, str], arrows: Sequence[Arrow]) -> dict[int, tuple[float, float]]:
    """Return the position of each unit. Its layer is the length of the longest path to it."""
    layer: dict[int, int] = {}
    for unit in sorted(units):
        layer[unit] = max((layer[a.tail] + 1 for a in arrows if a.head == unit), default=0)
    units_of_layer = {n: [u for u in layer if layer[u] == n] for n in layer.values()}
    return {
        unit: (
            _LAYER_DISTANCE * n,
            _UNIT_DISTANCE * ((len(units_of_layer[n]) - 1) / 2 - units_of_layer[n].index(unit)),
        )
        for unit, n in layer.items()
    }


def _draw_arrow(
    axes: Axes,
    tail: tuple[float, float],
    head: tuple[float, float],
    arrow: Arrow,
    colour: tuple[float, float, float, float],
) -> None:
    (x, y), (dx, dy) = tail, (head[0] - tail[0], head[1] - tail[1])
    end = 1 - _RADIUS / math.hypot(dx, dy)  # the border of the unit ``head``
    style = {"arrowstyle": "-|>", "color": colour, "linewidth": 2.5, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", (x + end * dx, y + end * dy), tail, arrowprops=style, zorder=0)
    axes.text(
        x + _TEXT_POSITION * dx,
        y + _TEXT_POSITION * dy,
        arrow.text,
        ha="center",
        va="center",
        fontsize=8,
        rotation=math.degrees(math.atan2(dy, dx)),
        rotation_mode="anchor",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
    )
