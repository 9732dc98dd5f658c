"""Claims on the lecture's perceptron: its gradient, its limit, and what it does not separate."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch

from mlp_lab.course.claims.claim import Claim
from mlp_lab.data.points import Points
from mlp_lab.figures.linear_boundaries import linear_boundaries

_SOURCE = "lecture, perceptron"
_TOLERANCE = 1e-9
_ETA, _STEPS = 0.1, 1_000
_PASSES = 1_000  # at most, of Rosenblatt's rule


def claims() -> Iterator[Claim]:
    """Yield the claims on the error's derivative, the least-squares solution and outliers."""
    yield _derivative()
    yield _converges_to_least_squares()
    yield _does_not_always_separate()


def _derivative() -> Claim:
    x, y = (torch.from_numpy(array) for array in _points("separable"))
    w = torch.tensor([0.3, -0.2, 0.1], dtype=torch.float64, requires_grad=True)
    [expected] = torch.autograd.grad(((x @ w - y) ** 2).sum(), w)
    computed = 2 * (x @ w.detach() - y) @ x
    difference = float((computed - expected).abs().max() / expected.abs().max())
    return Claim(
        text="E(x) = (f(x) - y)², f(x) = w·x + b: dE/dw_i = 2 (f(x) - y) x_i",
        source=_SOURCE,
        expected=f"relative difference from autograd below {_TOLERANCE:.0e}",
        measured=f"largest relative difference {difference:.2g}",
        holds=difference < _TOLERANCE,
    )


def _converges_to_least_squares() -> Claim:
    x, y = _points("overlapping")
    w = np.zeros(3)
    for _ in range(_STEPS):
        w = w - _ETA * (x @ w - y) @ x / len(x)
    difference = float(np.abs(w - least_squares(x, y)).max())
    return Claim(
        text="w_i ← w_i - η mean (f(x) - y) x_i converges to the least-squares solution",
        source="Widrow and Hoff 1960",
        expected=f"difference below {_TOLERANCE:.0e} after {_STEPS:,} steps",
        measured=f"largest difference {difference:.2g}",
        holds=difference < _TOLERANCE,
    )


def _does_not_always_separate() -> Claim:
    x, y = _points("outliers")
    lines = {"least squares": least_squares(x, y), "Rosenblatt": _rosenblatt(x, y)}
    squares, rosenblatt = (int((y * (x @ w) <= 0).sum()) for w in lines.values())
    coefficients = {name: (w[:2], w[2]) for name, w in lines.items()}
    title = "separable points with outliers: decision boundaries"
    figure = partial(linear_boundaries, x[:, :2], y, coefficients, title)
    return Claim(
        text="least squares does not always separate linearly separable points",
        source="Bishop 2006, figure 4.4",
        expected="least squares: at least 1 wrong; Rosenblatt's rule: 0",
        measured=f"{squares} and {rosenblatt} of {len(y)} points, of which 10 are outliers",
        holds=squares > 0 and rosenblatt == 0,
        figures={"least_squares_with_outliers": figure},
    )


def least_squares(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the weights w that minimize the sum of (w.x - y)^2 over the rows of x."""
    return np.linalg.lstsq(x, y, rcond=None)[0]


def _rosenblatt(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the weights after the first pass of Rosenblatt's rule without mistakes."""
    w = np.zeros(x.shape[1])
    for _ in range(_PASSES):
        before = w
        for row, sign in zip(x, y, strict=True):
            if sign * (w @ row) <= 0:
                w = w + sign * row
        if w is before:
            break
    return w


def _points(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the points of a set with a constant 1, ``[points, 3]``, and y = -1 or +1."""
    points = Points(
        set=name, size=100, noise=0.1, points_seed=0, train_size=None, batch_size=10, seed=0,
        limits={},
    )  # fmt: skip
    x, label = points.points()["train"]
    return np.column_stack([x, np.ones(len(x))]), 2.0 * label - 1
