"""What is learnt: LightningModules that own a loss and metrics."""

from mlp_lab.tasks.classification import Classification, Classifier
from mlp_lab.tasks.classification_by_hand import ClassificationByHand
from mlp_lab.tasks.perceptron import Perceptron
from mlp_lab.tasks.regression import Regression
from mlp_lab.tasks.task import Diverged, Task

__all__ = [
    "Classification",
    "ClassificationByHand",
    "Classifier",
    "Diverged",
    "Perceptron",
    "Regression",
    "Task",
]
