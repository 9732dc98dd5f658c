"""A network's estimates of positions, and plays ranked by them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from mlp_lab.games.backgammon.notation import describe_plays
from mlp_lab.games.backgammon.plays import legal_plays
from mlp_lab.games.backgammon.position import winner_points

#: Probabilities float ``[n, outputs]`` for the player on roll of boards int8 ``[n, 2, 25]``. The
#: outputs are win, or win (including gammons), gammon win and gammon loss.
Probabilities = Callable[[np.ndarray], np.ndarray]


class Estimate(NamedTuple):
    """What a network expects of a game.

    Attributes:
        win: probability of a win, including gammons.
        gammon_win: probability of a gammon; None if the network has only one output.
        gammon_loss: probability of a lost gammon; None if the network has only one output.
        equity: expected points.
    """

    win: float
    gammon_win: float | None
    gammon_loss: float | None
    equity: float

    def for_opponent(self) -> "Estimate":
        """Return the estimate from the view of the other player."""
        return Estimate(1 - self.win, self.gammon_loss, self.gammon_win, -self.equity)


class RankedPlay(NamedTuple):
    """A legal play and the estimate after it, from the view of the player who moves.

    Attributes:
        text: the play in standard notation.
        after: the board after it, int8 ``[2, 25]``; row 0 is the player who has moved.
        estimate: the estimate of the resulting position.
    """

    text: str
    after: np.ndarray
    estimate: Estimate


def estimate(probabilities: Probabilities, board: np.ndarray) -> Estimate:
    """Return the estimate of a position for the player on roll, before the dice are rolled.

    Args:
        probabilities: function of boards, such as a network.
        board: position, int8 ``[2, 25]``.
    """
    return _estimates(probabilities, board[None])[0]


def ranked_plays(
    probabilities: Probabilities, board: np.ndarray, dice: Sequence[int]
) -> list[RankedPlay]:
    """Return all legal plays, that with the highest equity first.

    Args:
        probabilities: function of boards, such as a network.
        board: position before the play, int8 ``[2, 25]``.
        dice: the dice to play.
    """
    afters = legal_plays(board, *dice)
    texts = describe_plays(board, afters, dice)
    estimates = _estimates(probabilities, afters[:, ::-1])
    plays = [
        RankedPlay(text, after, _final(after, other) or other.for_opponent())
        for text, after, other in zip(texts, afters, estimates, strict=True)
    ]
    return sorted(plays, key=lambda play: -play.estimate.equity)


def _estimates(probabilities: Probabilities, boards: np.ndarray) -> list[Estimate]:
    """Return the estimates of positions for the player on roll."""
    estimates = []
    for win, *gammons in probabilities(np.ascontiguousarray(boards)).tolist():
        gammon_win, gammon_loss = gammons or (None, None)
        equity = 2 * win - 1 + (gammon_win or 0) - (gammon_loss or 0)
        estimates.append(Estimate(win, gammon_win, gammon_loss, equity))
    return estimates


def _final(after: np.ndarray, other: Estimate) -> Estimate | None:
    """Return the outcome for the player who has moved, None if the game has not ended.

    Args:
        after: the board after the play, int8 ``[2, 25]``.
        other: the network's estimate, which has no gammons if the network has one output.
    """
    points = winner_points(after)
    if points == 0:
        return None
    if other.gammon_win is None:
        return Estimate(1.0, None, None, 1.0)
    return Estimate(1.0, float(points > 1), 0.0, float(points))
