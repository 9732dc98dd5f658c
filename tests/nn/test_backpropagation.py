"""Gradients by hand, of scalar networks and in matrix form."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mlp_lab.course.claims import backpropagation_claims
from mlp_lab.course.counting import count_multiplications
from mlp_lab.course.lecture_networks import EXAMPLES
from mlp_lab.errors import UserError
from mlp_lab.nn.activation_derivatives import DERIVATIVES
from mlp_lab.nn.backpropagation import outputs_and_gradients, split_layers
from mlp_lab.nn.mlp import MLP, NORMALIZATIONS
from mlp_lab.nn.output_deltas import OUTPUT_DELTAS
from mlp_lab.nn.scalar_backpropagation import (
    SCALAR_ACTIVATIONS,
    Edge,
    ScalarNetwork,
    deltas,
    forward,
    gradient_formula,
    gradients_by_autograd,
    gradients_by_dynamic_programming,
    gradients_by_paths,
    layered_network,
)
from mlp_lab.nn.schedules import Constant
from mlp_lab.tasks.classification import Classification

WAYS = (gradients_by_paths, gradients_by_dynamic_programming)
numbers = st.floats(-2, 2)


@st.composite
def graphs(draw: st.DrawFn, activations: tuple[str, ...] = tuple(SCALAR_ACTIVATIONS)):
    """Draw a feed-forward network of up to seven units, with skip edges and several outputs."""
    inputs = range(1, 1 + draw(st.integers(1, 3)))
    units = range(len(inputs) + 1, len(inputs) + 1 + draw(st.integers(1, 4)))
    edges = []
    for head in units:
        tails = draw(st.sets(st.integers(1, head - 1), min_size=1))
        edges += [Edge(f"w{tail}_{head}", tail, head) for tail in sorted(tails)]
    outputs = draw(st.sets(st.sampled_from(units), min_size=1))
    kinds = {unit: draw(st.sampled_from(activations)) for unit in units}
    return ScalarNetwork(tuple(inputs), kinds, tuple(draw(st.permutations(edges))), tuple(outputs))


def numbered(data: st.DataObject, network: ScalarNetwork, of: st.SearchStrategy):
    """Draw weights, inputs or targets for a network."""
    weights = {edge.name: data.draw(of) for edge in network.edges}
    inputs, targets = (
        [data.draw(of) for _ in units] for units in (network.inputs, network.outputs)
    )
    return weights, inputs, targets


# --- scalar networks ----------------------------------------------------------------------------


@given(graphs(), st.data())
def test_three_methods_agree(network, data):
    weights, inputs, targets = numbered(data, network, numbers)
    # Larger than every summed product: rounding errors are relative to these.
    linear = replace(network, activations=dict.fromkeys(network.activations, "identity"))
    larger = {name: 1 + abs(w) for name, w in weights.items()}
    largest = gradients_by_paths(
        linear, larger, [1 + abs(x) for x in inputs], [-1 - abs(y) for y in targets]
    )
    expected = gradients_by_autograd(network, weights, inputs, targets)
    for way in WAYS:
        actual = way(network, weights, inputs, targets)
        assert list(actual) == list(expected) == [edge.name for edge in network.edges]
        for name, value in actual.items():
            assert abs(value - expected[name]) <= 1e-14 * max(largest.values()), name


@given(graphs(("identity",)), st.data())
def test_gradients_of_linear_networks_are_exact_differences(network, data):
    """E is a parabola in each single weight: its central difference is its derivative."""
    fractions = st.fractions(-2, 2, max_denominator=8)
    weights, inputs, targets = numbered(data, network, fractions)

    def error(changed: dict[str, Fraction]) -> Fraction:
        g = forward(network, changed, inputs).g
        return sum((g[o] - y) ** 2 for o, y in zip(network.outputs, targets, strict=True))

    for way in WAYS:
        for name, value in way(network, weights, inputs, targets).items():
            sides = [error({**weights, name: weights[name] + step}) for step in (1, -1)]
            assert value == (sides[0] - sides[1]) / 2


@given(*[numbers] * 9)
def test_derivative_of_the_lectures_network_with_relu(w13, w14, w23, w24, w35, w45, x1, x2, y):
    values = {"w13": w13, "w14": w14, "w23": w23, "w24": w24, "w35": w35, "w45": w45}
    f3, f4 = w13 * x1 + w23 * x2, w14 * x1 + w24 * x2
    g3 = f3 if f3 > 0 else 0
    g5 = w35 * g3 + w45 * f4
    expected = {
        "w13": 2 * (g5 - y) * w35 * (f3 > 0) * x1,
        "w23": 2 * (g5 - y) * w35 * (f3 > 0) * x2,
        "w14": 2 * (g5 - y) * w45 * x1,
        "w24": 2 * (g5 - y) * w45 * x2,
        "w35": 2 * (g5 - y) * g3,
        "w45": 2 * (g5 - y) * f4,
    }
    network = EXAMPLES["lecture_2_2_1_relu"].network
    for way in (*WAYS, gradients_by_autograd):
        assert way(network, values, [x1, x2], [y]) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    ("example", "weight", "printed"),
    [
        ("lecture_2_2_1", "w13", "2(g5-y) w35 x1"),
        ("lecture_2_2_1", "w24", "2(g5-y) w45 x2"),
        ("lecture_2_2_1", "w35", "2(g5-y) g3"),
        ("lecture_2_2_1_relu", "w13", "2(g5-y) w35 δ(f3>0) x1"),
        ("lecture_2_2_1_relu", "w14", "2(g5-y) w45 x1"),
        ("lecture_2_2_2_1", "w2", "2(g7-y) w8 w4 x2 + 2(g7-y) w9 w5 x2"),
        ("lecture_2_2_2_1", "w7", "2(g7-y) w9 g4"),
        ("lecture_2_2_2_1", "w8", "2(g7-y) g5"),
    ],
)
def test_printed_gradients(example, weight, printed):
    network = EXAMPLES[example].network
    [edge] = [edge for edge in network.edges if edge.name == weight]
    assert gradient_formula(network, edge) == printed


def test_printed_gradients_of_other_networks():
    sigmoid = layered_network([1, 1, 2], "sigmoid")
    assert [gradient_formula(sigmoid, edge) for edge in sigmoid.edges] == [
        "2(g3-y3) w1 g2(1-g2) x1 + 2(g4-y4) w2 g2(1-g2) x1",
        "2(g3-y3) g2",
        "2(g4-y4) g2",
    ]
    edges = (Edge("a", 1, 2), Edge("b", 1, 3))
    tanh = ScalarNetwork((1,), {2: "tanh", 3: "identity"}, edges, (2,))
    assert [gradient_formula(tanh, edge) for edge in edges] == ["2(g2-y) (1-g2²) x1", "0"]


@given(graphs(), st.data())
def test_printed_gradients_evaluate_to_the_gradients(network, data):
    """A printed gradient, evaluated as a Python expression, has the value of the gradient."""
    weights, inputs, targets = numbered(data, network, numbers)
    state = forward(network, weights, inputs)
    names = {**weights} | {f"{k}{j}": v for k in "fg" for j, v in getattr(state, k).items()}
    names |= {f"x{j}": x for j, x in zip(network.inputs, inputs, strict=True)}
    names |= {f"y{o}": y for o, y in zip(network.outputs, targets, strict=True)}
    names["y"] = targets[0]
    actual = gradients_by_paths(network, weights, inputs, targets)
    for edge in network.edges:
        text = gradient_formula(network, edge).replace("²", "**2").replace("δ", "")
        text = text.replace(" + ", "+").replace(" ", "*")
        for j in range(10):
            text = text.replace(f"2(g{j}-", f"2*(g{j}-").replace(f"g{j}(1", f"g{j}*(1")
        assert eval(text, {}, names) == pytest.approx(actual[edge.name], rel=1e-9, abs=1e-9)


@given(graphs(), st.data())
def test_deltas_are_derivatives_by_weighted_sums(network, data):
    """The gradient of a weight from a unit with output 1 is the delta of the weight's head."""
    weights, inputs, targets = numbered(data, network, numbers)
    state = forward(network, weights, inputs)
    actual = deltas(network, weights, state, targets)
    for unit in network.activations:
        # A new input 0, of 1, with the weight 0: it changes nothing.
        edges = (*network.edges, Edge("new", 0, unit))
        wider = ScalarNetwork((0, *network.inputs), network.activations, edges, network.outputs)
        gradients = gradients_by_paths(wider, {**weights, "new": 0.0}, [1.0, *inputs], targets)
        assert gradients["new"] == pytest.approx(actual[unit], rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_equal_the_lectures(name):
    example = EXAMPLES[name]
    widths = [int(part) for part in name.removesuffix("_relu").split("_")[1:]]
    pairs = sum(a * b for a, b in pairwise(widths))
    assert len(example.weights) == len(example.network.edges) == pairs
    assert len(example.inputs) == len(example.network.inputs) == widths[0]
    first = {"lecture_2_2_2_1": [f"w{i}" for i in range(10)]}
    others = ["w13", "w14", "w23", "w24", "w35", "w45"]
    assert list(example.weights) == first.get(name, others)
    # Numbers for which no gradient vanishes.
    actual = gradients_by_paths(example.network, example.weights, example.inputs, [example.target])
    assert all(actual.values())


@pytest.mark.parametrize(
    "edges",
    [
        [Edge("a", 1, 2), Edge("b", 3, 2)],
        [Edge("a", 1, 2), Edge("b", 2, 2)],
        [Edge("a", 1, 2), Edge("b", 2, 4)],
        [Edge("a", 1, 2), Edge("b", 0, 3)],
        [Edge("a", 1, 2)],
    ],
)
def test_invalid_graphs_are_refused(edges):
    with pytest.raises(ValueError, match="must"):
        ScalarNetwork((1,), {2: "identity", 3: "identity"}, tuple(edges), (3,))


@given(st.floats(-1e6, 1e6))
def test_the_derivatives_of_extreme_numbers(f):
    for name, activation in SCALAR_ACTIVATIONS.items():
        x = torch.tensor(f, dtype=torch.float64, requires_grad=True)
        g = nn.Identity()(x) if name == "identity" else getattr(torch, name)(x)
        [slope] = torch.autograd.grad(g, x)
        assert activation.value(f) == pytest.approx(g.item(), rel=1e-12)
        ours = DERIVATIVES[name].slope(f, activation.value(f))
        assert ours == pytest.approx(slope.item(), abs=1e-15)


# --- multiplications ----------------------------------------------------------------------------


def test_multiplications_are_counted():
    def compute(number: type[float]) -> None:
        a, b = number(2), number(3)
        assert sum([a * b, 4 * a, a * 4, (1 - a) * b, True * b, (a - 1) * (a + b)]) == 6 + 16 + 5
        assert a + b - 1 + 0.5 == 4.5

    assert count_multiplications(compute) == 6


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_multiplications_equal_the_closed_forms(width, depth):
    counts = backpropagation_claims.multiplications
    by_hand = backpropagation_claims.multiplications_by_paths(width, depth)
    assert counts(gradients_by_paths, width, depth) == by_hand
    dynamic = backpropagation_claims.multiplications_by_dynamic_programming(width, depth)
    assert counts(gradients_by_dynamic_programming, width, depth) == dynamic


def test_paths_grow_exponentially_and_backpropagation_linearly():
    paths = [backpropagation_claims.multiplications_by_paths(3, depth) for depth in range(1, 40)]
    assert paths[-1] / paths[-2] == pytest.approx(3, rel=0.03)
    dynamic = backpropagation_claims.multiplications_by_dynamic_programming
    assert len({dynamic(3, d + 1) - dynamic(3, d) for d in range(1, 40)}) == 1


def test_claims_hold():
    claims = list(backpropagation_claims.claims())
    assert [claim.text for claim in claims if not claim.holds] == []
    [figures] = [claim.figures for claim in claims if claim.figures]
    assert list(figures) == ["multiplications"]
    [panel] = figures["multiplications"]().axes
    [points] = [line for line in panel.lines if line.get_label() == "sum over paths, width 2"]
    for depth, count in points.get_xydata():
        assert count == backpropagation_claims.multiplications_by_paths(2, int(depth))


# --- matrix form --------------------------------------------------------------------------------


@given(
    st.sampled_from(list(OUTPUT_DELTAS)),
    st.sampled_from(list(SCALAR_ACTIVATIONS)),
    st.lists(st.integers(1, 6), max_size=3),
    st.integers(2, 5),
    st.integers(1, 9),
    st.integers(0, 2**31),
)
def test_the_matrix_form_equals_autograd(kind, activation, widths, classes, batch, seed):
    torch.manual_seed(seed)
    network = MLP(4, classes, widths=widths, activation=activation).double()
    task = Classification(
        output=kind[0], loss=kind[1], network=network, optimizer=torch.optim.SGD,
        schedule=Constant(), seed=0,
    )  # fmt: skip
    x, target = torch.randn(batch, 4).double(), torch.randint(classes, (batch,))
    truth = F.one_hot(target, classes).double()
    output, actual = outputs_and_gradients(network, x, truth, OUTPUT_DELTAS[kind])
    torch.testing.assert_close(output, network(x))
    expected = torch.autograd.grad(task.loss(network(x), target), list(network.parameters()))
    for gradient, other in zip(actual, expected, strict=True):
        torch.testing.assert_close(gradient, other, rtol=1e-12, atol=1e-14)


def test_the_matrix_form_equals_the_graph():
    """One example, through a network without biases, as scalars and as matrices."""
    example = EXAMPLES["lecture_2_2_2_1"]
    network = MLP(2, 1, widths=[2, 2], activation="identity").double()
    weights = iter(example.weights.values())
    linear, _ = split_layers(network)
    with torch.no_grad():
        for layer in linear:
            layer.bias.zero_()
            for tail in range(layer.in_features):
                for head in range(layer.out_features):
                    layer.weight[head, tail] = next(weights)
    x = torch.tensor([example.inputs], dtype=torch.float64)
    y = torch.tensor([[example.target]], dtype=torch.float64)
    _, actual = outputs_and_gradients(network, x, y, lambda f, y: 2 * (f - y))
    by_tail = [value for weight in actual[::2] for value in weight.T.flatten().tolist()]
    expected = gradients_by_paths(
        example.network, example.weights, example.inputs, [example.target]
    )
    assert by_tail == pytest.approx(list(expected.values()), rel=1e-12)


@pytest.mark.parametrize(
    "network",
    [
        MLP(3, 2, dropout=0.1),
        *(MLP(3, 2, normalization=name) for name in NORMALIZATIONS),
        MLP(3, 2, activation="gelu"),
        nn.Sequential(nn.Linear(3, 2), nn.ReLU()),
        nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2)),
        nn.Sequential(),
        nn.Linear(3, 2),
    ],
    ids=repr,
)
def test_other_networks_are_refused(network):
    with pytest.raises(UserError, match="one of identity, relu, sigmoid, tanh between them"):
        split_layers(network)
