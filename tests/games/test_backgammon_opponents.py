"""Opponents from the optional package gnubg-nn, and the process that imports it.

Tests of the process use a substitute for the package, so that they do not need it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from mlp_lab.errors import UserError
from mlp_lab.games.backgammon.expert_inputs import has_contact
from mlp_lab.games.backgammon.matches import play_match
from mlp_lab.games.backgammon.network import network_of
from mlp_lab.games.backgammon.opponents import gnubg_process
from mlp_lab.games.backgammon.opponents.factory import opponent
from mlp_lab.games.backgammon.opponents.gnubg import equities, evaluate_positions
from mlp_lab.games.backgammon.opponents.gnubg_process import GnubgProcess
from mlp_lab.games.backgammon.opponents.gnubg_worker import PROBABILITIES, PUBEVAL
from mlp_lab.games.backgammon.opponents.pubeval import (
    CONTACT,
    RACE,
    pubeval_score,
    pubeval_weights,
)
from mlp_lab.games.backgammon.players import NetworkPlayer, Player
from mlp_lab.games.backgammon.plays import legal_plays
from mlp_lab.games.backgammon.position import START

needs_gnubg = pytest.mark.skipif(
    find_spec("gnubg_nn") is None, reason="gnubg-nn isn't installed (extra: opponents)"
)
SUBSTITUTE = """
import os
print("text on the standard output")
def probabilities(board, plies):
    if board[0][24] == 15:
        os._exit(3)
    return board[1][0], board[1][24], board[0][0], board[0][24], plies
def pub_eval_score(board):
    return 25 * sum(board[0]) + sum(board[1])
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """``package(code)``: use a module with the given code as the package gnubg-nn."""

    def install(code: str) -> None:
        (tmp_path / "gnubg_nn.py").write_text(code)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        gnubg_process._shared_process.cache_clear()

    yield install
    gnubg_process._shared_process.cache_clear()


def board(own: dict[int, int], opponent: dict[int, int]) -> np.ndarray:
    """Return a board with so many checkers at so many indices."""
    result = np.zeros((2, 25), np.int8)
    for row, checkers in enumerate((own, opponent)):
        for point, count in checkers.items():
            result[row, point] = count
    return result


def network_player() -> NetworkPlayer:
    """Return the player of a random network."""
    random = np.random.default_rng(0)
    sizes = (20, 198), 20, (3, 20), 3
    return NetworkPlayer(network_of(*(random.normal(0, 0.1, size) for size in sizes)))


def random_positions(games: int, seed: int) -> list[tuple[np.ndarray, int, int]]:
    """Return positions before random plays with their dice, from the initial one to the end."""
    random = np.random.default_rng(seed)
    result = []
    for _ in range(games):
        position = START
        while position.any(axis=1).all():
            die1, die2 = (int(die) for die in random.integers(1, 7, 2))
            result.append((position, die1, die2))
            position = random.choice(legal_plays(position, die1, die2))[::-1]
    return result


def test_missing_package_names_the_extra_in_one_line(package: Callable[[str], None]) -> None:
    package("raise ImportError('no library\\nfor this system')")
    with pytest.raises(UserError, match=r"package gnubg-nn.*mlp-lab\[opponents\]") as error:
        evaluate_positions(START[None])
    assert "\n" not in str(error.value)
    assert "no library for this system" in str(error.value)


def test_requests_and_answers(package: Callable[[str], None]) -> None:
    package(SUBSTITUTE)
    process = GnubgProcess()
    boards = (np.arange(150) % 100).astype(np.int8).reshape(3, 2, 25)[:, ::-1]
    expected = [[b[1, 0], b[1, 24], b[0, 0], b[0, 24], 0] for b in boards]
    np.testing.assert_array_equal(process.evaluate(PROBABILITIES, boards), expected)
    scores = [[25 * b[0].sum(dtype=int) + b[1].sum(dtype=int)] for b in boards]
    np.testing.assert_array_equal(process.evaluate(PUBEVAL, boards), scores)
    assert process.evaluate(PROBABILITIES, boards[:0]).shape == (0, 5)
    many = np.tile(START, (20_000, 1, 1))  # more than the buffers of pipes
    assert process.evaluate(PROBABILITIES, many).shape == (20_000, 5)
    process.close()
    assert process._process.returncode == 0


def test_process_that_ends_is_replaced(package: Callable[[str], None]) -> None:
    package(SUBSTITUTE)
    with pytest.raises(UserError, match="gnubg-nn ended with status 3"):
        evaluate_positions(board({}, {24: 15})[None])
    assert evaluate_positions(board({0: 2}, {24: 3})[None]).tolist() == [[2, 0, 0, 3, 0]]


