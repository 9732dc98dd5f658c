"""What a perceptron and a multilayer perceptron cost: parameters, time of a step, of a prediction.

    python scripts/cost.py                 a Markdown table on standard output
    python scripts/cost.py --rounds 20     more rounds: less noise

All networks are timed in one process, in turn, round after round; the figures are medians over the
rounds. A step is what training does with a minibatch: outputs, loss, gradient, update. Inputs are
random numbers, since their values don't matter.
"""

import argparse
import statistics
import time
from collections.abc import Callable

from mlp_lab.threads import set_threads

if __name__ == "__main__":
    set_threads(None)  # as the commands do, before torch is loaded

import hydra
import torch

from mlp_lab.build import build_task
from mlp_lab.config import FOLDER, check, schemas
from mlp_lab.networks import describe

NETWORKS = {
    "perceptron on points": ["experiment=perceptron"],
    "MLP on points": ["experiment=points_mlp"],
    "perceptron on MNIST": ["experiment=perceptron", "data=mnist"],
    "MLP on MNIST": ["experiment=mnist_hw4"],
}
REPEATS = 200  # in a round, of which the first fifth warms up


class Contestant:
    """The network of a preset, and what of it is timed."""

    def __init__(self, words: list[str]) -> None:
        with hydra.initialize_config_dir(version_base="1.3", config_dir=str(FOLDER)):
            cfg = check(hydra.compose("train", words), schemas.Train)
        data, self.task = build_task(cfg)
        self.network = self.task.network
        self.optimizer = self.task.configure_optimizers()
        self.x = torch.randn(cfg.data.batch_size, data.in_features)
        self.y = torch.randint(max(data.out_features, 2), (len(self.x),))

    def step(self) -> None:
        """Learn from a minibatch."""
        loss = self.task.loss(self.network(self.x), self.y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    @torch.inference_mode()
    def predict(self) -> None:
        """Give the outputs for one example."""
        self.network(self.x[:1])


def microseconds(run: Callable[[], None]) -> float:
    """The mean time of a call, once warm."""
    for _ in range(REPEATS // 5):
        run()
    start = time.perf_counter()
    for _ in range(REPEATS):
        run()
    return 1e6 * (time.perf_counter() - start) / REPEATS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    networks = {name: Contestant(words) for name, words in NETWORKS.items()}
    steps: dict[str, list[float]] = {name: [] for name in networks}
    predictions: dict[str, list[float]] = {name: [] for name in networks}
    for _ in range(rounds):
        for name, network in networks.items():
            steps[name].append(microseconds(network.step))
            predictions[name].append(microseconds(network.predict))
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, {rounds} rounds\n")
    print("| | network | parameters | batch | μs a step | μs a prediction |")
    print("|---|---|--:|--:|--:|--:|")
    for name, own in networks.items():
        units, parameters = describe(own.network).removesuffix(" parameters").split(", ")
        step, prediction = (statistics.median(times[name]) for times in (steps, predictions))
        batch = len(own.x)
        print(f"| {name} | {units} | {parameters} | {batch} | {step:.0f} | {prediction:.1f} |")


if __name__ == "__main__":
    main()
