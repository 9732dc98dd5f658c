"""The network of a run that learned backgammon, as a player."""

from collections.abc import Sequence

from torch import Tensor

from mlp_lab.config.names import BACKGAMMON_OUTPUTS
from mlp_lab.errors import UserError
from mlp_lab.games.backgammon.encoding import EXPERT_INPUTS, INPUTS
from mlp_lab.games.backgammon.network import network_of
from mlp_lab.games.backgammon.players import NetworkPlayer
from mlp_lab.storage.checkpoints import check_finite, read_checkpoint
from mlp_lab.storage.run_folder import RunFolder

_PARAMETERS = ("0.weight", "0.bias", "2.weight", "2.bias")


def player_of_run(run: RunFolder, checkpoint: str = "best") -> NetworkPlayer:
    """Return the player of the network of a run, with averaged weights if it has them.

    Args:
        run: folder of a run that learned backgammon.
        checkpoint: name of the checkpoint, ``best`` or ``last``.

    Raises:
        UserError: the run has learned something else, or its checkpoint is missing or damaged.
    """
    path = run.checkpoint(checkpoint)
    state = read_checkpoint(path)["state_dict"]
    average = any(key.startswith("average.") for key in state)
    prefix = "average.module." if average else "network."
    weights = [state[prefix + name] for name in _PARAMETERS if prefix + name in state]
    if "test_opponents" not in run.config.data or not _can_play(weights):
        raise UserError(f"{run.folder}: needs a run that learned backgammon from self-play")
    check_finite(dict(zip(_PARAMETERS, weights, strict=True)), path)
    return NetworkPlayer(network_of(*(w.numpy() for w in weights)), run.folder.name)


def _can_play(weights: Sequence[Tensor]) -> bool:
    """Return whether the weights are those of a network with one hidden layer for backgammon."""
    if len(weights) < len(_PARAMETERS):
        return False
    first, _, _, bias = weights
    return first.shape[1] in (INPUTS, EXPERT_INPUTS) and len(bias) in BACKGAMMON_OUTPUTS
