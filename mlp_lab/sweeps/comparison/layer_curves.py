"""What a sweep's runs tell of their layers, side by side."""

from collections import defaultdict
from collections.abc import Callable, Iterable

import numpy as np
from matplotlib.figure import Figure

from mlp_lab.figures import layer_profiles
from mlp_lab.sweeps.comparison.comparison import Comparison, Group
from mlp_lab.sweeps.comparison.differences import label_of

# What is drawn, as layers.csv and as the figure's file has it, and when: the first or last epoch.
_QUANTITIES = {"gradient norm": "gradient_norms", "sparsity": "sparsity"}
_MOMENTS = {"before training": min, "after training": max}

_MOST = 12  # panels: the best


def draw(comparison: Comparison) -> dict[str, Figure]:
    """Figures of runs that have a layers.csv, by name: each quantity by layer, and by depth.

    A panel holds the runs that differ in nothing but the depth, a line each; where there are
    several seeds, it is their mean.
    """
    drawn = {}
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
                figure = layer_profiles.quantity_by_layer(best, quantity, "hidden layers", title)
                drawn[f"{name}_{moment.replace(' ', '_')}"] = figure
    return drawn


def _mean(group: Group, quantity: str, which: Callable[[Iterable[int]], int]) -> np.ndarray | None:
    """Over the group's runs: ``[layers]``; None where none of them has the quantity."""
    tables = [
        layer_profiles.values_by_epoch(job.run.table("layers"), quantity) for job in group.jobs
    ]
    curves = [table[which(table)] for table in tables if table]
    mean = np.mean(curves, 0) if curves else np.array(np.nan)
    return mean if np.isfinite(mean).any() else None
