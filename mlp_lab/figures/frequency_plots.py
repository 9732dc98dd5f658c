"""Which frequencies pictures are made of."""

from collections.abc import Mapping

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

_LEAST = 1e-6  # amplitudes below are drawn as this


def spectra(spectra: Mapping[str, np.ndarray], nyquist: float) -> Figure:
    """Amplitudes by frequency in the plane, a panel a picture, and in any direction, a line each.

    Args:
        spectra: by name, as ``spectra.spectrum`` has them, of pictures with values in [0, 1] and
            of one size.
        nyquist: the highest frequency that the training pixels can show, which is marked.
    """
    figure = Figure(figsize=(4 + 3.2 * len(spectra), 3.6), layout="constrained")
    ratios = [*[1.0] * len(spectra), 1.3]
    *panels, last = figure.subplots(1, 1 + len(spectra), width_ratios=ratios)
    shown = {name: values.clip(_LEAST) for name, values in spectra.items()}
    least = min(values.min() for values in shown.values())
    largest = max(values.max() for values in shown.values())
    norm = LogNorm(least, max(largest, 2 * least))
    for panel, (name, values) in zip(panels, shown.items(), strict=True):
        half = len(values) // 2
        ends = (-half - 0.5, len(values) - half - 0.5)
        drawn = panel.imshow(values, "magma", norm=norm, extent=(*ends, *ends[::-1]))
        panel.set(xlabel="frequency along x (cycles)", title=name)
    panels[0].set_ylabel("frequency along y (cycles)")
    figure.colorbar(drawn, ax=panels, label="amplitude, of 1", shrink=0.8)
    for name, values in shown.items():
        last.plot(*by_frequency(values), label=name)
    last.axvline(nyquist, color="grey", ls=":", label="Nyquist,\ntraining pixels")
    last.set(xscale="log", yscale="log", xlabel="frequency (cycles over the picture)")
    last.set_ylabel("amplitude, root mean square over directions")
    last.grid(alpha=0.3)
    last.legend(fontsize=8)
    return figure


def by_frequency(amplitudes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies 1, 2 .. size // 2 in any direction, and the root mean square amplitude at each.

    Args:
        amplitudes: as ``images.spectra.spectrum`` returns them. Those in a ring of width 1 count
            for one frequency.
    """
    size = len(amplitudes)
    along = np.arange(size) - size // 2
    rings = np.rint(np.hypot(along[:, None], along)).astype(int).ravel()
    power = np.bincount(rings, amplitudes.ravel() ** 2) / np.maximum(np.bincount(rings), 1)
    frequencies = np.arange(1, size // 2 + 1)
    return frequencies, np.sqrt(power[frequencies])
