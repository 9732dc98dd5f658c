"""GNU Backgammon without looking ahead (0-ply) as an opponent, and its evaluations."""

from collections.abc import Sequence

import numpy as np

from mlp_lab.games.backgammon.opponents import gnubg_process
from mlp_lab.games.backgammon.opponents.gnubg_worker import PROBABILITIES

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
    return probabilities @ _VALUES - 1


class GnubgPlayer:
    """Player that chooses the position with the largest equity according to GNU Backgammon."""

    name = "gnubg"

    def choose(self, boards: np.ndarray) -> int:
        """Return the index of the chosen position.

        Args:
            boards: positions after all legal plays, int8 ``[plays, 2, 25]``. Row 0 has moved.
        """
        return int(self.choose_many([boards])[0])

    def choose_many(self, candidates: Sequence[np.ndarray]) -> np.ndarray:
        """Return the index of the chosen position for each of several games, int ``[games]``.

        Args:
            candidates: positions after all legal plays in each game, int8 ``[plays, 2, 25]``.
        """
        opponent_on_roll = np.concatenate(candidates)[:, ::-1]
        values = equities(evaluate_positions(opponent_on_roll))
        ends = np.cumsum([len(boards) for boards in candidates])
        return np.array([part.argmin() for part in np.split(values, ends[:-1])])
