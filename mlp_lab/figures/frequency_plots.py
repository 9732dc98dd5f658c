"""Amplitude spectra of images."""

from collections.abc import Mapping

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from mlp_lab.figures.style import line_style

_MIN_AMPLITUDE = 1e-6  # smaller amplitudes are drawn as this one


def amplitude_spectra(spectra: Mapping[str, np.ndarray], nyquist: float, title: str) -> Figure:
    """Plot the two-dimensional amplitude spectrum of each image, and all radial spectra as lines.

    Args:
        spectra: amplitude spectra from ``images.spectra.spectrum``, ``[size, size]``, by image
            name. The images have values in [0, 1] and the same size.
        nyquist: Nyquist frequency of the training pixels in cycles per image; a vertical line
            marks it.
        title: title of the figure.
    """
    figure = Figure(figsize=(4.4 + 3.2 * len(spectra), 3.9), layout="constrained")
    ratios = [*[1.0] * len(spectra), 1.3]
    *panels, last = figure.subplots(1, 1 + len(spectra), width_ratios=ratios)
    clipped = {name: values.clip(_MIN_AMPLITUDE) for name, values in spectra.items()}
    smallest = min(values.min() for values in clipped.values())
    largest = max(values.max() for values in clipped.values())
    norm = LogNorm(smallest, max(largest, 2 * smallest))
    for panel, (name, values) in zip(panels, clipped.items(), strict=True):
        half = len(values) // 2
        ends = (-half - 0.5, len(values) - half - 0.5)
        image = panel.imshow(values, "magma", norm=norm, extent=(*ends, *ends[::-1]))
        panel.set(xlabel="frequency along x (cycles)", title=name)
    panels[0].set_ylabel("frequency along y (cycles)")
    figure.colorbar(image, ax=panels, label="amplitude", shrink=0.8)
    for place, (name, values) in enumerate(clipped.items()):
        frequencies, amplitudes = radial_spectrum(values)
        last.plot(frequencies, amplitudes, label=name, **line_style(place, len(frequencies)))
    last.axvline(nyquist, color="grey", ls=":", label="Nyquist frequency of the training pixels")
    last.set(xscale="log", yscale="log", xlabel="frequency (cycles per image)")
    last.set(ylabel="RMS amplitude", title="over all directions")
    last.grid(alpha=0.3)
    figure.legend(loc="outside lower right", ncols=len(last.lines))  # curves can fill every corner
    figure.suptitle(title)
    return figure


def radial_spectrum(amplitudes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the radial frequencies 1, 2, ..., size // 2 and the RMS amplitude at each of them.

    The root mean square is taken over a ring of width 1 around the frequency 0.

    Args:
        amplitudes: amplitude spectrum from ``images.spectra.spectrum``, ``[size, size]``.
    """
    size = len(amplitudes)
    axis = np.arange(size) - size // 2
    rings = np.rint(np.hypot(axis[:, None], axis)).astype(int).ravel()
    power = np.bincount(rings, amplitudes.ravel() ** 2) / np.maximum(np.bincount(rings), 1)
    frequencies = np.arange(1, size // 2 + 1)
    return frequencies, np.sqrt(power[frequencies])
