"""Claims on vanishing gradients: the backpropagated error in networks with initial weights."""

import math
from collections.abc import Iterator
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from mlp_lab.course.claims.claim import Claim
from mlp_lab.figures import layer_profiles
from mlp_lab.nn.mlp import MLP
from mlp_lab.nn.probes import inspect_layers

_WIDTH, _DEPTH, _EXAMPLES, _CLASSES = 500, 12, 500, 10
# The closed forms hold in the limit of wide layers and, for sigmoid, of pre-activations near 0.
_TOLERANCE = 0.1

# Mean of f'(z)^2, and width times variance of a weight, by activation and initialization.
_FACTORS = {
    ("sigmoid", "uniform"): (1 / 16, 1 / 3),
    ("sigmoid", "xavier"): (1 / 16, 1),
    ("relu", "uniform"): (1 / 2, 1 / 3),
    ("relu", "he"): (1 / 2, 2),
}


def claims() -> Iterator[Claim]:
    """Yield a claim on the factor of a layer for each initialization, and one on sparsity.

    The backpropagated error of a layer is dE/dz, where z are the pre-activations of its units. In
    the limit of wide layers, each layer multiplies the norm of the error by the square root of
    width * variance of a weight * mean of f'(z)^2. The mean is 1/16 for sigmoid if z is near 0, and
    1/2 for ReLU, because half of the z are negative.
    """
    torch.manual_seed(0)
    errors = {}
    for (activation, initialization), (slope, variance) in _FACTORS.items():
        network = _network(activation, initialization)
        factor = math.sqrt(slope * variance)
        errors[f"{activation}, {initialization}"] = _error_norms(network), factor
    figures = {"errors_by_layer": partial(layer_profiles.errors_by_layer, errors)}
    for label, (norms, expected) in errors.items():
        measured = (norms[0] / norms[-1]) ** (1 / (len(norms) - 1))
        yield Claim(
            text=f"{label}: factor of the backpropagated error per layer",
            source="Glorot and Bengio 2010, section 4.2.1; He et al. 2015, section 2.2",
            expected=f"{expected:.3f}, within {_TOLERANCE:.0%}",
            measured=f"{measured:.3f}, geometric mean of {_DEPTH - 1} layers",
            holds=abs(measured / expected - 1) < _TOLERANCE,
            figures=figures,
        )
        figures = {}  # attach the figure to the first claim only
    yield _half_of_relu_outputs_are_zero()


def _network(activation: str, initialization: str) -> MLP:
    return MLP(
        _WIDTH,
        _CLASSES,
        width=_WIDTH,
        depth=_DEPTH,
        activation=activation,
        initialization=initialization,
    )


def _error_norms(network: MLP) -> list[float]:
    """Return the norm of dE/dz of each hidden layer, the first layer first."""
    x = torch.randn(_EXAMPLES, _WIDTH)
    pre_activations = []
    for layer in network:
        x = layer(x)
        if isinstance(layer, nn.Linear):
            pre_activations.append(x)
    error = F.cross_entropy(x, torch.randint(_CLASSES, (_EXAMPLES,)))
    gradients = torch.autograd.grad(error, pre_activations[:-1])
    return [float(gradient.norm()) for gradient in gradients]


def _half_of_relu_outputs_are_zero() -> Claim:
    """Return the claim that half of the outputs are 0: weights are symmetrically distributed."""
    network = _network("relu", "he")
    layers = inspect_layers(network, torch.randn(_EXAMPLES, _WIDTH), torch.Tensor.sum)
    sparsity = [layer.sparsity for layer in layers if layer.sparsity is not None]
    measured = sum(sparsity) / len(sparsity)
    return Claim(
        text="relu, he: fraction of outputs that are 0",
        source="Glorot et al. 2011, section 3",
        expected=f"1/2, within {_TOLERANCE:.0%}",
        measured=f"{measured:.3f}, mean of {len(sparsity)} layers",
        holds=abs(2 * measured - 1) < _TOLERANCE,
    )
