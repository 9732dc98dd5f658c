"""Time of an epoch in mlp_lab, a plain loop, Lightning's template style and scikit-learn."""

import io
import tempfile
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mlp_lab.benchmark.alternatives import compiled_loop, has_jax, jax_loops
from mlp_lab.benchmark.implementations import (
    LEARNING_RATE,
    NETWORKS,
    Splits,
    matrix_products,
    mlp_lab_epoch,
    plain_loop,
)
from mlp_lab.benchmark.timing import TimedRun, median, ratios, spread, time_in_turn
from mlp_lab.formatting import markdown
from mlp_lab.lightning import pl, torchvision

EXAMPLES = 50_000  # training examples; the next 10,000 are validation examples


def compare(rounds: int, splits: Splits, root: Path) -> Iterator[str]:
    """Yield a Markdown table for each network: seconds per epoch, and ratio to a plain loop."""
    for network in NETWORKS:
        yield _table(*network, rounds, splits, root)


def _table(width: int, batch_size: int, rounds: int, splits: Splits, root: Path) -> str:
    overrides = f"network.width={width}", f"data.batch_size={batch_size}"
    compiled, first = compiled_loop(width, batch_size, splits)
    with tempfile.TemporaryDirectory() as logs:
        runs = {
            "mlp_lab": mlp_lab_epoch(*overrides),
            "mlp_lab, gradients=autograd": mlp_lab_epoch(*overrides, "gradients=autograd"),
            "plain PyTorch loop": plain_loop(width, batch_size, splits),
            "plain loop, torch.compile": compiled,
            "Lightning, template style": template_style(width, batch_size, root, logs),
            "scikit-learn MLPClassifier": scikit_learn(width, batch_size, splits),
            "matrix products alone": matrix_products(width, batch_size, splits),
        }
        if has_jax():
            runs["JAX, jit and scan"] = jax_loops(width, batch_size, 1, splits)
        times = time_in_turn(runs, rounds)
    plain = times["plain PyTorch loop"]
    rows = [
        [name, median(seconds, 3), spread(seconds, 3), median(ratios(seconds, plain))]
        for name, seconds in times.items()
    ]
    title = f"**784-{width}-10, batch {batch_size}**, {rounds} rounds"
    table = markdown(["", "s / epoch", "fastest – slowest", "× plain loop"], rows)
    note = f"The first epoch with torch.compile, compilation included: {first:.1f} s"
    return f"{title}\n\n{table}\n\n{note}"


class TemplateModule(pl.LightningModule):
    """A module as in Lightning's templates: automatic optimization, logged loss and accuracy."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.network = nn.Sequential(
            nn.Flatten(), nn.Linear(784, width), nn.ReLU(), nn.Linear(width, 10)
        )

    def _step(self, batch: list[Tensor], split: str) -> Tensor:
        x, y = batch
        outputs = self.network(x)
        loss = F.cross_entropy(outputs, y)
        self.log(f"{split}/loss", loss, prog_bar=True)
        self.log(f"{split}/accuracy", (outputs.argmax(1) == y).float().mean(), prog_bar=True)
        return loss

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        return self._step(batch, "train")

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self._step(batch, "validation")

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), LEARNING_RATE)


def template_style(width: int, batch_size: int, root: Path, logs: str) -> TimedRun:
    """Return a timed run of Lightning with DataLoader, transforms of one image and progress bar.

    For small batches, only a tenth of an epoch is run, and the time is multiplied by 10.
    """
    divisor = 10 if batch_size < 100 else 1
    transform = torchvision.transforms.ToTensor()
    training = torchvision.datasets.MNIST(root, train=True, transform=transform)
    indices = torch.randperm(EXAMPLES).tolist()
    subset = torch.utils.data.Subset(training, indices[: EXAMPLES // divisor])
    held_out = torch.utils.data.Subset(training, range(EXAMPLES, EXAMPLES + 10_000 // divisor))

    def run() -> float:
        module = TemplateModule(width)
        trainer = pl.Trainer(
            max_epochs=1, default_root_dir=logs, accelerator="cpu", num_sanity_val_steps=0
        )
        loaders = (
            torch.utils.data.DataLoader(subset, batch_size, shuffle=True),
            torch.utils.data.DataLoader(held_out, batch_size),
        )
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            start = time.perf_counter()
            trainer.fit(module, *loaders)
            return (time.perf_counter() - start) * divisor

    return run


def scikit_learn(width: int, batch_size: int, splits: Splits) -> TimedRun:
    """Return a timed run of MLPClassifier: one epoch of SGD, then the validation accuracy."""
    from sklearn.neural_network import MLPClassifier

    x, y = (tensor.numpy() for tensor in splits["train"])
    x_validation, y_validation = (tensor.numpy() for tensor in splits["validation"])
    model = MLPClassifier(
        (width,), solver="sgd", batch_size=batch_size, learning_rate_init=LEARNING_RATE, momentum=0
    )

    def run() -> float:
        start = time.perf_counter()
        model.partial_fit(x, y, classes=range(10))
        model.score(x_validation, y_validation)
        return time.perf_counter() - start

    return run
