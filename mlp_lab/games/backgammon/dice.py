"""Dice from a counter-based generator: functions of (seed, game, ply).

The dice of a game do not depend on the plays, so that two players can play the same dice with
swapped sides, and a training that is resumed at any game continues with the same dice. The
generator is SplitMix64 (Steele, Lea and Flood 2014): a bijective mix of a 64-bit counter.
"""

from typing import Any

import numpy as np

from mlp_lab.games.kernels import kernel

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FACTORS = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_SHIFTS = np.uint64(30), np.uint64(27), np.uint64(31)
_OPENING_ROLLS = np.uint64(30)
_ROLLS = np.uint64(36)
_SIX = np.uint64(6)


@kernel()
def _mixed(counter: np.uint64) -> np.uint64:
    """Return 64 bits that are a bijective function of the counter."""
    z = (counter ^ (counter >> _SHIFTS[0])) * _FACTORS[0]
    z = (z ^ (z >> _SHIFTS[1])) * _FACTORS[1]
    return z ^ (z >> _SHIFTS[2])


@kernel()
def game_key(seed: int, game: int) -> Any:
    """Return the key of a game's dice, 64 bits.

    Args:
        seed: seed of all games.
        game: number of the game.
    """
    key = _mixed(np.uint64(seed) * _STEP + _STEP)
    return np.int64(_mixed(key + np.uint64(game) * _STEP))


@kernel()
def opening_roll(key: int) -> tuple[Any, Any]:
    """Return the dice of player 0 and player 1, which differ; the larger die starts.

    The rules require to roll again after doubles: all 30 other rolls have the same probability.
    """
    number = np.int64(_mixed(np.uint64(key)) % _OPENING_ROLLS)
    first = number // 5
    second = number % 5
    if second >= first:
        second += 1
    return first + 1, second + 1


@kernel()
def roll(key: int, ply: int) -> tuple[Any, Any]:
    """Return two dice.

    Args:
        key: key of the game.
        ply: number of the ply, from 1 (ply 0 has the opening roll).
    """
    number = _mixed(np.uint64(key) + np.uint64(ply) * _STEP) % _ROLLS
    return np.int64(number // _SIX) + 1, np.int64(number % _SIX) + 1
