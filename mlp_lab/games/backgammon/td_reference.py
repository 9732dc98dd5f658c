"""Online TD(lambda) with autograd and eligibility traces, for any network: the readable reference.

The formula is that of the lecture (Sutton 1988, equation 4; Tesauro 1992):

    w_{t+1} = w_t + alpha (Y_{t+1} - Y_t) e_t,    e_t = lambda e_{t-1} + grad_w Y_t

Y_t are the values of position t for player 0: (win) or (win, gammon win, gammon loss), with one
trace for each of them. `td_learning.train_games` computes the same for one hidden layer, more
than a hundred times as fast.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from mlp_lab.games.backgammon.dice import game_key, opening_roll, roll
from mlp_lab.games.backgammon.encoding import encode
from mlp_lab.games.backgammon.plays import legal_plays
from mlp_lab.games.backgammon.position import CHECKERS, START, Board, flipped, winner_points
from mlp_lab.games.backgammon.td_learning import MAX_PLIES

Encode = Callable[[Board], np.ndarray]


def values(network: nn.Module, boards: np.ndarray, encode: Encode = encode) -> Tensor:
    """Return the values of positions for the player on roll, ``[..., 1]`` or ``[..., 3]``.

    They are the probabilities of a win, a gammon win and a gammon loss; a gammon that is impossible
    because the loser has borne off a checker has the value 0.

    Args:
        network: network whose outputs are logits, ``[..., inputs]`` to ``[..., outputs]``.
        boards: positions with row 0 on roll, int8 ``[..., 2, 25]``.
        encode: function from a board to the inputs.
    """
    inputs = np.stack([encode(board) for board in boards.reshape(-1, 2, 25)])
    x = torch.from_numpy(inputs.reshape(*boards.shape[:-2], -1))
    outputs = torch.sigmoid(network(x.to(next(network.parameters()).dtype)))
    if outputs.shape[-1] == 1:
        return outputs
    all_on_board = torch.from_numpy(boards.sum(-1, dtype=int) == CHECKERS)  # own, opponent's
    can_win = torch.ones_like(all_on_board[..., 0])
    return outputs * torch.stack([can_win, all_on_board[..., 1], all_on_board[..., 0]], -1)


def equity(values: Tensor) -> Tensor:
    """Return the expected points of the player: 2 win - 1 (+ gammon win - gammon loss), ``[...]``.

    Args:
        values: values, ``[..., 1]`` or ``[..., 3]``.
    """
    points = 2 * values[..., 0] - 1
    return points if values.shape[-1] == 1 else points + values[..., 1] - values[..., 2]


def for_other_player(values: Tensor) -> Tensor:
    """Return the values of the same position for the other player, ``[1]`` or ``[3]``."""
    if values.numel() == 1:
        return 1 - values
    win, gammon_win, gammon_loss = values
    return torch.stack([1 - win, gammon_loss, gammon_win])


def result(points: int, outputs: int) -> Tensor:
    """Return the values at the end of a game for a player who has won or lost points."""
    return torch.tensor([points > 0, points > 1, points < -1][:outputs]).float()


@torch.no_grad()
def best_play(network: nn.Module, plays: np.ndarray, encode: Encode = encode) -> Board:
    """Return the play after which the opponent's equity is smallest.

    Args:
        network: network whose outputs are logits.
        plays: positions after the plays, from the view of the player, int8 ``[plays, 2, 25]``.
        encode: function from a board to the inputs.
    """

    ends = [winner_points(play) for play in plays]
    if max(ends):
        return plays[np.argmax(ends)]  # no other play can count more points
    after = np.ascontiguousarray(plays[:, ::-1])
    return plays[int(equity(values(network, after, encode)).argmin())]


class Traces:
    """The trace e_t of each value, as large as all parameters of a network."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.parameters = list(network.parameters())
        self.decay = decay
        self.traces: list[list[Tensor]] = []

    def add(self, values: Tensor) -> None:
        """Multiply the traces by lambda, and add the gradients of the values."""
        for j, value in enumerate(values):
            if j == len(self.traces):
                self.traces.append([torch.zeros_like(w) for w in self.parameters])
            gradients = torch.autograd.grad(value, self.parameters, retain_graph=True)
            for trace, gradient in zip(self.traces[j], gradients, strict=True):
                trace.mul_(self.decay).add_(gradient)

    @torch.no_grad()
    def update(self, alpha: float, errors: Tensor) -> None:
        """Add alpha times the error of each value times its trace to the parameters."""
        for error, traces in zip(errors, self.traces, strict=True):
            for w, trace in zip(self.parameters, traces, strict=True):
                w.add_(alpha * error * trace)


def train_game(
    network: nn.Module, *, alpha: float, lambda_: float, seed: int, game: int,
    encode: Encode = encode,
) -> np.ndarray:  # fmt: skip
    """Train by one game, and return its statistics as `td_learning.train_games` does, ``[3]``.

    Args:
        network: network whose outputs are logits. It is changed in place.
        alpha: learning rate.
        lambda_: decay of the traces per ply.
        seed: seed of the dice.
        game: number of the game.
        encode: function from a board to the inputs.
    """
    key = game_key(seed, game)
    dice = opening_roll(key)
    player = 0 if dice[0] > dice[1] else 1
    board, traces = START, Traces(network, lambda_)
    squared_errors = []
    for ply in range(1, MAX_PLIES + 1):
        present = values(network, board, encode)
        play = best_play(network, legal_plays(board, *dice), encode)
        points = winner_points(play)
        if points:
            following = result(points, len(present))
        else:
            following = for_other_player(values(network, flipped(play).copy(), encode).detach())
        if player == 1:
            present, following = for_other_player(present), for_other_player(following)
        traces.add(present)
        errors = following - present.detach()
        traces.update(alpha, errors)
        squared_errors.append(float(errors.square().mean()))
        if points:
            break
        board, player, dice = flipped(play), 1 - player, roll(key, ply)
    points = points if player == 0 else -points
    return np.array([ply, points, np.mean(squared_errors)])
