"""Figures of many runs: arrays in, matplotlib Figure out. Nothing here knows of runs or files."""

from mlp_lab.sweeps.figures.axes import MOST
from mlp_lab.sweeps.figures.curves import error_curves, seed_bands
from mlp_lab.sweeps.figures.pictures import PictureRow, side_by_side
from mlp_lab.sweeps.figures.settings import Point, heat_map, metric_against, order

__all__ = [
    "MOST",
    "PictureRow",
    "Point",
    "error_curves",
    "heat_map",
    "metric_against",
    "order",
    "seed_bands",
    "side_by_side",
]
