"""Back-propagation in matrix form, written out for a multilayer perceptron.

Layer l turns the outputs of the layer below into f_l = g_(l-1) W_l^T + b_l and g_l = a(f_l), a row
an example; g_0 are the inputs x, and the last f the network's outputs. With D_l = dE/df_l,

    D_(l-1) = (D_l W_l) * a'(f_(l-1)),    dE/dW_l = D_l^T g_(l-1),    dE/db_l = sum of D_l's rows

(Rumelhart, Hinton and Williams 1986; Bishop 2006, equations 5.56 and 5.53), from the last D on,
which is the loss's own derivative (``OUTPUT_DELTAS``). No autograd is involved.
"""

from collections.abc import Callable
from itertools import zip_longest

import torch
from torch import Tensor, nn

from mlp_lab.errors import UserError
from mlp_lab.nn.activations import ACTIVATIONS
from mlp_lab.nn.scalar_backpropagation import DERIVATIVES

#: dE/df of the last layer from its f and the truth: ``[batch, outputs]`` all three.
Delta = Callable[[Tensor, Tensor], Tensor]


def _softmax_squared_error(f: Tensor, y: Tensor) -> Tensor:
    p = f.softmax(1)
    r = 2 * (p - y)
    return p * (r - (r * p).sum(1, keepdim=True)) / len(f)


def _sigmoid_squared_error(f: Tensor, y: Tensor) -> Tensor:
    p = f.sigmoid()
    return 2 * (p - y) * (1 / len(f)) * (1 - p) * p  # in autograd's order: the same to the last bit


#: For the outputs and losses of ``tasks.Classification``, which are means over the batch.
OUTPUT_DELTAS: dict[tuple[str, str], Delta] = {
    ("softmax", "cross_entropy"): lambda f, y: (f.softmax(1) - y) / len(f),
    ("sigmoid", "cross_entropy"): lambda f, y: (f.sigmoid() - y) / len(f),
    ("softmax", "squared_error"): _softmax_squared_error,
    ("sigmoid", "squared_error"): _sigmoid_squared_error,
}

_SLOPES = {type(ACTIVATIONS[name]()): derivative.slope for name, derivative in DERIVATIVES.items()}


def layers(network: nn.Module) -> tuple[list[nn.Linear], list[nn.Module]]:
    """The linear layers and the activations between them, one less.

    Raises UserError for a network that has anything else.
    """
    modules = list(network) if isinstance(network, nn.Sequential) else []
    linear = [module for module in modules[::2] if isinstance(module, nn.Linear)]
    activations = [module for module in modules[1::2] if type(module) in _SLOPES]
    if len(linear) != len(activations) + 1 or len(linear) + len(activations) != len(modules):
        raise UserError(
            "network: gradients by hand need linear layers with one of"
            f" {', '.join(DERIVATIVES)} between them, without dropout and normalization"
        )
    return linear, activations


@torch.no_grad()
def gradients(
    network: nn.Module, x: Tensor, y: Tensor, output_delta: Delta
) -> tuple[Tensor, list[Tensor]]:
    """The outputs of a network for a minibatch, and the gradient of each of its parameters.

    Args:
        network: as ``layers`` takes it.
        x: inputs, ``[batch, in_features]``.
        y: truth, ``[batch, out_features]``, of which ``output_delta`` makes the last D.
    """
    linear, activations = layers(network)
    f, g = [], [x]
    for layer, activation in zip_longest(linear, activations):
        # As torch's Linear computes it: rounded otherwise, some f near 0 would change its sign.
        f.append(torch.addmm(layer.bias, g[-1], layer.weight.T))
        if activation is not None:
            g.append(activation(f[-1]))
    delta = output_delta(f[-1], y)
    found = [delta.T @ g[-1], delta.sum(0)]
    for below in reversed(range(len(activations))):
        slope = _SLOPES[type(activations[below])](f[below], g[below + 1])
        delta = delta @ linear[below + 1].weight * slope
        found = [delta.T @ g[below], delta.sum(0), *found]
    return f[-1], found
