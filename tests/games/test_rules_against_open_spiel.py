"""The legal plays are those of open-spiel, an independent implementation of the rules.

Its player 0 moves upwards on the board, player 1 downwards. A roll of doubles is two actions.
"""

import random

import numpy as np
import pytest

from mlp_lab.games.backgammon.plays import legal_plays

pyspiel = pytest.importorskip("pyspiel")


def boards_of(states: "list[pyspiel.State]", mover: int) -> np.ndarray:
    """Return the boards of states from the view of a player, int8 ``[states, 2, 25]``.

    For each player and point, open-spiel's observation has four units: 1, 2 or 3 checkers, and the
    checkers above 3. Then, for each player, it has the checkers on the bar, those borne off, and
    whether the player is on roll; at last the dice.
    """
    observations = np.array([state.observation_tensor(mover) for state in states], np.float32)
    units = observations[:, :192].reshape(-1, 2, 24, 4)
    points = units @ np.array([1, 2, 3, 1], np.float32) + 3 * (units[..., 3] > 0)
    upwards = mover  # the row of player 0
    points[:, upwards] = points[:, upwards, ::-1]
    bar = observations[:, [192, 195], None]
    return np.concatenate([points, bar], 2).astype(np.int8)


def results_of(state: "pyspiel.State", mover: int) -> "dict[bytes, pyspiel.State]":
    """Return the states after all complete plays of the mover, by their boards."""
    children = [state.child(action) for action in state.legal_actions()]
    boards = boards_of(children, mover)
    results = {board.tobytes(): child for board, child in zip(boards, children, strict=True)}
    first = children[0]
    if first.is_player_node() and first.current_player() == mover:  # the second half of doubles
        halves = list(results.values())
        results = {}
        for half in halves:
            results |= results_of(half, mover)
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
            board = boards_of([state], mover)[0]
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
def test_positions_after_all_plays_of_10_000_positions() -> None:
    counts = compare_along_games(10_000, seed=2)
    assert min(counts.values()) >= 250, counts
