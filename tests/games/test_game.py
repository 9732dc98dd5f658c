"""Games against a person: replayed from JSON, read strictly; ranked plays."""

import copy
import json

import numpy as np
import pytest

from mlp_lab.errors import UserError
from mlp_lab.games.backgammon.estimates import ranked_plays
from mlp_lab.games.backgammon.game import Game
from mlp_lab.games.backgammon.position import START, board_of_id, position_id


def finished_game(seed: int = 0) -> Game:
    game = Game(seed, "roll", "random")
    random = np.random.default_rng(seed)
    while not game.points:
        plays = list(game.plays().items())
        game.play(*plays[random.integers(len(plays))])
    return game


@pytest.fixture(scope="module")
def content() -> dict:
    return finished_game().to_json()


def test_a_saved_game_is_read_again(content) -> None:
    game = Game.from_json(json.loads(json.dumps(content)))
    assert game.to_json() == content
    assert game.points in (-3, -2, -1, 1, 2, 3)
    cut = copy.deepcopy(content)
    cut["plies"] = cut["plies"][:7]
    game = Game.from_json(cut)
    assert (game.ply, game.points) == (7, 0)
    assert position_id(game.board) == content["plies"][6]["position"]
    # The dice do not depend on where the game was interrupted.
    assert "{}{}".format(*game.dice) == content["plies"][7]["dice"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("version"), "damaged: not a saved game"),
        (lambda c: c.update(version=2), "version 2: must be 1"),
        (lambda c: c.pop("plies"), "damaged: KeyError"),
        (lambda c: c.update(plies=3), "damaged: TypeError"),
        (lambda c: c.update(plies=["x"]), "damaged: TypeError"),
        (lambda c: c.update(seed="0"), "damaged: ValueError: seed '0'"),
        (lambda c: c.update(seed=-1), "damaged: "),
        (lambda c: c.update(seed=2**70), "damaged: "),
        (lambda c: c.update(side="left"), "damaged: ValueError: seed 0, side 'left'"),
        (lambda c: c.update(opponent=["network"]), "damaged: ValueError"),
        (lambda c: c.update(comment="x"), "damaged: dice or positions differ"),
        (lambda c: c["plies"][3].update(play="24/1"), "damaged: ValueError: ply 4: '24/1' is not"),
        (lambda c: c["plies"][3].update(play=[1]), "damaged: TypeError"),
        (lambda c: c["plies"][3].update(dice="77"), "damaged: dice or positions differ"),
        (lambda c: c["plies"][3].update(position="x"), "damaged: dice or positions differ"),
        (lambda c: c["plies"].append(c["plies"][0]), "damaged: ValueError"),
    ],
)
def test_damaged_games_are_refused(content, change, message) -> None:
    damaged = copy.deepcopy(content)
    change(damaged)
    with pytest.raises(UserError) as error:
        Game.from_json(damaged)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [None, 3, [], "x", {}])
def test_other_content_is_refused(content) -> None:
    with pytest.raises(UserError, match="damaged: not a saved game"):
        Game.from_json(content)


def test_who_starts_and_the_opening_roll() -> None:
    starts = []
    for seed in range(40):
        games = {side: Game(seed, side, "random") for side in ("first", "second", "roll")}
        assert games["first"].person_on_roll
        assert not games["second"].person_on_roll
        assert len({game.dice for game in games.values()}) == 1
        high, low = games["roll"].dice
        assert high > low, "no doubles in the opening roll"
        starts.append(games["roll"].person_on_roll)
    assert 10 < sum(starts) < 30


def test_views_of_both_players() -> None:
    game = Game(0, "first", "random")
    text, after = next(iter(game.plays().items()))
    game.play(text, after)
    assert not game.person_on_roll
    np.testing.assert_array_equal(game.view, after)
    np.testing.assert_array_equal(game.board, after[::-1])


def test_plays_are_ranked_from_the_view_of_the_mover() -> None:
    def pips(boards: np.ndarray) -> np.ndarray:
        """Return high probabilities of a win and gammon for the player with fewer pips."""
        points = boards.astype(float) @ np.arange(1, 26)
        win = 1 / (1 + np.exp((points[:, 0] - points[:, 1]) / 20))
        return np.stack([win, win / 2, (1 - win) / 4], 1)

    board = board_of_id("4HPwATDgc/ABMA")
    plays = ranked_plays(pips, board, (6, 5))
    equities = [play.estimate.equity for play in plays]
    assert equities == sorted(equities, reverse=True)
    best = plays[0].estimate
    win = 1 / (1 + np.exp(-11 / 20))  # 156 pips against 167
    assert best.win == pytest.approx(win)
    assert (best.gammon_win, best.gammon_loss) == pytest.approx((win / 4, (1 - win) / 2))
    assert best.equity == pytest.approx(2 * win - 1 + win / 4 - (1 - win) / 2)
    np.testing.assert_array_equal(board, START)


@pytest.mark.parametrize(("opponents", "points"), [({5: 14}, 1), ({5: 15}, 2), ({18: 15}, 3)])
def test_the_end_of_a_game_counts_its_points(opponents, points) -> None:
    board = np.zeros((2, 25), np.int8)
    board[0, 0] = 1
    for point, number in opponents.items():
        board[1, point] = number
    plays = ranked_plays(lambda boards: np.full((len(boards), 3), 0.5), board, (2, 1))
    assert [play.text for play in plays] == ["1/off"]
    assert plays[0].estimate == (1.0, float(points > 1), 0.0, float(points))
