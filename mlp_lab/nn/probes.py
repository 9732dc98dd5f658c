"""Properties of the layers of a network: sizes, outputs, gradients, sparsity."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

WeightLayer = nn.Linear | nn.Conv2d


@dataclass
class LayerStatistics:
    """Statistics of a linear layer or convolution, and the activation after it, for one batch.

    Attributes:
        gradient: gradient dE/dW of the loss E with respect to the weights, ``[outputs, inputs]``,
            of a convolution ``[outputs, inputs, height, width]``.
        sparsity: fraction of the ReLU outputs, over all units (of a convolution: channels and
            pixels) and examples, that are exactly 0 (Glorot et al. 2011, section 3). None if no
            ReLU follows the layer.
    """

    gradient: Tensor
    sparsity: float | None

    @property
    def gradient_norm(self) -> float:
        """Frobenius norm of the gradient: the square root of the sum of its squared entries."""
        return float(self.gradient.norm())


def linear_layers(network: nn.Module) -> list[nn.Linear]:
    """Return the linear layers of a network, the first layer first."""
    return [module for module in network.modules() if isinstance(module, nn.Linear)]


def weight_layers(network: nn.Module) -> list[WeightLayer]:
    """Return the linear layers and convolutions of a network, the first layer first."""
    return [module for module in network.modules() if isinstance(module, WeightLayer)]


def batch_normalizations(network: nn.Module) -> list[nn.BatchNorm1d | nn.BatchNorm2d]:
    """Return the layers of batch normalization, the first layer first."""
    kinds = nn.BatchNorm1d | nn.BatchNorm2d
    return [module for module in network.modules() if isinstance(module, kinds)]


def has_batch_normalization(network: nn.Module) -> bool:
    """Return whether the outputs for an example depend on the others of its minibatch."""
    return bool(batch_normalizations(network))


@torch.no_grad()
def last_hidden_outputs(network: nn.Module, x: Tensor) -> Tensor:
    """Return the outputs of the last hidden layer, ``[batch, units]``, in evaluation mode.

    The network and its mode are unchanged.

    Args:
        network: network with at least two linear layers.
        x: inputs, ``[batch, ...]``.
    """
    layer_inputs: list[Tensor] = []

    def save_inputs(layer: nn.Module, inputs: tuple[Tensor]) -> None:
        layer_inputs.append(inputs[0])

    hook = linear_layers(network)[-1].register_forward_pre_hook(save_inputs)
    training = network.training
    try:
        network.eval()(x)
    finally:
        network.train(training)
        hook.remove()
    return layer_inputs[0]


def inspect_layers(
    network: nn.Module, x: Tensor, loss: Callable[[Tensor], Tensor]
) -> list[LayerStatistics]:
    """Return the statistics of all layers with weights in evaluation mode, the first layer first.

    These are the linear layers and the convolutions. The network, its mode and the state of the
    random number generators are unchanged.

    Args:
        network: network with at least one such layer.
        x: inputs, ``[batch, ...]``.
        loss: function from the network's outputs to a scalar loss.
    """
    layers: list[WeightLayer] = []
    sparsity: dict[int, float] = {}

    def save_sparsity(index: int, relu: nn.Module, inputs: object, output: Tensor) -> None:
        sparsity[index] = float((output == 0).float().mean())

    hooks = []
    for module in network.modules():
        if isinstance(module, WeightLayer):
            layers.append(module)
        elif isinstance(module, nn.ReLU):
            hook = partial(save_sparsity, len(layers) - 1)
            hooks.append(module.register_forward_hook(hook))
    training = network.training
    try:
        error = loss(network.eval()(x))
    finally:
        network.train(training)
        for handle in hooks:
            handle.remove()
    gradients = torch.autograd.grad(error, [layer.weight for layer in layers])
    return [
        LayerStatistics(gradient, sparsity.get(index)) for index, gradient in enumerate(gradients)
    ]


def describe(network: nn.Module) -> str:
    """Return the layer sizes and the number of parameters: ``784-64-10, 50,890 parameters``.

    A convolution with 32 channels and kernels of 3 x 3 pixels is ``32C3``; before the first one is
    the number of channels of the inputs.
    """
    layers = weight_layers(network)
    first = layers[0]
    inputs = first.in_features if isinstance(first, nn.Linear) else first.in_channels
    sizes = "-".join(map(str, [inputs, *map(_size, layers)]))
    return f"{sizes}, {count_parameters(network):,} parameters"


def _size(layer: WeightLayer) -> str:
    if isinstance(layer, nn.Linear):
        return str(layer.out_features)
    return f"{layer.out_channels}C{layer.kernel_size[0]}"


def weights_digest(networks: Sequence[nn.Module]) -> str:
    """Return a digest (SHA-256) of all parameters and buffers of networks, in their order."""
    digest = hashlib.sha256()
    for network in networks:
        for tensor in network.state_dict().values():
            digest.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def count_parameters(network: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)
