"""What a batch shows of each layer of a network: the gradient that reaches it, its sparsity."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn


@dataclass
class Layer:
    """A linear layer and the activation after it.

    Attributes:
        gradient: dE/dW of the loss E with regard to the weights, ``[outputs, inputs]``.
        sparsity: the part of what its ReLU puts out, over all units and examples, that is exactly
            0 (Glorot et al. 2011, section 3); None where no ReLU follows.
    """

    gradient: Tensor
    sparsity: float | None

    @property
    def gradient_norm(self) -> float:
        """The Frobenius norm of the gradient: the root of the sum of its squares."""
        return float(self.gradient.norm())


def linear_layers(network: nn.Module) -> list[nn.Linear]:
    """The linear layers of a network, from the input on."""
    return [module for module in network.modules() if isinstance(module, nn.Linear)]


@torch.no_grad()
def last_hidden(network: nn.Module, x: Tensor) -> Tensor:
    """What the last linear layer sees, ``[batch, units]``: what the last hidden layer puts out.

    As it is in evaluation, without dropout; the network isn't changed.

    Args:
        network: has at least two linear layers.
        x: inputs ``[batch, ...]``.
    """
    seen: list[Tensor] = []

    def note(layer: nn.Module, inputs: tuple[Tensor]) -> None:
        seen.append(inputs[0])

    hook = linear_layers(network)[-1].register_forward_pre_hook(note)
    training = network.training
    try:
        network.eval()(x)
    finally:
        network.train(training)
        hook.remove()
    return seen[0]


def inspect_layers(network: nn.Module, x: Tensor, loss: Callable[[Tensor], Tensor]) -> list[Layer]:
    """Its linear layers from the input on, as they are seen in evaluation: without dropout.

    Neither the network nor any random number is changed.

    Args:
        network: has at least one linear layer.
        x: inputs ``[batch, ...]``.
        loss: of the network's outputs for ``x``, a scalar.
    """
    linear: list[nn.Linear] = []
    sparsity: dict[int, float] = {}

    def note(place: int, relu: nn.Module, inputs: object, output: Tensor) -> None:
        sparsity[place] = float((output == 0).float().mean())

    hooks = []
    for module in network.modules():
        if isinstance(module, nn.Linear):
            linear.append(module)
        elif isinstance(module, nn.ReLU):
            hooks.append(module.register_forward_hook(partial(note, len(linear) - 1)))
    training = network.training
    try:
        error = loss(network.eval()(x))
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    gradients = torch.autograd.grad(error, [layer.weight for layer in linear])
    return [Layer(gradient, sparsity.get(place)) for place, gradient in enumerate(gradients)]


def describe(network: nn.Module) -> str:
    """The units of each layer and the number of parameters: ``784-64-10, 50,890 parameters``."""
    linear = [m for m in network.modules() if isinstance(m, nn.Linear)]
    units = "-".join(str(n) for n in [linear[0].in_features, *(m.out_features for m in linear)])
    return f"{units}, {count_parameters(network):,} parameters"


def count_parameters(network: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)
