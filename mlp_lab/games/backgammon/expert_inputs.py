"""Expert units: documented concepts of backgammon as additional inputs of a network.

Later versions of TD-Gammon had inputs for such concepts (Tesauro 1995, "Temporal difference
learning and TD-Gammon"), but their definitions were not published. With r = 0 for the player on
roll and r = 1 for the opponent, the units after Tesauro's 198 are:

- ``5 r``: pip count of player r, divided by 167, its initial value.
- ``5 r + 1``: blot exposure: the share of the 36 rolls with which the other player can hit at least
  one blot of player r.
- ``5 r + 2``: blot exposure in pips: the sum over the blots of player r of the share of rolls that
  hit this blot times the pips that it would lose, divided by 24.
- ``5 r + 3``: prime: the largest number of consecutive points with two or more checkers of
  player r in front of the other player's rearmost checker, divided by 6.
- ``5 r + 4``: blocked rolls: the share of rolls with which the other player's rearmost checker
  cannot move with either die.
- ``10``: contact: 1 if a checker of one player still has to pass a checker of the other.

A roll hits a blot if a checker can move to it with one die, with both dice over an open point, or
with doubles over open points. If the other player has checkers on the bar, only these are counted.
"""

from typing import Any

import numpy as np

from mlp_lab.games.backgammon.position import BAR, POINTS
from mlp_lab.games.kernels import kernel

SIDE_UNITS = 5
EXPERT_UNITS = 2 * SIDE_UNITS + 1
_PIP_SCALE = np.float32(1 / 167)
_PIP_LOSS_SCALE = np.float32(1 / (36 * 24))
_ROLL_SCALE = np.float32(1 / 36)
_PRIME_SCALE = np.float32(1 / 6)
_ONE = np.float32(1)

# Sets of rolls are integers: bit 6 (a - 1) + (b - 1) stands for the dice a and b.
_WITH_DIE = np.array(
    [
        sum(1 << (6 * a + b) for a in range(6) for b in range(6) if die in (a + 1, b + 1))
        for die in range(7)
    ]
)


@kernel()
def fill_expert_units(
    board: Any, first: int, start: int, count: int, units: Any, values: Any
) -> int:
    """Append the expert units that are not 0, and return the new number of units.

    Args:
        board: position, int8 ``[2, 25]``.
        first: row of the player on roll, 0 or 1.
        start: index of the first expert unit.
        count: number of units so far.
        units: indices of units, int64.
        values: values of units, float32.
    """
    end = count
    for side in range(2):
        row = first if side == 0 else 1 - first
        hitting, lost = blot_exposure(board, row)
        side_values = (
            np.float32(_pips(board, row)) * _PIP_SCALE,
            np.float32(hitting) * _ROLL_SCALE,
            np.float32(lost) * _PIP_LOSS_SCALE,
            np.float32(prime_length(board, row)) * _PRIME_SCALE,
            np.float32(blocked_rolls(board, row)) * _ROLL_SCALE,
        )
        for k in range(SIDE_UNITS):
            if side_values[k] != 0:
                units[end] = start + SIDE_UNITS * side + k
                values[end] = side_values[k]
                end += 1
    if has_contact(board):
        units[end] = start + 2 * SIDE_UNITS
        values[end] = _ONE
        end += 1
    return end


@kernel()
def _pips(board: Any, row: int) -> int:
    pips = 0
    for point in range(25):
        pips += board[row, point] * (point + 1)
    return pips


@kernel()
def rearmost(board: Any, row: int) -> int:
    """Return the largest index with a checker of a row, -1 without checkers."""
    for point in range(BAR, -1, -1):
        if board[row, point] > 0:
            return point
    return -1


@kernel()
def has_contact(board: Any) -> bool:
    """Return whether a checker of one player still has to pass a checker of the other."""
    return rearmost(board, 0) + rearmost(board, 1) > 23


@kernel()
def blot_exposure(board: Any, row: int) -> tuple[int, int]:
    """Return the number of rolls that hit a blot of a row, and the sum of rolls times pips lost.

    Args:
        board: position, int8 ``[2, 25]``.
        row: row of the player with the blots. The other player rolls.
    """
    all_rolls, lost = np.int64(0), 0
    for point in range(POINTS):
        if board[row, point] == 1:
            rolls = hitting_rolls(board, row, point)
            all_rolls |= rolls
            lost += _number_of_bits(rolls) * (BAR - point)
    return _number_of_bits(all_rolls), lost


@kernel()
def hitting_rolls(board: Any, row: int, point: int) -> Any:
    """Return the set of rolls with which the other player hits a blot, as bits.

    Args:
        board: position, int8 ``[2, 25]``.
        row: row of the player with the blot.
        point: index of the blot.
    """
    target = 23 - point  # in the numbering of the player who rolls
    lowest = BAR if board[1 - row, BAR] > 0 else target + 1
    rolls = np.int64(0)
    for source in range(lowest, BAR + 1):
        if board[1 - row, source] > 0:
            rolls |= _rolls_over(board, row, source, source - target)
    return rolls


@kernel()
def _rolls_over(board: Any, row: int, source: int, distance: int) -> Any:
    """Return the set of rolls that move a checker over a distance, as bits.

    Args:
        board: position, int8 ``[2, 25]``.
        row: row of the player whose points block.
        source: index of the checker in the numbering of its player.
        distance: distance in pips.
    """
    rolls = np.int64(0)
    if distance <= 6:
        rolls |= _WITH_DIE[distance]
    for die in range(max(1, distance - 6), min(6, distance - 1) + 1):
        other = distance - die
        if die != other and board[row, 23 - (source - die)] < 2:
            rolls |= (1 << (6 * (die - 1) + other - 1)) | (1 << (6 * (other - 1) + die - 1))
    for moves in range(2, 5):
        die = distance // moves
        if die * moves != distance or die > 6:
            continue
        is_open = True
        for k in range(1, moves):
            is_open &= board[row, 23 - (source - k * die)] < 2
        if is_open:
            rolls |= 1 << (7 * (die - 1))
    return rolls


@kernel()
def _number_of_bits(bits: Any) -> int:
    count = 0
    while bits:
        bits &= bits - 1
        count += 1
    return count


@kernel()
def prime_length(board: Any, row: int) -> int:
    """Return the length of the longest prime in front of the other player's rearmost checker.

    A prime is a series of points with two or more checkers each.

    Args:
        board: position, int8 ``[2, 25]``.
        row: row of the player with the points.
    """
    behind = 23 - rearmost(board, 1 - row)  # the rearmost checker in the numbering of the row
    longest, length = 0, 0
    for point in range(behind + 1, POINTS):
        length = length + 1 if board[row, point] >= 2 else 0
        longest = max(longest, length)
    return longest


@kernel()
def blocked_rolls(board: Any, row: int) -> int:
    """Return the number of rolls of which no die moves the other player's rearmost checker.

    Args:
        board: position, int8 ``[2, 25]``.
        row: row of the player with the points.
    """
    behind = 23 - rearmost(board, 1 - row)
    blocked = 0
    for die in range(1, 7):
        point = behind + die
        if point < POINTS and board[row, point] >= 2:
            blocked += 1
    return blocked * blocked
