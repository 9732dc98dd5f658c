"""Online TD(lambda) by self-play, in a numba kernel.

The rule is that of the lecture (Sutton 1988, equation 4; Tesauro 1992):

    w_{t+1} = w_t + alpha (Y_{t+1} - Y_t) sum_{k=1..t} lambda^{t-k} grad_w Y_k

Y_t is the network's value of position t, always for the same player. A position is evaluated for
the player on roll, so the value of the next one for the same player is 1 - Y (one output), or
(1 - win, gammon loss, gammon win) of the outputs (win, gammon win, gammon loss). At the end of a
game, Y_{t+1} is the result. Y_t, Y_{t+1} and the choice of the play use the weights before the
update. The weights change after each ply; the traces start at 0 in each game.
"""

from typing import Any, NamedTuple

import numpy as np

from mlp_lab.games.backgammon.dice import game_key, opening_roll, roll
from mlp_lab.games.backgammon.network import (
    FAST_MATH,
    GAMMON_LOSS,
    GAMMON_WIN,
    WIN,
    Network,
    Scratch,
    add_row,
    best_play,
    evaluate,
    network_of,
    off,
    scratch_of,
)
from mlp_lab.games.backgammon.plays import copy_board, copy_flipped, fill_plays
from mlp_lab.games.backgammon.position import BAR, CHECKERS, START
from mlp_lab.games.kernels import kernel

# Columns of the statistics of games
PLIES, POINTS, TD_ERROR = 0, 1, 2
# A longer game is abandoned with 0 points. Games of random players last below 1,000 plies.
MAX_PLIES = 10_000
_ONE = np.float32(1)


class Learner(NamedTuple):
    """Memory of the learning rule, float32.

    The traces of lambda > 0 are those of the outputs for player 0; with lambda = 0 they are empty.
    """

    errors: Any  # Y_{t+1} - Y_t for the player on roll, [outputs]
    target: Any  # Y_{t+1} for the player on roll, [outputs]
    slopes: Any  # derivative of each output with respect to its sum, [outputs]
    deltas: Any  # derivative of the outputs with respect to the hidden sums, [outputs, hidden]
    trace_w1: Any  # [outputs, inputs, hidden]
    trace_b1: Any  # [outputs, hidden]
    trace_w2: Any  # [outputs, outputs, hidden]
    trace_b2: Any  # [outputs, outputs]


def train_games(
    w1: np.ndarray, b1: np.ndarray, w2: np.ndarray, b2: np.ndarray, *,
    alpha: float, lambda_: float, seed: int, first_game: int, games: int,
) -> np.ndarray:  # fmt: skip
    """Train a network by games against itself, and return statistics of each game.

    The statistics are float64 ``[games, 3]``: number of plies, points of player 0 (negative if
    player 1 has won), and the squared TD error, averaged over plies and outputs. The result is a
    function of the arguments: games 0 to 9 in two calls give the same weights as in one.

    Args:
        w1: weights of the hidden layer, float32 ``[hidden, inputs]``; 198 inputs, or
            EXPERT_INPUTS with the expert units. The arrays are changed in place.
        b1: biases of the hidden layer, float32 ``[hidden]``.
        w2: weights of the output layer, float32 ``[outputs, hidden]``, with 1 output (win) or
            3 (win, gammon win, gammon loss).
        b2: biases of the output layer, float32 ``[outputs]``.
        alpha: learning rate.
        lambda_: decay of the traces per ply, 0 to 1.
        seed: seed of the dice.
        first_game: number of the first game.
        games: number of games.
    """
    network = network_of(w1, b1, w2, b2)
    learner = _learner_of(network, has_traces=lambda_ > 0)
    statistics = np.zeros((games, 3))
    _train_games(
        network, scratch_of(network), learner, np.float32(alpha), np.float32(lambda_),
        seed, first_game, statistics,
    )  # fmt: skip
    trained = network._replace(w1=network.w1.T)
    for array, values in zip((w1, b1, w2, b2), trained, strict=True):
        array[...] = values
    return statistics


