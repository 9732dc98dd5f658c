"""Stacked linear layers are one linear layer, and what one layer can't do, they can't."""

from collections.abc import Iterator

import numpy as np
import torch

from mlp_lab.course.claims.claim import Claim
from mlp_lab.figures import boundaries
from mlp_lab.nn.mlp import MLP, collapse

_DEPTHS = range(13)
_NETWORKS = 100  # of each depth
_ROUNDING = 1e-9

# XOR: the four corners and the classes -1 and 1.
_CORNERS = torch.tensor([[0, 0], [1, 1], [0, 1], [1, 0]], dtype=torch.float64)
_CLASSES = torch.tensor([-1, -1, 1, 1], dtype=torch.float64)


def claims() -> Iterator[Claim]:
    """That they are one, and, with XOR for an example, what that means."""
    torch.manual_seed(0)
    yield _one_layer()
    yield _no_linear_function_has_xor_right()
    yield _nor_has_an_mlp_of_identities()


@torch.no_grad()
def _one_layer() -> Claim:
    largest = 0.0
    for depth in _DEPTHS:
        network = MLP(20, 10, width=30, depth=depth, activation="identity").double()
        x = torch.randn(1000, 20, dtype=torch.float64)
        y = network(x)
        largest = max(largest, float((collapse(network)(x) - y).norm() / y.norm()))
    return Claim(
        text=f"identity MLPs of depth {_DEPTHS[0]} to {_DEPTHS[-1]} are one linear layer",
        source="lecture, activations",
        expected=f"equal, within {_ROUNDING:.0e}",
        measured=f"within {largest:.2g}",
        holds=largest < _ROUNDING,
    )


def _no_linear_function_has_xor_right() -> Claim:
    """By Gordan's theorem: a sum with positive factors that is 0 leaves no room for a solution.

    A function f(x) = w.x + b has all classes y right if y f(x) > 0 at each corner. But the sum of
    y (x, 1) over the corners is 0, and with it that of y f(x), whatever w and b are.
    """
    total = (_CLASSES[:, None] * torch.cat([_CORNERS, torch.ones(4, 1)], 1)).sum(0)
    return Claim(
        text="XOR: no w and b give y (w·x + b) > 0 at all four corners",
        source="Minsky and Papert 1969; lecture, perceptron",
        expected="Σ y (x, 1) = (0, 0, 0)",
        measured=f"({', '.join(f'{v:g}' for v in total)})",
        holds=not total.any(),
    )


@torch.no_grad()
def _nor_has_an_mlp_of_identities() -> Claim:
    """Many networks of random weights, of each depth: the best of them."""
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
    drawn = boundaries.linear_boundaries(_CORNERS.numpy(), _CLASSES.numpy(), lines)
    return Claim(
        text="XOR: identity MLPs of all these depths have a corner wrong",
        source="lecture, activations",
        expected="1 of 4 wrong at best",
        measured=f"{fewest} of 4 wrong, of {_NETWORKS} random networks a depth",
        holds=fewest == 1,
        figures={"identity_mlps_on_xor": drawn},
    )
