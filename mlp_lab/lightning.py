"""Import Lightning and torchvision with any build of torch, and access them with types.

A torchvision wheel for CUDA cannot load its compiled operators together with a CPU build of torch.
Its import then fails while it registers the shapes of an operator that is not defined:
``operator torchvision::nms does not exist``. Lightning's import fails as well, since torchmetrics
imports torchvision. Data sets, transforms and utilities need none of these operators, so declaring
their schemas is enough. This is done only where the plain import fails.

Every module of this package imports Lightning and torchvision from here.
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
    # The schemas exist as long as this object, so it is kept at module level.
    _operators = torch.library.Library("torchvision", "FRAGMENT")
    for _schema in _SCHEMAS:
        _operators.define(_schema)
    import torchvision

# ruff: noqa: E402 (torchvision must be importable first)
import pytorch_lightning as pl
from pytorch_lightning.utilities import rank_zero_only

# Show warnings, but not the information on devices and the tips.
for _name in ("pytorch_lightning", "lightning_fabric"):
    logging.getLogger(_name).setLevel(logging.WARNING)

# Lightning 2.6 calls a function that torch 2.13 has deprecated.
warnings.filterwarnings("ignore", ".*LeafSpec.*is deprecated", module="pytorch_lightning")

__all__ = ["callbacks_of", "is_first_process", "pl", "torchvision"]


def callbacks_of(trainer: pl.Trainer) -> list[pl.Callback]:
    """Return the list of a trainer's callbacks, which may be changed."""
    return trainer.callbacks  # type: ignore[attr-defined]  # Lightning sets it elsewhere


def is_first_process() -> bool:
    """Return whether this is the first process of a run, or the only one."""
    return getattr(rank_zero_only, "rank", 0) == 0
