"""Worked example of back-propagation: gradients by three methods and a drawing of the network."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from omegaconf import DictConfig, OmegaConf

from mlp_lab.config.schemas.backprop import NUMBER
from mlp_lab.course.lecture_networks import EXAMPLES, Example
from mlp_lab.errors import UserError
from mlp_lab.figures import network_graph
from mlp_lab.figures.rendering import save_figures
from mlp_lab.formatting import table
from mlp_lab.nn.scalar_backpropagation import (
    Gradients,
    deltas,
    forward,
    gradient_formula,
    gradients_by_autograd,
    gradients_by_dynamic_programming,
    gradients_by_paths,
)
from mlp_lab.storage.files import csv_text, figure_writer, write_whole
from mlp_lab.storage.log import console
from mlp_lab.storage.run_folder import new_folder
from mlp_lab.storage.tensorboard import write_event_file

log = logging.getLogger(__name__)

METHODS = {
    "by paths": gradients_by_paths,
    "by dynamic programming": gradients_by_dynamic_programming,
    "by autograd": gradients_by_autograd,
}


def run_worked_example(cfg: DictConfig) -> dict[str, Gradients]:
    """Compute the gradients of an example with each method and print a table.

    The table and a drawing are written to ``<logs>/backprop/<example>/<date_time>``.

    Args:
        cfg: config of the example (``schemas.backprop.Backprop``).

    Returns:
        Gradients by weight name, by method.

    Raises:
        UserError: a weight does not exist, or the number of weights or inputs is wrong.
    """
    example = example_from_config(cfg)
    arguments = example.network, example.weights, example.inputs, [example.target]
    results = {name: method(*arguments) for name, method in METHODS.items()}
    header = ["gradient", "weight", *METHODS]
    rows = [
        [f"dE/d{edge.name} = {gradient_formula(example.network, edge)}", *values]
        for edge, *values in zip(
            example.network.edges,
            example.weights.values(),
            *(gradients.values() for gradients in results.values()),
            strict=True,
        )
    ]
    text = table(header, [[name, *map("{:.6g}".format, values)] for name, *values in rows])
    folder = new_folder(Path(cfg.logs) / "backprop" / cfg.example)
    write_whole(folder / "gradients.csv", csv_text([header, *rows]).encode())
    with console():
        drawing = {"network": partial(draw, example, cfg.example)}
        figures = save_figures(drawing, figure_writer(folder), cfg.figures.format)
        write_event_file(folder, text, figures)
        log.info("%s\n", text)
        log.info("folder: %s (network.%s, gradients.csv)", folder, cfg.figures.format)
    return results


def example_from_config(cfg: DictConfig) -> Example:
    """Return the example of a config, with the activation and values that the config sets."""
    example = EXAMPLES[cfg.example]
    network = example.network
    if cfg.activation is not None:
        network = network.with_hidden(cfg.activation)
    inputs = example.inputs if cfg.inputs is None else tuple(cfg.inputs)
    if len(inputs) != len(network.inputs):
        names = ", ".join(f"x{unit}" for unit in network.inputs)
        raise UserError(f"inputs={cfg.inputs}: must be {len(network.inputs)} numbers: {names}")
    target = example.target if cfg.target is None else cfg.target
    weights = {**example.weights, **_weights(cfg.weights, list(example.weights))}
    return replace(example, network=network, inputs=inputs, target=target, weights=weights)


def _weights(setting: Any, names: list[str]) -> dict[str, float]:
    """Return the values of the weights that a config sets, by name.

    Args:
        setting: value of ``weights``: all weights as a list, some weights by name, or None.
        names: names of the weights of the example.
    """
    weights: Any = OmegaConf.to_container(setting) if OmegaConf.is_config(setting) else setting
    listed = ", ".join(names)
    if weights is None:
        return {}
    if isinstance(weights, list):
        if len(weights) != len(names):
            raise UserError(f"weights={weights}: must be {len(names)} numbers: {listed}")
        weights = dict(zip(names, weights, strict=True))
    if not isinstance(weights, Mapping):
        raise UserError(f"weights={weights}: must be a list of {listed}, or some of them by name")
    for name, value in weights.items():
        if name not in names:
            raise UserError(f"weights.{name}: no such weight (weights of the example: {listed})")
        if type(value) not in (int, float) or not NUMBER.allow(value):
            raise UserError(f"weights.{name}={value}: must be a number {NUMBER}")
    return {name: float(value) for name, value in weights.items()}


def draw(example: Example, name: str) -> Figure:
    """Draw a network with f, g and dE/df in its units, and weights and gradients on its edges."""
    network, targets = example.network, [example.target]
    state = forward(network, example.weights, example.inputs)
    delta = deltas(network, example.weights, state, targets)
    gradients = gradients_by_dynamic_programming(network, example.weights, example.inputs, targets)
    units = {j: f"x{j} = {state.g[j]:.4g}" for j in network.inputs} | {
        j: f"f{j} = {f:.4g}\ng{j} = {state.g[j]:.4g}\ndE/df{j} = {delta[j]:.4g}"
        for j, f in state.f.items()
    }
    arrows = [
        network_graph.Arrow(
            edge.tail,
            edge.head,
            f"{edge.name} = {example.weights[edge.name]:.4g}\n"
            f"dE/d{edge.name} = {gradients[edge.name]:.4g}",
            gradients[edge.name],
        )
        for edge in network.edges
    ]
    [output] = network.outputs
    error = (state.g[output] - example.target) ** 2
    title = f"{name}: E = (g{output} - y)² = {error:.4g} with y = {example.target:.4g}"
    return network_graph.network_graph(units, arrows, title, "gradient of the weight")
