"""Playing strength against the number of training games."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from mlp_lab.figures.rendering import legend_label
from mlp_lab.figures.style import line_style


def strength_curves(
    networks: Mapping[str, np.ndarray],
    opponent: str,
    spread: str = "mean ± sd over seeds",
) -> Figure:
    """Plot points per game against the number of training games, one line with a band per network.

    Args:
        networks: number of training games, mean points per game and half the width of the band,
            ``[3, measurements]``, by name of the network. A width of nan draws no band.
        opponent: name of the opponent, whose strength is 0.
        spread: meaning of lines and bands.
    """
    figure = Figure(figsize=(8.5, 4.5), layout="constrained")
    panel = figure.subplots()
    for number, (name, values) in enumerate(networks.items()):
        games, means, widths = values[:, values[0].argsort()]
        style = line_style(number)  # a marker at each measurement
        colour = style["color"]
        # A band of a single measurement has no area.
        if len(games) == 1:
            panel.errorbar(games, means, widths, color=colour, capsize=4)
        else:
            panel.fill_between(games, means - widths, means + widths, color=colour, alpha=0.2, lw=0)
        panel.plot(games, means, label=legend_label(name), **style)
    panel.set(xlabel="training games", ylabel=f"points per game against {opponent}")
    figure.suptitle(f"playing strength in validation games ({spread})")
    panel.set_xlim(left=0)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.xaxis.set_major_formatter(EngFormatter(sep=" "))
    panel.grid(alpha=0.3)
    if len(networks) > 1:
        figure.legend(loc="outside right upper")
    return figure
