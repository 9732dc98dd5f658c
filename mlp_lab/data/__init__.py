"""What feeds a task: DataModules over tensors that lie in memory."""

from mlp_lab.data.boolean import Boolean
from mlp_lab.data.curve import Curve
from mlp_lab.data.datamodule import DataModule
from mlp_lab.data.image import Image
from mlp_lab.data.mnist import MNIST, FashionMNIST
from mlp_lab.data.points import LabelledPoints, Points
from mlp_lab.data.points_file import PointsFile

__all__ = [
    "MNIST",
    "Boolean",
    "Curve",
    "DataModule",
    "FashionMNIST",
    "Image",
    "LabelledPoints",
    "Points",
    "PointsFile",
]
