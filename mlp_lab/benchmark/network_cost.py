"""Cost of a perceptron and an MLP: parameters, time of a step, time of a prediction."""

import statistics

import torch

from mlp_lab.benchmark.timing import time_in_turn, timed
from mlp_lab.config.compose import compose
from mlp_lab.formatting import markdown
from mlp_lab.nn.probes import count_parameters, describe
from mlp_lab.runs.build import build_task

NETWORKS = {
    "perceptron on points": ["experiment=perceptron"],
    "MLP on points": ["experiment=points_mlp"],
    "perceptron on MNIST": ["experiment=perceptron", "data=mnist"],
    "MLP on MNIST": ["experiment=mnist_hw4"],
}
REPEATS = 200  # calls per round


def compare(rounds: int) -> str:
    """Return a Markdown table of the cost of all ``NETWORKS``: medians over the rounds."""
    networks = {name: TimedNetwork(overrides) for name, overrides in NETWORKS.items()}
    steps = time_in_turn({name: timed(n.step, REPEATS) for name, n in networks.items()}, rounds)
    predictions = time_in_turn(
        {name: timed(n.predict, REPEATS) for name, n in networks.items()}, rounds
    )
    rows = [
        [
            name,
            describe(n.network).partition(",")[0],
            f"{count_parameters(n.network):,}",
            str(len(n.x)),
            f"{1e6 * statistics.median(steps[name]):.0f}",
            f"{1e6 * statistics.median(predictions[name]):.0f}",
        ]
        for name, n in networks.items()
    ]
    header = ["", "network", "parameters", "batch", "μs / step", "μs / prediction"]
    return markdown(header, rows)


class TimedNetwork:
    """The network of a preset and the operations that are timed.

    The inputs are random, because their values do not influence the time.

    Args:
        overrides: config overrides.
    """

    def __init__(self, overrides: list[str]) -> None:
        cfg = compose(overrides)
        data, self.task = build_task(cfg)
        self.network = self.task.network
        self.optimizer = self.task.configure_optimizers()
        self.x = torch.randn(cfg.data.batch_size, data.in_features)
        self.y = torch.randint(max(data.out_features, 2), (len(self.x),))

    def step(self) -> None:
        """Train on one minibatch: outputs, loss, gradients, update."""
        loss = self.task.loss(self.network(self.x), self.y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    @torch.inference_mode()
    def predict(self) -> None:
        """Compute the outputs for one example."""
        self.network(self.x[:1])
