"""What a perceptron costs, and an MLP: parameters, time of a step, time of a prediction."""

import statistics

import torch

from mlp_lab.benchmark.timing import markdown, race, timed
from mlp_lab.config.compose import compose
from mlp_lab.nn.probes import count_parameters, describe
from mlp_lab.runs.build import build_task

NETWORKS = {
    "perceptron on points": ["experiment=perceptron"],
    "MLP on points": ["experiment=points_mlp"],
    "perceptron on MNIST": ["experiment=perceptron", "data=mnist"],
    "MLP on MNIST": ["experiment=mnist_hw4"],
}
REPEATS = 200  # in a round, of which the first fifth warms up


def compare(rounds: int) -> str:
    """The networks of presets as a Markdown table: medians over the rounds."""
    candidates = {name: Candidate(words) for name, words in NETWORKS.items()}
    steps = race({name: timed(own.step, REPEATS) for name, own in candidates.items()}, rounds)
    predictions = race(
        {name: timed(own.predict, REPEATS) for name, own in candidates.items()}, rounds
    )
    rows = [
        [
            name,
            describe(own.network).partition(",")[0],
            f"{count_parameters(own.network):,}",
            str(len(own.x)),
            f"{1e6 * statistics.median(steps[name]):.0f}",
            f"{1e6 * statistics.median(predictions[name]):.0f}",
        ]
        for name, own in candidates.items()
    ]
    header = ["", "network", "parameters", "batch", "μs / step", "μs / prediction"]
    return markdown(header, rows)


class Candidate:
    """The network of a preset, and what of it is timed.

    Inputs are random numbers: their values don't matter.
    """

    def __init__(self, words: list[str]) -> None:
        cfg = compose(words)
        data, self.task = build_task(cfg)
        self.network = self.task.network
        self.optimizer = self.task.configure_optimizers()
        self.x = torch.randn(cfg.data.batch_size, data.in_features)
        self.y = torch.randint(max(data.out_features, 2), (len(self.x),))

    def step(self) -> None:
        """What training does with a minibatch: outputs, loss, gradient, update."""
        loss = self.task.loss(self.network(self.x), self.y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    @torch.inference_mode()
    def predict(self) -> None:
        """Give the outputs for one example."""
        self.network(self.x[:1])
