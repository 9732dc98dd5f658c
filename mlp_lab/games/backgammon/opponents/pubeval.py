"""Pubeval, the player that Tesauro published as a benchmark in 1993.

Pubeval compares the positions after all legal plays by a linear function of 122 inputs. It has one
vector of weights for races and one for all other positions. The position before the play decides
which of them is used, because their values cannot be compared.

The weights are not part of this package. They are solved for from scores that the package gnubg-nn
computes for random positions, and verified with other positions.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from mlp_lab.errors import UserError
from mlp_lab.games.backgammon.encoding import INPUTS as NETWORK_INPUTS
from mlp_lab.games.backgammon.expert_inputs import has_contact
from mlp_lab.games.backgammon.network import network_of, off, scratch_of
from mlp_lab.games.backgammon.opponents import gnubg_process
from mlp_lab.games.backgammon.opponents.gnubg_worker import PUBEVAL
from mlp_lab.games.backgammon.players import KernelPlayer, Player
from mlp_lab.games.backgammon.position import BAR, CHECKERS, POINTS
from mlp_lab.games.kernels import kernel

INPUTS = 122
CONTACT, RACE = 0, 1  # rows of the weights

_POSITIONS = 1_000  # of each kind; as many again verify the weights
_DECIMALS = 5  # of the published weights
_TOLERANCE = 1e-4  # scores are sums of float32 numbers of at most about 50


@kernel()
def pubeval_score(board: Any, weights: Any) -> float:
    """Return pubeval's score of a position for the player who has moved.

    The inputs of each point are: an opponent's single checker; a checker; two or more checkers;
    three checkers; half the number of checkers above three. The last two inputs are half the number
    of the opponent's checkers on the bar and the share of checkers borne off.

    Args:
        board: position after the play, int8 ``[2, 25]``. Row 0 has moved.
        weights: weights of contact or race, float64 ``[122]``.
    """
    borne_off = off(board, 0)
    if borne_off == CHECKERS:
        return np.inf
    score = weights[INPUTS - 2] * board[1, BAR] / 2 + weights[INPUTS - 1] * borne_off / CHECKERS
    for point in range(POINTS):
        own, first = board[0, point], 5 * point
        if board[1, POINTS - 1 - point] == 1:
            score += weights[first]
        elif own == 1:
            score += weights[first + 1]
        elif own >= 2:
            score += weights[first + 2]
            if own == 3:
                score += weights[first + 3]
            elif own > 3:
                score += weights[first + 4] * (own - 3) / 2
    return score


@kernel()
def pubeval_play(board: Any, candidates: Any, weights: Any) -> int:
    """Return the index of the candidate with the largest score.

    Args:
        board: position before the play, int8 ``[2, 25]``. Row 0 is on roll.
        candidates: positions after all legal plays, int8 ``[plays, 2, 25]``.
        weights: weights of contact and race, float64 ``[2, 122]``.
    """
    kind_weights = weights[CONTACT if has_contact(board) else RACE]
    best, largest = 0, -np.inf
    for i in range(len(candidates)):
        score = pubeval_score(candidates[i], kind_weights)
        if score > largest:
            best, largest = i, score
    return best


class PubevalPlayer(Player):
    """Player of pubeval.

    Raises:
        UserError: the package gnubg-nn is not installed, or its scores are not linear.
    """

    name = "pubeval"

    def __init__(self) -> None:
        self.weights = pubeval_weights()
        sizes = (1, NETWORK_INPUTS), 1, (1, 1), 1
        no_network = network_of(*(np.zeros(size) for size in sizes))
        self.kernel = KernelPlayer(no_network, scratch_of(no_network), self.weights)

    def choose_many(self, boards: np.ndarray, candidates: Sequence[np.ndarray]) -> np.ndarray:
        """Return the indices of the chosen candidates in many games, int ``[games]``."""
        pairs = zip(boards, candidates, strict=True)
        return np.array([pubeval_play(board, plays, self.weights) for board, plays in pairs])


@lru_cache(maxsize=1)
def pubeval_weights() -> np.ndarray:
    """Return pubeval's weights of contact and race, float64 ``[2, 122]``.

    Raises:
        UserError: the package gnubg-nn is not installed, or its scores are not linear.
    """
    random = np.random.default_rng(0)
    return np.stack([_solved(_random_boards(random, kind == RACE)) for kind in (CONTACT, RACE)])


def _solved(boards: np.ndarray) -> np.ndarray:
    """Return the weights with which scores of random positions are linear, float64 ``[122]``.

    Args:
        boards: positions that are all races or all not, int8 ``[2 * _POSITIONS, 2, 25]``.
    """
    scores = gnubg_process.evaluate(PUBEVAL, boards)[:, 0].astype(np.float64)
    inputs = _inputs(boards)
    weights = np.linalg.lstsq(inputs[:_POSITIONS], scores[:_POSITIONS])[0].round(_DECIMALS)
    error = np.abs(inputs[_POSITIONS:] @ weights - scores[_POSITIONS:]).max()
    if error > _TOLERANCE:
        raise UserError(
            f"pubeval: the scores of {gnubg_process.PACKAGE} deviate by {error:.2g} from a linear"
            f" function of pubeval's inputs; at most {_TOLERANCE:g} is expected"
        )
    return weights


@kernel()
def _inputs(boards: Any) -> Any:
    """Return the inputs of pubeval, float64 ``[boards, 122]``: the derivatives of the score."""
    inputs = np.empty((len(boards), INPUTS))
    units = np.eye(INPUTS)
    for i in range(len(boards)):
        for j in range(INPUTS):
            inputs[i, j] = pubeval_score(boards[i], units[j])
    return inputs


def _random_boards(random: np.random.Generator, races: bool) -> np.ndarray:
    """Return random positions that are all races or all not, int8 ``[2 * _POSITIONS, 2, 25]``.

    Each player has checkers on a few points, so that all inputs occur.
    """
    boards: list[np.ndarray] = []
    while len(boards) < 2 * _POSITIONS:
        board = np.zeros((2, BAR + 1), np.int8)
        border = random.integers(POINTS - 1)
        sizes = (border + 1, POINTS - 1 - border) if races else random.integers(1, BAR + 2, 2)
        for row, size in enumerate(sizes):
            points = random.permutation(size)[: random.integers(1, 8)]
            points[0] = size - 1
            checkers = random.integers(1, CHECKERS + 1)
            board[row, points] = random.multinomial(checkers, np.full(len(points), 1 / len(points)))
        board[1, :POINTS][board[0, POINTS - 1 :: -1] > 0] = 0  # a point belongs to one player
        if board.any(axis=1).all() and has_contact(board) != races:
            boards.append(board)
    return np.stack(boards)
