"""All legal plays as the positions that result from them.

Rules: both dice are played if possible; if only one of them can be played, the larger one if
possible; doubles are played four times. Checkers on the bar enter first. A player bears off when
all checkers are in the home board; a die that is larger than the highest point with a checker bears
off from that point.
"""

from typing import Any

import numpy as np
from numba import njit

from mlp_lab.games.backgammon.position import BAR

# A play of doubles distributes four moves among 15 checkers: at most C(18, 4) results.
MAX_PLAYS = 3060
_OFF = -1
_BLOCKED = -2
_COUNT, _USED, _MINIMUM = 0, 1, 2  # entries of progress

# The key of a position is the sum of these numbers over all checkers, modulo 2^64. Positions with
# equal keys are equal, except with a probability of 2^-64 for each pair.
_KEYS = np.random.default_rng(0).integers(-(2**63), 2**63 - 1, (2, 26))  # index 25: borne off


def legal_plays(board: np.ndarray, die1: int, die2: int) -> np.ndarray:
    """Return the distinct positions after all legal plays, int8 ``[plays, 2, 25]``.

    Row 0 still belongs to the player who has moved. If no move is possible, the only position is
    the given one.

    Args:
        board: position before the roll, int8 ``[2, 25]``.
        die1: first die, 1 to 6.
        die2: second die, 1 to 6.
    """
    buffer = PlayBuffer()
    count = fill_plays(board.astype(np.int8), die1, die2, *buffer.arrays)
    return buffer.boards[:count].copy()


class PlayBuffer:
    """Preallocated memory of `fill_plays`.

    ``arrays`` are boards, int8 ``[MAX_PLAYS, 2, 25]``, and keys, int64 ``[MAX_PLAYS]``.
    """

    def __init__(self) -> None:
        self.boards = np.empty((MAX_PLAYS, 2, 25), np.int8)
        self.arrays = self.boards, np.empty(MAX_PLAYS, np.int64)


@njit(cache=True)
def fill_plays(board: Any, die1: int, die2: int, plays: Any, keys: Any) -> int:
    """Write the distinct positions after all legal plays to a buffer, and return their number.

    Args:
        board: position, int8 ``[2, 25]``. It is changed, and restored at the end.
        die1: first die, 1 to 6.
        die2: second die, 1 to 6.
        plays: buffer of boards, int8 ``[MAX_PLAYS, 2, 25]``.
        keys: buffer of keys, int64 ``[MAX_PLAYS]``.
    """
    large, small = max(die1, die2), min(die1, die2)
    progress = np.zeros(3, np.int64)
    if large == small:
        _search(board, large, small, 0, 4, BAR, 0, plays, keys, progress)
        return progress[_COUNT]
    _search(board, large, small, 0, 2, BAR, 0, plays, keys, progress)
    if progress[_USED] == 1:
        progress[_MINIMUM] = 2  # the larger die can be played: not the smaller one alone
    _search(board, small, large, 0, 2, BAR, 0, plays, keys, progress)
    return progress[_COUNT]


@njit(cache=True)
def _search(
    board: Any, die: int, other: int, used: int, dice: int, last: int, key: int,
    plays: Any, keys: Any, progress: Any,
) -> None:  # fmt: skip
    """Add all plays that continue the moves that were made on the board.

    The moves of doubles are made in descending order of their sources: each set of moves can be
    made in this order if it can be made in any, and is then enumerated once.

    Args:
        board: position after the moves so far, int8 ``[2, 25]``, restored at the end.
        die: die of the next move.
        other: die of the move after the next one.
        used: number of dice used so far.
        dice: number of dice, 2 or 4 (doubles).
        last: largest source of the next move.
        key: key of the board relative to the initial one.
        plays: buffer of boards, int8 ``[MAX_PLAYS, 2, 25]``.
        keys: buffer of keys, int64 ``[MAX_PLAYS]``.
        progress: number of plays in the buffer, dice that they use, and least number of dice.
    """
    is_complete = True
    if used < dice:
        rear = _rearmost(board)
        lowest = BAR if rear == BAR else 0
        for source in range(min(rear, last), lowest - 1, -1):
            if board[0, source] == 0:
                continue
            target = _target(board, source, die, rear)
            if target == _BLOCKED:
                continue
            is_complete = False
            is_hit = _move(board, source, target)
            change = _key_change(source, target, is_hit)
            limit = source if dice == 4 else BAR
            _search(board, other, die, used + 1, dice, limit, key + change, plays, keys, progress)
            _undo(board, source, target, is_hit)
    if is_complete:
        _add(board, used, key, plays, keys, progress)


@njit(cache=True)
def _add(board: Any, used: int, key: int, plays: Any, keys: Any, progress: Any) -> None:
    """Add a position to the buffer if it uses enough dice and is not there yet."""
    if used < max(progress[_USED], progress[_MINIMUM]):
        return
    if used > progress[_USED]:
        progress[_USED] = used
        progress[_COUNT] = 0
    count = progress[_COUNT]
    for i in range(count):
        if keys[i] == key:
            return
    keys[count] = key
    for row in range(2):
        for point in range(25):
            plays[count, row, point] = board[row, point]
    progress[_COUNT] = count + 1


@njit(cache=True)
def _rearmost(board: Any) -> int:
    """Return the largest index with a checker of row 0."""
    rear = BAR
    while rear > 0 and board[0, rear] == 0:
        rear -= 1
    return rear


@njit(cache=True)
def _target(board: Any, source: int, die: int, rear: int) -> int:
    """Return the index where a checker lands, _OFF if it is borne off, or _BLOCKED."""
    target = source - die
    if target >= 0:
        return target if board[1, 23 - target] < 2 else _BLOCKED
    if rear < 6 and (target == -1 or source == rear):
        return _OFF
    return _BLOCKED


@njit(cache=True)
def _move(board: Any, source: int, target: int) -> bool:
    """Move a checker of row 0, and return whether it hits."""
    board[0, source] -= 1
    if target == _OFF:
        return False
    board[0, target] += 1
    is_hit = board[1, 23 - target] == 1
    if is_hit:
        board[1, 23 - target] = 0
        board[1, BAR] += 1
    return is_hit


@njit(cache=True)
def _undo(board: Any, source: int, target: int, is_hit: bool) -> None:
    """Take back a move."""
    board[0, source] += 1
    if target != _OFF:
        board[0, target] -= 1
    if is_hit:
        board[1, 23 - target] = 1
        board[1, BAR] -= 1


@njit(cache=True)
def _key_change(source: int, target: int, is_hit: bool) -> int:
    """Return by how much a move changes the key of the position."""
    change = _KEYS[0, target] - _KEYS[0, source]  # _OFF is the last index
    if is_hit:
        change += _KEYS[1, BAR] - _KEYS[1, 23 - target]
    return change
