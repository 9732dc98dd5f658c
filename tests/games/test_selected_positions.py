"""Selected positions: their boards, and exact values by enumeration of all rolls."""

from functools import cache

import numpy as np
import pytest

from mlp_lab.games.backgammon.estimates import estimate
from mlp_lab.games.backgammon.notation import describe_play, describe_plays
from mlp_lab.games.backgammon.plays import legal_plays
from mlp_lab.games.backgammon.position import (
    START,
    board_of_id,
    flipped,
    pip_counts,
    position_id,
    winner_points,
)
from mlp_lab.games.backgammon.selected_positions import (
    OPENINGS,
    POSITIONS,
    opening_plays,
    selected_estimates,
)


def constant(*outputs: float):
    """Return a network with the same outputs for all positions."""
    return lambda boards: np.tile(outputs, (len(boards), 1))


@cache
def exact_equity(identity: str) -> float:
    """Return the equity of the player on roll by enumeration; only for short bear-offs."""
    board, total = board_of_id(identity), 0.0
    for first in range(1, 7):
        for second in range(1, 7):
            afters = legal_plays(board, first, second)
            total += max(
                winner_points(after) or -exact_equity(position_id(flipped(after)))
                for after in afters
            )
    return total / 36


@pytest.mark.parametrize("position", [p for p in POSITIONS if p.exact is not None])
def test_exact_values_equal_an_enumeration_of_all_rolls(position) -> None:
    assert exact_equity(position.position_id) == pytest.approx(position.exact, abs=1e-12)


def test_positions_after_opening_rolls_follow_from_the_initial_position() -> None:
    openings = [p for p in POSITIONS if p.name.startswith("opening")]
    assert len(openings) == len(OPENINGS) == 15
    for position, (dice, plays) in zip(openings, OPENINGS.items(), strict=True):
        after = flipped(board_of_id(position.position_id))
        assert describe_play(START, after, dice) == plays[0]
        assert position.name == f"opening {dice[0]}{dice[1]}: {plays[0]}"
        assert set(plays) <= set(describe_plays(START, legal_plays(START, *dice), dice))


def test_meanings_of_the_other_positions() -> None:
    boards = {position.name: board_of_id(position.position_id) for position in POSITIONS}
    np.testing.assert_array_equal(boards["start"], START)
    assert pip_counts(boards["race"]).tolist() == [92, 100]
    assert boards["race"][0, 10:].sum() == 0, "no contact: all O are on points above 13"
    assert np.flatnonzero(boards["race"][1]).max() < 23 - 10 + 1
    assert pip_counts(boards["back game"]).tolist() == [181, 89]
    assert boards["back game"][0, [21, 23]].tolist() == [2, 2]
    assert (boards["prime"][0, 3:9] >= 2).all()
    assert boards["prime"][1, 23] == 1


def test_values_of_a_network() -> None:
    values = selected_estimates(constant(0.6, 0.2, 0.1))
    assert list(values) == [position.name for position in POSITIONS]
    assert values["race"].equity == pytest.approx(2 * 0.6 - 1 + 0.2 - 0.1)
    single = estimate(constant(0.6), START)
    assert single.gammon_win is single.gammon_loss is None
    assert single.equity == pytest.approx(0.2)


def test_opening_plays_have_the_highest_equity() -> None:
    def prefers_point_5(boards: np.ndarray) -> np.ndarray:
        """Return low probabilities for a player on roll whose opponent has made point 5."""
        return np.where(boards[:, 1, 4] >= 2, 0.2, 0.5)[:, None]

    chosen = opening_plays(prefers_point_5)
    assert chosen[3, 1] == "8/5 6/5"
    assert set(chosen) == set(OPENINGS)
