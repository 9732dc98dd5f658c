"""Perceptron."""

from torch import nn


class Perceptron(nn.Sequential):
    """Perceptron: a linear layer with normally distributed initial weights and biases.

    Shapes: ``[batch, in_features]`` to ``[batch, out_features]``. The task decides how the outputs
    are interpreted, for example by their sign.

    Args:
        in_features: number of inputs.
        out_features: number of outputs.
        std: standard deviation of the initial weights and biases; their mean is 0.
    """

    def __init__(self, in_features: int, out_features: int, *, std: float = 0.05) -> None:
        layer = nn.Linear(in_features, out_features)
        for parameter in layer.parameters():
            nn.init.normal_(parameter, std=std)
        super().__init__(layer)
