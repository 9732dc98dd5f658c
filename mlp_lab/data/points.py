"""Labelled points in the plane: what a network does with them can be drawn."""

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

# Of the set ``separable``: the distance of every point from the line between the classes, the
# distance of this line from the origin, and the direction of its normal.
MARGIN, OFFSET = 0.1, 0.3
NORMAL = np.array([math.cos(math.pi / 6), math.sin(math.pi / 6)])

# Of the set ``overlapping``: the classes are Gaussian around +-CENTRE, apart from the noise.
CENTRE, SPREAD = np.array([0.7, 0.7]), 0.7


class LabelledPoints(DataModule):
    """Points with two features, each of a class.

    Inputs are float32 ``[examples, 2]``, targets int64 ``[examples]``. A network has an output
    for each class or, of two, a single one.

    Args:
        points_seed: of what is drawn at random before the training begins.
        train_size: train on the first so many examples only; None: on all.
        available: examples that there are to train on.

    Raises:
        UserError: for a ``train_size`` above what is available.
    """

    in_features = 2
    class_names: tuple[str, ...]
    feature_names: tuple[str, ...] = ("x1", "x2")
    #: An input is (feature - mean) / std: what to do to tell of features.
    mean = np.zeros(2)
    std = np.ones(2)

    def __init__(
        self, *, points_seed: int, train_size: int | None, available: int, **common: Any
    ) -> None:
        super().__init__(**common)
        if train_size is not None and train_size > available:
            raise UserError(f"data.train_size={train_size}: there are {available} examples only")
        self.points_seed = points_seed
        self.train_size = train_size

    @property
    def out_features(self) -> int:  # type: ignore[override]
        classes = len(self.class_names)
        return 1 if classes == 2 else classes

    @abstractmethod
    def points(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Inputs ``[examples, 2]`` and the numbers of their classes, ``[examples]``, by split."""

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
    """Points of two classes, drawn from one of ``SETS``, in equal parts.

    Each split has ``size`` points of its own. The first of them are the same whatever the size.

    Args:
        set: a key of ``SETS``.
        size: points in a split.
        noise: standard deviation of what is added to each coordinate.

    Raises:
        KeyError: for a set that doesn't exist.
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
        # Two generators, so that the first points don't depend on how many follow.
        place = generator("places").random((self.size, 2))
        noise = self.noise * generator("noise").standard_normal((self.size, 2))
        return self.draw(label, place, noise), label


# Each maps the classes 0 and 1 ``[points]``, random numbers in [0, 1) and noise, ``[points, 2]``
# both, to points ``[points, 2]``.
Draw = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def separable(label: np.ndarray, place: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Points on both sides of a line, at least ``MARGIN`` away from it whatever the noise."""
    side = 2 * label - 1
    along = 3 * place[:, 0] - 1.5 + noise[:, 0]
    # What the noise would carry over the margin is reflected there.
    away = MARGIN + np.abs(1.3 * place[:, 1] + noise[:, 1])
    tangent = np.array([-NORMAL[1], NORMAL[0]])
    return np.outer(along, tangent) + np.outer(OFFSET + side * away, NORMAL)


def xor(label: np.ndarray, place: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """The corners of a square: class 1 where the signs of the coordinates differ."""
    first = np.where(place[:, 0] < 0.5, -1.0, 1.0)
    second = np.where(label == 1, -first, first)
    return np.stack([first, second], 1) + noise


def spirals(label: np.ndarray, place: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Two arms that wind around each other, one and a half turns each."""
    reach = np.sqrt(place[:, 0])  # which spreads the points evenly along an arm
    return _polar(0.2 + 1.8 * reach, math.pi * (3 * reach + label)) + noise


def rings(label: np.ndarray, place: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """A circle around another."""
    return _polar(np.where(label == 1, 1.6, 0.8), 2 * math.pi * place[:, 0]) + noise


def moons(label: np.ndarray, place: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Two half circles, each with an end inside the other."""
    half = _polar(np.ones(len(label)), math.pi * place[:, 0])
    moved = np.where(label[:, None] == 1, [0.5, 0.25] - half, half - [0.5, 0.25])
    return moved + noise


def overlapping(label: np.ndarray, place: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Two Gaussian clouds that share a region: no boundary has an error of zero."""
    # Box and Muller 1958: two uniform random numbers become two normal ones.
    radius = np.sqrt(-2 * np.log1p(-place[:, 0]))
    cloud = SPREAD * _polar(radius, 2 * math.pi * place[:, 1])
    return np.outer(2 * label - 1, CENTRE) + cloud + noise


def _polar(radius: np.ndarray, angle: np.ndarray) -> np.ndarray:
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)


SETS: dict[str, Draw] = {
    draw.__name__: draw for draw in (separable, xor, spirals, rings, moons, overlapping)
}
