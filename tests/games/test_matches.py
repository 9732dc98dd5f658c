"""Matches: symmetry, results that are known, and the strength after a short training."""

import numpy as np
import pytest
import torch
from test_backgammon_rules import board_of
from test_td_learning import arrays_of, network_of
from torch import nn

from mlp_lab.errors import UserError
from mlp_lab.games.backgammon import td_learning, td_reference
from mlp_lab.games.backgammon.encoding import EXPERT_INPUTS, encode_expert
from mlp_lab.games.backgammon.matches import play_match
from mlp_lab.games.backgammon.players import NetworkPlayer, Player, RandomPlayer, player_of
from mlp_lab.games.backgammon.plays import legal_plays
from mlp_lab.games.backgammon.position import START
from mlp_lab.nn.mlp import MLP


class Wrapped(Player):
    """Another player, which plays in step."""

    def __init__(self, player: Player) -> None:
        self.player = player

    def choose_many(self, boards: np.ndarray, candidates: list[np.ndarray]) -> np.ndarray:
        return self.player.choose_many(boards, candidates)


def test_a_player_draws_against_itself_in_each_pair_of_games() -> None:
    player = player_of(network_of(3))
    for opponent in (player_of(network_of(3)), Wrapped(player_of(network_of(3)))):
        match = play_match(player, opponent, games=20, seed=0)
        np.testing.assert_array_equal(match.points[::2], -match.points[1::2])
        np.testing.assert_array_equal(match.plies[::2], match.plies[1::2])
        assert match.standard_error == match.mean == 0
        assert match.win_rate == 0.5


def test_the_kernel_plays_the_games_that_are_played_in_step() -> None:
    players = [player_of(network_of(3, seed=seed)) for seed in (1, 2)]
    kernel = play_match(*players, games=30, seed=4)
    in_step = play_match(players[0], Wrapped(players[1]), games=30, seed=4)
    np.testing.assert_array_equal(kernel.points, in_step.points)
    np.testing.assert_array_equal(kernel.plies, in_step.plies)
    swapped = play_match(*players[::-1], games=30, seed=4)
    np.testing.assert_array_equal(kernel.points[::2], -swapped.points[1::2])


def test_random_players_win_equally_often() -> None:
    match = play_match(RandomPlayer(1), RandomPlayer(2), games=600, seed=0)
    assert abs(match.mean) < 4 * match.standard_error
    assert 0.03 < match.standard_error < 0.12
    assert abs(match.win_rate - 0.5) < 4 * 0.5 / 600**0.5
    assert 0.1 < match.gammon_rate < 0.6


def test_a_network_of_5_000_games_beats_the_random_player() -> None:
    """In the first 2,000 games, the network learns to race, which loses; then it learns to hit."""
    random = np.random.default_rng(0)
    sizes = (20, 198), (20,), (3, 20), (3,)
    weights = [random.normal(0, 0.1, size).astype(np.float32) for size in sizes]
    td_learning.train_games(*weights, alpha=0.1, lambda_=0, seed=1, first_game=0, games=5_000)
    network = nn.Sequential(nn.Linear(198, 20), nn.Sigmoid(), nn.Linear(20, 3))
    for w, trained in zip(network.parameters(), weights, strict=True):
        w.data = torch.from_numpy(trained)
    match = play_match(player_of(network), RandomPlayer(), games=400, seed=2)
    assert match.win_rate > 0.9
    assert match.mean > 1


def test_a_network_chooses_the_play_of_the_reference() -> None:
    for inputs, encode in ((198, td_reference.encode), (EXPERT_INPUTS, encode_expert)):
        network = network_of(3, inputs=inputs).float()
        player = player_of(network)
        for dice in ((3, 1), (6, 4), (5, 5)):
            plays = legal_plays(START, *dice)
            expected = td_reference.best_play(network, plays, encode)
            assert (plays[player.choose(START, plays)] == expected).all()
        boards = np.stack([START, board_of({25: 1, 3: 4}, {22: 2, 5: 13})])
        values = td_reference.values(network, boards, encode).detach()
        np.testing.assert_allclose(player.values(boards), values, rtol=1e-5)


def test_players_of_networks_of_the_package() -> None:
    player = player_of(MLP(198, 1, width=5, depth=1, activation="sigmoid"), "some network")
    assert isinstance(player, NetworkPlayer)
    assert player.name == "some network"
    for wrong in (
        MLP(198, 1, width=5, depth=2, activation="sigmoid"),
        MLP(198, 1, width=5, depth=1, activation="tanh"),
        MLP(198, 2, width=5, depth=1, activation="sigmoid"),
        MLP(100, 1, width=5, depth=1, activation="sigmoid"),
    ):
        with pytest.raises(UserError, match="player of backgammon"):
            player_of(wrong)


def test_an_odd_number_of_games_is_an_error() -> None:
    with pytest.raises(UserError, match="pairs"):
        play_match(RandomPlayer(), RandomPlayer(), games=3, seed=0)


def test_training_changes_only_the_given_arrays() -> None:
    weights = arrays_of(network_of(1))
    player = NetworkPlayer(player_of(network_of(1)).network)
    before = [w.copy() for w in player.network]
    td_learning.train_games(*weights, alpha=0.1, lambda_=0, seed=0, first_game=0, games=2)
    for w, old in zip(player.network, before, strict=True):
        np.testing.assert_array_equal(w, old)
