"""Estimates of selected positions during training."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from mlp_lab.figures.axes import name_shared_axes, panel_grid
from mlp_lab.figures.rendering import legend_label
from mlp_lab.figures.style import BLUE

_COLUMNS = 4


def estimate_curves(
    games: np.ndarray, estimates: Mapping[str, np.ndarray], exact: Mapping[str, float]
) -> Figure:
    """Plot a network's estimates of positions against the number of training games.

    There is a panel for each position.

    Args:
        games: number of training games, ``[measurements]``.
        estimates: expected points of the player on roll, ``[measurements]``, by position.
        exact: exact expected points, drawn as a horizontal line, of positions where they are known.
    """
    figure, panels = panel_grid(len(estimates), _COLUMNS, (3.2, 2.3), sharex=True)
    handles = {}
    for panel, (name, values) in zip(panels, estimates.items(), strict=True):
        [handles["network"]] = panel.plot(games, values, marker=".", color=BLUE)
        if name in exact:
            handles["exact"] = panel.axhline(exact[name], color="0.3", linestyle="--")
        panel.set_title(legend_label(name), fontsize=9)
        panel.grid(alpha=0.3)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.xaxis.set_major_formatter(EngFormatter(sep=" "))
    name_shared_axes(panels, _COLUMNS, "training games", "")
    if exact:
        figure.legend(handles.values(), handles, loc="outside lower right", ncols=2)
    figure.supylabel("expected points of the player on roll")
    figure.suptitle("estimates of selected positions during training")
    return figure
