"""What an encoding makes of the unit square."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from mlp_lab.figures.image_grid import examples


def features(values: np.ndarray, captions: Sequence[str]) -> Figure:
    """Features as grey pictures, x to the right and y downwards; all have the same scale.

    Args:
        values: ``[features, height, width]``, the least of all drawn black, the largest white.
        captions: one a feature.
    """
    scaled = (values - values.min()) / (np.ptp(values) or 1.0)
    scale = f"{values.min():.2g} (black) to {values.max():.2g} (white)"
    return examples(scaled, captions, f"features over the unit square\n{scale}", columns=8)
