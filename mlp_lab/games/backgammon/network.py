"""The values of positions by a network with one hidden layer, in numba kernels.

All functions evaluate a position for the player on roll. The outputs are probabilities: of a win,
or of a win, a gammon win and a gammon loss (a gammon includes the backgammon). Gammons that are
impossible because the loser has borne off a checker have the value 0 by the rules, whatever the
network computes.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from mlp_lab.games.backgammon.encoding import (
    INPUTS,
    MAX_ACTIVE,
    SIDE,
    fill_active,
)
from mlp_lab.games.backgammon.expert_inputs import fill_expert_units
from mlp_lab.games.backgammon.plays import play_buffer
from mlp_lab.games.backgammon.position import BAR, CHECKERS, POINTS
from mlp_lab.games.kernels import kernel

# Sums may be computed in any order and with fused multiplications. Infinities and NaN stay correct.
FAST_MATH = {"contract", "reassoc", "nsz"}

WIN, GAMMON_WIN, GAMMON_LOSS = 0, 1, 2  # outputs

# Rational approximation of the sigmoid function in float32: 0.5 + x P(x^2) / Q(x^2) for
# |x| <= 18, with the coefficients of Eigen 3.3. Its absolute error is below 1e-6 (test).
_LIMIT = np.float32(18)
_P = tuple(
    np.float32(c)
    for c in (2.48287947061529e-01, 8.51377133304701e-03, 6.08574864600143e-05,
              1.15627324459942e-07, 4.37031012579801e-11)
)  # fmt: skip
_Q = tuple(
    np.float32(c)
    for c in (9.93151921023180e-01, 1.16817656904453e-01, 1.70198817374094e-03,
              6.29106785017040e-06, 5.76102136993427e-09, 6.10247389755681e-13)
)  # fmt: skip
_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)
_PER_CHECKER_OFF = np.float32(1 / CHECKERS)


class Network(NamedTuple):
    """Weights of a network, float32.

    Fields: w1 ``[inputs, hidden]`` (transposed: the weights of one input are adjacent), b1
    ``[hidden]``, w2 ``[outputs, hidden]``, b2 ``[outputs]``; 1 or 3 outputs.
    """

    w1: Any
    b1: Any
    w2: Any
    b2: Any


class Scratch(NamedTuple):
    """Preallocated memory for the choice of a play."""

    boards: Any  # play buffer: positions, keys, sources
    keys: Any
    sources: Any
    units: Any  # active inputs and their values
    values: Any
    base: Any  # sums of the hidden units at the position before the play, [hidden]
    sums: Any  # sums of the hidden units, [hidden]
    hidden: Any  # activations of the hidden units, [hidden]
    outputs: Any  # [outputs]
    best: Any  # outputs of the position after the best play, for the opponent, [outputs]


def network_of(w1: np.ndarray, b1: np.ndarray, w2: np.ndarray, b2: np.ndarray) -> Network:
    """Return a copy of a network's weights.

    Args:
        w1: weights of the hidden layer, ``[hidden, inputs]``.
        b1: biases of the hidden layer, ``[hidden]``.
        w2: weights of the output layer, ``[outputs, hidden]``.
        b2: biases of the output layer, ``[outputs]``.
    """
    return Network(*(np.array(w, np.float32, order="C") for w in (w1.T, b1, w2, b2)))


def scratch_of(network: Network) -> Scratch:
    """Return the memory for the plays of a network."""
    hidden, outputs = network.b1.size, network.b2.size
    return Scratch(
        *play_buffer(),
        np.empty(MAX_ACTIVE, np.int64),
        np.empty(MAX_ACTIVE, np.float32),
        *(np.empty(size, np.float32) for size in (hidden, hidden, hidden, outputs, outputs)),
    )


@kernel(fastmath=FAST_MATH, error_model="numpy")
def sigmoid(sums: Any, activations: Any) -> None:
    """Write the sigmoid function of float32 ``[n]`` to another array."""
    for i in range(sums.size):
        x = sums[i]
        x = _LIMIT if x > _LIMIT else x
        x = -_LIMIT if x < -_LIMIT else x
        square = x * x
        p = _P[3] + square * _P[4]
        p = _P[0] + square * (_P[1] + square * (_P[2] + square * p))
        q = _Q[3] + square * (_Q[4] + square * _Q[5])
        q = _Q[0] + square * (_Q[1] + square * (_Q[2] + square * q))
        activations[i] = x * p / q + _HALF


@kernel(fastmath=FAST_MATH)
def add_row(weights: Any, row: int, factor: Any, sums: Any) -> None:
    """Add a row of weights times a factor to the sums."""
    for j in range(sums.size):
        sums[j] += factor * weights[row, j]


@kernel(fastmath=FAST_MATH)
def fill_sums(network: Network, units: Any, values: Any, count: int, sums: Any) -> None:
    """Write the sums of the hidden units for the active inputs."""
    for j in range(sums.size):
        sums[j] = network.b1[j]
    for k in range(count):
        add_row(network.w1, units[k], values[k], sums)


@kernel(fastmath=FAST_MATH, error_model="numpy")
def fill_outputs(network: Network, hidden: Any, off: int, other_off: int, outputs: Any) -> None:
    """Write the outputs for the activations of the hidden units.

    Args:
        network: weights.
        hidden: activations of the hidden units, ``[hidden]``.
        off: checkers that the player on roll has borne off.
        other_off: checkers that the opponent has borne off.
        outputs: outputs, ``[outputs]``.
    """
    for j in range(outputs.size):
        total = network.b2[j]
        for i in range(hidden.size):
            total += network.w2[j, i] * hidden[i]
        outputs[j] = _ONE / (_ONE + math.exp(-total))
    if outputs.size > 1:
        if other_off > 0:
            outputs[GAMMON_WIN] = _ZERO
        if off > 0:
            outputs[GAMMON_LOSS] = _ZERO


@kernel()
def equity(outputs: Any) -> Any:
    """Return the expected points of the player on roll: 2 win - 1 (+ gammon win - gammon loss)."""
    points = outputs[WIN] + outputs[WIN] - _ONE
    if outputs.size > 1:
        points += outputs[GAMMON_WIN] - outputs[GAMMON_LOSS]
    return points


@kernel()
def off(board: Any, row: int) -> int:
    """Return the number of checkers that the player of a row has borne off."""
    total = CHECKERS
    for point in range(BAR + 1):
        total -= board[row, point]
    return total


@kernel()
def evaluate(board: Any, network: Network, scratch: Scratch) -> int:
    """Write activations and outputs for the player of row 0 on roll.

    The active inputs are in ``scratch.units`` and ``scratch.values``; return their number.
    """
    inputs = network.w1.shape[0]
    first: Any = np.int64(0)  # no literal: see plays.py
    count = fill_active(board, first, inputs, scratch.units, scratch.values)
    fill_sums(network, scratch.units, scratch.values, count, scratch.sums)
    sigmoid(scratch.sums, scratch.hidden)
    fill_outputs(network, scratch.hidden, off(board, 0), off(board, 1), scratch.outputs)
    return count


@kernel()
def best_play(board: Any, start: int, end: int, network: Network, scratch: Scratch) -> int:
    """Return the index of the play after which the opponent's equity is smallest.

    The outputs for the opponent after the play are in ``scratch.best``. A play that ends the game
    is best, since no other can count more points; then ``scratch.best`` is not set.

    Args:
        board: any similar position, such as the one before the play, int8 ``[2, 25]``. Sums of
            the hidden units are computed by the differences from it.
        start: index of the first play in ``scratch.boards``.
        end: end of the plays.
        network: weights.
        scratch: memory.
    """
    units, values, sums = scratch.units, scratch.values, scratch.sums
    none: Any = np.int64(0)  # no literals: see plays.py
    first: Any = np.int64(1)
    tesauro: Any = np.int64(INPUTS)
    count = fill_active(board, first, tesauro, units, values)
    fill_sums(network, units, values, count, scratch.base)
    other_off = off(board, 1)
    best, least = start, np.float32(np.inf)
    for i in range(start, end):
        play = scratch.boards[i]
        own_off = off(play, 0)
        if own_off == CHECKERS:
            return i
        for j in range(sums.size):
            sums[j] = scratch.base[j]
        _add_changes(board, play, network.w1, sums)
        if network.w1.shape[0] > INPUTS:
            count = fill_expert_units(play, first, tesauro, none, units, values)
            for k in range(count):
                add_row(network.w1, units[k], values[k], sums)
        sigmoid(sums, scratch.hidden)
        fill_outputs(network, scratch.hidden, other_off, own_off, scratch.outputs)
        points = equity(scratch.outputs)
        if points < least or i == start:
            best, least = i, points
            for j in range(scratch.best.size):
                scratch.best[j] = scratch.outputs[j]
    return best


@kernel()
def _add_changes(before: Any, after: Any, w1: Any, sums: Any) -> None:
    """Add the changes of Tesauro's units by a play, with row 1 on roll after it.

    Args:
        before: position before the play, int8 ``[2, 25]``.
        after: position after the play.
        w1: weights ``[inputs, hidden]``.
        sums: sums of the hidden units.
    """
    for row in range(2):
        start = SIDE * (1 - row)
        moved_off = 0
        for point in range(POINTS + 1):
            old, new = before[row, point], after[row, point]
            if old == new:
                continue
            moved_off += old - new
            if point == BAR:
                add_row(w1, start + 4 * POINTS, np.float32(new - old) * _HALF, sums)
            else:
                _add_point(start + 4 * point, old, new, w1, sums)
        if moved_off != 0:
            add_row(w1, start + 4 * POINTS + 1, np.float32(moved_off) * _PER_CHECKER_OFF, sums)


@kernel()
def _add_point(unit: int, old: int, new: int, w1: Any, sums: Any) -> None:
    """Add the changes of the four units of a point from ``old`` to ``new`` checkers."""
    for k in range(min(old, 3), min(new, 3)):
        add_row(w1, unit + k, _ONE, sums)
    for k in range(min(new, 3), min(old, 3)):
        add_row(w1, unit + k, -_ONE, sums)
    if max(old, new) > 3:
        add_row(w1, unit + 3, np.float32(max(new, 3) - max(old, 3)) * _HALF, sums)
