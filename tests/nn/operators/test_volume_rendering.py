"""Volume rendering against closed forms, a plain loop and differences."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mlp_lab.nn.operators.volume_rendering import (
    BLACK,
    WHITE,
    sample_weights,
    stratified,
    volume_rendering,
)


def medium(rays: int, samples: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Return random colours, densities and distances, some densities 0 and some large."""
    generator = torch.Generator().manual_seed(seed)
    colours = torch.rand(rays, samples, 3, generator=generator, dtype=torch.float64)
    densities = 20 * torch.rand(rays, samples, generator=generator, dtype=torch.float64) - 5
    distances = stratified(2.0, 6.0, rays, samples, generator).double()
    return colours, densities.relu(), distances


@pytest.mark.parametrize("background", [WHITE, BLACK])
@pytest.mark.parametrize("offset", [0.0, 0.5, 0.99, 1.2])
def test_a_ray_through_a_ball_has_its_closed_form(background: float, offset: float) -> None:
    # A ball of radius 1 and constant density around a point at distance 4, passed at ``offset``.
    density, colour, samples = 1.5, torch.tensor([0.9, 0.5, 0.1]), 20_000
    length = 2 * math.sqrt(max(1 - offset**2, 0))
    distances = stratified(2.0, 6.0, 1, samples)
    inside = (distances[:, :-1] - 4).abs() < length / 2
    seen = volume_rendering(colour.expand(1, samples, 3), density * inside, distances, background)
    transmittance = math.exp(-density * length)
    assert float(seen.opacities) == pytest.approx(1 - transmittance, abs=1e-3)
    expected = (1 - transmittance) * colour + transmittance * background
    torch.testing.assert_close(seen.colours[0], expected, atol=1e-3, rtol=0)
    # The mean distance of the absorption: first + 1/s - L T / (1 - T), where T is not 1.
    first = 4 - length / 2
    absorbed = (1 - transmittance) * (first + 1 / density) - length * transmittance
    assert float(seen.depths) == pytest.approx(absorbed + 6 * transmittance, abs=4e-3)


@given(st.integers(1, 4), st.integers(1, 9), st.integers(0, 99))
def test_the_gradient_for_colours_is_the_adjoint(rays: int, samples: int, seed: int) -> None:
    colours, densities, distances = medium(rays, samples, seed)
    other = torch.rand(rays, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    seen = volume_rendering(colours.requires_grad_(), densities, distances, BLACK).colours
    [adjoint] = torch.autograd.grad(seen, colours, other)
    torch.testing.assert_close((seen * other).sum(), (colours * adjoint).sum())
    weights = sample_weights(densities, distances)
    torch.testing.assert_close(adjoint, torch.einsum("rs,rc->rsc", weights, other))


@given(st.integers(1, 4), st.integers(1, 9), st.integers(0, 99))
def test_rendering_equals_a_plain_loop(rays: int, samples: int, seed: int) -> None:
    colours, densities, distances = medium(rays, samples, seed)
    seen = volume_rendering(colours, densities, distances, background=0.3)
    for ray in range(rays):
        light, colour, depth = 1.0, torch.zeros(3, dtype=torch.float64), 0.0
        for i in range(samples):
            length = float(distances[ray, i + 1] - distances[ray, i])
            alpha = 1 - math.exp(-float(densities[ray, i]) * length)
            colour += light * alpha * colours[ray, i]
            depth += light * alpha * float(distances[ray, i])
            light *= 1 - alpha
        torch.testing.assert_close(seen.colours[ray], colour + light * 0.3)
        assert float(seen.opacities[ray]) == pytest.approx(1 - light)
        assert float(seen.depths[ray]) == pytest.approx(depth + light * 6.0)


@given(st.integers(1, 4), st.integers(1, 9), st.integers(0, 99))
def test_weights_sum_to_the_opacity(rays: int, samples: int, seed: int) -> None:
    colours, densities, distances = medium(rays, samples, seed)
    weights = sample_weights(densities, distances)
    assert bool((weights >= 0).all())
    opacities = volume_rendering(colours, densities, distances).opacities
    torch.testing.assert_close(weights.sum(1), opacities)
    expected = 1 - torch.exp(-(densities * distances.diff()).sum(1))
    torch.testing.assert_close(opacities, expected)


def test_a_constant_colour_in_front_of_itself_stays_the_same() -> None:
    _, densities, distances = medium(5, 8)
    seen = volume_rendering(torch.full((5, 8, 3), 0.7).double(), densities, distances, 0.7)
    torch.testing.assert_close(seen.colours, torch.full((5, 3), 0.7).double())


def test_gradients_equal_differences() -> None:
    colours, densities, distances = medium(2, 4)
    arguments = (colours.requires_grad_(), (densities + 0.1).requires_grad_(), distances)
    assert torch.autograd.gradcheck(lambda c, s, t: tuple(volume_rendering(c, s, t)), arguments)


def test_samples_are_one_of_each_interval() -> None:
    made = stratified(2.0, 6.0, 1_000, 8, torch.Generator().manual_seed(0))
    assert made.shape == (1_000, 9)
    edges = torch.linspace(2.0, 6.0, 9)
    assert bool(((made[:, :-1] >= edges[:-1]) & (made[:, :-1] < edges[1:])).all())
    assert bool((made[:, -1] == 6).all())
    within = (made[:, :-1] - edges[:-1]) / 0.5
    assert float(within.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(within.std()) == pytest.approx(1 / math.sqrt(12), abs=0.02)
    torch.testing.assert_close(stratified(2.0, 6.0, 1, 8)[0, :-1], edges[:-1] + 0.25)


def test_mixed_precision_does_not_round_colours() -> None:
    generator = torch.Generator().manual_seed(0)
    colours, densities = torch.rand(4, 9, 3, generator=generator), torch.rand(4, 9)
    distances = torch.linspace(2, 6, 10).expand(4, -1)
    expected = volume_rendering(colours, densities, distances)
    with torch.autocast("cpu", torch.bfloat16):
        for rendered, exact in zip(
            volume_rendering(colours, densities, distances), expected, strict=True
        ):
            assert torch.equal(rendered, exact)
