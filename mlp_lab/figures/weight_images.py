"""What the units that see a picture look for in it."""

import math

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from mlp_lab.figures.tiles import tiled

_MOST = 256  # units in a figure: then a weight is still wider than a pixel of the screen
_GREATEST = 0.999  # of all weights, by their absolute value, that colours tell apart


def weight_images(weights: np.ndarray) -> Figure:
    """The weights of each unit as a picture: 0 white, positive red, negative blue, one scale.

    Up to 256 units are shown in their order; of more, those with the largest norms.

    Args:
        weights: ``[units, height, width]``.
    """
    units = len(weights)
    title = f"first layer: weights of {units:,} units"
    if units > _MOST:
        norms = np.linalg.norm(weights, axis=(1, 2))
        weights = weights[np.argsort(-norms, kind="stable")[:_MOST]]
        title = f"first layer: the {_MOST} of {units:,} units with the largest norms, largest first"
    columns = math.ceil(math.sqrt(len(weights)))
    rows = -(-len(weights) // columns)
    tile = min(1.3, max(0.5, 7.5 / columns))
    size = max(4.2, tile * columns) + 1, tile * rows + 0.5
    limit = float(np.quantile(np.abs(weights), _GREATEST)) or 1.0
    figure = Figure(figsize=size, layout="constrained")
    panel = figure.subplots()
    colours = colormaps["RdBu_r"].with_extremes(bad="grey")
    mosaic = np.ma.masked_invalid(tiled(weights, columns, gap=1, ground=np.nan))
    drawn = panel.imshow(mosaic, colours, vmin=-limit, vmax=limit, interpolation="nearest")
    panel.set_axis_off()
    panel.set_title(title, fontsize=10)
    figure.colorbar(drawn, ax=panel, label="weight", extend="both", shrink=0.8)
    return figure
