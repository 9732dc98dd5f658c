"""Amplitude spectra of images."""

import numpy as np


def spectrum(image: np.ndarray) -> np.ndarray:
    """Return the amplitude spectrum of an image, ``[size, size]``.

    Rows are frequencies along y, columns along x, in cycles per image, from -(size // 2) upwards;
    frequency 0 is at ``[size // 2, size // 2]``. A cosine of amplitude a contributes a / 2 at its
    frequency and a / 2 at the opposite frequency. The mean colour is subtracted. A Hann window
    suppresses the discontinuities at the edges of the image. Channels are combined by their root
    mean square.

    Args:
        image: pixel values, ``[size, size, channels]``.
    """
    size = len(image)
    window = np.sin(np.pi * np.arange(size) / size) ** 2
    window = np.outer(window, window)[..., None]
    centred = image - image.mean((0, 1))
    coefficients = np.fft.fft2(centred * window, axes=(0, 1)) / window.sum()
    return np.fft.fftshift(np.sqrt(np.mean(np.abs(coefficients) ** 2, 2)))
