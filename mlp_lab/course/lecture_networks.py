"""The networks of the lecture on back-propagation, with example values."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from mlp_lab.nn.scalar_backpropagation import ScalarNetwork, layered_network


@dataclass(frozen=True)
class Example:
    """A network with one output, and values of its weights, inputs and target.

    Attributes:
        network: network.
        weights: values of the weights, by name.
        inputs: inputs in the order of ``network.inputs``.
        target: target of the output.
    """

    network: ScalarNetwork
    weights: Mapping[str, float]
    inputs: tuple[float, ...]
    target: float


def _example(network: ScalarNetwork, *weights: float) -> Example:
    names = (edge.name for edge in network.edges)
    return Example(network, dict(zip(names, weights, strict=True)), inputs=(1.0, 2.0), target=1.0)


_2_2_1 = layered_network([2, 2, 1], name="w{tail}{head}")

#: The networks of the lecture. The values are not from the lecture.
EXAMPLES = {
    "lecture_2_2_1": _example(_2_2_1, 0.5, -0.5, 0.25, 1, 2, -1),
    "lecture_2_2_1_relu": _example(
        replace(_2_2_1, activations={**_2_2_1.activations, 3: "relu"}), 0.5, -0.5, 0.25, 1, 2, -1
    ),
    "lecture_2_2_2_1": _example(
        layered_network([2, 2, 2, 1]), 0.5, -0.5, 0.25, 1, 1, -1, 0.5, 2, 1, -0.5
    ),
}
