"""A backgammon board as text for a terminal."""

from collections.abc import Iterator, Sequence

import numpy as np

from mlp_lab.games.backgammon.position import BAR, borne_off, flipped, pip_counts, position_id

_ROWS = 5  # checkers that a point shows; of a higher stack, the last row is the number
_TOP = " +13-14-15-16-17-18------19-20-21-22-23-24-+"
_MIDDLE = " |                  |BAR|                  |"
_BOTTOM = " +12-11-10--9--8--7-------6--5--4--3--2--1-+"
_NAME = 30  # characters of a name that fit beside the board


def board_text(
    board: np.ndarray,
    dice: Sequence[int] = (),
    *,
    x_on_roll: bool = True,
    names: Sequence[str] = ("you", "opponent"),
) -> str:
    """Return a board of 14 lines with its position id, pip counts, dice, and whose turn it is.

    X moves from point 24 to point 1 and bears off at the lower right; the points have the numbers
    of X. The lines have at most 80 characters.

    Args:
        board: position, int8 ``[2, 25]``; row 0 is X, whoever is on roll.
        dice: the dice to play; empty before the roll.
        x_on_roll: whether it is the turn of X.
        names: names of X and O.
    """
    identity = position_id(board if x_on_roll else flipped(board))
    pips, off = pip_counts(board), borne_off(board)
    lines = [_TOP, *_half(board, top=True), _MIDDLE, *_half(board, top=False), _BOTTOM]
    lines[0] += f"  O  {names[1][:_NAME]}"
    lines[1] += f"  pips {pips[1]}, off {off[1]}"
    lines[len(lines) // 2] += f"  {_turn(board, dice, 'X' if x_on_roll else 'O')}"
    lines[-2] += f"  pips {pips[0]}, off {off[0]}"
    lines[-1] += f"  X  {names[0][:_NAME]}"
    return "\n".join([f" position {identity}", *lines])


def _turn(board: np.ndarray, dice: Sequence[int], player: str) -> str:
    """Return whose turn it is, or who has won."""
    for winner, row in zip("XO", board, strict=True):
        if not row.any():
            return f"{winner} has won"
    return f"{player} to play {dice[0]} {dice[1]}" if len(dice) > 0 else f"{player} to roll"


def _half(board: np.ndarray, *, top: bool) -> Iterator[str]:
    """Yield the lines of the upper or the lower half from top to bottom."""
    left, right = (range(12, 18), range(18, 24)) if top else (range(11, 5, -1), range(5, -1, -1))
    stacks = [(board[0, point], board[1, 23 - point]) for point in (*left, *right)]
    # Checkers on the bar are shown in the half that they enter, from the middle outwards.
    bar: tuple[int, int] = (board[0, BAR], 0) if top else (0, board[1, BAR])
    for row in range(_ROWS) if top else reversed(range(_ROWS)):
        cells = [_cell(x, o, row) for x, o in stacks]
        points = "".join(cells[:6]), _cell(*bar, _ROWS - 1 - row), "".join(cells[6:])
        yield " |" + "|".join(points) + "|"


def _cell(x_checkers: int, o_checkers: int, row: int) -> str:
    """Return the three characters of a row of a point with checkers of X or of O."""
    number = int(x_checkers or o_checkers)
    if row >= number:
        return "   "
    if row == _ROWS - 1 and number > _ROWS:
        return f"{number:^3}"
    return " X " if x_checkers else " O "
