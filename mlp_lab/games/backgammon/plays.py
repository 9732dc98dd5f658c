"""All legal plays as the positions that result from them.

Rules: both dice are played if possible; if only one of them can be played, the larger one if
possible; doubles are played four times. Checkers on the bar enter first. A player bears off when
all checkers are in the home board; a die that is larger than the highest point with a checker bears
off from that point.
"""

from typing import Any

import numpy as np

from mlp_lab.games.backgammon.position import BAR
from mlp_lab.games.kernels import kernel

# A play of doubles distributes k <= 4 moves among 15 checkers: at most C(14 + k, k) positions.
BUFFER_SIZE = 1 + 15 + 120 + 680 + 3060
_OFF = -1
_BLOCKED = -2

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
    boards, keys, sources = play_buffer()
    start, end = fill_plays(board.astype(np.int8), die1, die2, boards, keys, sources)
    return boards[start:end].copy()


@kernel()
def play_buffer() -> tuple[Any, Any, Any]:
    """Return memory for `fill_plays`.

    It has positions, int8 ``[BUFFER_SIZE, 2, 25]``, and for each of them a key, int64, and the
    source of the last move, int64.
    """
    return (
        np.empty((BUFFER_SIZE, 2, 25), np.int8),
        np.empty(BUFFER_SIZE, np.int64),
        np.empty(BUFFER_SIZE, np.int64),
    )


@kernel()
def fill_plays(
    board: Any, die1: int, die2: int, boards: Any, keys: Any, sources: Any
) -> tuple[int, int]:
    """Write the distinct positions after all legal plays to ``boards[start:end]``.

    Return start and end.

    Args:
        board: position, int8 ``[2, 25]``.
        die1: first die, 1 to 6.
        die2: second die, 1 to 6.
        boards: buffer, as the next two arguments (see `play_buffer`).
        keys: key of each position.
        sources: source of the last move.
    """
    copy_board(board, boards[0])
    keys[0] = 0
    sources[0] = BAR
    # Not literals: numba compiles a function again for each literal argument.
    root: Any = np.int64(0)
    first: Any = np.int64(1)
    doubles = die1 == die2
    if doubles:
        return _fill_doubles(die1, doubles, boards, keys, sources)
    large, small = max(die1, die2), min(die1, die2)
    large_end = _extend(root, large, doubles, first, first, boards, keys, sources)
    small_end = _extend(root, small, doubles, large_end, large_end, boards, keys, sources)
    end = small_end
    for i in range(first, large_end):
        end = _extend(i, small, doubles, end, small_end, boards, keys, sources)
    for i in range(large_end, small_end):
        end = _extend(i, large, doubles, end, small_end, boards, keys, sources)
    if end > small_end:
        return small_end, end
    if large_end > first:
        return first, large_end
    return (large_end, small_end) if small_end > large_end else (root, first)


@kernel()
def _fill_doubles(die: int, doubles: bool, boards: Any, keys: Any, sources: Any) -> tuple[int, int]:
    """Return start and end of the positions after up to four moves with one die.

    The moves are made in descending order of their sources: if a set of moves can be made in any
    order, it can be made in this one. So each position is reached once.
    """
    start: Any = np.int64(0)
    end: Any = np.int64(1)
    for _ in range(4):
        next_end = end
        for i in range(start, end):
            next_end = _extend(i, die, doubles, next_end, next_end, boards, keys, sources)
        if next_end == end:
            break
        start, end = end, next_end
    return start, end


@kernel()
def _extend(
    parent: int, die: int, descending: bool, end: int, known: int,
    boards: Any, keys: Any, sources: Any,
) -> int:  # fmt: skip
    """Append the positions after one move from a position, and return the new end of the buffer.

    Args:
        parent: index of the position in the buffer.
        die: die of the move.
        descending: whether the source must not be larger than that of the last move.
        end: end of the buffer.
        known: positions from this index on are not appended again.
        boards: buffer, as the next two arguments.
        keys: key of each position.
        sources: source of the last move.
    """
    rear = BAR
    while rear > 0 and boards[parent, 0, rear] == 0:
        rear -= 1
    first = min(rear, sources[parent]) if descending else rear
    lowest = BAR if rear == BAR else 0  # checkers on the bar enter first
    for source in range(first, lowest - 1, -1):
        if boards[parent, 0, source] == 0:
            continue
        target = _target(boards[parent], source, die, rear)
        if target == _BLOCKED:
            continue
        is_hit = target != _OFF and boards[parent, 1, 23 - target] == 1
        key = keys[parent] + _key_change(source, target, is_hit)
        if not _contains(keys, known, end, key):
            keys[end] = key
            sources[end] = source
            copy_board(boards[parent], boards[end])
            _move(boards[end], source, target, is_hit)
            end += 1
    return end


@kernel()
def _target(board: Any, source: int, die: int, rear: int) -> int:
    """Return the index where a checker lands, _OFF if it is borne off, or _BLOCKED."""
    target = source - die
    if target >= 0:
        return target if board[1, 23 - target] < 2 else _BLOCKED
    if rear < 6 and (target == -1 or source == rear):
        return _OFF
    return _BLOCKED


@kernel()
def _key_change(source: int, target: int, is_hit: bool) -> int:
    """Return by how much a move changes the key of the position."""
    change = _KEYS[0, target] - _KEYS[0, source]  # _OFF is the last index
    if is_hit:
        change += _KEYS[1, BAR] - _KEYS[1, 23 - target]
    return change


@kernel()
def _contains(keys: Any, start: int, end: int, key: int) -> bool:
    """Return whether a key is in ``keys[start:end]``."""
    for i in range(start, end):  # noqa: SIM110 (numba does not compile any())
        if keys[i] == key:
            return True
    return False


@kernel()
def copy_board(source: Any, target: Any) -> None:
    """Copy a board. (An assignment of arrays would take seconds to compile.)"""
    for row in range(2):
        for point in range(25):
            target[row, point] = source[row, point]


@kernel()
def copy_flipped(source: Any, target: Any) -> None:
    """Copy a board from the view of the other player."""
    for point in range(25):
        target[0, point], target[1, point] = source[1, point], source[0, point]


@kernel()
def _move(board: Any, source: int, target: int, is_hit: bool) -> None:
    """Move a checker of row 0."""
    board[0, source] -= 1
    if target != _OFF:
        board[0, target] += 1
    if is_hit:
        board[1, 23 - target] = 0
        board[1, BAR] += 1
