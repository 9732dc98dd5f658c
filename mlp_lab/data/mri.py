"""Magnetic resonance imaging as data: a network learns a volume from Fourier samples."""

import math
from collections.abc import Mapping
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mlp_lab.config.names import AXES, SPLITS
from mlp_lab.data.fetch import checksum
from mlp_lab.data.image import axis
from mlp_lab.data.measured_object import MeasuredObject
from mlp_lab.data.section import Section
from mlp_lab.data.volumes import find_volume, read_volume
from mlp_lab.figures import volumes
from mlp_lab.figures.rendering import Draw
from mlp_lab.images.phantoms import shepp_logan_3d
from mlp_lab.images.zero_filling import zero_filled
from mlp_lab.nn.operators.fourier import fourier_samples

#: Standard deviation of the noise of the ellipsoids' parameters (Tancik et al. 2020).
_JITTER = 1 / 20
#: Standard deviation of the frequencies that are drawn, in cycles per voxel: a variance of 192 for
#: 96 voxels (Tancik et al. 2020).
_SPREAD = math.sqrt(192) / 96
# Places of the slices in figures on the axes x, y and z. The small ellipsoids of the phantom are
# around z = 5/8.
_MIDDLE, _PHANTOM = (0.5, 0.5, 0.5), (0.5, 0.5, 0.625)
_PLANES = ("axial", "coronal", "sagittal")  # perpendicular to z, y and x


