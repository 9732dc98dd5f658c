"""GNU Backgammon without looking ahead (0-ply) as an opponent, and its evaluations."""

from collections.abc import Sequence

import numpy as np

from mlp_lab.games.backgammon.opponents import gnubg_process
from mlp_lab.games.backgammon.opponents.gnubg_worker import PROBABILITIES
from mlp_lab.games.backgammon.players import Player
from mlp_lab.games.backgammon.position import START

# Equity without a cube: 2 win - 1 + gammon win + backgammon win - gammon loss - backgammon loss.
_VALUES = np.array([2, 1, 1, -1, -1], np.float32)


def evaluate_positions(boards: np.ndarray) -> np.ndarray:
    """Return GNU Backgammon's probabilities for the player on roll, float32 ``[boards, 5]``.

    They are: win, win of a gammon or backgammon, win of a backgammon, loss of a gammon or
    backgammon, loss of a backgammon.

    Args:
        boards: positions, int8 ``[boards, 2, 25]``, with row 0 on roll.

    Raises:
        UserError: the package gnubg-nn is not installed.
    """
    return gnubg_process.evaluate(PROBABILITIES, boards[:, ::-1])


def equities(probabilities: np.ndarray) -> np.ndarray:
    """Return the expected points of the player on roll without a cube, float32 ``[boards]``.

    Args:
        probabilities: probabilities of `evaluate_positions`, ``[boards, 5]``.
    """
    # The float32 matmul of some BLAS libraries warns about invalid values where there are none.
    return np.einsum("bp,p->b", probabilities, _VALUES) - 1


class GnubgPlayer(Player):
    """Player that chooses the position with the largest equity according to GNU Backgammon.

    Raises:
        UserError: the package gnubg-nn is not installed.
    """

    name = "gnubg"

    def __init__(self) -> None:
        evaluate_positions(START[None])  # a missing package is an error before the first game

    def choose_many(self, boards: np.ndarray, candidates: Sequence[np.ndarray]) -> np.ndarray:
        """Return the indices of the chosen candidates in many games, int ``[games]``."""
        opponent_on_roll = np.concatenate(candidates)[:, ::-1]
        values = equities(evaluate_positions(opponent_on_roll))
        ends = np.cumsum([len(plays) for plays in candidates])
        return np.array([part.argmin() for part in np.split(values, ends[:-1])])
