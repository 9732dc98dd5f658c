"""The activations and their derivatives: closed forms against autograd."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from mlp_lab.course.claims.claim import Claim
from mlp_lab.course.derivatives import DERIVATIVES
from mlp_lab.figures import activation_curves
from mlp_lab.nn.activations import ACTIVATIONS

_ROUNDING = 1e-12


class _Formula(NamedTuple):
    text: str
    source: str


_FORMULAS = {
    "identity": _Formula("1", "lecture, activations"),
    "sigmoid": _Formula("f(x) (1 - f(x))", "lecture, activations"),
    "tanh": _Formula("1 - f(x)²", "LeCun et al. 1998, section 4.4"),
    "relu": _Formula("δ(x > 0)", "lecture, activations"),
    "leaky_relu": _Formula("δ(x > 0) + 0.01 δ(x ≤ 0)", "Maas et al. 2013, section 2"),
    "elu": _Formula("δ(x > 0) + e^x δ(x ≤ 0)", "Clevert et al. 2016"),
    "selu": _Formula("λ δ(x > 0) + λ α e^x δ(x ≤ 0)", "Klambauer et al. 2017"),
    "gelu": _Formula("Φ(x) + x φ(x)", "Hendrycks and Gimpel 2016, section 2"),
    "silu": _Formula("σ(x) (1 + x (1 - σ(x)))", "Elfwing et al. 2018"),
    "softplus": _Formula("σ(x)", "Glorot et al. 2011"),
}


def claims() -> Iterator[Claim]:
    """A claim an activation: its derivative in closed form is what autograd gives."""
    x = torch.linspace(-5, 5, 1000, dtype=torch.float64)  # without 0, where some have a kink
    exact = {name: _with_derivative(name, x) for name in ACTIVATIONS}
    curves = {name: (f.numpy(), derivative.numpy()) for name, (f, derivative) in exact.items()}
    drawn = {"activations": activation_curves.activations(x.numpy(), curves)}
    for name, (formula, source) in _FORMULAS.items():
        difference = float((DERIVATIVES[name](x) - exact[name][1]).abs().max())
        yield Claim(
            text=f"{name}: f'(x) = {formula}",
            source=source,
            expected=f"autograd's, within {_ROUNDING:.0e}",
            measured=f"within {difference:.2g}",
            holds=difference < _ROUNDING,
            figures=drawn if name == "identity" else {},
        )
    steepest = float(DERIVATIVES["sigmoid"](torch.linspace(-5, 5, 1001)).max())
    yield Claim(
        text="sigmoid: f'(x) is nowhere above 1/4",
        source="lecture, activations",
        expected="0.25, at x = 0",
        measured=f"{steepest:.6g}",
        holds=steepest == 0.25,
    )


def _with_derivative(name: str, x: Tensor) -> tuple[Tensor, Tensor]:
    """f(x) and, by autograd, f'(x)."""
    x = x.clone().requires_grad_()
    f = ACTIVATIONS[name]()(x)
    [derivative] = torch.autograd.grad(f.sum(), x)
    return f.detach(), derivative
