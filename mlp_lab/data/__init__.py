"""What feeds a task: DataModules over tensors that lie in memory."""

from mlp_lab.data.boolean import Boolean
from mlp_lab.data.curve import Curve
from mlp_lab.data.datamodule import DataModule
from mlp_lab.data.mnist import MNIST, FashionMNIST

__all__ = ["MNIST", "Boolean", "Curve", "DataModule", "FashionMNIST"]
