"""Positions, rules of moves and dice of backgammon, with results derived by hand."""

import numpy as np
import pytest

from mlp_lab.errors import UserError
from mlp_lab.games.backgammon import position
from mlp_lab.games.backgammon.dice import game_key, opening_roll, roll
from mlp_lab.games.backgammon.plays import legal_plays

HOME = {1: 15}  # checkers of an opponent that block nothing


def board_of(own: dict[int, int], other: dict[int, int]) -> np.ndarray:
    """Return the board with checkers on each player's points; 25 is the bar."""
    board = np.zeros((2, 25), np.int8)
    for row, checkers in enumerate((own, other)):
        for point, count in checkers.items():
            board[row, point - 1] = count
    return board


def check(
    own: dict[int, int], other: dict[int, int], dice: tuple[int, int], *results: np.ndarray
) -> None:
    """Check the results of both orders of the dice."""
    for first, second in (dice, dice[::-1]):
        plays = legal_plays(board_of(own, other), first, second)
        assert {play.tobytes() for play in plays} == {result.tobytes() for result in results}
        assert len(plays) == len(results)


def test_both_dice_are_played_in_both_orders() -> None:
    other = {21: 2, 1: 13}  # blocks the player's point 4
    results = [board_of(own, other) for own in ({6: 1, 3: 1}, {8: 1, 1: 1}, {7: 1, 2: 1})]
    check({8: 1, 7: 1}, other, (4, 2), *results)


def test_the_larger_die_is_played_if_only_one_can_be() -> None:
    other = {16: 2, 1: 13}  # blocks the player's point 9, which both dice reach
    check({20: 1}, other, (6, 5), board_of({14: 1}, other))
    other = {16: 2, 11: 2, 1: 11}  # and point 14, which the 6 reaches
    check({20: 1}, other, (6, 5), board_of({15: 1}, other))


def test_checkers_on_the_bar_enter_first() -> None:
    other = {6: 2, 5: 2, 4: 2, 3: 2, 1: 7}  # a 2 enters
    check({25: 2, 6: 13}, other, (2, 3), board_of({25: 1, 23: 1, 6: 13}, other))
    check({25: 1, 6: 14}, other, (3, 4), board_of({25: 1, 6: 14}, other))  # no move


def test_a_checker_may_hit_on_the_way() -> None:
    other = {21: 1, 1: 14}  # a blot on the player's point 4
    hit = board_of({}, {25: 1, 1: 14})
    check({10: 1}, other, (6, 5), hit, board_of({}, other))


def test_a_larger_die_bears_off_from_the_highest_point_only() -> None:
    check({4: 1, 1: 2}, HOME, (6, 1), board_of({1: 1}, HOME), board_of({1: 2}, HOME))
    check({6: 1, 2: 1}, HOME, (5, 4), board_of({1: 1}, HOME), board_of({2: 1}, HOME))


def test_no_checker_is_borne_off_before_all_are_at_home() -> None:
    check({7: 1, 1: 1}, HOME, (2, 1), board_of({4: 1, 1: 1}, HOME), board_of({5: 1}, HOME))


def test_doubles_are_played_four_times() -> None:
    results = (
        {24: 3, 20: 1},
        {24: 2, 21: 1, 23: 1},
        {24: 2, 22: 2},
        {24: 1, 22: 1, 23: 2},
        {23: 4},
    )
    check({24: 4}, {6: 15}, (1, 1), *(board_of(own, {6: 15}) for own in results))
    check({6: 2}, HOME, (5, 5), board_of({}, HOME))


def test_the_given_board_is_unchanged() -> None:
    assert len(legal_plays(position.START, 3, 1)) == 16  # of a read-only board


def test_the_opening_roll_has_no_doubles() -> None:
    rolls = np.array([opening_roll(game_key(0, game)) for game in range(9_000)])
    assert (rolls[:, 0] != rolls[:, 1]).all()
    counts = np.bincount(6 * rolls[:, 0] + rolls[:, 1], minlength=43)
    counts = counts[counts > 0]
    assert len(counts) == 30
    assert np.abs(counts - 300).max() < 5 * 300**0.5


def test_rolls_are_uniform_and_independent_of_each_other() -> None:
    rolls = np.array([roll(game_key(3, game), ply) for game in range(90) for ply in range(1, 201)])
    counts = np.bincount(6 * rolls[:, 0] + rolls[:, 1] - 7, minlength=36)
    assert len(counts) == 36
    assert np.abs(counts - 500).max() < 5 * 500**0.5
    assert abs(np.corrcoef(rolls[:-1].sum(1), rolls[1:].sum(1))[0, 1]) < 5 / len(rolls) ** 0.5


def test_dice_depend_on_seed_and_game() -> None:
    keys = {int(game_key(seed, game)) for seed in range(20) for game in range(20)}
    assert len(keys) == 400


def test_points_of_a_win() -> None:
    assert position.winner_points(position.START) == 0
    assert position.winner_points(board_of({}, {1: 14})) == 1  # has borne off one checker
    assert position.winner_points(board_of({}, {18: 15})) == 2
    assert position.winner_points(board_of({}, {19: 1, 1: 14})) == 3
    assert position.winner_points(board_of({}, {25: 1, 1: 14})) == 3
    assert position.winner_points(board_of({25: 1, 1: 13}, {})) == -1  # no gammon: 1 is borne off
    assert position.winner_points(board_of({25: 1, 1: 14}, {})) == -3


def test_counts_of_a_position() -> None:
    assert position.pip_counts(position.START).tolist() == [167, 167]
    assert position.borne_off(board_of({2: 3}, {25: 1})).tolist() == [12, 14]
    assert position.pip_counts(board_of({2: 3}, {25: 1})).tolist() == [6, 25]


def test_position_ids() -> None:
    assert position.position_id(position.START) == "4HPwATDgc/ABMA"
    # After 8/5 6/5, the other player is on roll.
    after = position.flipped(board_of({24: 2, 13: 5, 8: 2, 6: 4, 5: 2}, {24: 2, 13: 5, 8: 3, 6: 5}))
    assert position.position_id(after) == "sGfwATDgc/ABMA"
    for text in ("4HPwATDgc/ABMA", "sGfwATDgc/ABMA", "4PPgASTgc/ABMA"):
        assert position.position_id(position.board_of_id(text)) == text
    assert (position.board_of_id("4HPwATDgc/ABMA:cAkAAAAAAAAA") == position.START).all()


@pytest.mark.parametrize(
    "text", ["", "4HPwATDgc/ABM", "4HPwATDgc/ABM!", "//////////////", "AAAAAAAAAAAAAA"]
)
def test_a_wrong_position_id_is_an_error(text: str) -> None:
    with pytest.raises(UserError):
        position.board_of_id(text)


def test_impossible_boards_are_errors() -> None:
    for board in (board_of({6: 16}, HOME), board_of({24: 2}, HOME), board_of({}, HOME)):
        with pytest.raises(UserError, match="position"):
            position.check_board(board)
    with pytest.raises(UserError, match="shape"):
        position.check_board(np.zeros(50, np.int8))
