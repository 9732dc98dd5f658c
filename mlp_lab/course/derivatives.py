"""First derivatives of the activations, in closed form.

Each takes ``x`` of any shape and returns f'(x) of the same. At a kink it is the slope on the left,
which is what torch's gradients have there, too.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

# Klambauer et al. 2017: mean 0 and variance 1 are a fixed point.
_SELU_ALPHA = 1.6732632423543772
_SELU_SCALE = 1.0507009873554805


def identity(x: Tensor) -> Tensor:
    """f'(x) = 1."""
    return torch.ones_like(x)


def sigmoid(x: Tensor) -> Tensor:
    """f'(x) = f(x) (1 - f(x)), at most 1/4."""
    f = x.sigmoid()
    return f * (1 - f)


def tanh(x: Tensor) -> Tensor:
    """f'(x) = 1 - f(x)^2."""
    return 1 - x.tanh() ** 2


def relu(x: Tensor) -> Tensor:
    """f'(x) = delta(x > 0)."""
    return (x > 0).to(x)


def leaky_relu(x: Tensor) -> Tensor:
    """f'(x) = 1 for x > 0, else 0.01."""
    return torch.where(x > 0, torch.ones_like(x), 0.01)


def elu(x: Tensor) -> Tensor:
    """f'(x) = 1 for x > 0, else e^x."""
    return torch.where(x > 0, torch.ones_like(x), x.exp())


def selu(x: Tensor) -> Tensor:
    """f'(x) = scale for x > 0, else scale alpha e^x."""
    return _SELU_SCALE * torch.where(x > 0, torch.ones_like(x), _SELU_ALPHA * x.exp())


def gelu(x: Tensor) -> Tensor:
    """f'(x) = P(x) + x p(x), with the standard normal's distribution P and density p."""
    density = (-(x**2) / 2).exp() / math.sqrt(2 * math.pi)
    return torch.special.ndtr(x) + x * density


def silu(x: Tensor) -> Tensor:
    """f'(x) = s(x) (1 + x (1 - s(x))), with the sigmoid s."""
    s = x.sigmoid()
    return s * (1 + x * (1 - s))


def softplus(x: Tensor) -> Tensor:
    """f'(x) = s(x), the sigmoid."""
    return x.sigmoid()


#: By the activations' names, as in ``networks.ACTIVATIONS``.
DERIVATIVES: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": identity,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "relu": relu,
    "leaky_relu": leaky_relu,
    "elu": elu,
    "selu": selu,
    "gelu": gelu,
    "silu": silu,
    "softplus": softplus,
}
