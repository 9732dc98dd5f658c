"""Back-propagation by hand: printed gradients, three ways to them, what they cost, a training."""

import copy
from collections.abc import Callable, Iterator, Sequence
from random import Random

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mlp_lab.course.claims.claim import Claim
from mlp_lab.course.counting import count_multiplications
from mlp_lab.figures import growth
from mlp_lab.nn.backpropagation import OUTPUT_DELTAS, gradients
from mlp_lab.nn.mlp import MLP
from mlp_lab.nn.scalar_backpropagation import (
    DERIVATIVES,
    EXAMPLES,
    Gradients,
    ScalarNetwork,
    by_autograd,
    by_dynamic_programming,
    by_paths,
    formula,
    layered,
)

Way = Callable[[ScalarNetwork, dict[str, float], Sequence[float], Sequence[float]], Gradients]

SOURCE = "lecture, back-propagation"

#: Printed gradients, by example and weight.
PRINTED = {
    ("lecture_2_2_1", "w13"): "2(g5-y) w35 x1",
    ("lecture_2_2_1_relu", "w13"): "2(g5-y) w35 δ(f3>0) x1",
    ("lecture_2_2_2_1", "w2"): "2(g7-y) w8 w4 x2 + 2(g7-y) w9 w5 x2",
    ("lecture_2_2_2_1", "w8"): "2(g7-y) g5",
}

# Hidden layers that are counted, by width: the longest sums over paths take about a second.
_DEPTHS = {2: 12, 4: 6}


def claims() -> Iterator[Claim]:
    """That gradients by hand are what is printed and what autograd has, and what they cost."""
    for (name, weight), expected in PRINTED.items():
        network = EXAMPLES[name].network
        [edge] = (edge for edge in network.edges if edge.name == weight)
        found = formula(network, edge)
        yield Claim(f"dE/d{weight} in {name}", SOURCE, expected, found, found == expected)
    yield _three_ways()
    yield _growth()
    yield _training()


def _three_ways() -> Claim:
    """Paths, dynamic programming and autograd on the examples, with each activation."""
    largest = 0.0
    for example in EXAMPLES.values():
        for activation in DERIVATIVES:
            network = example.network.with_hidden(activation)
            numbers = dict(example.weights), example.inputs, [example.target]
            first, *others = (
                way(network, *numbers) for way in (by_autograd, by_paths, by_dynamic_programming)
            )
            differences = (abs(other[name] - first[name]) for other in others for name in first)
            largest = max(largest, *differences)
    return Claim(
        "the sum over paths, dynamic programming and autograd give the same gradients",
        SOURCE,
        "they differ by 1e-12 at most",
        f"they differ by {largest:.1g} at most",
        largest <= 1e-12,
    )


def _growth() -> Claim:
    """Multiplications for all gradients of a deepening network, both ways."""
    series = []
    for width, deepest in _DEPTHS.items():
        depths = range(1, deepest + 1)
        for name, way, closed_form in (
            ("sum over paths", by_paths, multiplications_by_paths),
            ("dynamic programming", by_dynamic_programming, multiplications_by_dynamic_programming),
        ):
            counted = [multiplications(way, width, depth) for depth in depths]
            expected = [closed_form(width, depth) for depth in depths]
            series.append(growth.Growth(f"{name}, width {width}", depths, counted, expected))
    ends = {one.name: one for one in series}
    paths, dynamic = ends["sum over paths, width 2"], ends["dynamic programming, width 2"]
    return Claim(
        "with the depth, the sum over paths grows exponentially, dynamic programming linearly",
        SOURCE,
        f"{paths.expected[-1]:,} and {dynamic.expected[-1]:,} multiplications"
        f" for {paths.x[-1]} hidden layers of 2 units",
        f"{paths.counted[-1]:,} and {dynamic.counted[-1]:,}",
        all(list(one.counted) == list(one.expected) for one in series),
        {"multiplications": growth.growth(series, "hidden layers", "multiplications")},
    )


def multiplications(way: Way, width: int, depth: int) -> int:
    """How often ``way`` multiplies for all gradients of a layered ReLU network with one output.

    It has ``depth`` hidden layers of ``width`` units, and as many inputs.
    """
    network = layered([width] * (depth + 1) + [1], "relu")
    draw = Random(0).gauss

    def compute(number: type[float]) -> object:
        weights = {edge.name: number(draw(0, 1)) for edge in network.edges}
        inputs = [number(draw(0, 1)) for _ in network.inputs]
        return way(network, weights, inputs, [number(1)])

    return count_multiplications(compute)


def multiplications_by_paths(n: int, d: int) -> int:
    """Of ``multiplications``: a path of k edges from a weight to the output has 2 k + 2.

    To each of the n^2 weights of a hidden layer below k further layers belong n^(k-1) paths; to
    each of the n of the output layer, one of no edges. The forward pass takes n^2 d + n, and the
    factor 2 of the error 1.
    """
    hidden = sum(n**2 * n ** (k - 1) * (2 * k + 2) for k in range(1, d + 1))
    return n**2 * d + n + 1 + hidden + 2 * n


def multiplications_by_dynamic_programming(n: int, d: int) -> int:
    """Of ``multiplications``: one a weight forward, one for its gradient, one for its delta.

    No delta goes through the n^2 weights of the first layer; each unit's has its slope, too; and
    the factor 2 of the error takes 1.
    """
    weights = n**2 * d + n
    return 3 * weights - n**2 + n * d + 1 + 1


def _training(steps: int = 20) -> Claim:
    """The lecture's network on random pictures, by the matrix form and by autograd."""
    torch.manual_seed(0)
    by_hand = MLP(784, 10, width=256)
    by_torch = copy.deepcopy(by_hand)
    output_delta = OUTPUT_DELTAS["sigmoid", "squared_error"]
    for _ in range(steps):
        x = torch.randn(256, 784)
        y = F.one_hot(torch.randint(10, (256,)), 10).float()
        _, found = gradients(by_hand, x, y, output_delta)
        _descend(by_hand, found)
        loss = F.mse_loss(by_torch(x).sigmoid(), y, reduction="sum") / len(x)
        _descend(by_torch, torch.autograd.grad(loss, list(by_torch.parameters())))
    pairs = zip(by_hand.parameters(), by_torch.parameters(), strict=True)
    largest = max((a - b).abs().max().item() for a, b in pairs)
    return Claim(
        f"back-propagation in matrix form trains 784-256-10 to autograd's weights ({steps} steps)",
        SOURCE,
        "they differ by 1e-6 at most",
        f"they differ by {largest:.1g} at most",
        largest <= 1e-6,
    )


@torch.no_grad()
def _descend(network: nn.Module, found: Sequence[Tensor]) -> None:
    for parameter, gradient in zip(network.parameters(), found, strict=True):
        parameter.sub_(0.1 * gradient)
