"""Lightning and torchvision, importable beside any build of torch.

A torchvision wheel built for CUDA can't load its compiled operators beside a CPU build of torch.
Its import then dies while it registers the shapes of an operator that nobody defined:
``operator torchvision::nms does not exist``. Lightning falls with it, since torchmetrics imports
torchvision. Datasets, transforms and utilities need none of these operators, so declaring their
schemas is enough. This is done only where the plain import fails.

Every module of this package takes Lightning and torchvision from here.
"""

import logging
import warnings

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

try:
    import torchvision
except RuntimeError as error:
    if "torchvision::nms" not in str(error):
        raise
    # The schemas live as long as this object, hence the name at module level.
    _operators = torch.library.Library("torchvision", "FRAGMENT")
    for _schema in _SCHEMAS:
        _operators.define(_schema)
    import torchvision

# ruff: noqa: E402 (torchvision must be importable first)
import pytorch_lightning as pl
from pytorch_lightning.utilities import rank_zero_only

# Its remarks on devices and its tips are not what a run has to say; its warnings are.
for _name in ("pytorch_lightning", "lightning_fabric"):
    logging.getLogger(_name).setLevel(logging.WARNING)

# Lightning 2.6 asks torch 2.13 in a way that the latter is about to give up.
warnings.filterwarnings("ignore", ".*LeafSpec.*is deprecated", module="pytorch_lightning")

__all__ = ["pl", "rank_zero_only", "torchvision"]
