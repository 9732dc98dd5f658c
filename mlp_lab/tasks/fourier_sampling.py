"""Fourier sampling: the density at each point is learned from Fourier coefficients."""

from torch import Tensor

from mlp_lab.nn.operators.fourier import fourier_samples
from mlp_lab.tasks.reconstruction import Reconstruction


class FourierSampling(Reconstruction):
    """Learn a density from samples of its Fourier transform, ``[objects, samples, 5]``.

    See ``data.mri.MRI``.
    """

    target_kind = "Fourier samples"

    def measure_densities(self, densities: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        frequencies, measured = target[..., :3], target[..., 3:]
        size = round(densities.shape[1] ** (1 / 3))
        return fourier_samples(densities.view(-1, size, size, size), frequencies), measured
