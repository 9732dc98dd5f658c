"""Sinusoidal representation networks."""

import math
from itertools import chain, pairwise

import torch
from torch import Tensor, nn


class Sine(nn.Module):
    """Elementwise sin(omega x)."""

    def __init__(self, omega: float) -> None:
        super().__init__()
        self.omega = omega

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(self.omega * x)

    def extra_repr(self) -> str:
        return f"omega={self.omega}"


class Siren(nn.Sequential):
    """Sinusoidal representation network (Sitzmann et al. 2020, arXiv 2006.09661).

    It has ``depth`` hidden layers sin(omega (W x + b)) and a linear output layer.

    The initial weights of the first layer are uniform in +-1 / inputs, those of the later layers,
    including the last, in +-sqrt(6 / inputs) / omega. With these weights, the products omega W x
    of the later layers are approximately normal with variance 1 at any depth, and the outputs of
    the sines have approximately the arcsine distribution (section 3.2 and theorem 1.8). The initial
    biases are uniform in +-1/sqrt(inputs), as in torch's Linear and in the authors' code.

    The inputs should be in [-1, 1], like coordinates after ``encodings.Centred`` or Fourier
    features.

    Shapes: ``[batch, in_features]`` to ``[batch, out_features]``.

    Args:
        in_features: number of inputs.
        out_features: number of outputs; no sine follows them.
        width: number of units of each hidden layer.
        depth: number of hidden layers.
        first_omega: omega of the first layer. Larger values give finer details initially.
        omega: omega of the later layers. It also multiplies the gradients of their weights.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        width: int,
        depth: int,
        first_omega: float,
        omega: float,
    ) -> None:
        sizes = [in_features, *[width] * depth, out_features]
        linear = [nn.Linear(*each) for each in pairwise(sizes)]
        for index, layer in enumerate(linear):
            inputs = layer.in_features
            bound = 1 / inputs if index == 0 else math.sqrt(6 / inputs) / omega
            nn.init.uniform_(layer.weight, -bound, bound)
        sines = [Sine(first_omega), *(Sine(omega) for _ in range(depth - 1))]
        super().__init__(*chain(*zip(linear, sines, strict=False)), linear[-1])
