"""What watches a task while it learns: stores, shows, draws."""

from mlp_lab.callbacks.curve_fit import CurveFit
from mlp_lab.callbacks.decision_regions import DecisionRegions
from mlp_lab.callbacks.features import Features
from mlp_lab.callbacks.keeper import Keeper
from mlp_lab.callbacks.layers import Layers
from mlp_lab.callbacks.loss_curves import LossCurves
from mlp_lab.callbacks.pictures import Pictures
from mlp_lab.callbacks.progress import Progress
from mlp_lab.callbacks.sweep_progress import Ended, SweepBar, SweepProgress
from mlp_lab.callbacks.variants import Variants
from mlp_lab.callbacks.weights import Weights

__all__ = [
    "CurveFit",
    "DecisionRegions",
    "Ended",
    "Features",
    "Keeper",
    "Layers",
    "LossCurves",
    "Pictures",
    "Progress",
    "SweepBar",
    "SweepProgress",
    "Variants",
    "Weights",
]
