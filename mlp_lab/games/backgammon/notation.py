"""Plays in standard notation, such as ``13/10 6/5*``, ``bar/22``, ``6/off`` and ``8/5(2)``.

Points are numbered from 24 to 1 from the view of the player who moves. ``*`` marks a hit. The
steps of one checker are joined: ``24/20``, or ``24/23*/20`` if it hits on its way.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from mlp_lab.games.backgammon.position import BAR

NO_PLAY = "no play"

_OFF = -1
_HOME = 6  # points of the home board


class _Step(NamedTuple):
    """The step of one checker by one die; points are indices, 24 is the bar, -1 is off."""

    start: int
    end: int
    hits: bool


_Path = list[_Step]  # consecutive steps of one checker


def describe_play(before: np.ndarray, after: np.ndarray, dice: Sequence[int]) -> str:
    """Return a play in standard notation, or ``no play`` if the position stays the same.

    Args:
        before: board before the play, int8 ``[2, 25]``; row 0 is the player who moves.
        after: board after the play, from the view of the same player.
        dice: both dice.

    Raises:
        ValueError: no sequence of steps with these dice leads from ``before`` to ``after``.
    """
    return describe_plays(before, after[None], dice)[0]


def describe_plays(before: np.ndarray, afters: np.ndarray, dice: Sequence[int]) -> list[str]:
    """Return several plays from the same position in standard notation; see ``describe_play``.

    Args:
        before: board before the play, int8 ``[2, 25]``.
        afters: boards after each play, int8 ``[n, 2, 25]``.
        dice: both dice.
    """
    best: dict[bytes, list[_Path]] = {before.tobytes(): []}
    for order in _orders(dice):
        for steps, board in _sequences(before, order):
            paths, key = _paths(steps), board.tobytes()
            if key not in best or _preference(paths) < _preference(best[key]):
                best[key] = paths
    keys = [after.astype(before.dtype).tobytes() for after in afters]
    if not best.keys() >= set(keys):
        raise ValueError(f"no play with the dice {dice[0]} and {dice[1]} leads to the position")
    return [_text(best[key]) for key in keys]


def _orders(dice: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the orders in which the dice can be played."""
    first, second = dice
    return [(first,) * 4] if first == second else [(first, second), (second, first)]


def _sequences(
    board: np.ndarray, dice: tuple[int, ...]
) -> Iterator[tuple[list[_Step], np.ndarray]]:
    """Yield all sequences of legal steps with the first dice, each with the board after it.

    Doubles are played from the farthest point to the nearest, since other orders lead to the same
    positions.
    """
    if not dice:
        return
    for step in _steps(board, dice[0]):
        moved = _moved(board, step)
        yield [step], moved
        for rest, after in _sequences(moved, dice[1:]):
            if dice[0] != dice[1] or rest[0].start <= step.start:
                yield [step, *rest], after


def _steps(board: np.ndarray, die: int) -> Iterator[_Step]:
    """Yield the legal steps with one die."""
    points, others = board
    farthest = int(np.flatnonzero(points)[-1]) if points.any() else _OFF
    for start in (BAR,) if points[BAR] else np.flatnonzero(points).tolist():
        end = start - die
        if end >= 0:
            if others[23 - end] < 2:
                yield _Step(start, end, bool(others[23 - end] == 1))
        elif farthest < _HOME and (end == -1 or start == farthest):
            yield _Step(start, _OFF, False)


def _moved(board: np.ndarray, step: _Step) -> np.ndarray:
    """Return the board after a step."""
    board = board.copy()
    board[0, step.start] -= 1
    if step.end != _OFF:
        board[0, step.end] += 1
    if step.hits:
        board[1, 23 - step.end] -= 1
        board[1, BAR] += 1
    return board


def _paths(steps: Sequence[_Step]) -> list[_Path]:
    """Return the steps of each checker, if as few checkers as possible move."""
    paths: list[_Path] = []
    for step in steps:
        path = next((path for path in paths if path[-1].end == step.start), None)
        if path is None:
            paths.append([step])
        else:
            path.append(step)
    return paths


def _preference(paths: Sequence[_Path]) -> tuple[int, list[int]]:
    """Return a sort key: few checkers first, then the farthest checkers."""
    return len(paths), sorted(-path[0].start for path in paths)


def _text(paths: Sequence[_Path]) -> str:
    """Return the notation of paths, the farthest checker first; equal paths are counted."""
    numbers = Counter(_stops(path) for path in paths)
    hits = {_stops(path) for path in paths if path[-1].hits}
    parts = []
    for stops, number in sorted(numbers.items(), reverse=True):
        start, *others = map(_name, stops)
        hit, times = "*" if stops in hits else "", f"({number})" if number > 1 else ""
        parts.append(f"{start}/{'*/'.join(others)}{hit}{times}")
    return " ".join(parts) or NO_PLAY


def _stops(path: _Path) -> tuple[int, ...]:
    """Return where a checker starts, hits on its way, and ends."""
    return path[0].start, *(step.end for step in path[:-1] if step.hits), path[-1].end


def _name(point: int) -> str:
    return {BAR: "bar", _OFF: "off"}.get(point, str(point + 1))
