"""How fast the error vanishes on its way back through a network with its first weights."""

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import nn

from mlp_lab.course.claims.claim import Claim
from mlp_lab.figures import layer_profiles
from mlp_lab.nn.mlp import MLP
from mlp_lab.nn.probes import inspect_layers

_WIDTH, _DEPTH, _EXAMPLES, _CLASSES = 500, 12, 500, 10
_TOLERANCE = 0.1  # of the widths that are no limit, and of sums that are near 0 and not 0

# By activation and initialization: the mean of f'(z)^2, and the width times a weight's variance.
_FACTORS = {
    ("sigmoid", "uniform"): (1 / 16, 1 / 3),
    ("sigmoid", "xavier"): (1 / 16, 1),
    ("relu", "uniform"): (1 / 2, 1 / 3),
    ("relu", "he"): (1 / 2, 2),
}


def claims() -> Iterator[Claim]:
    """What a layer does to the error that comes back to it: a claim an initialization.

    It multiplies dE/dz, where z are the sums of its units, by the root of width * variance of a
    weight * mean of f'(z)^2, in the limit of many units. The mean is 1/16 for a sigmoid with sums
    near 0, and 1/2 for a ReLU, half of whose sums are negative.
    """
    torch.manual_seed(0)
    errors = {}
    for (activation, initialization), (slope, variance) in _FACTORS.items():
        errors[f"{activation}, {initialization}"] = (
            _errors(
                MLP(
                    _WIDTH,
                    _CLASSES,
                    width=_WIDTH,
                    depth=_DEPTH,
                    activation=activation,
                    initialization=initialization,
                )
            ),
            math.sqrt(slope * variance),
        )
    drawn = {"errors_by_layer": layer_profiles.errors_by_layer(errors)}
    for label, (norms, expected) in errors.items():
        measured = (norms[0] / norms[-1]) ** (1 / (len(norms) - 1))
        yield Claim(
            text=f"{label}: a layer's factor on the error that comes back",
            source="Glorot and Bengio 2010, section 4.2.1; He et al. 2015, section 2.2",
            expected=f"{expected:.3f}, within {_TOLERANCE:.0%}",
            measured=f"{measured:.3f}, the mean over {_DEPTH - 1} layers",
            holds=abs(measured / expected - 1) < _TOLERANCE,
            figures=drawn,
        )
        drawn = {}
    yield _half_of_relus_are_silent()


def _errors(network: MLP) -> list[float]:
    """The norm of dE/dz of each hidden layer, from the input on."""
    x = torch.randn(_EXAMPLES, _WIDTH)
    sums = []
    for layer in network:
        x = layer(x)
        if isinstance(layer, nn.Linear):
            sums.append(x)
    error = F.cross_entropy(x, torch.randint(_CLASSES, (_EXAMPLES,)))
    return [float(gradient.norm()) for gradient in torch.autograd.grad(error, sums[:-1])]


def _half_of_relus_are_silent() -> Claim:
    """Weights that are as often negative as positive make sums of which this is true as well."""
    network = MLP(_WIDTH, _CLASSES, width=_WIDTH, depth=_DEPTH, initialization="he")
    layers = inspect_layers(network, torch.randn(_EXAMPLES, _WIDTH), torch.Tensor.sum)
    silent = [layer.sparsity for layer in layers if layer.sparsity is not None]
    measured = sum(silent) / len(silent)
    return Claim(
        text="relu, he: the part of the outputs that are 0",
        source="Glorot et al. 2011, section 3",
        expected=f"1/2, within {_TOLERANCE:.0%}",
        measured=f"{measured:.3f}, the mean over {len(silent)} layers",
        holds=abs(2 * measured - 1) < _TOLERANCE,
    )
