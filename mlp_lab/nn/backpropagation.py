"""Gradients of a multilayer perceptron for one minibatch, by the formulas of ``closed_form.py``."""

import torch
from torch import Tensor, nn

from mlp_lab.errors import UserError
from mlp_lab.nn.activations import ACTIVATIONS
from mlp_lab.nn.closed_form import ClosedForm
from mlp_lab.nn.output_deltas import OutputDelta
from mlp_lab.nn.scalar_backpropagation import SCALAR_ACTIVATIONS
from mlp_lab.nn.stacking import stack

_ACTIVATIONS = {type(ACTIVATIONS[name]()) for name in SCALAR_ACTIVATIONS}


def split_layers(network: nn.Module) -> tuple[list[nn.Linear], list[nn.Module]]:
    """Return the n linear layers of a network and the n - 1 activations between them.

    Raises:
        UserError: the network contains other layers.
    """
    modules = list(network) if isinstance(network, nn.Sequential) else []
    linear = [module for module in modules[::2] if isinstance(module, nn.Linear)]
    activations = [module for module in modules[1::2] if type(module) in _ACTIVATIONS]
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

    The gradients are those of the mean loss.

    Args:
        network: network that ``split_layers`` accepts.
        x: inputs, ``[batch, in_features]``.
        y: targets, ``[batch, out_features]``.
        output_delta: derivative of the loss of an example with respect to the outputs.

    Returns:
        The outputs, ``[batch, out_features]``, and the gradients in the order of
        ``network.parameters()``.
    """
    gradients = [torch.empty_like(parameter) for parameter in network.parameters()]
    stacked = stack([network], [torch.default_generator])
    closed_form = ClosedForm(stacked, 1, gradients)
    f = closed_form.differentiate(
        x.unsqueeze(0), y.T.unsqueeze(0), output_delta, scale=1 / len(x), add=False
    )
    return f[0].T, gradients
