"""Backpropagation on a network that is a weighted graph of scalar units.

The notation is that of the lecture. A unit j has the weighted input sum f_j, the sum of w_ij g_i
over its incoming edges, and the output g_j = a_j(f_j). The output g_j of an input unit is the
input x_j. The error is E = sum_o (g_o - y_o)^2 over the outputs o.

Three functions compute the gradient of E with respect to each weight:

- ``gradients_by_paths``: the sum over all paths from the weight to an output;
- ``gradients_by_dynamic_programming``: dynamic programming from the outputs, which is
  backpropagation (Rumelhart, Hinton and Williams 1986);
- ``gradients_by_autograd``: torch's automatic differentiation.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import torch

from mlp_lab.nn.activation_derivatives import DERIVATIVES
from mlp_lab.nn.activations import ACTIVATIONS

#: Gradients by weight name.
Gradients = dict[str, float]


@dataclass(frozen=True)
class ScalarActivation:
    """An activation g = a(f) of a single unit.

    Attributes:
        value: the function a on numbers.
        term: printed form of the derivative a'(f) for a unit j; empty if it is 1.
    """

    value: Callable[[float], float]
    term: str


def _sigmoid(f: float) -> float:
    return math.exp(min(f, 0.0)) / (1 + math.exp(-abs(f)))  # avoids overflow


#: By activation name. The derivatives on numbers are in ``activation_derivatives.DERIVATIVES``.
SCALAR_ACTIVATIONS = {
    "identity": ScalarActivation(lambda f: f, ""),
    "relu": ScalarActivation(lambda f: max(f, 0.0), "δ(f{j}>0)"),
    "sigmoid": ScalarActivation(_sigmoid, "g{j}(1-g{j})"),
    "tanh": ScalarActivation(math.tanh, "(1-g{j}²)"),
}


class Edge(NamedTuple):
    """A weight ``name`` on the edge from the unit ``tail`` to the unit ``head``."""

    name: str
    tail: int
    head: int


@dataclass(frozen=True)
class ScalarNetwork:
    """A feed-forward network of numbered units. Each edge leads to a unit with a larger number.

    Attributes:
        inputs: numbers of the input units.
        activations: activation of each other unit, a key of ``SCALAR_ACTIVATIONS``, by number.
        edges: weights.
        outputs: numbers of the units whose outputs are compared with targets.

    Raises:
        ValueError: an edge does not lead to a unit with a larger number, or the units with incoming
            edges are not those with an activation.
    """

    inputs: tuple[int, ...]
    activations: Mapping[int, str]
    edges: tuple[Edge, ...]
    outputs: tuple[int, ...]

    def __post_init__(self) -> None:
        units = {*self.inputs, *self.activations}
        for edge in self.edges:
            if not {edge.tail, edge.head} <= units or edge.tail >= edge.head:
                raise ValueError(f"{edge}: must lead to a unit with a larger number")
        if {edge.head for edge in self.edges} != set(self.activations):
            raise ValueError("the units with incoming edges must be those with an activation")

    @cached_property
    def incoming(self) -> dict[int, list[Edge]]:
        """Incoming edges of each unit except the inputs, in ascending order of the units."""
        return {j: [e for e in self.edges if e.head == j] for j in sorted(self.activations)}

    @cached_property
    def outgoing(self) -> dict[int, list[Edge]]:
        """Outgoing edges of each unit except the inputs, in ascending order of the units."""
        return {j: [e for e in self.edges if e.tail == j] for j in sorted(self.activations)}

    def paths(self, unit: int) -> Iterator[tuple[Edge, ...]]:
        """Yield all paths from ``unit`` to an output, each as a tuple of edges.

        The path from an output to itself has no edges.
        """
        if unit in self.outputs:
            yield ()
        for edge in self.outgoing[unit]:
            for rest in self.paths(edge.head):
                yield edge, *rest

    def with_hidden(self, activation: str) -> "ScalarNetwork":
        """Return a copy of the network with ``activation`` in all hidden units."""
        units = self.activations.items()
        return replace(
            self, activations={j: a if j in self.outputs else activation for j, a in units}
        )


def layered_network(
    widths: Sequence[int], activation: str = "identity", name: str = "w{index}"
) -> ScalarNetwork:
    """Return a network of fully connected layers whose units are numbered from 1.

    Args:
        widths: number of units of each layer, the input layer first.
        activation: activation of the hidden layers; that of the last layer is the identity.
        name: format string for the name of a weight, with the fields ``index`` (from 0), ``tail``
            and ``head``. The weights are ordered by tail, then by head.
    """
    units = iter(range(1, sum(widths) + 1))
    layers = [tuple(next(units) for _ in range(width)) for width in widths]
    ends = ((i, j) for a, b in pairwise(layers) for i in a for j in b)
    edges = (Edge(name.format(index=k, tail=i, head=j), i, j) for k, (i, j) in enumerate(ends))
    others = [j for layer in layers[1:] for j in layer]
    network = ScalarNetwork(
        layers[0], dict.fromkeys(others, "identity"), tuple(edges), outputs=layers[-1]
    )
    return network.with_hidden(activation)


class State(NamedTuple):
    """The state of a network: weighted input sums f_j and outputs g_j by unit.

    The inputs have no f_j.
    """

    f: dict[int, float]
    g: dict[int, float]


def forward(network: ScalarNetwork, weights: Mapping[str, float], inputs: Sequence[float]) -> State:
    """Return the state of the network for ``inputs``, in the order of ``network.inputs``."""
    f, g = {}, dict(zip(network.inputs, inputs, strict=True))
    for j, edges in network.incoming.items():
        f[j] = sum(weights[edge.name] * g[edge.tail] for edge in edges)
        g[j] = SCALAR_ACTIVATIONS[network.activations[j]].value(f[j])
    return State(f, g)


def gradients_by_paths(
    network: ScalarNetwork,
    weights: Mapping[str, float],
    inputs: Sequence[float],
    targets: Sequence[float],
) -> Gradients:
    """Return dE/dw_ij as the sum of the products along all paths from j to an output.

    The factors of a product are 2 (g_o - y_o) a'(f_o) of the output o, the weight of each edge of
    the path and a'(f) of its tail (from o to j), and g_i.

    Args:
        network: network.
        weights: values of the weights, by name.
        inputs: inputs in the order of ``network.inputs``.
        targets: targets in the order of ``network.outputs``.
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


