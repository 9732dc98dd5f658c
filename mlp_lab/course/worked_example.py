"""A worked example of back-propagation: the gradient of each weight, three ways, and a drawing."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from omegaconf import DictConfig, OmegaConf

from mlp_lab.config.schemas.backprop import NUMBER
from mlp_lab.errors import UserError
from mlp_lab.figures import network_graph
from mlp_lab.formatting import console, table
from mlp_lab.nn.scalar_backpropagation import (
    EXAMPLES,
    Example,
    Gradients,
    by_autograd,
    by_dynamic_programming,
    by_paths,
    deltas,
    formula,
    forward,
)
from mlp_lab.storage.files import csv_text, write_png, write_whole
from mlp_lab.storage.run_folder import new_folder
from mlp_lab.storage.tensorboard import write_event_file

log = logging.getLogger(__name__)

WAYS = {
    "by paths": by_paths,
    "by dynamic programming": by_dynamic_programming,
    "by autograd": by_autograd,
}


def work_out(cfg: DictConfig) -> dict[str, Gradients]:
    """Work out the example that ``cfg`` names (``schemas.Backprop``); return what each way gives.

    A table goes to the terminal and, with a drawing, to ``<logs>/backprop/<example>/<date_time>``.
    Raises UserError for weights that the example hasn't, or another number of them or of inputs.
    """
    example = chosen(cfg)
    problem = example.network, example.weights, example.inputs, [example.target]
    found = {name: way(*problem) for name, way in WAYS.items()}
    header = ["gradient", "weight", *WAYS]
    rows = [
        [f"dE/d{edge.name} = {formula(example.network, edge)}", *values]
        for edge, *values in zip(
            example.network.edges,
            example.weights.values(),
            *(gradients.values() for gradients in found.values()),
            strict=True,
        )
    ]
    shown = table(header, [[text, *map("{:.6g}".format, values)] for text, *values in rows])
    folder = new_folder(Path(cfg.logs) / "backprop" / cfg.example)
    write_whole(folder / "gradients.csv", csv_text([header, *rows]).encode())
    picture = write_png(folder / "network.png", draw(example, cfg.example))
    write_event_file(folder, shown, {"network": picture})
    with console(None):
        log.info("%s\n", shown)
        log.info("folder: %s (network.png, gradients.csv)", folder)
    return found


def chosen(cfg: DictConfig) -> Example:
    """The example of ``cfg``, with its own numbers in the place of the lecture's."""
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


def _weights(given: Any, names: list[str]) -> dict[str, float]:
    """Weights by name from what the user typed: some by name, all in a list, or nothing."""
    plain: Any = OmegaConf.to_container(given) if OmegaConf.is_config(given) else given
    named = ", ".join(names)
    if plain is None:
        return {}
    if isinstance(plain, list):
        if len(plain) != len(names):
            raise UserError(f"weights={plain}: must be {len(names)} numbers: {named}")
        plain = dict(zip(names, plain, strict=True))
    if not isinstance(plain, Mapping):
        raise UserError(f"weights={plain}: must be a list of {named}, or some of them by name")
    for name, value in plain.items():
        if name not in names:
            raise UserError(f"weights.{name}: no such weight (weights of the example: {named})")
        if type(value) not in (int, float) or not NUMBER.allow(value):
            raise UserError(f"weights.{name}={value}: must be a number {NUMBER}")
    return {name: float(value) for name, value in plain.items()}


def draw(example: Example, name: str) -> Figure:
    """The network with f, g and dE/df in its units, weights and their gradients on its edges."""
    network, targets = example.network, [example.target]
    state = forward(network, example.weights, example.inputs)
    delta = deltas(network, example.weights, state, targets)
    gradients = by_dynamic_programming(network, example.weights, example.inputs, targets)
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
    return network_graph.graph(units, arrows, title, "gradient of the weight")
