"""The network in a checkpoint of a run that learned backgammon, as a player."""

from collections.abc import Sequence
from pathlib import Path

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
    """Return the player of the network of a run.

    Args:
        run: folder of a run that learned backgammon.
        checkpoint: name of the checkpoint, ``best`` or ``last``.

    Raises:
        UserError: the run has learned something else, or its checkpoint is missing or damaged.
    """
    return player_of_checkpoint(run.checkpoints.existing(checkpoint))


def player_of_checkpoint(path: Path) -> NetworkPlayer:
    """Return the player of the network in a checkpoint, with averaged weights if it has them.

    Raises:
        UserError: the file is damaged, or is no checkpoint of a run that learned backgammon.
    """
    state = read_checkpoint(path)["state_dict"]
    average = any(key.startswith("average.") for key in state)
    prefix = "average.module." if average else "network."
    weights = [state[prefix + name] for name in _PARAMETERS if prefix + name in state]
    if not _can_play(weights):
        raise UserError(f"{path}: must be the checkpoint of a run that learned backgammon")
    check_finite(dict(zip(_PARAMETERS, weights, strict=True)), path)
    return NetworkPlayer(network_of(*(w.numpy() for w in weights)), player_name(path))


def player_name(path: str | Path) -> str:
    """Return the name of the player of a run folder, of one of its checkpoints, or of another file.

    It is the name of the run folder, with that of the checkpoint if it is not the best one.
    """
    path = Path(path)
    if path.suffix != ".ckpt":
        return path.name
    if path.parent.name != "checkpoints":
        return path.stem
    run = path.parent.parent.name
    return run if path.stem == "best" else f"{run}_{path.stem}"


def _can_play(weights: Sequence[Tensor]) -> bool:
    """Return whether the weights are those of a network with one hidden layer for backgammon."""
    if len(weights) < len(_PARAMETERS):
        return False
    shapes = [tuple(weight.shape) for weight in weights]
    return any(
        shapes == [(hidden, inputs), (hidden,), (outputs, hidden), (outputs,)]
        for hidden in shapes[1]
        for inputs in (INPUTS, EXPERT_INPUTS)
        for outputs in BACKGAMMON_OUTPUTS
    )
