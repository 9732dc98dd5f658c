"""The playing strength of networks that learned a game, by training games."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from mlp_lab.figures.rendering import Draw
from mlp_lab.figures.strength_curves import strength_curves
from mlp_lab.sweeps.comparison.comparison import Comparison

_KEY = "points/validation"
_MOST = 10  # lines of different colours


def draw(comparison: Comparison) -> dict[str, Draw]:
    """Return the function that draws points per game against training games.

    The runs must have the same opponent in their validation games. A line is the mean over the
    seeds of a group; there are at most ten, those of the best groups.
    """
    opponents = {job.config.get("data.opponent") for job in comparison.jobs}
    if len(opponents) > 1 or None in opponents:
        return {}
    curves = {}
    for group in comparison.groups()[:_MOST]:
        curve = group.curve(_KEY)[:3]
        if curve.size:
            curve[0] *= _games_per_epoch(group.jobs[0].config)
            curves[group.label or "network"] = curve
    if not curves:
        return {}
    return {"strength": partial(strength_curves, curves, str(opponents.pop()))}


def _games_per_epoch(config: Mapping[str, Any]) -> int:
    size, limit = config["data.size"], config.get("trainer.limit_train_batches")
    return int(size if limit is None else min(size, limit * config["data.batch_size"]))
