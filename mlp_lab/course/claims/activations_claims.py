"""Claims on the derivatives of the activation functions: closed forms against autograd."""

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from mlp_lab.course.claims.claim import Claim
from mlp_lab.figures import activation_curves
from mlp_lab.nn.activation_derivatives import DERIVATIVES, derivative
from mlp_lab.nn.activations import ACTIVATIONS

_TOLERANCE = 1e-12

# Source of each formula, by activation.
_SOURCES = {
    "identity": "lecture, activations",
    "sigmoid": "lecture, activations",
    "tanh": "LeCun et al. 1998, section 4.4",
    "relu": "lecture, activations",
    "leaky_relu": "Maas et al. 2013, section 2",
    "elu": "Clevert et al. 2016",
    "selu": "Klambauer et al. 2017",
    "gelu": "Hendrycks and Gimpel 2016, section 2",
    "silu": "Elfwing et al. 2018",
    "softplus": "Glorot et al. 2011",
}


def claims() -> Iterator[Claim]:
    """Yield the claims that f'(x) in closed form is equal to autograd, and one on its maximum."""
    # With an even number of points, x = 0 is not among them: some activations have a kink there.
    x = torch.linspace(-5, 5, 1000, dtype=torch.float64)
    curves = {name: _value_and_derivative(name, x) for name in ACTIVATIONS}
    arrays = {name: (f.numpy(), slope.numpy()) for name, (f, slope) in curves.items()}
    figures = {"activations": partial(activation_curves.activation_curves, x.numpy(), arrays)}
    for name, source in _SOURCES.items():
        f, slope = curves[name]
        difference = float((derivative(name, x, f) - slope).abs().max())
        yield Claim(
            text=f"{name}: f'(x) = {DERIVATIVES[name].formula}",
            source=source,
            expected=f"difference from autograd below {_TOLERANCE:.0e}",
            measured=f"largest difference {difference:.2g}",
            holds=difference < _TOLERANCE,
            figures=figures if name == "identity" else {},
        )
    x = torch.linspace(-5, 5, 1001)
    slopes = derivative("sigmoid", x, x.sigmoid())
    largest, at = float(slopes.max()), float(x[slopes.argmax()])
    yield Claim(
        text="sigmoid: the largest value of f'(x) is 1/4",
        source="lecture, activations",
        expected="0.25, at x = 0",
        measured=f"{largest:.6g}, at x = {at:.3g}",
        holds=largest == 0.25 and abs(at) < 1e-6,
    )


def _value_and_derivative(name: str, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return f(x) and f'(x), both ``[points]``. Autograd computes f'(x)."""
    x = x.clone().requires_grad_()
    f = ACTIVATIONS[name]()(x)
    [slope] = torch.autograd.grad(f.sum(), x)
    return f.detach(), slope
