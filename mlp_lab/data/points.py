"""Labelled points in the plane, for which the regions of a network's classes can be drawn."""

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mlp_lab.config.names import SPLITS
from mlp_lab.data.datamodule import DataModule
from mlp_lab.errors import UserError
from mlp_lab.nn.seeds import epoch_seed

# For the set ``separable``: the minimum distance of a point from the line between the classes, the
# distance of this line from the origin, and the direction of its normal.
MARGIN, OFFSET = 0.1, 0.3
NORMAL = np.array([math.cos(math.pi / 6), math.sin(math.pi / 6)])

# For the set ``outliers``: how much further away every fifth point of class 1 is.
DISTANCE = 5.0

# For the set ``overlapping``: without noise, the classes are Gaussian around +-CENTRE.
CENTRE, SPREAD = np.array([0.7, 0.7]), 0.7


class LabelledPoints(DataModule):
    """Points with two features and a class.

    Inputs are float32 ``[examples, 2]``, targets int64 ``[examples]``. A network has one output
    for each class, but only a single output if there are two classes.

    Args:
        points_seed: seed of the random points.
        train_size: number of training examples, the first of all; None: all.
        available: number of training examples that exist.

    Raises:
        UserError: ``train_size`` is above ``available``.
    """

    in_features = 2
    class_names: tuple[str, ...]
    feature_names: tuple[str, ...] = ("x1", "x2")

    def __init__(
        self, *, points_seed: int, train_size: int | None, available: int, **common: Any
    ) -> None:
        super().__init__(**common)
        classes = len(self.class_names)
        self.out_features = 1 if classes == 2 else classes
        if train_size is not None and train_size > available:
            raise UserError(f"data.train_size={train_size}: must be at most {available}")
        self.points_seed = points_seed
        self.train_size = train_size

    @abstractmethod
    def points(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Return inputs ``[examples, 2]`` and numbers of classes ``[examples]`` by split."""

    def read(self, device: torch.device) -> dict[str, tuple[Tensor, Tensor]]:
        splits = self.points()
        x, y = splits["train"]
        splits["train"] = x[: self.train_size], y[: self.train_size]
        return {
            name: (
                torch.tensor(x, dtype=torch.float32, device=device),
                torch.tensor(y, dtype=torch.int64, device=device),
            )
            for name, (x, y) in splits.items()
        }


class Points(LabelledPoints):
    """Random points of two classes of equal size, drawn from one of ``SETS``.

    Each split has ``size`` different points. The first points do not depend on ``size``.

    Args:
        set: a key of ``SETS``.
        size: number of points in a split.
        noise: standard deviation of the Gaussian noise in each coordinate.

    Raises:
        KeyError: there is no such set.
    """

    class_names = ("0", "1")

    def __init__(self, *, set: str, size: int, noise: float, **common: Any) -> None:
        super().__init__(available=size, **common)
        self.draw = SETS[set]
        self.size = size
        self.noise = noise

    def points(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        return {split: self._points(split) for split in SPLITS}

    def _points(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        def generator(purpose: str) -> np.random.Generator:
            seed = epoch_seed(self.points_seed, 0, f"{purpose} of {split} points")
            return np.random.default_rng(seed)

        label = np.arange(self.size) % 2
        # Two generators, so that the first points do not depend on ``size``.
        place = generator("places").random((self.size, 2))
        noise = self.noise * generator("noise").standard_normal((self.size, 2))
        return self.draw(label, place, noise), label


# A function from classes 0 and 1 ``[points]``, uniform random numbers in [0, 1) ``[points, 2]`` and
# noise ``[points, 2]`` to points ``[points, 2]``.
Draw = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def separable(label: np.ndarray, place: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return points on both sides of a line, at least ``MARGIN`` away from it for any noise."""
    side = 2 * label - 1
    along = 3 * place[:, 0] - 1.5 + noise[:, 0]
    # A point that the noise would move across the margin is reflected.
    away = MARGIN + np.abs(1.3 * place[:, 1] + noise[:, 1])
    tangent = np.array([-NORMAL[1], NORMAL[0]])
    return np.outer(along, tangent) + np.outer(OFFSET + side * away, NORMAL)


def outliers(label: np.ndarray, place: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return the points of ``separable``, but with every fifth point of class 1 far away.

    A line separates the classes, but the one of least squares does not: it is drawn to the points
    far away, whose predictions exceed 1 (Bishop 2006, figure 4.4).
    """
    far = np.arange(len(label)) % 10 == 1
    return separable(label, place, noise) + np.outer(DISTANCE * far, NORMAL)


def xor(label: np.ndarray, place: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return corners of a square; class 1 is where the signs of the coordinates differ."""
    first = np.where(place[:, 0] < 0.5, -1.0, 1.0)
    second = np.where(label == 1, -first, first)
    return np.stack([first, second], 1) + noise


def spirals(label: np.ndarray, place: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return two spirals around each other, of one and a half turns each."""
    reach = np.sqrt(place[:, 0])  # spreads the points evenly along an arm
    return _polar(0.2 + 1.8 * reach, math.pi * (3 * reach + label)) + noise


def rings(label: np.ndarray, place: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return two circles with the same centre."""
    return _polar(np.where(label == 1, 1.6, 0.8), 2 * math.pi * place[:, 0]) + noise


def moons(label: np.ndarray, place: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return two half circles, each with one end inside the other."""
    half = _polar(np.ones(len(label)), math.pi * place[:, 0])
    moved = np.where(label[:, None] == 1, [0.5, 0.25] - half, half - [0.5, 0.25])
    return moved + noise


def overlapping(label: np.ndarray, place: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return two Gaussian clouds that overlap: no boundary has an error of zero."""
    # Box and Muller 1958: from two uniform random numbers to two normal ones.
    radius = np.sqrt(-2 * np.log1p(-place[:, 0]))
    cloud = SPREAD * _polar(radius, 2 * math.pi * place[:, 1])
    return np.outer(2 * label - 1, CENTRE) + cloud + noise


def _polar(radius: np.ndarray, angle: np.ndarray) -> np.ndarray:
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)


SETS: dict[str, Draw] = {
    draw.__name__: draw for draw in (separable, outliers, xor, spirals, rings, moons, overlapping)
}
