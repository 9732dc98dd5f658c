"""Which frequencies a picture is made of."""

import numpy as np


def spectrum(picture: np.ndarray) -> np.ndarray:
    """Amplitudes by frequency: ``[size, size]``, frequency 0 at ``[size // 2, size // 2]``.

    Frequencies are whole cycles over the picture, from -(size // 2) on, rows by y, columns by x. A
    cosine of amplitude a counts as a / 2 at its frequency and at the opposite one. The mean colour
    is left out, and a Hann window takes away the edges, where a picture doesn't go on as it begins.

    Args:
        picture: ``[size, size, channels]``; what is returned is the root of the mean square over
            the channels.
    """
    size = len(picture)
    window = np.sin(np.pi * np.arange(size) / size) ** 2
    window = np.outer(window, window)[..., None]
    centred = picture - picture.mean((0, 1))
    waves = np.fft.fft2(centred * window, axes=(0, 1)) / window.sum()
    return np.fft.fftshift(np.sqrt(np.mean(np.abs(waves) ** 2, 2)))