def gradients_by_dynamic_programming(
    network: ScalarNetwork,
    weights: Mapping[str, float],
    inputs: Sequence[float],
    targets: Sequence[float],
) -> Gradients:
    """Return dE/dw_ij = dE/df_j g_i, with dE/df_j from ``deltas``.

    The arguments are those of ``gradients_by_paths``.
    """
    state = forward(network, weights, inputs)
    delta = deltas(network, weights, state, targets)
    return {edge.name: delta[edge.head] * state.g[edge.tail] for edge in network.edges}


def deltas(
    network: ScalarNetwork, weights: Mapping[str, float], state: State, targets: Sequence[float]
) -> dict[int, float]:
    """Return dE/df_j = a'(f_j) sum_k w_jk dE/df_k of all units except the inputs, outputs first.

    The sum of an output o contains the additional term 2 (g_o - y_o).
    """
    slopes, errors = _slopes(network, state), _errors(network, state, targets)
    delta: dict[int, float] = {}
    for j, edges in reversed(network.outgoing.items()):
        above = sum(weights[edge.name] * delta[edge.head] for edge in edges)
        delta[j] = slopes[j] * (errors[j] + above if j in errors else above)
    return delta


def gradients_by_autograd(
    network: ScalarNetwork,
    weights: Mapping[str, float],
    inputs: Sequence[float],
    targets: Sequence[float],
) -> Gradients:
    """Return dE/dw_ij from torch's autograd and activation modules, in double precision.

    The arguments are those of ``gradients_by_paths``.
    """
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
    gradients = torch.autograd.grad(error, list(leaf.values()), materialize_grads=True)
    return {name: gradient.item() for name, gradient in zip(leaf, gradients, strict=True)}


def gradient_formula(network: ScalarNetwork, edge: Edge) -> str:
    """Return the printed form of dE/dw for a weight.

    It is a sum with one product per path, such as ``2(g5-y) w35 δ(f3>0) x1``.
    """

    def slope(j: int) -> str:
        return SCALAR_ACTIVATIONS[network.activations[j]].term.format(j=j)

    def product(path: Sequence[Edge]) -> str:
        output = path[-1].head if path else edge.head
        target = "y" if len(network.outputs) == 1 else f"y{output}"
        source = f"x{edge.tail}" if edge.tail in network.inputs else f"g{edge.tail}"
        steps = [factor for step in reversed(path) for factor in (step.name, slope(step.tail))]
        factors = [f"2(g{output}-{target})", slope(output), *steps, source]
        return " ".join(filter(None, factors))

    return " + ".join(map(product, network.paths(edge.head))) or "0"


def _slopes(network: ScalarNetwork, state: State) -> dict[int, float]:
    """Return a'(f_j) of all units except the inputs."""
    return {j: DERIVATIVES[network.activations[j]].slope(f, state.g[j]) for j, f in state.f.items()}


def _errors(network: ScalarNetwork, state: State, targets: Sequence[float]) -> dict[int, float]:
    """Return dE/dg_o = 2 (g_o - y_o) of the outputs."""
    return {o: 2 * (state.g[o] - y) for o, y in zip(network.outputs, targets, strict=True)}
