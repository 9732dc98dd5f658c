"""Samples of the Fourier transform of a volume, as an MRI scanner measures them."""

import torch
from torch import Tensor


def fourier_samples(densities: Tensor, frequencies: Tensor) -> Tensor:
    """Return real and imaginary parts of Fourier coefficients, ``[objects, samples, 2]``.

    The discrete Fourier transform is orthonormal: the sum of the squares of all coefficients is
    that of the densities.

    Args:
        densities: densities at the voxels of cubes, ``[objects, size, size, size]``.
        frequencies: frequencies of each object in cycles over the cube, whole numbers along the
            axes of the densities, ``[objects, samples, 3]``.
    """
    size = densities.shape[-1]
    # torch has no transforms of half precision.
    densities = densities.to(torch.promote_types(densities.dtype, torch.float32))
    coefficients = torch.fft.fftn(densities, dim=(1, 2, 3), norm="ortho").flatten(1)
    x, y, z = frequencies.round().long().remainder(size).unbind(2)
    return torch.view_as_real(coefficients.gather(1, (x * size + y) * size + z))
