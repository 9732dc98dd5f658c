"""Curves: functions of one number, learned from points on the curve."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mlp_lab.data.datamodule import DataModule
from mlp_lab.nn.seeds import epoch_seed

# Steps of the grid on which a fit is evaluated.
_GRID = 1_000


def _bump(x: np.ndarray, height: float, centre: float, width: float) -> np.ndarray:
    return height * np.exp(-(((x - centre) / width) ** 2))


# Functions from [-1, 1] to [-1, 1]. All except the step are continuous.
FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sine": lambda x: np.sin(np.pi * x),
    "chirp": lambda x: np.sin(np.pi * (x + 1) * (1 + 0.75 * (x + 1))),
    "bumps": lambda x: _bump(x, 1, -0.6, 0.1) + _bump(x, -0.7, 0, 0.2) + _bump(x, 0.5, 0.6, 0.14),
    "triangle": lambda x: 2 * np.abs(2 * (x % 1) - 1) - 1,
    "step": lambda x: np.where(x < 0, -1.0, 1.0),
}


class Curve(DataModule):
    """Points of a curve on [-1, 1].

    The training points form a regular grid that includes both ends. Validation and test points
    have no noise. They come from 1,000 equal steps: the ends of the steps for validation, the
    middles for the test.

    Inputs and targets are float32 ``[points, 1]``.

    Args:
        function: a key of ``FUNCTIONS``.
        size: number of training points.
        noise: standard deviation of the Gaussian noise in the training targets.
        noise_seed: seed of this noise.

    Raises:
        KeyError: there is no such function.
    """

    in_features = 1
    out_features = 1

    def __init__(
        self, *, function: str, size: int, noise: float, noise_seed: int, **common: Any
    ) -> None:
        super().__init__(**common)
        self.function = FUNCTIONS[function]
        self.size = size
        self.noise = noise
        self.noise_seed = noise_seed

    def read(self, device: torch.device) -> dict[str, tuple[Tensor, Tensor]]:
        grid = np.linspace(-1, 1, _GRID + 1)
        random = np.random.default_rng(epoch_seed(self.noise_seed, 0, "noise"))
        points = {
            "train": np.linspace(-1, 1, self.size),
            "validation": grid,
            "test": (grid[1:] + grid[:-1]) / 2,
        }
        values = {split: self.function(x) for split, x in points.items()}
        values["train"] = values["train"] + self.noise * random.standard_normal(self.size)

        def column(numbers: np.ndarray) -> Tensor:
            return torch.tensor(numbers, dtype=torch.float32, device=device).unsqueeze(1)

        return {split: (column(x), column(values[split])) for split, x in points.items()}
