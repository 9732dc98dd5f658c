"""Weights of hidden units of a backgammon network, drawn on boards."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from mlp_lab.figures.axes import panel_grid
from mlp_lab.figures.backgammon_board import BAR_CENTRE, POINT, TRAY_CENTRE, draw_empty_board, place

_COLUMNS = 3
_BANDS = 4  # inputs of a point and a player: the first, second, third and further checkers
_SIDE = 98  # inputs of a player
_STRONGEST = 10  # framed inputs of each unit
_NOTE = (
    "left half of a point: checkers of the player on roll, right half: of the opponent\n"
    "from the base to the tip: the first, second, third and further checkers\n"
    f"black frames: the {_STRONGEST} largest absolute weights of each unit"
)


def unit_boards(weights: np.ndarray, captions: Sequence[str]) -> Figure:
    """Plot the weights of units, one board for each, on a common scale.

    0 is white, positive weights are red, negative weights are blue; the largest weight of a point
    limits the scale. The strongest inputs have black frames.

    Args:
        weights: weights of each unit, ``[units, inputs]``. The first 98 inputs belong to the player
            on roll, the next 98 to the opponent, as in ``games.backgammon.encoding``: four for each
            point in the player's numbering, the bar, and the checkers borne off. Further inputs
            are not shown.
        captions: title of each board.
    """
    sides = weights[:, : 2 * _SIDE].reshape(-1, 2, _SIDE)
    points = sides[..., :-2].reshape(-1, 2, 24, _BANDS).copy()
    points[:, 1] = points[:, 1, ::-1]  # in the numbering of the player on roll
    bar, off = sides[..., -2], sides[..., -1]
    columns = min(_COLUMNS, math.ceil(math.sqrt(len(points))))
    figure, panels = panel_grid(len(points), columns, (3.6, 3.1), margin=(0.9, 0.6))
    limit = float(np.abs(points).max()) or 1.0
    for panel, *parts, caption in zip(panels, points, bar, off, captions, strict=True):
        draw_empty_board(panel, colours=False, fontsize=6)
        values = np.concatenate([part.ravel() for part in parts])
        shapes, strongest = _cells(), np.argsort(-np.abs(values), kind="stable")[:_STRONGEST]
        cells = PolyCollection(shapes, array=values, edgecolors="0.6", linewidths=0.3)
        cells.set(cmap=colormaps["RdBu_r"], clim=(-limit, limit))
        panel.add_collection(cells)
        frames = [shapes[cell] for cell in strongest]
        panel.add_collection(PolyCollection(frames, facecolors="none", edgecolors="black"))
        panel.set_title(caption, fontsize=9)
    figure.colorbar(cells, ax=figure.axes, label="weight of the input", extend="both", shrink=0.8)
    figure.supxlabel(_NOTE, fontsize=8)
    figure.suptitle("weights of the hidden units with the largest effect on the output")
    return figure


def _cells() -> list[np.ndarray]:
    """Return the polygons of the weights: points ``[2, 24, 4]``, bar ``[2]`` and off ``[2]``."""
    halves = [_half_point(point, side) for side in (-1, 1) for point in range(24)]
    points = [cell for half in halves for cell in half]
    # The half of the board that the checkers enter, and in which they are borne off.
    bar = [_box(BAR_CENTRE, place(point)) for point in (23, 0)]
    off = [_box(TRAY_CENTRE, place(point)) for point in (0, 23)]
    return [*points, *bar, *off]


def _half_point(point: int, side: int) -> list[np.ndarray]:
    """Return the bands of the left (-1) or right (1) half of a point, from the base to the tip."""
    x, base, up = place(point)
    edges = np.linspace(0, 1, _BANDS + 1)
    # A point of a board ends in a tip, in which colours would not be visible.
    outer, heights = x + side * (0.48 - 0.26 * edges), base + up * POINT * edges
    return [
        np.array([(x, heights[i]), (outer[i], heights[i]), (outer[i + 1], heights[i + 1]),
                  (x, heights[i + 1])])
        for i in range(_BANDS)
    ]  # fmt: skip


def _box(x: float, beside: tuple[float, float, int]) -> np.ndarray:
    """Return a rectangle as high as the points beside it."""
    _, base, up = beside
    low, high = base + up * 0.1, base + up * (POINT - 0.1)
    return np.array([(x - 0.4, low), (x + 0.4, low), (x + 0.4, high), (x - 0.4, high)])
