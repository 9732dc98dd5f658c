"""The base class of a user's data sets whose inputs may be square grey images."""

from typing import Any

import numpy as np
from torch import Tensor

from mlp_lab.data.split_examples import Examples, SplitExamples, Statistics


class SplitImages(SplitExamples):
    """Examples whose inputs are flattened images in [0, 1], or features.

    All pixels are standardized with the same mean and standard deviation, as those of MNIST.

    Args:
        side: height and width of the images in pixels; None: the inputs are features.
        options: arguments of ``SplitExamples``.
    """

    def __init__(self, *, side: int | None, examples: Examples, **options: Any) -> None:
        self.image_side = side
        super().__init__(examples=examples, **options)
        if side is not None:
            self.image_fill = -self.mean / self.std  # black

    def statistics(self, training: np.ndarray) -> Statistics:
        if self.image_side is None:
            return super().statistics(training)
        return float(training.mean()), float(training.std()) if np.ptp(training) > 0 else 1.0

    def images(self, inputs: Tensor) -> Tensor | None:
        return None if self.image_side is None else super().images(inputs * self.std + self.mean)

    def from_images(self, images: Tensor) -> Tensor:
        return (super().from_images(images) - self.mean) / self.std
