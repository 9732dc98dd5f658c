"""Back-propagation by hand, on a network that is a weighted graph of scalar units.

In the lecture's notation a unit j has the weighted input sum f_j, the sum of w_ij g_i over its
incoming edges, and the output g_j = a_j(f_j); an input unit's output g_j is the input x_j. The
error is E = sum_o (g_o - y_o)^2 over the outputs o.

The gradient of E by each weight comes in three ways: as the sum over all paths from the weight to
an output (``by_paths``), by dynamic programming from the outputs, which is back-propagation
(``by_dynamic_programming``; Rumelhart, Hinton and Williams 1986), and by torch (``by_autograd``).
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import torch

from mlp_lab.nn.activations import ACTIVATIONS

#: By the name of a weight.
Gradients = dict[str, float]


@dataclass(frozen=True)
class Derivative:
    """An activation g = a(f), and its derivative a'(f) as it is written on paper.

    Attributes:
        value: a, of a number.
        slope: a', of f and g, which may be numbers or tensors.
        term: how a' is written for the unit j; empty where it is 1.
    """

    value: Callable[[float], float]
    slope: Callable[[Any, Any], Any]
    term: str


def _sigmoid(f: float) -> float:
    return math.exp(min(f, 0.0)) / (1 + math.exp(-abs(f)))  # neither overflows


DERIVATIVES = {
    "identity": Derivative(lambda f: f, lambda f, g: 1, ""),
    "relu": Derivative(lambda f: max(f, 0.0), lambda f, g: f > 0, "δ(f{j}>0)"),
    "sigmoid": Derivative(_sigmoid, lambda f, g: g * (1 - g), "g{j}(1-g{j})"),
    "tanh": Derivative(math.tanh, lambda f, g: 1 - g * g, "(1-g{j}²)"),
}


class Edge(NamedTuple):
    """A weight, by name, from the unit ``tail`` to the unit ``head``."""

    name: str
    tail: int
    head: int


@dataclass(frozen=True)
class ScalarNetwork:
    """A feed-forward network of units that are numbered upwards along the edges.

    Attributes:
        inputs: the units whose output is given.
        activations: of every other unit, a key of ``DERIVATIVES`` each.
        edges: the weights.
        outputs: the units whose output is compared with a target.

    Raises:
        ValueError: an edge that doesn't lead upwards to a unit with an activation, or a unit
            without incoming edges.
    """

    inputs: tuple[int, ...]
    activations: Mapping[int, str]
    edges: tuple[Edge, ...]
    outputs: tuple[int, ...]

    def __post_init__(self) -> None:
        units = {*self.inputs, *self.activations}
        for edge in self.edges:
            if not {edge.tail, edge.head} <= units or edge.tail >= edge.head:
                raise ValueError(f"{edge}: must lead upwards from one unit to another")
        if {edge.head for edge in self.edges} != set(self.activations):
            raise ValueError("the units that edges lead to must be those with an activation")

    @cached_property
    def incoming(self) -> dict[int, list[Edge]]:
        """The edges that lead to each unit but the inputs, in the units' order."""
        return {j: [e for e in self.edges if e.head == j] for j in sorted(self.activations)}

    @cached_property
    def outgoing(self) -> dict[int, list[Edge]]:
        """The edges that leave each unit but the inputs, in the units' order."""
        return {j: [e for e in self.edges if e.tail == j] for j in sorted(self.activations)}

    def paths(self, unit: int) -> Iterator[tuple[Edge, ...]]:
        """All paths from ``unit`` to an output, each as its edges; an output's own has none."""
        if unit in self.outputs:
            yield ()
        for edge in self.outgoing[unit]:
            for rest in self.paths(edge.head):
                yield edge, *rest

    def with_hidden(self, activation: str) -> "ScalarNetwork":
        """The same network with ``activation`` in all units but inputs and outputs."""
        units = self.activations.items()
        return replace(
            self, activations={j: a if j in self.outputs else activation for j, a in units}
        )


def layered(
    widths: Sequence[int], activation: str = "identity", name: str = "w{index}"
) -> ScalarNetwork:
    """Fully connected layers of ``widths`` units, inputs first, numbered from 1.

    Args:
        widths: units of each layer.
        activation: of the hidden layers; the last layer has the identity.
        name: of each weight, by its ``index`` from 0, ``tail`` and ``head``. The weights that leave
            a unit stand one after the other.
    """
    units = iter(range(1, sum(widths) + 1))
    layers = [tuple(next(units) for _ in range(width)) for width in widths]
    ends = ((i, j) for a, b in pairwise(layers) for i in a for j in b)
    edges = (Edge(name.format(index=k, tail=i, head=j), i, j) for k, (i, j) in enumerate(ends))
    above = [j for layer in layers[1:] for j in layer]
    network = ScalarNetwork(
        layers[0], dict.fromkeys(above, "identity"), tuple(edges), outputs=layers[-1]
    )
    return network.with_hidden(activation)


class State(NamedTuple):
    """The weighted input sums f_j of all units but the inputs, and the outputs g_j of all."""

    f: dict[int, float]
    g: dict[int, float]


def forward(network: ScalarNetwork, weights: Mapping[str, float], inputs: Sequence[float]) -> State:
    """The state of the network for ``inputs``, given in the order of ``network.inputs``."""
    f, g = {}, dict(zip(network.inputs, inputs, strict=True))
    for j, edges in network.incoming.items():
        f[j] = sum(weights[edge.name] * g[edge.tail] for edge in edges)
        g[j] = DERIVATIVES[network.activations[j]].value(f[j])
    return State(f, g)


