"""The plays of opening rolls that a network of backgammon prefers."""

from mlp_lab.games.backgammon.players import player_of
from mlp_lab.games.backgammon.selected_positions import OPENINGS, opening_plays
from mlp_lab.tasks.diagnostics.diagnostic import Diagnostic
from mlp_lab.tasks.diagnostics.split_predictions import SplitPredictions


def compare_openings(predictions: SplitPredictions) -> Diagnostic:
    """Return the network's play of each opening roll, and those that experts prefer.

    Args:
        predictions: those of a task that learns games; only its network is used.
    """
    plays = opening_plays(player_of(predictions.task.evaluated).values)
    rows = [
        {
            "roll": "{} {}".format(*dice),
            "play": plays[dice],
            "play of experts": " or ".join(preferred),
            "agrees": "yes" if plays[dice] in preferred else "no",
        }
        for dice, preferred in OPENINGS.items()
    ]
    return Diagnostic("openings", rows)
