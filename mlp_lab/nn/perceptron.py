"""The perceptron: one linear layer."""

from torch import nn


class Perceptron(nn.Sequential):
    """A linear layer whose weights and biases start as normal random numbers around 0.

    Shapes: ``[batch, in_features]`` to ``[batch, out_features]``. What is made of an output, such
    as its sign, is up to the task.

    Args:
        in_features: inputs.
        out_features: outputs.
        std: standard deviation of the weights and biases at the start.
    """

    def __init__(self, in_features: int, out_features: int, *, std: float = 0.05) -> None:
        layer = nn.Linear(in_features, out_features)
        for parameter in layer.parameters():
            nn.init.normal_(parameter, std=std)
        super().__init__(layer)