def by_paths(
    network: ScalarNetwork,
    weights: Mapping[str, float],
    inputs: Sequence[float],
    targets: Sequence[float],
) -> Gradients:
    """dE/dw_ij: over all paths from j to an output, the sum of the products along them.

    Each product starts with the output's 2 (g_o - y_o) a'(f_o), has w a'(f) of each edge's weight
    and tail, and ends with g_i. ``targets`` are in the order of ``network.outputs``.
    """
    state = forward(network, weights, inputs)
    slopes, errors = _slopes(network, state), _errors(network, state, targets)

    def product(path: Sequence[Edge], edge: Edge) -> float:
        output = path[-1].head if path else edge.head
        value = errors[output] * slopes[output]
        for step in reversed(path):
            value = value * weights[step.name] * slopes[step.tail]
        return value * state.g[edge.tail]

    return {
        edge.name: sum(product(path, edge) for path in network.paths(edge.head))
        for edge in network.edges
    }


def by_dynamic_programming(
    network: ScalarNetwork,
    weights: Mapping[str, float],
    inputs: Sequence[float],
    targets: Sequence[float],
) -> Gradients:
    """dE/dw_ij = dE/df_j g_i, with what ``deltas`` has from the outputs; as ``by_paths`` else."""
    state = forward(network, weights, inputs)
    delta = deltas(network, weights, state, targets)
    return {edge.name: delta[edge.head] * state.g[edge.tail] for edge in network.edges}


def deltas(
    network: ScalarNetwork, weights: Mapping[str, float], state: State, targets: Sequence[float]
) -> dict[int, float]:
    """dE/df_j = a'(f_j) sum_k w_jk dE/df_k of all units but the inputs, from the outputs on.

    An output o has 2 (g_o - y_o) in its sum.
    """
    slopes, errors = _slopes(network, state), _errors(network, state, targets)
    delta: dict[int, float] = {}
    for j, edges in reversed(network.outgoing.items()):
        above = sum(weights[edge.name] * delta[edge.head] for edge in edges)
        delta[j] = slopes[j] * (errors[j] + above if j in errors else above)
    return delta


def by_autograd(
    network: ScalarNetwork,
    weights: Mapping[str, float],
    inputs: Sequence[float],
    targets: Sequence[float],
) -> Gradients:
    """The same by torch, with torch's own activations, in double precision."""
    leaf = {
        edge.name: torch.tensor(weights[edge.name], dtype=torch.float64, requires_grad=True)
        for edge in network.edges
    }
    g = dict(zip(network.inputs, torch.tensor(inputs, dtype=torch.float64), strict=True))
    for j, edges in network.incoming.items():
        f = torch.stack([leaf[edge.name] * g[edge.tail] for edge in edges]).sum()
        g[j] = ACTIVATIONS[network.activations[j]]()(f)
    output = torch.stack([g[o] for o in network.outputs])
    error = ((output - torch.tensor(targets, dtype=torch.float64)) ** 2).sum()
    # A weight from which no path leads to an output has the gradient 0.
    found = torch.autograd.grad(error, list(leaf.values()), materialize_grads=True)
    return {name: gradient.item() for name, gradient in zip(leaf, found, strict=True)}


def formula(network: ScalarNetwork, edge: Edge) -> str:
    """The gradient by a weight as it is printed: a product a path, ``2(g5-y) w35 δ(f3>0) x1``."""

    def slope(j: int) -> str:
        return DERIVATIVES[network.activations[j]].term.format(j=j)

    def product(path: Sequence[Edge]) -> str:
        output = path[-1].head if path else edge.head
        target = "y" if len(network.outputs) == 1 else f"y{output}"
        source = f"x{edge.tail}" if edge.tail in network.inputs else f"g{edge.tail}"
        steps = [word for step in reversed(path) for word in (step.name, slope(step.tail))]
        factors = [f"2(g{output}-{target})", slope(output), *steps, source]
        return " ".join(filter(None, factors))

    return " + ".join(map(product, network.paths(edge.head))) or "0"


def _slopes(network: ScalarNetwork, state: State) -> dict[int, float]:
    """a'(f_j) of all units but the inputs."""
    return {j: DERIVATIVES[network.activations[j]].slope(f, state.g[j]) for j, f in state.f.items()}


def _errors(network: ScalarNetwork, state: State, targets: Sequence[float]) -> dict[int, float]:
    """dE/dg_o = 2 (g_o - y_o) of the outputs."""
    return {o: 2 * (state.g[o] - y) for o, y in zip(network.outputs, targets, strict=True)}


@dataclass(frozen=True)
class Example:
    """A network with one output, and numbers for it: weights by name, inputs in order."""

    network: ScalarNetwork
    weights: Mapping[str, float]
    inputs: tuple[float, ...]
    target: float


def _example(network: ScalarNetwork, *weights: float) -> Example:
    names = (edge.name for edge in network.edges)
    return Example(network, dict(zip(names, weights, strict=True)), inputs=(1.0, 2.0), target=1.0)


_2_2_1 = layered([2, 2, 1], name="w{tail}{head}")

#: The lecture's networks; the numbers are ours.
EXAMPLES = {
    "lecture_2_2_1": _example(_2_2_1, 0.5, -0.5, 0.25, 1, 2, -1),
    "lecture_2_2_1_relu": _example(
        replace(_2_2_1, activations={**_2_2_1.activations, 3: "relu"}), 0.5, -0.5, 0.25, 1, 2, -1
    ),
    "lecture_2_2_2_1": _example(layered([2, 2, 2, 1]), 0.5, -0.5, 0.25, 1, 1, -1, 0.5, 2, 1, -0.5),
}
