"""Matches between two players, in pairs of games with the same dice and swapped sides.

Money play without cube: a win counts 1 point, a gammon 2, a backgammon 3.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from mlp_lab.errors import UserError
from mlp_lab.games.backgammon.dice import game_key, opening_roll, roll
from mlp_lab.games.backgammon.network import best_play
from mlp_lab.games.backgammon.opponents.pubeval import pubeval_play
from mlp_lab.games.backgammon.players import KernelPlayer, Player
from mlp_lab.games.backgammon.plays import copy_board, copy_flipped, fill_plays, play_buffer
from mlp_lab.games.backgammon.position import BAR, START
from mlp_lab.games.backgammon.td_learning import MAX_PLIES, points_of_winner
from mlp_lab.games.kernels import kernel


class Match(NamedTuple):
    """Result of each game of a match.

    Games 2 i and 2 i + 1 have the same dice; the player has side 0 in the first of them.
    """

    points: np.ndarray  # points of the player, negative if the opponent has won, float [games]
    plies: np.ndarray  # plies, int [games]

    @property
    def mean(self) -> float:
        """Return the points per game."""
        return float(self.points.mean())

    @property
    def standard_error(self) -> float:
        """Return the standard error of the points per game.

        It is computed from the means of the pairs, since games of a pair share their dice.
        """
        pairs = self.points.reshape(-1, 2).mean(1)
        return float(pairs.std(ddof=1) / math.sqrt(len(pairs))) if len(pairs) > 1 else math.nan

    @property
    def win_rate(self) -> float:
        """Return the share of games that the player has won."""
        return float((self.points > 0).mean())

    @property
    def gammon_rate(self) -> float:
        """Return the share of games that ended with a gammon or a backgammon."""
        return float((np.abs(self.points) > 1).mean())


def play_match(player: Player, opponent: Player, games: int, seed: int) -> Match:
    """Return the results of games between two players.

    The dice of a pair of games are a function of (seed, number of the pair). Networks and
    pubeval play in one kernel; other players choose for all games at once, ply by ply.

    Args:
        player: player whose points are returned.
        opponent: other player.
        games: number of games, even.
        seed: seed of the dice.
    """
    if games < 2 or games % 2:
        raise UserError(f"games={games}: games are played in pairs; allowed are even numbers")
    if player.kernel is not None and opponent.kernel is not None:
        points, plies = np.zeros(games), np.zeros(games, int)
        board = np.empty((2, BAR + 1), np.int8)
        _play_in_kernel(player.kernel, opponent.kernel, board, seed, points, plies)
        return Match(points, plies)
    return _play_in_step((player, opponent), games, seed)


@kernel(nogil=True)
def _play_in_kernel(
    player: KernelPlayer, opponent: KernelPlayer, board: Any, seed: int, points: Any, plies: Any
) -> None:
    """Write points and plies of games between two players.

    Args:
        player: player whose points are written.
        opponent: other player.
        board: memory, int8 ``[2, 25]``.
        seed: seed of the dice.
        points: points of each game, float64 ``[games]``.
        plies: plies of each game, initially 0, int64 ``[games]``.
    """
    for game in range(len(points)):
        key = game_key(seed, game // 2)
        die1, die2 = opening_roll(key)
        is_player = (die1 > die2) == (game % 2 == 0)
        copy_board(START, board)
        result = 0
        while result == 0 and plies[game] < MAX_PLIES:
            after = _play(board, die1, die2, player if is_player else opponent)
            result = points_of_winner(after)
            copy_flipped(after, board)
            plies[game] += 1
            points[game] = result if is_player else -result
            is_player = not is_player
            die1, die2 = roll(key, plies[game])


@kernel()
def _play(board: Any, die1: int, die2: int, player: KernelPlayer) -> Any:
    """Return the position after the player's play, int8 ``[2, 25]``.

    Args:
        board: position before the play, int8 ``[2, 25]``.
        die1: first die, 1 to 6.
        die2: second die, 1 to 6.
        player: player on roll.
    """
    memory = player.scratch
    boards = memory.boards
    start, end = fill_plays(board, die1, die2, boards, memory.keys, memory.sources)
    if len(player.pubeval) > 0:
        return boards[start + pubeval_play(board, boards[start:end], player.pubeval)]
    return boards[best_play(board, start, end, player.network, memory)]


def _play_in_step(players: tuple[Player, Player], games: int, seed: int) -> Match:
    """Play all games at the same time: in each ply, each player chooses for all games at once."""
    keys = [game_key(seed, game // 2) for game in range(games)]
    dice = [opening_roll(key) for key in keys]
    on_roll = np.array(
        [int((first > second) != (game % 2 == 0)) for game, (first, second) in enumerate(dice)]
    )  # index in players
    boards = np.tile(START, (games, 1, 1))
    points, plies = np.zeros(games), np.zeros(games, int)
    buffer = play_buffer()
    active = np.arange(games)
    while active.size and plies.max() < MAX_PLIES:
        for side, player in enumerate(players):
            chosen = active[on_roll[active] == side]
            if chosen.size:
                after = _chosen_plays(player, boards[chosen], [dice[g] for g in chosen], buffer)
                results = [points_of_winner(board) for board in after]
                points[chosen] = np.array(results) * (1 - 2 * side)
                boards[chosen] = after[:, ::-1]
        plies[active] += 1
        on_roll[active] = 1 - on_roll[active]
        active = active[points[active] == 0]
        for game in active:
            dice[game] = roll(keys[game], plies[game])
    return Match(points, plies)


def _chosen_plays(
    player: Player, boards: np.ndarray, dice: list[tuple[int, int]], buffer: tuple[Any, Any, Any]
) -> np.ndarray:
    """Return the positions after the player's plays, int8 ``[games, 2, 25]``.

    Args:
        player: player on roll in all games.
        boards: positions before the plays, int8 ``[games, 2, 25]``.
        dice: dice of each game.
        buffer: play buffer.
    """
    candidates = []
    for board, (die1, die2) in zip(boards, dice, strict=True):
        start, end = fill_plays(board, die1, die2, *buffer)
        candidates.append(buffer[0][start:end].copy())
    choices = player.choose_many(boards, candidates)
    return np.stack([plays[choice] for plays, choice in zip(candidates, choices, strict=True)])
