"""Activation functions by name."""

from collections.abc import Callable

from torch import Tensor, nn

from mlp_lab.config.registered_activations import registered_activation, registered_activations

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "identity": nn.Identity,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
}


class ActivationFunction(nn.Module):
    """A registered function as a module.

    Args:
        function: function from a tensor to a tensor of the same shape.
    """

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)

    def extra_repr(self) -> str:
        return self.function.__name__


def make_activation(name: str) -> nn.Module:
    """Return a new module of an activation of ``ACTIVATIONS`` or of a plug-in.

    Raises:
        KeyError: there is no such activation.
    """
    if (registered := registered_activation(name)) is None:
        return ACTIVATIONS[name]()
    return registered() if isinstance(registered, type) else ActivationFunction(registered)


def is_registered(module: nn.Module) -> bool:
    """Return whether a module is an activation of a plug-in."""
    return isinstance(module, ActivationFunction) or type(module) in registered_activations()
