"""Claims on backpropagation: formulas of gradients, cost of computing them, training with them."""

import copy
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from random import Random

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mlp_lab.course.claims.claim import Claim
from mlp_lab.course.counting import count_multiplications
from mlp_lab.course.lecture_networks import EXAMPLES
from mlp_lab.figures.operation_counts import OperationCounts, operation_counts
from mlp_lab.nn.backpropagation import outputs_and_gradients
from mlp_lab.nn.mlp import MLP
from mlp_lab.nn.output_deltas import OUTPUT_DELTAS
from mlp_lab.nn.scalar_backpropagation import (
    SCALAR_ACTIVATIONS,
    Gradients,
    ScalarNetwork,
    gradient_formula,
    gradients_by_autograd,
    gradients_by_dynamic_programming,
    gradients_by_paths,
    layered_network,
)

Method = Callable[[ScalarNetwork, dict[str, float], Sequence[float], Sequence[float]], Gradients]

SOURCE = "lecture, back-propagation"

#: Expected formulas of gradients, by example and weight.
EXPECTED_FORMULAS = {
    ("lecture_2_2_1", "w13"): "2(g5-y) w35 x1",
    ("lecture_2_2_1_relu", "w13"): "2(g5-y) w35 δ(f3>0) x1",
    ("lecture_2_2_2_1", "w2"): "2(g7-y) w8 w4 x2 + 2(g7-y) w9 w5 x2",
    ("lecture_2_2_2_1", "w8"): "2(g7-y) g5",
}

# Largest number of hidden layers, by width: the longest sum over paths takes about a second.
_MAX_DEPTHS = {2: 12, 4: 6}


def claims() -> Iterator[Claim]:
    """Yield the claims on formulas, values and cost of gradients, and on training with them."""
    for (name, weight), expected in EXPECTED_FORMULAS.items():
        network = EXAMPLES[name].network
        [edge] = (edge for edge in network.edges if edge.name == weight)
        measured = gradient_formula(network, edge)
        yield Claim(f"dE/d{weight} in {name}", SOURCE, expected, measured, measured == expected)
    yield _equal_gradients()
    yield _cost()
    yield _training()


def _equal_gradients() -> Claim:
    """Return the claim that three methods compute equal gradients for all networks."""
    methods = gradients_by_paths, gradients_by_dynamic_programming
    differences: list[float] = []
    for example in EXAMPLES.values():
        for activation in SCALAR_ACTIVATIONS:
            network = example.network.with_hidden(activation)
            values = dict(example.weights), example.inputs, [example.target]
            expected = gradients_by_autograd(network, *values)
            for method in methods:
                gradients = method(network, *values)
                differences += [abs(gradients[name] - expected[name]) for name in expected]
    largest = float(np.max(differences))  # max would ignore a NaN
    return Claim(
        "the sum over paths, dynamic programming and autograd compute the same gradients",
        SOURCE,
        "largest difference at most 1e-12",
        f"largest difference {largest:.1g}",
        largest <= 1e-12,
    )


def _cost() -> Claim:
    """Return the claim on the numbers of multiplications of two methods by depth of the network."""
    methods: dict[str, tuple[Method, Callable[[int, int], int]]] = {
        "sum over paths": (gradients_by_paths, multiplications_by_paths),
        "dynamic programming": (
            gradients_by_dynamic_programming,
            multiplications_by_dynamic_programming,
        ),
    }
    series = {}
    for width, max_depth in _MAX_DEPTHS.items():
        depths = range(1, max_depth + 1)
        for name, (method, closed_form) in methods.items():
            label = f"{name}, width {width}"
            counted = [multiplications(method, width, depth) for depth in depths]
            expected = [closed_form(width, depth) for depth in depths]
            series[label] = OperationCounts(label, depths, counted, expected)
    paths, dynamic = series["sum over paths, width 2"], series["dynamic programming, width 2"]
    counts_of = [*series.values()]
    what = "multiplications that compute all gradients"
    figure = partial(operation_counts, counts_of, "number of hidden layers", what)
    return Claim(
        "the cost grows exponentially with depth by paths, linearly by dynamic programming",
        SOURCE,
        f"{paths.expected[-1]:,} and {dynamic.expected[-1]:,} multiplications"
        f" for {paths.x[-1]} hidden layers of 2 units",
        f"{paths.counted[-1]:,} and {dynamic.counted[-1]:,}",
        all(list(counts.counted) == list(counts.expected) for counts in series.values()),
        {"multiplications": figure},
    )


