"""Claims on the kernels of encodings: closed forms and dependence on the distance."""

import math
from collections.abc import Iterator
from functools import partial

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from mlp_lab.course.claims.claim import Claim
from mlp_lab.figures import kernel_maps
from mlp_lab.figures.rendering import Draw
from mlp_lab.nn.encoding_kernels import kernel, kernel_by_distance, kernel_map
from mlp_lab.nn.encodings import Basic, FourierFeatures, Gaussian, Identity, Positional

_SOURCE = "Tancik et al. 2020, section 5"
_TOLERANCE = 1e-9
_FREQUENCIES = 256
_SCALE = 6.0
_SIGMAS = (1.0, 3.0, 10.0, 30.0)
_SAMPLES = 100  # number of random encodings in a mean
_DISTANCES = torch.logspace(-3, -0.3, 60, dtype=torch.float64)
_CENTRE = torch.full((2,), 0.5, dtype=torch.float64)


def claims() -> Iterator[Claim]:
    """Yield the claims on the kernels: closed form, shift of both points, mean over encodings.

    The closed-form and mean claims measure differences relative to the kernel at distance 0.
    """
    torch.manual_seed(0)
    gaussian = {f"gaussian, σ = {sigma:g}": _gaussian(sigma) for sigma in _SIGMAS}
    positional = Positional(2, frequencies=_FREQUENCIES, scale=_SCALE, spacing="log")
    fourier = {"basic": Basic(2), f"positional, S = {_SCALE:g}": positional.double(), **gaussian}
    encodings = {"identity": Identity(2), **{name: e.double() for name, e in fourier.items()}}
    figures: dict[str, Draw] = {"kernels": partial(_draw, encodings)}
    for name, encoding in fourier.items():
        yield _closed_form(name, encoding, figures)
        figures = {}  # attach the figure to the first claim only
    yield _shifted(encodings)
    for sigma in _SIGMAS:
        yield _mean_kernel(sigma)


def _closed_form(name: str, encoding: FourierFeatures, figures: dict[str, Draw]) -> Claim:
    """Return the claim that gamma(x) . gamma(y) is a sum of cosines, for random pairs of points."""
    x, y = torch.rand(2, 1000, 2, dtype=torch.float64)
    products = (encoding(x) * encoding(y)).sum(1)
    phases = torch.stack([(x - y) @ b for b in encoding.frequencies])
    cosines = (2 * math.pi * phases).cos().sum(0)
    largest = float((products - cosines).abs().max()) / len(encoding.frequencies)
    return Claim(
        text=f"{name}: γ(x)·γ(y) = Σ_j cos 2π b_j·(x - y)",
        source=_SOURCE,
        expected=f"relative difference below {_TOLERANCE:.0e}",
        measured=f"largest relative difference {largest:.1g}",
        holds=largest < _TOLERANCE,
        figures=figures,
    )


def _shifted(encodings: dict[str, nn.Module]) -> Claim:
    """Return the claim that only the identity's kernel changes if both points are shifted."""
    x, y, shift = torch.rand(3, 2, dtype=torch.float64)
    changed = [
        name
        for name, encoding in encodings.items()
        if abs(_product(encoding, x, y) - _product(encoding, x + shift, y + shift)) > _TOLERANCE
    ]
    return Claim(
        text="encodings whose γ(x)·γ(y) depends on more than x - y",
        source=_SOURCE,
        expected="identity",
        measured=", ".join(changed),
        holds=changed == ["identity"],
    )


def _product(encoding: nn.Module, x: Tensor, y: Tensor) -> float:
    at_x, at_y = encoding(x), encoding(y)
    return float(at_x @ at_y / len(at_x))


def _mean_kernel(sigma: float) -> Claim:
    """Return the claim that the mean of random Gaussian kernels is close to its expectation.

    A kernel value is a mean of ``_FREQUENCIES`` cosines with a variance of at most 1/2. The
    standard error of the mean is therefore at most 1 / sqrt(2 * _FREQUENCIES * _SAMPLES).
    """
    points = _CENTRE + _DISTANCES[:, None] * torch.tensor([0.6, 0.8], dtype=torch.float64)
    mean = sum(kernel(_gaussian(sigma), points, _CENTRE) for _ in range(_SAMPLES)) / _SAMPLES
    largest = float((mean - _expected_kernel(sigma)).abs().max())
    tolerance = 4 / math.sqrt(2 * _FREQUENCIES * _SAMPLES)
    return Claim(
        text=f"gaussian, σ = {sigma:g}: the mean kernel at distance d is exp(-2π²σ²d²)",
        source="characteristic function of N(0, σ²)",
        expected=f"difference below {tolerance:.3f}, four standard errors",
        measured=f"largest difference {largest:.3f}, mean of {_SAMPLES} encodings",
        holds=largest < tolerance,
    )


def _gaussian(sigma: float) -> Gaussian:
    return Gaussian(2, frequencies=_FREQUENCIES, sigma=sigma).double()


def _expected_kernel(sigma: float) -> Tensor:
    return torch.exp(-2 * (math.pi * sigma * _DISTANCES) ** 2)


def _draw(encodings: dict[str, nn.Module]) -> Figure:
    maps, profiles = {}, {}
    # The Gaussian encodings are the last ones, in the order of _SIGMAS.
    sigmas = dict(zip(list(encodings)[-len(_SIGMAS) :], _SIGMAS, strict=True))
    for name, encoding in encodings.items():
        maps[name] = kernel_map(encoding, _CENTRE, 129).numpy()
        values = kernel_by_distance(encoding, _CENTRE, _DISTANCES).numpy()
        expected = _expected_kernel(sigmas[name]).numpy() if name in sigmas else None
        profiles[name] = kernel_maps.KernelProfile(_DISTANCES.numpy(), values, expected)
    return kernel_maps.kernel_maps(maps, profiles)
