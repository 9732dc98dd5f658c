"""Each input of the encodings, with values derived by hand."""

import numpy as np
from test_backgammon_rules import board_of

from mlp_lab.games.backgammon import expert_inputs as expert
from mlp_lab.games.backgammon.encoding import EXPERT_INPUTS, INPUTS, encode, encode_expert
from mlp_lab.games.backgammon.position import START, flipped


def expert_units(board: np.ndarray) -> np.ndarray:
    return encode_expert(board)[INPUTS:]


def test_units_of_the_initial_position() -> None:
    side = np.zeros(98)
    side[4 * 5 : 4 * 5 + 4] = 1, 1, 1, 1  # 5 checkers on point 6: (5 - 3) / 2
    side[4 * 7 : 4 * 7 + 4] = 1, 1, 1, 0  # 3 on point 8
    side[4 * 12 : 4 * 12 + 4] = 1, 1, 1, 1  # 5 on point 13
    side[4 * 23 : 4 * 23 + 4] = 1, 1, 0, 0  # 2 on point 24
    np.testing.assert_array_equal(encode(START), np.concatenate([side, side, [1, 0]]))


def test_each_unit_of_a_point() -> None:
    for row in range(2):
        for point in range(24):
            for count, units in (
                (0, [0, 0, 0, 0]), (1, [1, 0, 0, 0]), (2, [1, 1, 0, 0]), (3, [1, 1, 1, 0]),
                (4, [1, 1, 1, 0.5]), (15, [1, 1, 1, 6]),
            ):  # fmt: skip
                board = np.zeros((2, 25), np.int8)
                board[row, point] = count
                expected = np.zeros(INPUTS, np.float32)
                expected[98 * row + 4 * point :][:4] = units
                expected[98 * row + 97] = np.float32(15 - count) * np.float32(1 / 15)
                expected[98 * (1 - row) + 97] = np.float32(15) * np.float32(1 / 15)
                expected[196] = 1
                np.testing.assert_array_equal(encode(board), expected)


def test_units_of_the_bar_and_of_checkers_borne_off() -> None:
    inputs = encode(board_of({25: 3, 1: 2}, {25: 1}))
    np.testing.assert_allclose(inputs[[96, 97, 98 + 96, 98 + 97]], [1.5, 10 / 15, 0.5, 14 / 15])


def test_the_flipped_position_exchanges_the_sides() -> None:
    board = board_of({25: 1, 6: 4, 3: 2, 8: 8}, {24: 1, 13: 3, 2: 7})
    inputs, other = encode(board), encode(flipped(board))
    np.testing.assert_array_equal(other, np.r_[inputs[98:196], inputs[:98], 1, 0])
    units, other = expert_units(board), expert_units(flipped(board))
    np.testing.assert_array_equal(other, np.r_[units[5:10], units[:5], units[10]])


def test_tesauros_units_are_the_first_of_the_expert_encoding() -> None:
    assert encode_expert(START).shape == (EXPERT_INPUTS,) == (209,)
    np.testing.assert_array_equal(encode_expert(START)[:INPUTS], encode(START))


def test_pip_counts_and_contact() -> None:
    units = expert_units(START)
    np.testing.assert_allclose(units[[0, 5, 10]], [1, 1, 1])
    units = expert_units(board_of({12: 1}, {12: 2}))  # the checkers have passed each other
    np.testing.assert_allclose(units[[0, 5, 10]], [12 / 167, 24 / 167, 0])
    assert expert_units(board_of({13: 1}, {13: 1}))[10] == 1


def test_rolls_that_hit_a_blot() -> None:
    """The numbers of rolls are those of the usual tables, e.g. Robertie 1992: 11 for distance 1."""
    hits = {1: 11, 2: 12, 3: 14, 4: 15, 5: 15, 6: 17, 7: 6, 8: 6, 9: 5, 10: 3, 11: 2, 12: 3,
            15: 1, 16: 1, 18: 1, 20: 1, 24: 1, 13: 0, 14: 0, 17: 0, 19: 0, 21: 0}  # fmt: skip
    for distance, rolls in hits.items():
        source = 25 if distance == 24 else distance + 1
        board = board_of({25 - (source - distance): 1}, {source: 1})
        assert expert.blot_exposure(board, 0)[0] == rolls, distance


def test_blocked_combinations_do_not_hit() -> None:
    # The blot is 7 pips away; of 6-1, 5-2 and 4-3, points after 6 and after 1 are blocked.
    board = board_of({24: 1, 25 - 2: 2, 25 - 7: 2}, {8: 1})
    assert expert.blot_exposure(board, 0)[0] == 4
    # Double 2 over three points, the second of them is blocked.
    board = board_of({24: 1, 25 - 3: 2, 25 - 5: 2}, {9: 1})
    rolls = expert.hitting_rolls(board, 0, 23)
    assert not rolls >> 7 & 1


def test_pips_that_two_blots_may_lose() -> None:
    # The blot on point 24 loses 1 pip with 11 rolls, that on point 18 loses 7 pips.
    board = board_of({24: 1, 18: 1}, {2: 1})
    rolls, lost = expert.blot_exposure(board, 0)
    assert rolls == 11
    assert lost == 11 * 1
    board = board_of({24: 1, 18: 1}, {8: 1})  # at distances 7 and 1
    rolls, lost = expert.blot_exposure(board, 0)
    assert rolls == 11 + 6 - 2  # 6-1 hits both
    assert lost == 6 * 1 + 11 * 7
    np.testing.assert_allclose(expert_units(board)[[1, 2]], [15 / 36, 83 / 36 / 24])


def test_only_checkers_on_the_bar_hit() -> None:
    board = board_of({3: 1}, {25: 1, 23: 14})
    assert expert.blot_exposure(board, 0)[0] == 14  # 3 pips from the bar: 3s, 2-1, 1-1


def test_blocking() -> None:
    board = board_of({8: 2, 7: 2, 6: 2, 5: 2, 4: 2, 1: 1}, {22: 1, 1: 14})  # rearmost: point 3
    assert expert.prime_length(board, 0) == 5
    assert expert.blocked_rolls(board, 0) == 25  # only a 6 moves: 11 rolls
    np.testing.assert_allclose(expert_units(board)[[3, 4]], [5 / 6, 25 / 36])
    board = board_of({8: 2, 6: 2, 5: 2, 4: 2}, {20: 1})  # rearmost: point 5
    assert expert.prime_length(board, 0) == 1
    assert expert.blocked_rolls(board, 0) == 4  # 1 and 3 are blocked
