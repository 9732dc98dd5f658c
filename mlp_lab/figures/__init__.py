"""Figures: arrays in, matplotlib Figure out. Nothing here knows of runs, files or TensorBoard."""

from mlp_lab.figures.activations import activations
from mlp_lab.figures.axes import tilt_long_names, with_unit
from mlp_lab.figures.boolean import Cost, units_and_steps, units_by_hand
from mlp_lab.figures.boundaries import linear_boundaries
from mlp_lab.figures.calibration import reliability
from mlp_lab.figures.classes import class_errors, confusion_matrix
from mlp_lab.figures.curves import loss_curves, weight_curves
from mlp_lab.figures.features import features
from mlp_lab.figures.fits import curve_fit
from mlp_lab.figures.graph import Arrow, graph
from mlp_lab.figures.growth import Growth, growth
from mlp_lab.figures.kernels import ByDistance, kernels
from mlp_lab.figures.layers import by_epoch, by_layer, errors_by_layer
from mlp_lab.figures.pictures import examples
from mlp_lab.figures.reconstruction import reconstruction
from mlp_lab.figures.regions import Points, Regions, decision_regions, pixels
from mlp_lab.figures.sizes import Sized, against_parameters
from mlp_lab.figures.spectra import spectra
from mlp_lab.figures.weights import weight_images

__all__ = [
    "Arrow",
    "ByDistance",
    "Cost",
    "Growth",
    "Points",
    "Regions",
    "Sized",
    "activations",
    "against_parameters",
    "by_epoch",
    "by_layer",
    "class_errors",
    "confusion_matrix",
    "curve_fit",
    "decision_regions",
    "errors_by_layer",
    "examples",
    "features",
    "graph",
    "growth",
    "kernels",
    "linear_boundaries",
    "loss_curves",
    "pixels",
    "reconstruction",
    "reliability",
    "spectra",
    "tilt_long_names",
    "units_and_steps",
    "units_by_hand",
    "weight_curves",
    "weight_images",
    "with_unit",
]
