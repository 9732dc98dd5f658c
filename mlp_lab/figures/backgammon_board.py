"""A backgammon position as players know it: points, checkers, bar and tray."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle

from mlp_lab.figures.axes import panel_grid

#: Width and height of a board with its frame and tray; a point is 1 wide.
WIDTH, HEIGHT = 15.2, 12.4
#: Height of a point.
POINT = 5.0

_BAR = 24
_COLUMNS = 3  # boards in a row
#: Centres of the bar and of the tray.
BAR_CENTRE, TRAY_CENTRE = 6.5, 13.9
_TOP, _BOTTOM = 11.6, 0.0  # edges of the playing field
_SHOWN = 5  # checkers of a stack that are drawn; a higher stack has its number on the last one
_RADIUS = 0.46
_FELT, _FRAME = "#e9dcc3", "#6b4a2f"
_POINTS = ("#b5543c", "#8a9a7b")
_CHECKERS = ("#fbf7ee", "#2b2b2b")  # of the player on roll, and of the opponent


def backgammon_boards(boards: Mapping[str, np.ndarray]) -> Figure:
    """Plot positions from the view of the player on roll, who has the light checkers.

    There are three in a row. The light checkers move from point 24 at the upper right to point 1 at
    the lower right.

    Args:
        boards: checkers of the player on roll and of the opponent, ``[2, 25]``: on the points 1 to
            24 of each player's numbering, and on the bar; the others of the 15 are borne off. The
            keys are captions, which are below the boards.
    """
    figure, panels = panel_grid(len(boards), _COLUMNS, (4.2, 3.8))
    for panel, (caption, board) in zip(panels, boards.items(), strict=True):
        _draw_position(panel, board)
        panel.set_xlabel(caption, fontsize=8)
    figure.suptitle("selected positions with the network's last estimates")
    return figure


def _draw_position(panel: Axes, board: np.ndarray) -> None:
    draw_empty_board(panel)
    for player, colour in enumerate(_CHECKERS):
        for point in range(24):
            x, base, up = place(point if player == 0 else 23 - point)
            _draw_stack(panel, x, base, up, int(board[player, point]), colour)
        # A checker on the bar is in the half that it enters.
        up = -1 if player else 1
        near = (_TOP + _BOTTOM) / 2 + up * 0.4
        _draw_stack(panel, BAR_CENTRE, near, up, int(board[player, _BAR]), colour)
        _draw_tray(panel, player, 15 - int(board[player].sum()))


def place(point: int) -> tuple[float, float, int]:
    """Return the centre of a point, its base, and its direction: 1 upwards, -1 downwards.

    Args:
        point: point in the numbering of the player on roll, from 0.
    """
    column = 11 - point if point < 12 else point - 12
    x = column + 0.5 + (column >= 6)  # the bar is as wide as a point
    return (x, _BOTTOM, 1) if point < 12 else (x, _TOP, -1)


def draw_empty_board(panel: Axes, *, colours: bool = True, fontsize: float = 8) -> None:
    """Draw frame, bar, tray, points and their numbers.

    Args:
        panel: axes of the board, in which a point is 1 wide.
        colours: whether the points and the frame have colours.
        fontsize: size of the numbers in points.
    """
    felt, frame = (_FELT, _FRAME) if colours else ("white", "0.75")
    panel.add_patch(Rectangle((-0.4, -0.4), WIDTH, HEIGHT, facecolor=frame, edgecolor="none"))
    for left in (0, 7):
        panel.add_patch(Rectangle((left, _BOTTOM), 6, _TOP, facecolor=felt, edgecolor="none"))
    for bottom in (_BOTTOM, _TOP - POINT):
        panel.add_patch(Rectangle((13.4, bottom), 1, POINT, facecolor=felt, edgecolor="none"))
    for point in range(24):
        x, base, up = place(point)
        if colours:
            corners = [(x - 0.5, base), (x + 0.5, base), (x, base + up * POINT)]
            panel.fill(*zip(*corners, strict=True), color=_POINTS[point % 2], linewidth=0)
        panel.text(x, base - up * 0.75, str(point + 1), ha="center", va="center", fontsize=fontsize)
    panel.set(xlim=(-0.6, WIDTH - 0.2), ylim=(-1.2, HEIGHT + 0.4), aspect="equal")
    panel.set(xticks=[], yticks=[])
    panel.spines[:].set_visible(False)


def _draw_stack(panel: Axes, x: float, base: float, up: int, number: int, colour: str) -> None:
    """Draw the checkers of a point, or of the bar, from ``base`` on."""
    for row in range(min(number, _SHOWN)):
        centre = x, base + up * (row + 0.5)
        panel.add_patch(Circle(centre, _RADIUS, facecolor=colour, edgecolor="0.35", linewidth=0.8))
    if number > _SHOWN:
        ink = _CHECKERS[1 - _CHECKERS.index(colour)]
        panel.text(*centre, str(number), ha="center", va="center", color=ink, fontsize=10)


def _draw_tray(panel: Axes, player: int, number: int) -> None:
    """Draw borne-off checkers from the side, and their number."""
    up, base = (-1, _TOP) if player else (1, _BOTTOM)
    height = POINT / 15
    for row in range(number):
        lower = base + up * (row + (up < 0)) * height
        side: dict[str, Any] = {"facecolor": _CHECKERS[player], "edgecolor": "0.35", "lw": 0.8}
        panel.add_patch(Rectangle((TRAY_CENTRE - 0.45, lower), 0.9, height, **side))
    if number:
        middle = base + up * (POINT + 0.4)
        panel.text(TRAY_CENTRE, middle, str(number), ha="center", va="center", color="white")
