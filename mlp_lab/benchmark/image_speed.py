"""A step of image regression here, by hand with encodings from the package index, and its limit."""

import time
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mlp_lab.benchmark.contestants import training_step
from mlp_lab.benchmark.timing import Contestant, markdown, median, race, ratios, spread
from mlp_lab.config.compose import compose
from mlp_lab.errors import UserError
from mlp_lab.nn.microbatches import microbatch_size
from mlp_lab.nn.probes import linear_layers
from mlp_lab.runs.build import build_task

SIDES = {64: 20, 256: 3}  # pixels of a picture's side, and steps of a round
_SIZES = (512, 256, 256, 256, 3)  # numbers between the layers of experiment=image_hw
_SIGMA = 10.0


def compare(rounds: int) -> str:
    """Seconds a step in full batches of small and of large pictures, as a Markdown table."""
    encodings = _encodings()
    rows = [row for side in SIDES for row in _rows(side, rounds, encodings)]
    header = ["full batch", "", "s / step", "fastest – slowest", "× limit", "× plain loop"]
    return f"Medians of {rounds} rounds\n\n{markdown(header, rows)}"


def _encodings() -> Any:
    """The layers of random-fourier-features-pytorch."""
    try:
        import rff
    except ImportError as error:
        package = "random-fourier-features-pytorch"
        raise UserError(f"{package}: pip install -e '.[benchmark]' installs it") from error
    return rff.layers


def _rows(side: int, rounds: int, encodings: Any) -> list[list[str]]:
    steps = SIDES[side]
    words = [f"data.size={side}", "data.batch_size=1_000_000_000", f"data.passes={steps}"]
    common = ["experiment=image_hw", "data.image=text", "schedule=constant", *words]
    data, _ = build_task(compose([*common, "encoding=identity"]))
    data.setup()
    x, y = data.splits["train"]
    contestants = {
        "mlp_lab": training_step(steps, *common),
        "plain loop, rff layers": plain_loop(x, y, steps, encodings),
        "matrix products alone": matrix_products(len(x), steps),
    }
    times = race(contestants, rounds)
    loop, limit = times["plain loop, rff layers"], times["matrix products alone"]
    return [
        [
            f"{side} x {side}",
            name,
            median(own, 4),
            spread(own, 4),
            median(ratios(own, limit)),
            median(ratios(own, loop)),
        ]
        for name, own in times.items()
    ]


def plain_loop(x: Tensor, y: Tensor, steps: int, encodings: Any) -> Contestant:
    """A loop as the package's README has it: the encoding is the network's first layer."""
    encoding = encodings.GaussianEncoding(sigma=_SIGMA, input_size=2, encoded_size=_SIZES[0] // 2)
    layers: list[nn.Module] = [encoding]
    for inputs, outputs in pairwise(_SIZES):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    network = nn.Sequential(*layers[:-1], nn.Sigmoid())
    optimizer = torch.optim.Adam(network.parameters(), 1e-3, fused=True)

    def run() -> float:
        start = time.perf_counter()
        for _ in range(steps):
            loss = F.mse_loss(network(x), y) / 2
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return (time.perf_counter() - start) / steps

    return run


def matrix_products(batch: int, steps: int) -> Contestant:
    """The arithmetic limit: the matrix products of forward and backward pass, and nothing else.

    In microbatches, in which they are fastest.
    """
    layers = nn.Sequential(*(nn.Linear(*sizes) for sizes in pairwise(_SIZES)))
    weights = [layer.weight.detach() for layer in linear_layers(layers)]
    values = [torch.randn(batch, size) for size in _SIZES]
    microbatch = microbatch_size(layers, torch.device("cpu"))

    def run() -> float:
        start = time.perf_counter()
        for _ in range(steps):
            for part in zip(*(each.split(microbatch) for each in values), strict=True):
                _multiply(part, weights)
        return (time.perf_counter() - start) / steps

    return run


def _multiply(values: tuple[Tensor, ...], weights: list[Tensor]) -> None:
    for layer, weight in enumerate(weights):
        values[layer] @ weight.T  # forward
        values[layer + 1].T @ values[layer]  # the weights' gradient
        if layer:
            values[layer + 1] @ weight  # the inputs' gradient; the features need none
