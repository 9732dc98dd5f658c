"""Network inputs of a position: Tesauro's 198 units, and optional expert units.

The units are those of TD-Gammon (Tesauro 1992, "Practical issues in temporal difference
learning", section 4; details in Sutton and Barto 2018, section 16.1), from the view of the player
on roll. With r = 0 for the player on roll and r = 1 for the opponent, and points p = 0 to 23 in the
numbering of the row's player:

- ``98 r + 4 p + u``: n checkers of row r are on point p. u = 0, 1, 2: 1 if n >= 1, 2, 3, else 0;
  u = 3: (n - 3) / 2 if n > 3, else 0.
- ``98 r + 96``: n / 2 for n checkers on the bar.
- ``98 r + 97``: n / 15 for n checkers borne off.
- ``196``: 1 if the player of row 0 is on roll; ``197``: 1 if the player of row 1 is. Row 0 is
  always on roll here, so the units are constant 1 and 0. They are kept because the lecture's
  network has 198 inputs.

The expert units are in `expert_inputs`.
"""

from typing import Any

import numpy as np

from mlp_lab.games.backgammon.expert_inputs import EXPERT_UNITS, fill_expert_units
from mlp_lab.games.backgammon.position import BAR, CHECKERS, POINTS
from mlp_lab.games.kernels import kernel

INPUTS = 198
EXPERT_INPUTS = INPUTS + EXPERT_UNITS
SIDE = 98  # units of one player
ON_ROLL = 196  # unit that is always 1
_HALF = np.float32(0.5)
_ONE = np.float32(1)
_PER_CHECKER_OFF = np.float32(1 / CHECKERS)

# At most one unit for each checker, one of the player on roll, and the expert units.
MAX_ACTIVE = 2 * (CHECKERS + 1) + 1 + EXPERT_UNITS


def encode(board: np.ndarray) -> np.ndarray:
    """Return Tesauro's units of a position, float32 ``[198]``.

    Args:
        board: position with row 0 on roll, int8 ``[2, 25]``.
    """
    return _dense(board, INPUTS)


def encode_expert(board: np.ndarray) -> np.ndarray:
    """Return Tesauro's units and the expert units of a position, float32 ``[EXPERT_INPUTS]``.

    Args:
        board: position with row 0 on roll, int8 ``[2, 25]``.
    """
    return _dense(board, EXPERT_INPUTS)


def _dense(board: np.ndarray, size: int) -> np.ndarray:
    units, values = np.empty(MAX_ACTIVE, np.int64), np.empty(MAX_ACTIVE, np.float32)
    count = fill_active(np.ascontiguousarray(board, np.int8), 0, size, units, values)
    inputs = np.zeros(size, np.float32)
    inputs[units[:count]] = values[:count]
    return inputs


@kernel()
def fill_active(board: Any, first: int, size: int, units: Any, values: Any) -> int:
    """Write the units that are not 0, and return their number.

    Args:
        board: position, int8 ``[2, 25]``.
        first: row of the player on roll, 0 or 1.
        size: number of inputs, 198 or EXPERT_INPUTS.
        units: indices of units, int64 ``[MAX_ACTIVE]``.
        values: values of units, float32 ``[MAX_ACTIVE]``.
    """
    count: Any = np.int64(0)  # no literal: see plays.py
    for side in range(2):
        row = first if side == 0 else 1 - first
        count = _fill_side(board, row, SIDE * side, count, units, values)
    units[count] = ON_ROLL
    values[count] = _ONE
    count += 1
    if size > INPUTS:
        start: Any = np.int64(INPUTS)
        count = fill_expert_units(board, first, start, count, units, values)
    return count


@kernel()
def _fill_side(board: Any, row: int, start: int, count: int, units: Any, values: Any) -> int:
    """Append the units of one player, and return the new number of units.

    Args:
        board: position, int8 ``[2, 25]``.
        row: row of the player.
        start: index of the player's first unit.
        count: number of units so far.
        units: indices of units.
        values: values of units.
    """
    total = 0
    for point in range(POINTS):
        checkers = board[row, point]
        total += checkers
        for k in range(min(checkers, 3)):
            units[count] = start + 4 * point + k
            values[count] = _ONE
            count += 1
        if checkers > 3:
            units[count] = start + 4 * point + 3
            values[count] = np.float32(checkers - 3) * _HALF
            count += 1
    bar = board[row, BAR]
    if bar > 0:
        units[count] = start + 4 * POINTS
        values[count] = np.float32(bar) * _HALF
        count += 1
    borne_off = CHECKERS - total - bar
    if borne_off > 0:
        units[count] = start + 4 * POINTS + 1
        values[count] = np.float32(borne_off) * _PER_CHECKER_OFF
        count += 1
    return count
