"""The kernel of TD(lambda) equals the reference with autograd; known mistakes are absent."""

import numpy as np
import pytest
import torch
from test_backgammon_rules import board_of
from torch import nn

from mlp_lab.games.backgammon import network as kernels
from mlp_lab.games.backgammon import td_learning, td_reference
from mlp_lab.games.backgammon.encoding import EXPERT_INPUTS, INPUTS, encode_expert
from mlp_lab.games.backgammon.position import START, flipped


def network_of(outputs: int, hidden: int = 7, inputs: int = INPUTS, seed: int = 0) -> nn.Sequential:
    """Return a float64 network with random weights."""
    generator = torch.Generator().manual_seed(seed)
    layers = nn.Linear(inputs, hidden), nn.Sigmoid(), nn.Linear(hidden, outputs)
    network = nn.Sequential(*layers).double()
    for w in network.parameters():
        w.data = 0.3 * torch.randn(w.shape, generator=generator, dtype=w.dtype)
    return network


def arrays_of(network: nn.Module) -> list[np.ndarray]:
    return [w.detach().numpy().astype(np.float32) for w in network.parameters()]


def copy_to(network: nn.Module, arrays: list[np.ndarray]) -> None:
    for w, array in zip(network.parameters(), arrays, strict=True):
        w.data = torch.from_numpy(array).to(w.dtype)


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("lambda_", [0, 0.7, 1])
def test_the_kernel_equals_the_reference(outputs: int, lambda_: float) -> None:
    reference = network_of(outputs)
    trained = arrays_of(reference)
    copy_to(reference, trained)
    setting = {"alpha": 0.1, "lambda_": lambda_, "seed": 5}
    statistics = td_learning.train_games(*trained, **setting, first_game=2, games=2)
    expected = [td_reference.train_game(reference, **setting, game=game) for game in (2, 3)]
    np.testing.assert_array_equal(statistics[:, :2], np.array(expected)[:, :2])
    np.testing.assert_allclose(statistics[:, 2], np.array(expected)[:, 2], rtol=1e-3)
    for w, array in zip(reference.parameters(), trained, strict=True):
        np.testing.assert_allclose(array, w.detach(), atol=2e-5)


def test_expert_inputs_in_the_kernel_equal_the_reference() -> None:
    reference = network_of(3, inputs=EXPERT_INPUTS)
    trained = arrays_of(reference)
    copy_to(reference, trained)
    setting = {"alpha": 0.1, "lambda_": 0, "seed": 1}
    statistics = td_learning.train_games(*trained, **setting, first_game=0, games=1)
    expected = td_reference.train_game(reference, **setting, game=0, encode=encode_expert)
    np.testing.assert_array_equal(statistics[0, :2], expected[:2])
    for w, array in zip(reference.parameters(), trained, strict=True):
        np.testing.assert_allclose(array, w.detach(), atol=2e-5)


@pytest.mark.parametrize("lambda_", [0, 0.7])
def test_games_in_two_calls_equal_games_in_one(lambda_: float) -> None:
    """Traces are not kept at the end of a game: a call starts without any."""
    whole, parts = arrays_of(network_of(3)), arrays_of(network_of(3))
    setting = {"alpha": 0.1, "lambda_": lambda_, "seed": 0}
    td_learning.train_games(*whole, **setting, first_game=0, games=4)
    td_learning.train_games(*parts, **setting, first_game=0, games=1)
    td_learning.train_games(*parts, **setting, first_game=1, games=3)
    for one, two in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one, two)


def test_values_of_the_other_player() -> None:
    """The sign of the win changes with the perspective; gammons won become gammons lost."""
    values = torch.tensor([0.7, 0.3, 0.1])
    torch.testing.assert_close(td_reference.for_other_player(values), torch.tensor([0.3, 0.1, 0.3]))
    assert float(td_reference.equity(values)) == pytest.approx(0.6)
    other = td_reference.for_other_player(values)
    assert float(td_reference.equity(other)) == pytest.approx(-0.6)