class MRI(MeasuredObject):
    """Samples of the Fourier transform of a cube of voxels.

    Inputs are the coordinates of all voxels, float32 ``[1, size^3, 3]`` in [0, 1). x points to the
    left of the body, y to its back, z to its feet. Targets are samples, float32
    ``[1, samples, 5]``: three frequencies in cycles over the cube, real and imaginary part
    (``nn.operators.fourier``).

    The training samples are those that draws from a Gaussian around frequency 0 find, without
    repetition, as in Tancik et al. 2020: with a variance of 192 for 96 voxels along each axis. For
    other sizes, the standard deviation is proportional to the size, so that the density relative to
    the highest frequency is the same. The paper has no validation data; here, the samples that
    further draws find are for validation, which selects the epoch, and for the test, alternately,
    and at most as many as training samples. They are not conjugates of training samples, whose
    values would be known.

    ``target_image`` is an axial slice of the density.

    Args:
        volume: path of a NIfTI file, or a name in ``config.names.VOLUMES``.
        phantom: seed of the noise of the phantom ``shepp_logan``.
        size: number of voxels along each axis.
        fraction: fraction of the Fourier coefficients in the training split.
        mask_seed: seed of the draws of frequencies.
        common: arguments of ``DataModule``.
    """

    in_features = 3
    in_unit_cube = True
    classical = "zero-filled"

    def __init__(
        self,
        *,
        volume: str,
        phantom: int,
        size: int,
        fraction: float,
        mask_seed: int,
        **common: Any,
    ) -> None:
        super().__init__(batch_size=1, **common)
        self.volume, self.size = volume, size
        self._phantom, self._fraction, self._mask_seed = phantom, fraction, mask_seed
        self.target_size = size, size
        self.target_parts = dict.fromkeys(SPLITS, (slice(None), slice(None)))
        places = _PHANTOM if volume == "shepp_logan" else _MIDDLE
        self._slices = dict(zip(AXES, (int(place * size) for place in places), strict=True))
        self.section = Section("z", self._slices["z"] / size)
        self._density: np.ndarray | None = None

    @property
    def target_kind(self) -> str:
        return "Fourier samples"

    def prepare_data(self) -> None:
        """Read or compute the volume. Raises UserError if its file cannot be used."""
        if self._density is None:
            if self.volume == "shepp_logan":
                self._density = shepp_logan_3d(self.size, _JITTER, self._phantom)
            else:
                self._density = read_volume(find_volume(self.volume), self.size)

    @property
    def content_digest(self) -> str | None:
        if self.volume == "shepp_logan":
            return None
        return checksum(find_volume(self.volume), "sha256")

    @property
    def density(self) -> np.ndarray:
        self.prepare_data()
        assert self._density is not None
        return self._density

    @property
    def target_image(self) -> np.ndarray:
        return np.ascontiguousarray(self._slice(self.density, "z")[:, :, None])

    @property
    def nyquist(self) -> float:
        """The highest frequency that the voxels can show, in cycles over the cube."""
        return self.size / 2

    def read(self, device: torch.device) -> dict[str, tuple[Tensor, Tensor]]:
        along = axis(self.size)
        points = torch.cartesian_prod(along, along, along).unsqueeze(0).to(device)
        density = torch.from_numpy(self.density).unsqueeze(0)
        splits = {}
        for split, drawn in self._frequencies().items():
            frequencies = torch.from_numpy(drawn).float().unsqueeze(0)
            samples = fourier_samples(density, frequencies)
            splits[split] = points, torch.cat([frequencies, samples], 2).to(device)
        return splits

    def _frequencies(self) -> dict[str, np.ndarray]:
        """Return the frequencies of each split, int ``[samples, 3]``."""
        count = max(1, round(self._fraction * self.size**3))
        drawn = gaussian_frequencies(self.size, self._mask_seed)
        train, others = drawn[:count], drawn[count:]
        known = np.zeros((self.size,) * 3, bool)
        known[tuple(-train.T % self.size)] = True
        others = others[~known[tuple(others.T % self.size)]][: 2 * count]
        return {"train": train, "validation": others[::2], "test": others[1::2]}

    @cached_property
    def reconstruction(self) -> np.ndarray:
        frequencies, samples = self._training()
        return zero_filled(samples, frequencies, self.size)

    def figures(self, images: Mapping[str, np.ndarray]) -> dict[str, Draw]:
        frequencies, _ = self._training()
        shown = {"density": self.density, **images}
        slices = {
            name: [self._slice(volume, axis) for axis in reversed(AXES)]
            for name, volume in shown.items()
        }
        mask = np.zeros((self.size, self.size), bool)
        x, y = (frequencies[frequencies[:, 2] == 0, :2] + self.size // 2).T
        mask[y, x] = True
        spectra = {name: _amplitudes(volume) for name, volume in shown.items()}
        return {
            "reconstructions": partial(volumes.slices, slices, _PLANES),
            "k_space": partial(volumes.k_space, mask, self._fraction, spectra),
        }

    def _training(self) -> tuple[np.ndarray, np.ndarray]:
        """Return frequencies ``[samples, 3]`` and complex training samples ``[samples]``."""
        targets = self.splits["train"][1][0].float().cpu().numpy()
        return targets[:, :3].round().astype(np.int64), targets[:, 3] + 1j * targets[:, 4]

    def _slice(self, volume: np.ndarray, axis: str) -> np.ndarray:
        """Return the image of ``data.section.Section`` of a volume, ``[size, size]``."""
        return np.take(volume, self._slices[axis], AXES.index(axis)).T


def gaussian_frequencies(size: int, seed: int) -> np.ndarray:
    """Return all frequencies in the order in which Gaussian draws find them, int ``[size^3, 3]``.

    Frequencies are in cycles over a cube of ``size`` voxels along each axis. Their probability p is
    proportional to the Gaussian of ``MRI``. If each frequency is drawn at random times with the
    rate p, its first time is exponentially distributed with the mean 1/p, so that the order of such
    times is that of first draws.
    """
    along = np.arange(size) - size // 2
    exponent = (along / (_SPREAD * size)) ** 2 / 2
    times = np.log(np.random.default_rng(seed).exponential(size=(size,) * 3))
    times += exponent[:, None, None] + exponent[:, None] + exponent
    order = np.argsort(times, axis=None, kind="stable")
    return np.stack(np.unravel_index(order, times.shape), 1) - size // 2


def _amplitudes(volume: np.ndarray) -> np.ndarray:
    """Return the amplitudes of the Fourier coefficients with frequency 0 along z, ``[y, x]``."""
    plane = np.fft.fft2(volume.sum(2), norm="ortho") / np.sqrt(len(volume))
    return np.abs(np.fft.fftshift(plane)).T
