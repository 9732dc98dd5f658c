"""First-layer weights of an image classifier as images."""

import math

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from mlp_lab.figures.tiles import tile_images

_MAX_UNITS = 256  # with more units, a weight would be smaller than a pixel of the screen
_QUANTILE = 0.999  # of the absolute weights: limit of the colour scale


def weight_images(weights: np.ndarray) -> Figure:
    """Plot the weights of each unit as an image on a common scale.

    0 is white, positive weights are red, negative weights are blue. Up to 256 units are shown in
    their order; of more units, the 256 with the largest norm, in descending order.

    Args:
        weights: weights of each unit, ``[units, height, width]``.
    """
    units = len(weights)
    title = f"first layer: weights of {units:,} units"
    if units > _MAX_UNITS:
        norms = np.linalg.norm(weights, axis=(1, 2))
        weights = weights[np.argsort(-norms, kind="stable")[:_MAX_UNITS]]
        title = f"first layer: weights of the {_MAX_UNITS} of {units:,} units with the largest norm"
    columns = math.ceil(math.sqrt(len(weights)))
    rows = -(-len(weights) // columns)
    tile = min(1.3, max(0.5, 7.5 / columns))
    size = max(4.2, tile * columns) + 1, tile * rows + 0.5
    limit = float(np.quantile(np.abs(weights), _QUANTILE)) or 1.0
    figure = Figure(figsize=size, layout="constrained")
    panel = figure.subplots()
    colours = colormaps["RdBu_r"].with_extremes(bad="grey")
    mosaic = np.ma.masked_invalid(tile_images(weights, columns, gap=1, background=np.nan))
    image = panel.imshow(mosaic, colours, vmin=-limit, vmax=limit, interpolation="nearest")
    panel.set_axis_off()
    figure.suptitle(title)
    figure.colorbar(image, ax=panel, label="weight", extend="both", shrink=0.8)
    return figure