def test_lambda_1_moves_all_values_of_a_game_towards_its_result() -> None:
    """With lambda = 1, the errors telescope: the sum of the steps is alpha (z - Y_k) grad Y_k.

    This holds for a small alpha, with z = 1 - z of the other player. It fails if the sign of the
    perspective is wrong, or if the final reward is lost through a decayed trace.
    """
    before = network_of(1).float()
    trained = arrays_of(before)
    alpha = 1e-3
    statistics = td_learning.train_games(
        *trained, alpha=alpha, lambda_=1, seed=3, first_game=0, games=1
    )
    boards, winner_is_on_roll = positions_of_game(before, seed=3, game=0)
    assert len(boards) == statistics[0, td_learning.PLIES]
    expected = [torch.zeros_like(w) for w in before.parameters()]
    for board, wins in zip(boards, winner_is_on_roll, strict=True):
        value = td_reference.values(before, board)[0]
        gradients = torch.autograd.grad(value, list(before.parameters()))
        for total, gradient in zip(expected, gradients, strict=True):
            total += alpha * (float(wins) - float(value.detach())) * gradient
    for w, array, change in zip(before.parameters(), trained, expected, strict=True):
        scale = float(change.abs().max())
        np.testing.assert_allclose(array - w.detach().numpy(), change.numpy(), atol=0.05 * scale)


def positions_of_game(network: nn.Module, seed: int, game: int) -> tuple[list, list[bool]]:
    """Return the positions of a game with fixed weights, and whether the player on roll wins."""
    key = td_reference.game_key(seed, game)
    dice = td_reference.opening_roll(key)
    board, boards = START, []
    while True:
        boards.append(board)
        play = td_reference.best_play(network, td_reference.legal_plays(board, *dice))
        if not play[0].any():
            break
        board, dice = flipped(play), td_reference.roll(key, len(boards))
    return boards, [(len(boards) - 1 - k) % 2 == 0 for k in range(len(boards))]


def test_the_final_reward_has_its_full_weight() -> None:
    """The last step is alpha (1 - Y) grad Y with lambda = 0, and at least this in the trace."""
    points = np.zeros(3, np.float32)
    td_learning._fill_target(2, points, points)
    assert points.tolist() == [1, 1, 0]
    td_learning._fill_target(1, points, points)
    assert points.tolist() == [1, 0, 0]
    td_learning._fill_target(3, points, points)
    assert points.tolist() == [1, 1, 0]
    td_learning._fill_target(0, np.array([0.7, 0.3, 0.1], np.float32), points)
    np.testing.assert_allclose(points, [0.3, 0.1, 0.3], rtol=1e-6)


def test_no_gammon_is_lost_after_a_checker_was_borne_off() -> None:
    torch_network = network_of(3).float()
    network = kernels.network_of(*arrays_of(torch_network))
    scratch = kernels.scratch_of(network)
    home, start = {1: 15}, {6: 5, 8: 3, 13: 5, 24: 2}
    for own, other, possible in (
        (start, start, (True, True)), (home, {1: 14}, (False, True)),
        ({1: 14}, home, (True, False)), ({2: 3}, {2: 3}, (False, False)),
    ):  # fmt: skip
        board = board_of(own, other)
        kernels.evaluate(board, network, scratch)
        assert tuple(scratch.outputs[1:] > 0) == possible
        expected = td_reference.values(torch_network, board).detach()
        np.testing.assert_allclose(scratch.outputs, expected, rtol=1e-4)
    assert td_learning.points_of_winner(board_of({}, {25: 1, 1: 13})) == 1
    assert td_learning.points_of_winner(board_of({}, {18: 15})) == 2
    assert td_learning.points_of_winner(board_of({}, {19: 1, 1: 14})) == 3
    assert td_learning.points_of_winner(board_of({1: 1}, {18: 15})) == 0


def test_statistics() -> None:
    statistics = td_learning.train_games(
        *arrays_of(network_of(3)), alpha=0.1, lambda_=0, seed=0, first_game=0, games=50
    )
    assert statistics.shape == (50, 3)
    assert set(np.abs(statistics[:, td_learning.POINTS])) <= {1, 2, 3}
    assert (statistics[:, td_learning.POINTS] < 0).any()
    assert (statistics[:, td_learning.POINTS] > 0).any()
    assert statistics[:, td_learning.PLIES].min() > 10


def test_error_of_the_sigmoid_function() -> None:
    x = np.linspace(-40, 40, 20_001, dtype=np.float32)
    y = np.empty_like(x)
    kernels.sigmoid(x, y)
    np.testing.assert_allclose(y, 1 / (1 + np.exp(-x.astype(float))), atol=1e-6)
    kernels.sigmoid(np.full(3, np.nan, np.float32), y[:3])
    assert np.isnan(y[:3]).all()
