"""Positions of backgammon as arrays, and position ids of GNU Backgammon.

A board is int8 ``[2, 25]``. Row 0 belongs to the player on roll, row 1 to the opponent. Entry
i < 24 is the number of checkers on point i + 1 in the numbering of the row's player, whose home
board is points 1 to 6; entry 24 is the number of checkers on the bar. Point i of one player is
point 23 - i of the other. The remaining of 15 checkers are borne off.
"""

import base64
import binascii
from collections.abc import Iterator

import numpy as np

from mlp_lab.errors import UserError

CHECKERS = 15  # of each player
POINTS = 24
BAR = 24  # index of the bar in a row
Board = np.ndarray  # int8 [2, 25]

_ROW = np.zeros(25, np.int8)
_ROW[[5, 7, 12, 23]] = 5, 3, 5, 2
START: Board = np.stack([_ROW, _ROW])  # the initial position
START.flags.writeable = False

_ID_BITS = 80  # 25 zeros and at most 15 ones for each player
_ID_LENGTH = 14  # characters of 6 bits


def flipped(board: Board) -> Board:
    """Return the same position with the other player on roll, ``[2, 25]`` (a view)."""
    return board[::-1]


def borne_off(board: Board) -> np.ndarray:
    """Return the number of checkers that each player has borne off, ``[2]``."""
    return CHECKERS - board.sum(1, dtype=int)


def pip_counts(board: Board) -> np.ndarray:
    """Return the number of pips that each player needs to bear off all checkers, ``[2]``."""
    return board.astype(int) @ np.arange(1, 26)


def winner_points(board: Board) -> int:
    """Return the points of row 0 at the end of a game, 0 if the game has not ended.

    A win counts 1 point. It counts 2 points (gammon) if the loser has borne off no checker, and 3
    points (backgammon) if the loser also has a checker on the bar or in the winner's home board.
    The points are negative if row 1 has won.
    """
    for winner, sign in ((0, 1), (1, -1)):
        if board[winner].any():
            continue
        loser = board[1 - winner]
        if loser.sum() < CHECKERS:
            return sign
        return 3 * sign if loser[18:].any() else 2 * sign
    return 0


def check_board(board: Board) -> None:
    """Raise UserError unless the array is a possible position of a game that has not ended."""
    if board.shape != (2, 25) or not np.issubdtype(board.dtype, np.integer):
        raise UserError(
            f"position: an array of shape {list(board.shape)} and type {board.dtype};"
            " it needs to be int8 of shape [2, 25]"
        )
    totals = board.sum(1, dtype=int)
    if (board < 0).any() or (totals > CHECKERS).any() or (totals == 0).any():
        raise UserError(
            f"position: {totals[0]} and {totals[1]} checkers on the board;"
            f" each player has 1 to {CHECKERS}"
        )
    shared = np.flatnonzero((board[0, :POINTS] > 0) & (board[1, POINTS - 1 :: -1] > 0))
    if shared.size:
        raise UserError(f"position: both players have checkers on point {shared[0] + 1}")


def position_id(board: Board) -> str:
    """Return GNU Backgammon's position id, 14 characters.

    For each of the 25 entries of a row, it has as many bits 1 as there are checkers, and a bit 0.
    The row of the player who is not on roll is first. Each byte starts with the lowest bit.
    """
    bits = np.zeros(_ID_BITS, np.uint8)
    position = 0
    for count in board[::-1].ravel():
        bits[position : position + count] = 1
        position += count + 1
    key = np.packbits(bits, bitorder="little").tobytes()
    return base64.b64encode(key).decode()[:_ID_LENGTH]


def board_of_id(text: str) -> Board:
    """Return the position with GNU Backgammon's position id.

    Args:
        text: position id of 14 characters. The match id after a colon is ignored.
    """
    identifier = text.strip().partition(":")[0]
    try:
        key = base64.b64decode(identifier + "==", validate=True)
        if len(identifier) != _ID_LENGTH:
            raise ValueError("wrong length")
        bits = np.unpackbits(np.frombuffer(key, np.uint8), bitorder="little")
        counts = list(_runs_of_ones(bits))
        board = np.array(counts[:50], np.int8).reshape(2, 25)[::-1].copy()
    except (binascii.Error, ValueError) as error:
        raise UserError(
            f"{text}: not a position id of GNU Backgammon, which has {_ID_LENGTH} characters"
            f" such as {position_id(START)}"
        ) from error
    check_board(board)
    return board


def _runs_of_ones(bits: np.ndarray) -> Iterator[int]:
    """Yield the number of ones before each zero."""
    count = 0
    for bit in bits:
        if bit:
            count += 1
        else:
            yield count
            count = 0
