"""Sinusoidal representation networks."""

import math
from itertools import chain, pairwise

import torch
from torch import Tensor, nn


class Sine(nn.Module):
    """sin(omega x), pointwise."""

    def __init__(self, omega: float) -> None:
        super().__init__()
        self.omega = omega

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(self.omega * x)

    def extra_repr(self) -> str:
        return f"omega={self.omega}"


class Siren(nn.Sequential):
    """Sinusoidal representation network: ``depth`` hidden layers sin(omega (W x + b)), one linear.

    Sitzmann et al. 2020 (arXiv 2006.09661). The first weights are uniform in +-1 / inputs, those of
    later layers, the last one included, in +-sqrt(6 / inputs) / omega. Then the products omega W x
    that reach the later sines are near normal with variance 1, however deep the network, and what
    leaves a sine has about the arcsine distribution (section 3.2 and theorem 1.8). The biases start
    as torch's Linear has them, in +-1/sqrt(inputs), as in the authors' code.

    Inputs should lie in [-1, 1], as coordinates do after ``encodings.Centred``, and as Fourier
    features do.

    Shapes: ``[batch, in_features]`` to ``[batch, out_features]``.

    Args:
        in_features: inputs of the first layer.
        out_features: outputs; no sine follows them.
        width: units of each hidden layer.
        depth: number of hidden layers.
        first_omega: omega of the first layer: the higher, the finer the details that it starts
            with.
        omega: of later layers; it multiplies the gradients of their weights.
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
        for place, layer in enumerate(linear):
            inputs = layer.in_features
            bound = 1 / inputs if place == 0 else math.sqrt(6 / inputs) / omega
            nn.init.uniform_(layer.weight, -bound, bound)
        sines = [Sine(first_omega), *(Sine(omega) for _ in range(depth - 1))]
        super().__init__(*chain(*zip(linear, sines, strict=False)), linear[-1])
