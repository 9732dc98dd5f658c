"""Players of backgammon: the interface, a random player, and players of networks."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from torch import nn

from mlp_lab.config.names import BACKGAMMON_OUTPUTS
from mlp_lab.errors import UserError
from mlp_lab.games.backgammon.encoding import EXPERT_INPUTS, INPUTS
from mlp_lab.games.backgammon.network import (
    Network,
    Scratch,
    best_play,
    evaluate,
    network_of,
    scratch_of,
)
from mlp_lab.games.kernels import kernel


class KernelPlayer(NamedTuple):
    """Data of a player that plays in the kernel of `matches`: a network or pubeval."""

    network: Network
    scratch: Scratch
    pubeval: Any  # weights of pubeval, float64 [2, 122], or [0, 0] for a network


class Player(ABC):
    """Player that chooses one of the positions after all legal plays.

    Candidates are int8 ``[plays, 2, 25]`` from the view of the player: row 0 has just moved.
    """

    name: str
    kernel: KernelPlayer | None = None  # None: the player plays outside of the kernel

    def choose(self, board: np.ndarray, candidates: np.ndarray) -> int:
        """Return the index of the chosen candidate in one game.

        Args:
            board: position before the play, int8 ``[2, 25]``. Row 0 is on roll.
            candidates: positions after all legal plays.
        """
        return int(self.choose_many(board[None], [candidates])[0])

    @abstractmethod
    def choose_many(self, boards: np.ndarray, candidates: Sequence[np.ndarray]) -> np.ndarray:
        """Return the indices of the chosen candidates in many games, int ``[games]``.

        Args:
            boards: positions before the plays, int8 ``[games, 2, 25]``. Row 0 is on roll.
            candidates: positions after all legal plays in each game.
        """


class RandomPlayer(Player):
    """Player that chooses each distinct position with the same probability."""

    name = "random"

    def __init__(self, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)

    def choose_many(self, boards: np.ndarray, candidates: Sequence[np.ndarray]) -> np.ndarray:
        """Return the indices of the chosen candidates in many games, int ``[games]``."""
        return self.random.integers([len(plays) for plays in candidates])


class NetworkPlayer(Player):
    """Player that chooses the position with the smallest equity of the opponent (0-ply)."""

    def __init__(self, network: Network, name: str = "network") -> None:
        self.network, self.name = network, name
        self.scratch = scratch_of(network)
        self.kernel = KernelPlayer(network, self.scratch, np.empty((0, 0)))

    def choose_many(self, boards: np.ndarray, candidates: Sequence[np.ndarray]) -> np.ndarray:
        """Return the indices of the chosen candidates in many games, int ``[games]``."""
        choices = np.empty(len(candidates), int)
        for game, plays in enumerate(candidates):
            self.scratch.boards[: len(plays)] = plays
            choices[game] = best_play(boards[game], 0, len(plays), self.network, self.scratch)
        return choices

    def values(self, boards: np.ndarray) -> np.ndarray:
        """Return the values of positions for the player on roll, float32 ``[boards, outputs]``.

        Args:
            boards: positions with row 0 on roll, int8 ``[boards, 2, 25]``.
        """
        values = np.empty((len(boards), self.network.b2.size), np.float32)
        _fill_values(np.ascontiguousarray(boards, np.int8), self.network, self.scratch, values)
        return values


def player_of(network: nn.Module, name: str = "network") -> NetworkPlayer:
    """Return a player with a copy of the weights of a torch network.

    Args:
        network: two linear layers with a sigmoid activation between them, whose outputs are logits.
        name: name of the player.
    """
    layers = [module for module in network.modules() if not list(module.children())]
    kinds = [type(module) for module in layers if not isinstance(module, nn.Identity)]
    if kinds != [nn.Linear, nn.Sigmoid, nn.Linear]:
        raise UserError(
            "player of backgammon: the network needs one hidden layer with sigmoid activation and"
            f" linear outputs; its layers are {', '.join(kind.__name__ for kind in kinds)}"
        )
    first, last = (module for module in layers if isinstance(module, nn.Linear))
    if (
        first.in_features not in (INPUTS, EXPERT_INPUTS)
        or last.out_features not in BACKGAMMON_OUTPUTS
    ):
        raise UserError(
            f"player of backgammon: {first.in_features} inputs and {last.out_features} outputs;"
            f" allowed are {INPUTS} or {EXPERT_INPUTS} inputs, and 1 or 3 outputs"
        )
    weights = (first.weight, first.bias, last.weight, last.bias)
    return NetworkPlayer(network_of(*(w.detach().cpu().numpy() for w in weights)), name)


@kernel()
def _fill_values(boards: Any, network: Network, scratch: Scratch, values: Any) -> None:
    for i in range(len(boards)):
        evaluate(boards[i], network, scratch)
        for j in range(scratch.outputs.size):
            values[i, j] = scratch.outputs[j]