def _learner_of(network: Network, has_traces: bool) -> Learner:
    """Return the memory of the learning rule."""
    inputs, hidden = network.w1.shape
    outputs = network.b2.size
    traced = outputs if has_traces else 0
    shapes = (
        (outputs,), (outputs,), (outputs,), (outputs, hidden), (traced, inputs, hidden),
        (traced, hidden), (traced, outputs, hidden), (traced, outputs),
    )  # fmt: skip
    return Learner(*(np.zeros(shape, np.float32) for shape in shapes))


@kernel(nogil=True, error_model="numpy")
def _train_games(
    network: Network, scratch: Scratch, learner: Learner, alpha: Any, decay: Any,
    seed: int, first_game: int, statistics: Any,
) -> None:  # fmt: skip
    board = np.empty((2, BAR + 1), np.int8)
    for i in range(len(statistics)):
        key = game_key(seed, first_game + i)
        _train_game(network, scratch, learner, alpha, decay, key, board, statistics[i])


@kernel(error_model="numpy")
def _train_game(
    network: Network, scratch: Scratch, learner: Learner, alpha: Any, decay: Any,
    key: int, board: Any, statistics: Any,
) -> None:  # fmt: skip
    """Train by one game, and write its statistics."""
    _multiply_traces(learner, np.float32(0))
    copy_board(START, board)
    die1, die2 = opening_roll(key)
    player = 0 if die1 > die2 else 1
    squared_error = 0.0
    plies, points = 0, 0
    while points == 0 and plies < MAX_PLIES:
        start, end = fill_plays(board, die1, die2, scratch.boards, scratch.keys, scratch.sources)
        best = scratch.boards[best_play(board, start, end, network, scratch)]
        points = points_of_winner(best)
        _fill_target(points, scratch.best, learner.target)
        active = evaluate(board, network, scratch)
        for j in range(learner.errors.size):
            learner.errors[j] = learner.target[j] - scratch.outputs[j]
            squared_error += learner.errors[j] ** 2
        _fill_gradients(network, scratch, learner)
        if decay > 0:
            _add_to_traces(scratch, learner, active, player, decay)
            _update_with_traces(network, learner, player, alpha)
        else:
            _update(network, scratch, learner, active, alpha)
        copy_flipped(best, board)
        plies += 1
        player = 1 - player
        die1, die2 = roll(key, plies)
    statistics[PLIES] = plies
    statistics[POINTS] = points if player == 1 else -points  # the other player has moved last
    statistics[TD_ERROR] = squared_error / (plies * learner.errors.size)


@kernel()
def points_of_winner(board: Any) -> int:
    """Return the points if the player of row 0 has won (see `position.winner_points`), else 0."""
    if off(board, 0) < CHECKERS:
        return 0
    if off(board, 1) > 0:
        return 1
    for point in range(18, BAR + 1):
        if board[1, point] > 0:
            return 3
    return 2


@kernel()
def _fill_target(points: int, best: Any, target: Any) -> None:
    """Write Y_{t+1} for the player on roll at t.

    Args:
        points: points of the player on roll if the game has ended, else 0.
        best: outputs of the next position for the other player, ``[outputs]``.
        target: Y_{t+1}, ``[outputs]``.
    """
    has_gammons = target.size > 1
    if points > 0:
        target[WIN] = _ONE
        if has_gammons:
            target[GAMMON_WIN] = np.float32(points > 1)
            target[GAMMON_LOSS] = np.float32(0)
        return
    target[WIN] = _ONE - best[WIN]
    if has_gammons:
        target[GAMMON_WIN] = best[GAMMON_LOSS]
        target[GAMMON_LOSS] = best[GAMMON_WIN]


