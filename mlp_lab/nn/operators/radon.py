"""The Radon transform: integrals of a density along parallel lines, as a CT scanner measures them.

A ray at the angle a and the signed distance s from the centre c of the image is the set of points

    c + s (cos a, -sin a) + t (sin a, cos a)    for all t,

with x to the right and y downwards, as in scikit-image's ``radon``. The density between pixels is
bilinear, and it is 0 outside the image. A ray is sampled at as many points as a row has pixels,
which is exact for the interpolated density up to the spacing of the points.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def line_integrals(densities: Tensor, angles: Tensor) -> Tensor:
    """Return the integrals of densities along parallel rays, ``[objects, angles, size]``.

    The unit of length is the width of the image: a density of 1 along a whole row gives 1. Entry
    i belongs to the ray at the distance ``(i - size // 2) / size`` from the centre, which is pixel
    ``size // 2``. Rays end where the image, rotated by the angle, ends: densities outside the
    inscribed circle are measured in some of the projections only.

    Args:
        densities: densities at the pixels of square images, ``[objects, size, size]``.
        angles: angles of the rays of each object in radians, ``[objects, angles]``.
    """
    objects, size, _ = densities.shape
    count = angles.shape[1]
    points = _points(angles.flatten().to(densities), size)
    # An image for each angle: on the CPU, grid_sample divides the images among the threads.
    images = densities.unsqueeze(1).expand(-1, count, -1, -1).reshape(-1, 1, size, size)
    samples = F.grid_sample(images, points, "bilinear", "zeros", align_corners=False)
    return samples.view(objects, count, size, size).mean(2)


def _points(angles: Tensor, size: int) -> Tensor:
    """Return the points on all rays, ``[angles, t, s, 2]``, in the units of ``grid_sample``.

    These are from -1 to 1 between the outer edges of the pixels.
    """
    centre = size // 2
    offsets = torch.arange(size, dtype=angles.dtype, device=angles.device) - centre
    offsets = 2 / size * offsets  # of s and t
    by_cosine, by_sine = (f(angles).unsqueeze(1) * offsets for f in (torch.cos, torch.sin))
    middle = (2 * centre + 1) / size - 1
    x = by_cosine.unsqueeze(1) + (by_sine + middle).unsqueeze(2)  # s cos a + t sin a
    y = (by_cosine + middle).unsqueeze(2) - by_sine.unsqueeze(1)  # t cos a - s sin a
    return torch.stack([x, y], 3)
