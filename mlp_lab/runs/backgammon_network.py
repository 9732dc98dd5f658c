"""The network of a run of self-play as a function of backgammon positions."""

import numpy as np
import torch

from mlp_lab.errors import UserError
from mlp_lab.games.backgammon.encoding import EXPERT_INPUTS, INPUTS, encode, encode_expert
from mlp_lab.games.backgammon.estimates import Probabilities
from mlp_lab.nn.probes import linear_layers
from mlp_lab.runs.build import build_task
from mlp_lab.storage.checkpoints import load_network
from mlp_lab.storage.run_folder import RunFolder

_ENCODERS = {INPUTS: encode, EXPERT_INPUTS: encode_expert}
_OUTPUTS = (1, 3)  # win; win, gammon win and gammon loss


def probabilities_of_run(run: RunFolder, checkpoint: str) -> Probabilities:
    """Return the network of a run as a function of positions.

    Args:
        run: folder of a run of self-play.
        checkpoint: name of the checkpoint, ``best`` or ``last``.

    Raises:
        UserError: the run has learned something else, or its checkpoint is missing or damaged.
    """
    path = run.checkpoint(checkpoint)
    _, task = build_task(run.config)
    layers = linear_layers(task.network)
    encode_board = _ENCODERS.get(layers[0].in_features)
    if encode_board is None or layers[-1].out_features not in _OUTPUTS:
        raise UserError(f"{run.folder}: needs a run that learned backgammon from self-play")
    load_network(task, path)
    network = task.evaluated.eval()

    def probabilities(boards: np.ndarray) -> np.ndarray:
        inputs = torch.from_numpy(np.stack([encode_board(board) for board in boards]))
        with torch.inference_mode():
            return torch.sigmoid(network(inputs)).double().numpy()

    return probabilities
