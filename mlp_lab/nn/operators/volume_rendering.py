"""Volume rendering: the colours of rays through a medium that emits and absorbs light.

With the density s and the colour c at the distance t along a ray, its colour is the integral

    C = int T(t) s(t) c(t) dt + T(far) background,    T(t) = exp(-int_near^t s(u) du),

from near to far (Mildenhall et al. 2020, arXiv 2003.08934, equation 1). T is the transmittance, the
fraction of light that is not absorbed. The medium is taken as constant from each sample to the next
one, and from the last one to far (equation 3; the code of the paper extends the last one to
infinity).
"""

from typing import NamedTuple

import torch
from torch import Generator, Tensor

WHITE, BLACK = 1.0, 0.0


class Rendering(NamedTuple):
    """What a camera sees along rays.

    Attributes:
        colours: ``[..., 3]``.
        depths: mean distance at which the light of a ray comes from, ``[...]``; far for the
            background.
        opacities: fraction of the light that does not come from the background, ``[...]``.
    """

    colours: Tensor
    depths: Tensor
    opacities: Tensor


def stratified(
    near: float, far: float, rays: int, samples: int, generator: Generator | None = None
) -> Tensor:
    """Return distances along rays, one from each of ``samples`` equal intervals, followed by far.

    Float32 ``[rays, samples + 1]`` on the CPU, ascending.

    Args:
        near: distance at which the first interval starts.
        far: distance at which the last interval ends.
        rays: number of rays.
        samples: number of intervals.
        generator: generator of places that are uniform in each interval (Mildenhall et al. 2020,
            equation 2); None: the middles.
    """
    if generator is None:
        within = torch.full((rays, samples), 0.5)
    else:
        within = torch.rand(rays, samples, generator=generator)
    distances = near + (far - near) / samples * (torch.arange(samples) + within)
    return torch.cat([distances, torch.full((rays, 1), far)], 1)


def volume_rendering(
    colours: Tensor, densities: Tensor, distances: Tensor, background: float = WHITE
) -> Rendering:
    """Return the colours, depths and opacities of rays.

    Args:
        colours: colours at the samples, ``[..., samples, 3]``.
        densities: densities at the samples, not negative, ``[..., samples]``; the unit is the
            inverse of that of the distances.
        distances: ascending distances of the samples, and of the end of the ray,
            ``[..., samples + 1]``.
        background: grey value of the light behind the end.
    """
    weights = sample_weights(densities, distances)
    opacities = weights.sum(-1)
    rest = 1 - opacities
    # No matrix product, which mixed precision would round.
    rendered = (weights.unsqueeze(-1) * colours).sum(-2) + background * rest.unsqueeze(-1)
    depths = (weights * distances[..., :-1]).sum(-1) + rest * distances[..., -1]
    return Rendering(rendered, depths, opacities)


def sample_weights(densities: Tensor, distances: Tensor) -> Tensor:
    """Return the fraction of the light of a ray that comes from each sample, ``[..., samples]``.

    Args:
        densities: as in ``volume_rendering``.
        distances: as in ``volume_rendering``.
    """
    thickness = densities * distances.diff(dim=-1)
    before = thickness.cumsum(-1) - thickness
    return torch.exp(-before) * -torch.expm1(-thickness)
