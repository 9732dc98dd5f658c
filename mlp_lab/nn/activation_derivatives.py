"""First derivatives of the activation functions in closed form.

A derivative is a function of the argument x and the value y = f(x), which is often already known.
At a kink it is the slope on the left, as in torch's gradients.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

# Constants for which mean 0 and variance 1 are a fixed point (Klambauer et al. 2017).
_SELU_ALPHA = 1.6732632423543772
_SELU_SCALE = 1.0507009873554805


@dataclass(frozen=True)
class Derivative:
    """The first derivative of an activation function f.

    Attributes:
        slope: function from x and f(x) to f'(x). The arguments are tensors of the same shape; the
            slopes of identity, relu, sigmoid and tanh also accept numbers.
        formula: printed form of f'(x).
    """

    slope: Callable[[Any, Any], Any]
    formula: str


def _leaky_relu(x: Tensor, y: Tensor) -> Tensor:
    return torch.where(x > 0, torch.ones_like(x), 0.01)


def _elu(x: Tensor, y: Tensor) -> Tensor:
    return torch.where(x > 0, torch.ones_like(x), x.exp())


def _selu(x: Tensor, y: Tensor) -> Tensor:
    return _SELU_SCALE * torch.where(x > 0, torch.ones_like(x), _SELU_ALPHA * x.exp())


def _gelu(x: Tensor, y: Tensor) -> Tensor:
    density = (-(x**2) / 2).exp() / math.sqrt(2 * math.pi)
    return torch.special.ndtr(x) + x * density


def _silu(x: Tensor, y: Tensor) -> Tensor:
    s = x.sigmoid()
    return s * (1 + x * (1 - s))


#: By activation name, as in ``activations.ACTIVATIONS``. In the formulas, δ(condition) is 1 where
#: the condition holds and 0 elsewhere, λ and α are the constants of SELU, Φ and φ are the
#: distribution function and the density of the standard normal distribution, and σ is the sigmoid.
DERIVATIVES = {
    "identity": Derivative(lambda x, y: 1, "1"),
    "sigmoid": Derivative(lambda x, y: y * (1 - y), "f(x) (1 - f(x))"),
    "tanh": Derivative(lambda x, y: 1 - y * y, "1 - f(x)²"),
    "relu": Derivative(lambda x, y: x > 0, "δ(x > 0)"),
    "leaky_relu": Derivative(_leaky_relu, "δ(x > 0) + 0.01 δ(x ≤ 0)"),
    "elu": Derivative(_elu, "δ(x > 0) + e^x δ(x ≤ 0)"),
    "selu": Derivative(_selu, "λ δ(x > 0) + λ α e^x δ(x ≤ 0)"),
    "gelu": Derivative(_gelu, "Φ(x) + x φ(x)"),
    "silu": Derivative(_silu, "σ(x) (1 + x (1 - σ(x)))"),
    "softplus": Derivative(lambda x, y: x.sigmoid(), "σ(x)"),
}


def derivative(name: str, x: Tensor, y: Tensor) -> Tensor:
    """Return f'(x) for an activation function f, with the shape and dtype of ``x``.

    Args:
        name: key of ``DERIVATIVES``.
        x: arguments of the activation function.
        y: values f(x), of the shape of ``x``.
    """
    return torch.as_tensor(DERIVATIVES[name].slope(x, y)).to(x).expand_as(x)
