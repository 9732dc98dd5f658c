"""The zero-filled inverse Fourier transform, the classical reconstruction of MRI."""

import numpy as np


def zero_filled(coefficients: np.ndarray, frequencies: np.ndarray, size: int) -> np.ndarray:
    """Return the volume with given Fourier coefficients, float32 ``[size] * 3`` in [0, 1].

    The coefficient at -k is the complex conjugate of that at k, because densities are real. All
    coefficients that are then still unknown are 0. Of all volumes with the given coefficients, this
    one has the smallest sum of squares, and gradient descent on the squared error of the
    coefficients converges to it from 0. It is clipped to [0, 1].

    Args:
        coefficients: coefficients of the orthonormal transform, complex ``[samples]``.
        frequencies: their frequencies in cycles over the volume, int ``[samples, 3]``.
        size: number of voxels along each axis.
    """
    spectrum = np.zeros((size,) * 3, np.complex128)
    spectrum[tuple(-frequencies.T % size)] = coefficients.conj()
    spectrum[tuple(frequencies.T % size)] = coefficients
    volume = np.fft.ifftn(spectrum, norm="ortho").real
    return volume.clip(0, 1).astype(np.float32)