@kernel(fastmath=FAST_MATH)
def _fill_gradients(network: Network, scratch: Scratch, learner: Learner) -> None:
    """Write the derivatives of the outputs with respect to their sums and to the hidden sums."""
    for j in range(learner.slopes.size):
        y = scratch.outputs[j]  # 0 for an impossible gammon, then the gradient is 0
        slope = y * (_ONE - y)
        learner.slopes[j] = slope
        for i in range(scratch.hidden.size):
            h = scratch.hidden[i]
            learner.deltas[j, i] = slope * network.w2[j, i] * h * (_ONE - h)


@kernel(fastmath=FAST_MATH)
def _update(network: Network, scratch: Scratch, learner: Learner, active: int, alpha: Any) -> None:
    """Change the weights with lambda = 0: only the gradient of the present position counts."""
    total = scratch.sums  # alpha sum_j error_j delta_j, [hidden]
    for i in range(total.size):
        total[i] = 0
    for j in range(learner.errors.size):
        add_row(learner.deltas, j, alpha * learner.errors[j], total)
        step = alpha * learner.errors[j] * learner.slopes[j]
        network.b2[j] += step
        for i in range(scratch.hidden.size):
            network.w2[j, i] += step * scratch.hidden[i]
    for i in range(total.size):
        network.b1[i] += total[i]
    for k in range(active):
        row, value = scratch.units[k], scratch.values[k]
        for i in range(total.size):
            network.w1[row, i] += value * total[i]


@kernel()
def _for_player_0(output: int, player: int) -> int:
    """Return which output of player 0 an output of a player is: gammons won are lost by the other.

    The probability of a win also becomes 1 minus itself, so its derivative changes the sign.
    """
    return output if player == 0 or output == WIN else 3 - output


@kernel()
def _sign(output: int, player: int) -> Any:
    """Return -1 for the output WIN if player 1 is on roll, else 1."""
    return -_ONE if player == 1 and output == WIN else _ONE


@kernel(fastmath=FAST_MATH)
def _add_to_traces(
    scratch: Scratch, learner: Learner, active: int, player: int, decay: Any
) -> None:
    """Multiply the traces with lambda, and add the gradients of the outputs for player 0."""
    _multiply_traces(learner, decay)
    for j in range(learner.slopes.size):
        trace, sign = _for_player_0(j, player), _sign(j, player)
        slope = sign * learner.slopes[j]
        learner.trace_b2[trace, j] += slope
        for i in range(scratch.hidden.size):
            learner.trace_w2[trace, j, i] += slope * scratch.hidden[i]
            learner.trace_b1[trace, i] += sign * learner.deltas[j, i]
        for k in range(active):
            factor = sign * scratch.values[k]
            row = learner.trace_w1[trace, scratch.units[k]]
            for i in range(row.size):
                row[i] += factor * learner.deltas[j, i]


@kernel(fastmath=FAST_MATH)
def _multiply_traces(learner: Learner, factor: Any) -> None:
    for traces in (learner.trace_w1.ravel(), learner.trace_b1.ravel(),
                   learner.trace_w2.ravel(), learner.trace_b2.ravel()):  # fmt: skip
        for i in range(traces.size):
            traces[i] *= factor


@kernel(fastmath=FAST_MATH)
def _update_with_traces(network: Network, learner: Learner, player: int, alpha: Any) -> None:
    """Add alpha times the error of each output of player 0 times its trace to the weights."""
    for j in range(learner.errors.size):
        trace = _for_player_0(j, player)
        step = alpha * _sign(j, player) * learner.errors[j]
        _add_scaled(learner.trace_w1[trace].ravel(), step, network.w1.ravel())
        _add_scaled(learner.trace_b1[trace], step, network.b1)
        _add_scaled(learner.trace_w2[trace].ravel(), step, network.w2.ravel())
        _add_scaled(learner.trace_b2[trace], step, network.b2)


@kernel(fastmath=FAST_MATH)
def _add_scaled(trace: Any, step: Any, weights: Any) -> None:
    """Add a trace times a step to weights of the same size."""
    for i in range(weights.size):
        weights[i] += step * trace[i]
