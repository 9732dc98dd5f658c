"""Images that many networks reconstructed, beside the original ones."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# The original image and, for each column, a reconstruction with its PSNR in dB, or None.
ImageRow = tuple[np.ndarray, Sequence[tuple[np.ndarray, float] | None]]

_SIDE = 2.3  # inches of a panel
_WRAP = 26  # letters above a panel


def side_by_side(rows: Mapping[str, ImageRow], columns: Sequence[str]) -> Figure:
    """Draw a row for each image: the original, then the reconstructions with their PSNR.

    Args:
        rows: images by label, uint8 ``[height, width, channels]``, with 1 or 3 channels.
        columns: names of the networks.
    """
    titles = ["\n".join(textwrap.wrap(column, _WRAP)) for column in columns]
    above = 0.45 + 0.17 * max(title.count("\n") + 2 for title in titles)
    size = ((len(columns) + 1) * _SIDE, len(rows) * (_SIDE + 0.1) + above)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(rows), len(columns) + 1, squeeze=False)
    for row, (name, (truth, reconstructions)) in zip(panels, rows.items(), strict=True):
        first = name == next(iter(rows))
        _show(row[0], truth, "truth" if first else "")
        row[0].set_ylabel(name, fontsize=8)
        for panel, reconstruction, title in zip(row[1:], reconstructions, titles, strict=True):
            if reconstruction is None:
                panel.set_axis_off()
                continue
            image, psnr = reconstruction
            _show(panel, image, f"{title}\n{psnr:.2f} dB" if first else f"{psnr:.2f} dB")
    figure.suptitle("images reconstructed by each network, with the PSNR of all pixels")
    return figure


def _show(panel: Axes, image: np.ndarray, title: str) -> None:
    shown = image.squeeze(2) if image.shape[2] == 1 else image
    panel.imshow(shown, "gray", vmin=0, vmax=255, interpolation="nearest")
    panel.set_title(title, fontsize=9)
    panel.set_xticks([])
    panel.set_yticks([])
