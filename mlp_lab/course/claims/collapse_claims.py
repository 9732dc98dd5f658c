"""Claims on deep linear networks: they are equal to one linear layer and cannot learn XOR."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch

from mlp_lab.course.claims.claim import Claim
from mlp_lab.figures import linear_boundaries
from mlp_lab.nn.mlp import MLP, collapse

_DEPTHS = range(13)
_NETWORKS = 100  # of each depth
_TOLERANCE = 1e-9

# The four points of XOR and their classes -1 and 1.
_CORNERS = torch.tensor([[0, 0], [1, 1], [0, 1], [1, 0]], dtype=torch.float64)
_CLASSES = torch.tensor([-1, -1, 1, 1], dtype=torch.float64)


def claims() -> Iterator[Claim]:
    """Yield the claims on the equality to one layer and on XOR."""
    torch.manual_seed(0)
    yield _one_layer()
    yield _xor_is_not_linear()
    yield _xor_with_linear_networks()


@torch.no_grad()
def _one_layer() -> Claim:
    differences = []
    for depth in _DEPTHS:
        network = MLP(20, 10, width=30, depth=depth, activation="identity").double()
        x = torch.randn(1000, 20, dtype=torch.float64)
        y = network(x)
        differences.append(float((collapse(network)(x) - y).norm() / y.norm()))
    largest = float(np.max(differences))  # max would ignore a NaN
    return Claim(
        text=f"a deep linear network of depth {_DEPTHS[0]} to {_DEPTHS[-1]} is equal to one layer",
        source="lecture, activations",
        expected=f"relative difference below {_TOLERANCE:.0e}",
        measured=f"largest relative difference {largest:.2g}",
        holds=largest < _TOLERANCE,
    )


def _xor_is_not_linear() -> Claim:
    """Return the claim that the vectors y * (x1, x2, 1) of the four corners add up to 0.

    Assume that f(x) = w.x + b classifies all corners correctly: y f(x) > 0 at each corner. Then the
    sum of y f(x) over the corners is positive. This sum is also the scalar product of (w, b) and
    the sum of the vectors, which is 0. This is a contradiction (a case of Gordan's theorem).
    """
    total = (_CLASSES[:, None] * torch.cat([_CORNERS, torch.ones(4, 1)], 1)).sum(0)
    return Claim(
        text="XOR: there are no w and b with y (w·x + b) > 0 at all four corners",
        source="Minsky and Papert 1969; lecture, perceptron",
        expected="Σ y (x, 1) = (0, 0, 0)",
        measured=f"({', '.join(f'{v:g}' for v in total)})",
        holds=not total.any(),
    )


@torch.no_grad()
def _xor_with_linear_networks() -> Claim:
    """Return the claim that no deep linear network classifies all corners of XOR correctly."""
    fewest = len(_CORNERS)
    lines: dict[str, tuple[np.ndarray, float]] = {}
    for depth in _DEPTHS:
        for _ in range(_NETWORKS):
            network = MLP(2, 1, width=8, depth=depth, activation="identity", gain=3).double()
            wrong = int((_CLASSES * network(_CORNERS)[:, 0] <= 0).sum())
            fewest = min(fewest, wrong)
            if wrong == 1 and depth % 4 == 0:
                single = collapse(network)
                lines[f"depth {depth}"] = single.weight[0].numpy(), float(single.bias)
    points = _CORNERS.numpy(), _CLASSES.numpy()
    title = "XOR: decision boundaries of linear networks by depth"
    figure = partial(linear_boundaries.linear_boundaries, *points, lines, title)
    return Claim(
        text="XOR: a deep linear network of any depth misclassifies at least one corner",
        source="lecture, activations",
        expected="1 of 4 wrong in the best network",
        measured=f"{fewest} of 4 wrong, the best of {_NETWORKS} random networks per depth",
        holds=fewest == 1,
        figures={"linear_networks_on_xor": figure},
    )
