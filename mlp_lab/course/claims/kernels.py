"""The kernel of each encoding: closed forms, and how it falls off with the distance."""

import math
from collections.abc import Iterator

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from mlp_lab.course.claims.claim import Claim
from mlp_lab.figures import kernel_maps
from mlp_lab.nn.encoding_kernels import kernel, kernel_by_distance, kernel_map
from mlp_lab.nn.encodings import Basic, FourierFeatures, Gaussian, Identity, Positional

_SOURCE = "Tancik et al. 2020, section 5"
_ROUNDING = 1e-9
_FREQUENCIES = 256
_SCALE = 6.0
_SIGMAS = (1.0, 3.0, 10.0, 30.0)
_DRAWN = 100  # encodings of which a mean is taken
_DISTANCES = torch.logspace(-3, -0.3, 60, dtype=torch.float64)
_CENTRE = torch.full((2,), 0.5, dtype=torch.float64)


def claims() -> Iterator[Claim]:
    """Which kernels depend on the difference of two points alone, and that they are the formulas'.

    All are divided by their value at distance 0.
    """
    torch.manual_seed(0)
    drawn = {f"gaussian, σ = {sigma:g}": _gaussian(sigma) for sigma in _SIGMAS}
    positional = Positional(2, frequencies=_FREQUENCIES, scale=_SCALE, spacing="log")
    fourier = {"basic": Basic(2), f"positional, S = {_SCALE:g}": positional.double(), **drawn}
    encodings = {"identity": Identity(2), **{name: e.double() for name, e in fourier.items()}}
    figure = {"kernels": _draw(encodings)}
    for name, encoding in fourier.items():
        yield _closed_form(name, encoding, figure)
        figure = {}
    yield _shifted(encodings)
    for sigma in _SIGMAS:
        yield _expectation(sigma)


def _closed_form(name: str, encoding: FourierFeatures, drawn: dict) -> Claim:
    """gamma(x) . gamma(y) against the sum of cosines, at random pairs of points."""
    x, y = torch.rand(2, 1000, 2, dtype=torch.float64)
    products = (encoding(x) * encoding(y)).sum(1)
    phases = torch.stack([(x - y) @ b for b in encoding.frequencies])
    cosines = (2 * math.pi * phases).cos().sum(0)
    largest = float((products - cosines).abs().max()) / len(encoding.frequencies)
    return Claim(
        text=f"{name}: γ(x)·γ(y) = Σ_j cos 2π b_j·(x - y)",
        source=_SOURCE,
        expected=f"equal, within {_ROUNDING:.0e}",
        measured=f"within {largest:.1g}",
        holds=largest < _ROUNDING,
        figures=drawn,
    )


def _shifted(encodings: dict[str, nn.Module]) -> Claim:
    """What becomes of the kernel of two points when both move by the same."""
    x, y, shift = torch.rand(3, 2, dtype=torch.float64)
    changed = [
        name
        for name, encoding in encodings.items()
        if abs(_product(encoding, x, y) - _product(encoding, x + shift, y + shift)) > _ROUNDING
    ]
    return Claim(
        text="whose γ(x)·γ(y) depends on more than x - y",
        source=_SOURCE,
        expected="identity",
        measured=", ".join(changed),
        holds=changed == ["identity"],
    )


def _product(encoding: nn.Module, x: Tensor, y: Tensor) -> float:
    at_x, at_y = encoding(x), encoding(y)
    return float(at_x @ at_y / len(at_x))


def _expectation(sigma: float) -> Claim:
    """The mean of many drawn kernels, each a mean of cosines with a variance of 1/2 at most."""
    points = _CENTRE + _DISTANCES[:, None] * torch.tensor([0.6, 0.8], dtype=torch.float64)
    mean = sum(kernel(_gaussian(sigma), points, _CENTRE) for _ in range(_DRAWN)) / _DRAWN
    largest = float((mean - _expected(sigma)).abs().max())
    most = 4 / math.sqrt(2 * _FREQUENCIES * _DRAWN)
    return Claim(
        text=f"gaussian, σ = {sigma:g}: at distance d the kernel is exp(-2π²σ²d²) on average",
        source="characteristic function of N(0, σ²)",
        expected=f"within {most:.3f}, four standard errors",
        measured=f"within {largest:.3f}, over {_DRAWN} encodings",
        holds=largest < most,
    )


def _gaussian(sigma: float) -> Gaussian:
    return Gaussian(2, frequencies=_FREQUENCIES, sigma=sigma).double()


def _expected(sigma: float) -> Tensor:
    return torch.exp(-2 * (math.pi * sigma * _DISTANCES) ** 2)


def _draw(encodings: dict[str, nn.Module]) -> Figure:
    maps, lines = {}, {}
    sigmas = dict(zip(list(encodings)[-len(_SIGMAS) :], _SIGMAS, strict=True))
    for name, encoding in encodings.items():
        maps[name] = kernel_map(encoding, _CENTRE, 129).numpy()
        found = kernel_by_distance(encoding, _CENTRE, _DISTANCES).numpy()
        expected = _expected(sigmas[name]).numpy() if name in sigmas else None
        lines[name] = kernel_maps.ByDistance(_DISTANCES.numpy(), found, expected)
    return kernel_maps.kernels(maps, lines)
