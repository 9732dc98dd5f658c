"""Time of a step of image regression in mlp_lab, a plain loop and the matrix products alone."""

import time
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mlp_lab.benchmark.implementations import mlp_lab_step
from mlp_lab.benchmark.timing import TimedRun, median, ratios, spread, time_in_turn
from mlp_lab.config.compose import compose
from mlp_lab.errors import UserError
from mlp_lab.formatting import markdown
from mlp_lab.nn.microbatches import microbatch_size
from mlp_lab.nn.probes import linear_layers
from mlp_lab.runs.build import build_task

SIDES = {64: 20, 256: 3}  # steps of a round, by side of the image in pixels
_SIZES = (512, 256, 256, 256, 3)  # layer sizes of experiment=image_hw after the encoding
_SIGMA = 10.0


def compare(rounds: int) -> str:
    """Return a Markdown table of seconds per step for full batches of small and large images.

    Raises:
        UserError: random-fourier-features-pytorch is not installed.
    """
    encodings = _encodings()
    rows = [row for side in SIDES for row in _rows(side, rounds, encodings)]
    header = ["full batch", "", "s / step", "fastest – slowest", "× limit", "× plain loop"]
    return f"Medians of {rounds} rounds\n\n{markdown(header, rows)}"


def _encodings() -> Any:
    """Return the module ``rff.layers`` of random-fourier-features-pytorch."""
    try:
        import rff
    except ImportError as error:
        package = "random-fourier-features-pytorch"
        raise UserError(f"{package}: pip install -e '.[benchmark]' installs it") from error
    return rff.layers


def _rows(side: int, rounds: int, encodings: Any) -> list[list[str]]:
    steps = SIDES[side]
    overrides = ["experiment=image_hw", "data.image=text", "schedule=constant"]
    overrides += [f"data.size={side}", "data.batch_size=1_000_000_000", f"data.passes={steps}"]
    data, _ = build_task(compose([*overrides, "encoding=identity"]))
    data.setup()
    x, y = data.splits["train"]
    runs = {
        "mlp_lab": mlp_lab_step(steps, *overrides),
        "plain loop, rff layers": plain_loop(x, y, steps, encodings),
        "matrix products alone": matrix_products(len(x), steps),
    }
    times = time_in_turn(runs, rounds)
    loop, limit = times["plain loop, rff layers"], times["matrix products alone"]
    return [
        [
            f"{side} x {side}",
            name,
            median(seconds, 4),
            spread(seconds, 4),
            median(ratios(seconds, limit)),
            median(ratios(seconds, loop)),
        ]
        for name, seconds in times.items()
    ]


def plain_loop(x: Tensor, y: Tensor, steps: int, encodings: Any) -> TimedRun:
    """Return a timed run of a plain loop with the encoding as first layer, as in rff's README."""
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


def matrix_products(batch: int, steps: int) -> TimedRun:
    """Return a timed run of the matrix products of a step, a lower limit for all loops.

    The products are computed in microbatches, because this is fastest.
    """
    layers = nn.Sequential(*(nn.Linear(*sizes) for sizes in pairwise(_SIZES)))
    weights = [layer.weight.detach() for layer in linear_layers(layers)]
    values = [torch.randn(batch, size) for size in _SIZES]
    microbatch = microbatch_size(layers, torch.device("cpu"))

    def run() -> float:
        start = time.perf_counter()
        for _ in range(steps):
            for chunk in zip(*(v.split(microbatch) for v in values), strict=True):
                _multiply(chunk, weights)
        return (time.perf_counter() - start) / steps

    return run


def _multiply(values: tuple[Tensor, ...], weights: list[Tensor]) -> None:
    """Compute the matrix products of a forward and backward pass of one microbatch."""
    for layer, weight in enumerate(weights):
        values[layer] @ weight.T  # forward
        values[layer + 1].T @ values[layer]  # gradient of the weights
        if layer:
            values[layer + 1] @ weight  # gradient of the inputs, except the encoded features
