"""Features of an encoding over the unit square."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from mlp_lab.figures.image_grid import image_grid


def feature_maps(values: np.ndarray, captions: Sequence[str]) -> Figure:
    """Plot features as greyscale images with a common scale, x to the right and y downwards.

    Args:
        values: values of the features, ``[features, height, width]``. The smallest value is
            black, the largest is white.
        captions: caption of each feature.
    """
    scaled = (values - values.min()) / (np.ptp(values) or 1.0)
    scale = f"{values.min():.2g} (black) to {values.max():.2g} (white)"
    return image_grid(
        scaled, captions, f"features of the encoding over the unit square\n{scale}", columns=8
    )
