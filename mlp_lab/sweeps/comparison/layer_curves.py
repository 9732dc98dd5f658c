"""Statistics of the layers of a sweep's runs, by layer."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from mlp_lab.figures import layer_profiles
from mlp_lab.figures.rendering import Draw
from mlp_lab.sweeps.comparison.comparison import Comparison
from mlp_lab.sweeps.comparison.differences import label_of
from mlp_lab.sweeps.comparison.run_group import RunGroup

# Columns of layers.csv and the figures' names.
_QUANTITIES = {"gradient norm": "gradient_norms", "sparsity": "sparsity"}
# The first and the last epoch.
_MOMENTS = {"before training": min, "after training": max}

_MOST = 12  # panels


def draw(comparison: Comparison) -> dict[str, Draw]:
    """Return functions that draw figures of runs that have a layers.csv: each quantity by layer.

    A panel has the runs that differ only in their depth, one line for each depth. A line is the
    mean over seeds.
    """
    drawn: dict[str, Draw] = {}
    for quantity, name in _QUANTITIES.items():
        for moment, which in _MOMENTS.items():
            panels: dict[str, dict[int, np.ndarray]] = defaultdict(dict)
            for group in comparison.groups():
                curve = _mean(group, quantity, which)
                if curve is not None:
                    others = {k: v for k, v in group.settings.items() if k != "network.depth"}
                    panels[label_of(others, comparison.swept)][len(curve) - 1] = curve
            if panels:
                title = moment if len(panels) <= _MOST else f"{moment}, the best {_MOST}"
                best = dict(list(panels.items())[:_MOST])
                figure = partial(
                    layer_profiles.quantity_by_layer, best, quantity, "hidden layers", title
                )
                drawn[f"{name}_{moment.replace(' ', '_')}"] = figure
    return drawn


def _mean(
    group: RunGroup, quantity: str, which: Callable[[Iterable[int]], int]
) -> np.ndarray | None:
    """Return the mean over the group's runs ``[layers]``; None if no run has the quantity."""
    tables = [
        layer_profiles.values_by_epoch(job.run.table("layers"), quantity) for job in group.jobs
    ]
    curves = [table[which(table)] for table in tables if table]
    mean = np.mean(curves, 0) if curves else np.array(np.nan)
    return mean if np.isfinite(mean).any() else None
