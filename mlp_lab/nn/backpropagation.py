"""Closed-form backpropagation for a multilayer perceptron, in matrix form and without autograd.

Layer l computes f_l = g_(l-1) W_l^T + b_l and g_l = a(f_l) from the outputs g_(l-1) of the layer
below. Each row is an example. g_0 are the inputs x, and the last f are the network's outputs. With
D_l = dE/df_l,

    D_(l-1) = (D_l W_l) * a'(f_(l-1)),    dE/dW_l = D_l^T g_(l-1),    dE/db_l = sum of D_l's rows

(Rumelhart, Hinton and Williams 1986; Bishop 2006, equations 5.56 and 5.53). The recursion starts
with the last D, which is the derivative of the loss (``OUTPUT_DELTAS``).
"""

from collections.abc import Callable
from itertools import zip_longest

import torch
from torch import Tensor, nn

from mlp_lab.errors import UserError
from mlp_lab.nn.activation_derivatives import DERIVATIVES
from mlp_lab.nn.activations import ACTIVATIONS
from mlp_lab.nn.scalar_backpropagation import SCALAR_ACTIVATIONS

#: Function from the last f and the target to the last D = dE/df, each ``[batch, outputs]``.
OutputDelta = Callable[[Tensor, Tensor], Tensor]


def _softmax_squared_error(f: Tensor, y: Tensor) -> Tensor:
    p = f.softmax(1)
    r = 2 * (p - y)
    return p * (r - (r * p).sum(1, keepdim=True)) / len(f)


def _sigmoid_squared_error(f: Tensor, y: Tensor) -> Tensor:
    p = f.sigmoid()
    # The order of autograd, so that the results are bit-identical.
    return 2 * (p - y) * (1 / len(f)) * (1 - p) * p


#: By output and loss of ``tasks.classification.Classification``. All losses are means over a batch.
OUTPUT_DELTAS: dict[tuple[str, str], OutputDelta] = {
    ("softmax", "cross_entropy"): lambda f, y: (f.softmax(1) - y) / len(f),
    ("sigmoid", "cross_entropy"): lambda f, y: (f.sigmoid() - y) / len(f),
    ("softmax", "squared_error"): _softmax_squared_error,
    ("sigmoid", "squared_error"): _sigmoid_squared_error,
}

_SLOPES = {type(ACTIVATIONS[name]()): DERIVATIVES[name].slope for name in SCALAR_ACTIVATIONS}


def split_layers(network: nn.Module) -> tuple[list[nn.Linear], list[nn.Module]]:
    """Return the n linear layers of a network and the n - 1 activations between them.

    Raises:
        UserError: the network contains other layers.
    """
    modules = list(network) if isinstance(network, nn.Sequential) else []
    linear = [module for module in modules[::2] if isinstance(module, nn.Linear)]
    activations = [module for module in modules[1::2] if type(module) in _SLOPES]
    if len(linear) != len(activations) + 1 or len(linear) + len(activations) != len(modules):
        raise UserError(
            "network: closed-form gradients need linear layers with one of"
            f" {', '.join(SCALAR_ACTIVATIONS)} between them, without dropout and normalization"
        )
    return linear, activations


@torch.no_grad()
def outputs_and_gradients(
    network: nn.Module, x: Tensor, y: Tensor, output_delta: OutputDelta
) -> tuple[Tensor, list[Tensor]]:
    """Return the outputs of a network for a minibatch and the gradients of all parameters.

    Args:
        network: network that ``split_layers`` accepts.
        x: inputs, ``[batch, in_features]``.
        y: targets, ``[batch, out_features]``.
        output_delta: derivative of the loss with respect to the outputs.

    Returns:
        The outputs, ``[batch, out_features]``, and the gradients in the order of
        ``network.parameters()``.
    """
    linear, activations = split_layers(network)
    f, g = [], [x]
    for layer, activation in zip_longest(linear, activations):
        # addmm as in torch's Linear: another rounding could change the sign of an f near 0.
        f.append(torch.addmm(layer.bias, g[-1], layer.weight.T))
        if activation is not None:
            g.append(activation(f[-1]))
    delta = output_delta(f[-1], y)
    gradients = [delta.T @ g[-1], delta.sum(0)]
    for below in reversed(range(len(activations))):
        slope = _SLOPES[type(activations[below])](f[below], g[below + 1])
        delta = delta @ linear[below + 1].weight * slope
        gradients = [delta.T @ g[below], delta.sum(0), *gradients]
    return f[-1], gradients
