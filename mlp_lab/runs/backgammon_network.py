"""The network of a run of self-play as a player of backgammon."""

from mlp_lab.errors import UserError
from mlp_lab.games.backgammon.players import NetworkPlayer, player_of
from mlp_lab.runs.build import build_task
from mlp_lab.storage.checkpoints import load_network
from mlp_lab.storage.run_folder import RunFolder


def player_of_run(run: RunFolder, checkpoint: str) -> NetworkPlayer:
    """Return the player of the network of a run.

    Args:
        run: folder of a run of self-play.
        checkpoint: name of the checkpoint, ``best`` or ``last``.

    Raises:
        UserError: the run has learned something else, or its checkpoint is missing or damaged.
    """
    path = run.checkpoint(checkpoint)
    _, task = build_task(run.config)
    load_network(task, path)
    try:
        return player_of(task.evaluated)
    except UserError as error:
        message = f"{run.folder}: needs a run that learned backgammon from self-play: {error}"
        raise UserError(message) from error
