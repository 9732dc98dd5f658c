"""Games of backgammon, by which a network learns and is measured."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from mlp_lab.data.backgammon_network import player_name, player_of_checkpoint, player_of_run
from mlp_lab.data.datamodule import DataModule
from mlp_lab.errors import UserError
from mlp_lab.games.backgammon.encoding import EXPERT_INPUTS, INPUTS
from mlp_lab.games.backgammon.opponents.factory import OPPONENTS, opponent
from mlp_lab.games.backgammon.players import NetworkPlayer, Player
from mlp_lab.nn.seeds import epoch_seed
from mlp_lab.storage.run_folder import RunFolder


class Backgammon(DataModule):
    """Games, of which a task plays as many as this module says.

    The dice of a game depend only on a seed and on the number of the game; the order of the inputs
    has no meaning. The network learns from the training games, in which it plays against itself.
    Validation and test games are matches against opponents, in pairs with the same dice and swapped
    sides. Their dice are the same in all runs, and differ between validation and test.

    Inputs and targets are the numbers of the games, int64 ``[games]``.

    Args:
        outputs: number of outputs of the network. 1: the player on roll wins; 3: it wins, wins a
            gammon, loses a gammon.
        expert_inputs: whether the network also has the inputs that experts define.
        size: number of training games per epoch.
        opponent: opponent in the validation games: a name in ``OPPONENTS``, a run folder or a
            checkpoint.
        validation_size: number of validation games, an even number.
        test_opponents: opponents in the test games, with different names (``player_name``).
        test_size: number of test games against each opponent, an even number.
        common: arguments of ``DataModule``; ``batch_size`` is the number of games in a step.

    Raises:
        UserError: a number of validation or test games is odd, or two opponents have one name.
    """

    def __init__(
        self,
        *,
        outputs: int,
        expert_inputs: bool,
        size: int,
        opponent: str,
        validation_size: int,
        test_opponents: Sequence[str],
        test_size: int,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        for key, games in (("validation_size", validation_size), ("test_size", test_size)):
            if games % 2:
                raise UserError(f"data.{key}={games}: must be even; games are played in pairs")
        names = [player_name(name) for name in test_opponents]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise UserError(f"data.test_opponents: {twice} occurs twice; must have different names")
        self.in_features = EXPERT_INPUTS if expert_inputs else INPUTS
        self.out_features = outputs
        self.opponent = opponent
        self.test_opponents = test_opponents
        self._networks: dict[str, NetworkPlayer] = {}
        self._sizes = {"train": size, "validation": validation_size, "test": test_size}

    @property
    def target_kind(self) -> str:
        return "games"

    def prepare_data(self) -> None:
        """Raise UserError if a test opponent is not available.

        ``TDLambda.begin`` checks the opponent of the validation, which only training needs.
        """
        for name in self.test_opponents:
            self.player(name)

    def player(self, name: str) -> Player:
        """Return an opponent for a match, in its initial state.

        Args:
            name: a name in ``OPPONENTS``, a run folder, whose best checkpoint plays, or the path of
                a checkpoint; a file is read once.

        Raises:
            UserError: there is no such opponent, or its package is not installed.
        """
        if name in OPPONENTS:
            return opponent(name)
        if name not in self._networks:
            self._networks[name] = _network_player(name)
        return self._networks[name]

    def games(self, split: str) -> int:
        """Return the number of games of a split per epoch; training has a limit of batches."""
        limit = self.limits["train"] if split == "train" else None
        size = self._sizes[split]
        return size if limit is None else min(size, limit * self.batch_size)

    def dice_seed(self, split: str) -> int:
        """Return the seed of the dice of a split, below 2**63; only training depends on the run."""
        return epoch_seed(self.seed if split == "train" else 0, 0, f"{split} dice") >> 1

    def read(self, device: torch.device) -> dict[str, tuple[Tensor, Tensor]]:
        numbers = {split: torch.arange(size, device=device) for split, size in self._sizes.items()}
        return {split: (games, games) for split, games in numbers.items()}


def _network_player(name: str) -> NetworkPlayer:
    path = Path(name)
    if path.is_file():
        return player_of_checkpoint(path)
    if path.is_dir():
        return player_of_run(RunFolder.open(name))
    allowed = ", ".join(OPPONENTS)
    raise UserError(f"opponent {name}: must be a run folder, a checkpoint or one of {allowed}")


def backgammon_of(data: DataModule) -> Backgammon:
    """Return the data of a task that learns games."""
    return cast(Backgammon, data)
