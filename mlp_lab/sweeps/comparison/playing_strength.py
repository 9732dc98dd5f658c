"""The playing strength of networks that learned a game, by training games."""

from functools import partial

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
        curve = group.curve(_KEY)
        if curve.size:
            curve[0] *= group.jobs[0].config["data.size"]
            curves[group.label or "network"] = curve
    if not curves:
        return {}
    return {"strength": partial(strength_curves, curves, {}, str(opponents.pop()))}
