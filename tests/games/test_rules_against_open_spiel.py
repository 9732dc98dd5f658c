"""The legal plays are those of open-spiel, an independent implementation of the rules.

Its player 0 moves upwards on the board, player 1 downwards. A roll of doubles is two actions.
"""

import random

import numpy as np
import pytest

from mlp_lab.games.backgammon.plays import legal_plays

pyspiel = pytest.importorskip("pyspiel")

BAR_OF_OPEN_SPIEL = 100


def board_of(state: "pyspiel.BackgammonState", mover: int) -> np.ndarray:
    """Return the board from the view of a player, int8 ``[2, 25]``."""
    rows = []
    for player in (mover, 1 - mover):
        points = [state.board(player, point) for point in range(24)]
        rows.append((points if player else points[::-1]) + [state.board(player, BAR_OF_OPEN_SPIEL)])
    return np.array(rows, np.int8)


def results_of(state: "pyspiel.BackgammonState", mover: int) -> dict[bytes, "pyspiel.State"]:
    """Return the states after all complete plays of the mover, by their boards."""
    results = {}
    for action in state.legal_actions():
        child = state.child(action)
        results[board_of(child, mover).tobytes()] = child
    first = next(iter(results.values()))
    if first.is_player_node() and first.current_player() == mover:  # the second half of doubles
        results = {key: end for child in results.values() for key, end in results_of(child, mover).items()}
    return results


def compare_along_games(positions: int, seed: int) -> dict[str, int]:
    """Compare at least so many positions of random games, and count special cases."""
    choose = random.Random(seed)
    game = pyspiel.load_game("backgammon")
    counts = {"positions": 0, "bar": 0, "bearing off": 0, "doubles": 0, "no move": 0}
    while counts["positions"] < positions:
        state = game.new_initial_state()
        while not state.is_terminal():
            if state.is_chance_node():
                state.apply_action(choose.choice([a for a, _ in state.chance_outcomes()]))
                continue
            mover = state.current_player()
            board = board_of(state, mover)
            dice = [int(die) for die in state.observation_tensor(mover)[-2:]]
            plays = legal_plays(board, *dice)
            expected = results_of(state, mover)
            keys = [play.tobytes() for play in plays]
            assert len(set(keys)) == len(keys)
            assert set(keys) == set(expected), f"{board.tolist()} {dice}"
            counts["positions"] += 1
            counts["bar"] += board[0, 24] > 0
            counts["bearing off"] += not board[0, 6:].any()
            counts["doubles"] += dice[0] == dice[1]
            counts["no move"] += keys == [board.tobytes()]
            state = expected[choose.choice(sorted(expected))]
    return counts


def test_positions_after_all_plays() -> None:
    counts = compare_along_games(1_000, seed=1)
    assert min(counts.values()) >= 20, counts


@pytest.mark.slow
def test_positions_after_all_plays_of_20_000_positions() -> None:
    counts = compare_along_games(20_000, seed=2)
    assert min(counts.values()) >= 1_000, counts