def test_process_ends_with_a_killed_parent(package: Callable[[str], None]) -> None:
    package(SUBSTITUTE)
    code = "import os\nfrom mlp_lab.games.backgammon.opponents.gnubg_process import GnubgProcess\n"
    code += "process = GnubgProcess(); os.kill(os.getpid(), 9)"
    path = os.pathsep.join([os.environ["PYTHONPATH"], *sys.path])
    done = subprocess.run(  # waits until all processes have closed the standard error
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": path}, capture_output=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == -9


@needs_gnubg
def test_probabilities_are_those_of_the_player_on_roll() -> None:
    positions = np.stack(
        [
            board({0: 1}, {5: 15}),  # wins a gammon
            board({0: 1}, {5: 14, 24: 1}),  # wins a backgammon
            board({5: 2}, {0: 1}),  # wins with double 3, 4, 5 or 6, otherwise loses
            board({5: 15}, {0: 1}),  # loses a gammon except with 6, 5-1, 4-2, 3-3 and 2-2
        ]
    )
    expected = [[1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [4 / 36, 0, 0, 0, 0], [0, 0, 0, 19 / 36, 0]]
    probabilities = evaluate_positions(positions)
    np.testing.assert_allclose(probabilities, expected, atol=1e-3)
    np.testing.assert_allclose(equities(probabilities), [2, 3, 8 / 36 - 1, -55 / 36], atol=3e-3)


# Writes the boards after the plays that the package's functions choose, from the mover's view.
BEST_PLAYS = """
import json, sys, gnubg_nn
def best_play(board, die1, die2):
    plays = gnubg_nn.best_move(board, die1, die2, 0, b"X", 0, 0, 1)[-1]
    return gnubg_nn.board_from_position_key(plays[0][0])
def pubeval_best_play(board, die1, die2):
    other, mover = [list(row) for row in board]
    moves = gnubg_nn.pub_best_move(board, die1, die2)
    for source, target in zip(moves[::2], moves[1::2]):
        mover[source] -= 1
        if target >= 0:
            mover[target] += 1
            other[24] += other[23 - target] == 1
            other[23 - target] -= other[23 - target] == 1
    return mover, other
choose = {"gnubg": best_play, "pubeval": pubeval_best_play}[sys.argv[1]]
json.dump([choose(*position) for position in json.load(sys.stdin)], sys.stdout)
"""


def best_plays(player: str, positions: list[tuple[np.ndarray, int, int]]) -> np.ndarray:
    """Return the boards after the plays that the package chooses, ``[positions, 2, 25]``."""
    done = subprocess.run(
        [sys.executable, "-c", BEST_PLAYS, player],
        input=json.dumps([(board[::-1].tolist(), *dice) for board, *dice in positions]),
        capture_output=True,
        text=True,
        check=True,
    )
    return np.array(json.loads(done.stdout))


@needs_gnubg
@pytest.mark.parametrize("name", ["gnubg", "pubeval"])
def test_opponents_choose_as_the_package(name: str) -> None:
    positions = random_positions(20, seed=2)
    positions = [p for p in positions if not np.array_equal(legal_plays(*p)[0], p[0])]
    boards = np.stack([position[0] for position in positions])
    candidates = [legal_plays(*position) for position in positions]
    choices = opponent(name).choose_many(boards, candidates)
    chosen = np.stack([plays[i] for plays, i in zip(candidates, choices, strict=True)])
    expected = best_plays(name, positions)
    is_same = (chosen == expected).all(axis=(1, 2))
    assert is_same.mean() > 0.95  # the others have equal equities, for example in won positions
    values = [equities(evaluate_positions(plays[:, ::-1])) for plays in (chosen, expected)]
    np.testing.assert_allclose(*values, atol=1e-6)


@needs_gnubg
def test_pubeval_scores_are_those_of_the_package() -> None:
    boards = np.stack([p[::-1] for p, *_ in random_positions(60, seed=1) if p.any(axis=1).all()])
    kinds = [CONTACT if has_contact(board) else RACE for board in boards]
    assert set(kinds) == {RACE, CONTACT}
    weights = pubeval_weights()[kinds]
    scores = [pubeval_score(*pair) for pair in zip(boards, weights, strict=True)]
    expected = gnubg_process.evaluate(PUBEVAL, boards)[:, 0]
    np.testing.assert_allclose(scores, expected, atol=2e-5)


@needs_gnubg
def test_pubeval_plays_in_the_kernel_as_in_step() -> None:
    in_step = opponent("pubeval")
    in_step.kernel = None
    for other in (opponent("pubeval"), network_player()):
        matches = [play_match(p, other, games=40, seed=1) for p in (opponent("pubeval"), in_step)]
        np.testing.assert_array_equal(matches[0].points, matches[1].points)
        np.testing.assert_array_equal(matches[0].plies, matches[1].plies)


@needs_gnubg
@pytest.mark.parametrize("name", ["pubeval", "gnubg"])
def test_opponents_beat_the_random_player(name: str) -> None:
    match = play_match(opponent(name), opponent("random"), games=100, seed=0)
    assert match.win_rate > 0.95
    assert match.mean > 1.5


def test_unknown_opponents_are_errors() -> None:
    with pytest.raises(UserError, match="opponent=gnu: must be one of random, pubeval, gnubg"):
        opponent("gnu")


class WrongPerspective(Player):
    """Pubeval with the candidates from the view of the other player."""

    name = "wrong perspective"

    def __init__(self) -> None:
        self.pubeval = opponent("pubeval")

    def choose_many(self, boards: np.ndarray, candidates: Sequence[np.ndarray]) -> np.ndarray:
        return self.pubeval.choose_many(boards, [plays[:, ::-1] for plays in candidates])


@needs_gnubg
@pytest.mark.slow
def test_gnubg_wins_by_the_published_points_against_pubeval() -> None:
    match = play_match(opponent("gnubg"), opponent("pubeval"), games=3_000, seed=1)
    assert match.win_rate == pytest.approx(0.715, abs=0.03)
    assert 0.61 - 2 * match.standard_error < match.mean < 0.68 + 2 * match.standard_error
    wrong = play_match(opponent("gnubg"), WrongPerspective(), games=400, seed=1)
    assert 1.8 < wrong.mean < 3