def multiplications(method: Method, width: int, depth: int) -> int:
    """Count the multiplications for all gradients of a layered ReLU network with one output.

    Args:
        method: function that computes the gradients.
        width: number of inputs and of units of each hidden layer.
        depth: number of hidden layers.
    """
    network = layered_network([width] * (depth + 1) + [1], "relu")
    gauss = Random(0).gauss

    def compute(number: type[float]) -> object:
        weights = {edge.name: number(gauss(0, 1)) for edge in network.edges}
        inputs = [number(gauss(0, 1)) for _ in network.inputs]
        return method(network, weights, inputs, [number(1)])

    return count_multiplications(compute)


def multiplications_by_paths(n: int, d: int) -> int:
    """Return the closed form of ``multiplications`` for the sum over paths.

    A path of k edges from a weight to the output needs 2 k + 2 multiplications. Each of the n^2
    weights of a hidden layer with k layers above it has n^(k-1) paths. Each of the n weights of the
    output layer has one path without edges. The forward pass needs n^2 d + n multiplications, the
    factor 2 of the error one.

    Args:
        n: width of the network.
        d: number of hidden layers.
    """
    hidden = sum(n**2 * n ** (k - 1) * (2 * k + 2) for k in range(1, d + 1))
    return n**2 * d + n + 1 + hidden + 2 * n


def multiplications_by_dynamic_programming(n: int, d: int) -> int:
    """Return the closed form of ``multiplications`` for dynamic programming.

    Each weight needs one multiplication in the forward pass, one for its gradient and, except for
    the n^2 weights of the first layer, one for a delta. Each of the n d + 1 units needs one for the
    factor a'(f) of its delta. The factor 2 of the error needs one.

    Args:
        n: width of the network.
        d: number of hidden layers.
    """
    weights = n**2 * d + n
    return 3 * weights - n**2 + n * d + 1 + 1


def _training(steps: int = 20) -> Claim:
    """Return the claim that training with gradients in matrix form and by autograd is equal."""
    torch.manual_seed(0)
    network = MLP(784, 10, width=256)
    reference = copy.deepcopy(network)
    output_delta = OUTPUT_DELTAS["sigmoid", "squared_error"]
    for _ in range(steps):
        x = torch.randn(256, 784)
        y = F.one_hot(torch.randint(10, (256,)), 10).float()
        _, gradients = outputs_and_gradients(network, x, y, output_delta)
        _descend(network, gradients)
        loss = F.mse_loss(reference(x).sigmoid(), y, reduction="sum") / len(x)
        _descend(reference, torch.autograd.grad(loss, list(reference.parameters())))
    pairs = zip(network.parameters(), reference.parameters(), strict=True)
    largest = float(np.max([(a - b).abs().max().item() for a, b in pairs]))
    return Claim(
        f"after {steps} steps of a 784-256-10 network, matrix form and autograd give equal weights",
        SOURCE,
        "largest difference at most 1e-6",
        f"largest difference {largest:.1g}",
        largest <= 1e-6,
    )


@torch.no_grad()
def _descend(network: nn.Module, gradients: Sequence[Tensor]) -> None:
    for parameter, gradient in zip(network.parameters(), gradients, strict=True):
        parameter.sub_(0.1 * gradient)
