"""Networks as graphs."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Circle

_RADIUS = 0.42
_ACROSS, _DOWN = 2.8, 2.0  # between the middles of neighbouring units
# Where an edge is written on, as a part of its length: at the half, edges would cross.
_WRITTEN_AT = 0.36


class Arrow(NamedTuple):
    """An edge between two units: what is written on it, and a value that gives its colour."""

    tail: int
    head: int
    text: str
    value: float


def graph(units: Mapping[int, str], arrows: Sequence[Arrow], title: str, values: str) -> Figure:
    """A feed-forward network from left to right: what is written in each unit and on each edge.

    Args:
        units: what is written in each, by its number; edges lead to larger numbers.
        arrows: the edges.
        title: of the figure.
        values: what the values of the edges are, for the scale of their colours.
    """
    places = _places(units, arrows)
    x, y = zip(*places.values(), strict=True)
    width, height = max(x) - min(x) + 2 * _RADIUS, max(y) - min(y) + 2 * _RADIUS
    figure = Figure(figsize=(1.25 * width + 1.6, 1.25 * height + 0.9), layout="constrained")
    panel = figure.subplots()
    panel.set(xlim=(min(x) - 0.5, max(x) + 0.5), ylim=(min(y) - 0.5, max(y) + 0.5), title=title)
    panel.set_aspect("equal")
    panel.set_axis_off()
    largest = max(abs(arrow.value) for arrow in arrows) or 1.0
    scale = Normalize(-largest, largest)
    colours = figure.colorbar(
        panel.scatter([], [], c=[], cmap="coolwarm", norm=scale), label=values, shrink=0.8
    )
    for arrow in arrows:
        _draw(
            panel, places[arrow.tail], places[arrow.head], arrow, colours.cmap(scale(arrow.value))
        )
    for unit, text in units.items():
        panel.add_patch(Circle(places[unit], _RADIUS, facecolor="white", edgecolor="black"))
        panel.text(*places[unit], text, ha="center", va="center", fontsize=8)
    return figure


def _places(units: Mapping[int, str], arrows: Sequence[Arrow]) -> dict[int, tuple[float, float]]:
    """Where each unit stands: in the layer that the longest path to it ends in."""
    layer: dict[int, int] = {}
    for unit in sorted(units):
        layer[unit] = max((layer[a.tail] + 1 for a in arrows if a.head == unit), default=0)
    members = {n: [u for u in layer if layer[u] == n] for n in layer.values()}
    return {
        unit: (_ACROSS * n, _DOWN * ((len(members[n]) - 1) / 2 - members[n].index(unit)))
        for unit, n in layer.items()
    }


def _draw(
    panel: Axes,
    tail: tuple[float, float],
    head: tuple[float, float],
    arrow: Arrow,
    colour: tuple[float, float, float, float],
) -> None:
    (x, y), (across, up) = tail, (head[0] - tail[0], head[1] - tail[1])
    until = 1 - _RADIUS / math.hypot(across, up)
    style = {"arrowstyle": "-|>", "color": colour, "linewidth": 2.5, "shrinkA": 0, "shrinkB": 0}
    panel.annotate("", (x + until * across, y + until * up), tail, arrowprops=style, zorder=0)
    panel.text(
        x + _WRITTEN_AT * across,
        y + _WRITTEN_AT * up,
        arrow.text,
        ha="center",
        va="center",
        fontsize=8,
        rotation=math.degrees(math.atan2(up, across)),
        rotation_mode="anchor",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
    )
