"""How fast training is, beside other ways to train the same network on the same data.

    python scripts/benchmark.py                 both networks, as Markdown on standard output
    python scripts/benchmark.py --rounds 9      more rounds: less noise
    python scripts/benchmark.py --stacked       sweeps that train as one network
    python scripts/benchmark.py --threads       which thread settings are the fastest

All contestants run in one process, in turn, round after round. The figures are medians over the
rounds of the time of an epoch, with the fastest and the slowest round.
"""

import argparse
import io
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from mlp_lab.threads import set_threads

if __name__ == "__main__":
    set_threads(None)  # as the commands do, before torch is loaded

import hydra
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mlp_lab.backend import pl, torchvision
from mlp_lab.config import FOLDER, check, schemas
from mlp_lab.data import MNIST
from mlp_lab.experiment import train
from mlp_lab.runs import Run
from mlp_lab.sweeps.jobs import Job, train_jobs

LEARNING_RATE = 0.1
EXAMPLES = 50_000
NETWORKS = ((64, 256), (30, 10))  # width and batch size

# Runs once and returns the seconds of one epoch.
Contestant = Callable[[], float]
Splits = dict[str, tuple[Tensor, Tensor]]


def this_project(width: int, batch_size: int, logs: str) -> Contestant:
    """``experiment=mnist_hw4`` as a user runs it, all but the bar and the final picture."""
    overrides = [f"network.width={width}", f"data.batch_size={batch_size}", f"logs={logs}"]
    overrides += ["trainer.max_epochs=4", "callbacks=none"]
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(FOLDER)):
        cfg = check(hydra.compose("train", overrides), schemas.Train)

    def run() -> float:
        with redirect_stdout(io.StringIO()):
            result = train(cfg)
        # The first epoch warms up; a row's seconds end before its own checkpoint is written, so
        # that those from the second on hold exactly one of everything.
        return statistics.median(row["seconds"] for row in Run(result.folder).history[1:])

    return run


def stacked_sweep(width: int, batch_size: int, members: int, logs: str) -> Contestant:
    """``experiment=mnist_hw4`` with ``members`` learning rates, as ``-m`` trains them: stacked."""
    overrides = [f"network.width={width}", f"data.batch_size={batch_size}", "callbacks=none"]
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(FOLDER)):
        configs = [
            check(
                hydra.compose(
                    "train", [*overrides, "trainer.max_epochs=3", f"optimizer.lr={rate}"]
                ),
                schemas.Train,
            )
            for rate in torch.linspace(0.01, 0.1, members).tolist()
        ]
    rounds = itertools.count()

    def run() -> float:
        folder = Path(logs) / f"{members}_{next(rounds)}"
        jobs = [Job(cfg, [], folder / str(place)) for place, cfg in enumerate(configs)]
        with redirect_stdout(io.StringIO()):
            results = train_jobs(jobs)
        return statistics.median(row["seconds"] for row in Run(results[0].folder).history[1:])

    return run


def stacked_products(width: int, batch_size: int, members: int, splits: Splits) -> Contestant:
    """The arithmetic limit of a stack: its matrix products, and nothing else."""
    x, x_validation = splits["train"][0], splits["validation"][0]
    w1, w2 = torch.randn(members * width, 784), torch.randn(members, 10, width)
    hidden = torch.randn(members, batch_size, width)
    delta, back = torch.randn(members, batch_size, 10), torch.randn(batch_size, members * width)

    def run() -> float:
        start = time.perf_counter()
        for inputs in x.split(batch_size):
            n = len(inputs)
            inputs @ w1.T  # forward
            hidden[:, :n] @ w2.mT
            delta[:, :n] @ w2  # backward
            delta[:, :n].mT @ hidden[:, :n]
            back[:n].T @ inputs
        for inputs in x_validation.split(2000):
            (inputs @ w1.T).view(-1, members, width).transpose(0, 1) @ w2.mT
        return time.perf_counter() - start

    return run


def plain_loop(width: int, batch_size: int, splits: Splits) -> Contestant:
    """A loop by hand: tensors in memory, a fused optimizer, metrics without synchronization."""
    (x, y), (x_validation, y_validation) = splits["train"], splits["validation"]
    network = nn.Sequential(nn.Linear(784, width), nn.ReLU(), nn.Linear(width, 10))
    optimizer = torch.optim.SGD(network.parameters(), LEARNING_RATE, fused=True)

    def run() -> float:
        start = time.perf_counter()
        losses, errors = [], []
        for rows in torch.randperm(len(x)).split(batch_size):
            inputs, targets = x.index_select(0, rows), y.index_select(0, rows)
            outputs = network(inputs)
            loss = F.cross_entropy(outputs, targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
            errors.append(outputs.detach())
        torch.stack(losses).mean().item()
        torch.cat(errors).argmax(1).eq(y).sum().item()
        with torch.inference_mode():
            for inputs, targets in zip(
                x_validation.split(2000), y_validation.split(2000), strict=True
            ):
                outputs = network(inputs)
                F.cross_entropy(outputs, targets).item()
                outputs.argmax(1).eq(targets).sum().item()
        return time.perf_counter() - start

    return run


class TemplateModule(pl.LightningModule):
    """The module that templates show: automatic optimization, a loss and an accuracy logged."""

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


def template_style(width: int, batch_size: int, root: Path, logs: str) -> Contestant:
    """Lightning as its templates use it: DataLoader, transforms an image at a time, progress bar.

    So slow that of small batches only a tenth of an epoch is run, and counted tenfold.
    """
    part = 10 if batch_size < 100 else 1
    transform = torchvision.transforms.ToTensor()
    training = torchvision.datasets.MNIST(root, train=True, transform=transform)
    indices = torch.randperm(EXAMPLES).tolist()
    subset = torch.utils.data.Subset(training, indices[: EXAMPLES // part])
    held_out = torch.utils.data.Subset(training, range(EXAMPLES, EXAMPLES + 10_000 // part))

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
            return (time.perf_counter() - start) * part

    return run


def scikit_learn(width: int, batch_size: int, splits: Splits) -> Contestant:
    """MLPClassifier, one epoch of SGD without momentum, and its accuracy on validation data."""
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


def matrix_products(width: int, batch_size: int, splits: Splits) -> Contestant:
    """The arithmetic limit: the matrix products of training and validation, and nothing else."""
    x, x_validation = splits["train"][0], splits["validation"][0]
    w1, w2 = torch.randn(width, 784), torch.randn(10, width)
    hidden, delta = torch.randn(batch_size, width), torch.randn(batch_size, 10)

    def run() -> float:
        start = time.perf_counter()
        for inputs in x.split(batch_size):
            n = len(inputs)
            inputs @ w1.T  # forward
            hidden[:n] @ w2.T
            delta_hidden = delta[:n] @ w2  # backward
            delta[:n].T @ hidden[:n]
            delta_hidden.T @ inputs
        for inputs in x_validation.split(2000):
            (inputs @ w1.T) @ w2.T
        return time.perf_counter() - start

    return run


def compare(width: int, batch_size: int, rounds: int, splits: Splits, root: Path) -> str:
    """A Markdown table of all contestants on one network."""
    with tempfile.TemporaryDirectory() as logs:
        contestants = {
            "mlp_lab": this_project(width, batch_size, logs),
            "plain PyTorch loop": plain_loop(width, batch_size, splits),
            "Lightning, template style": template_style(width, batch_size, root, logs),
            "scikit-learn MLPClassifier": scikit_learn(width, batch_size, splits),
            "matrix products alone": matrix_products(width, batch_size, splits),
        }
        times: dict[str, list[float]] = {name: [] for name in contestants}
        for _ in range(rounds):
            for name, run in contestants.items():
                times[name].append(run())
    plain = times["plain PyTorch loop"]
    lines = [
        f"**784-{width}-10, batch {batch_size}**, {rounds} rounds",
        "",
        "| | s / epoch | fastest – slowest | × plain loop |",
        "|---|--:|--:|--:|",
    ]
    for name, values in times.items():
        # Rounds are compared pairwise, so that what slows a whole round slows both.
        ratio = statistics.median(a / b for a, b in zip(values, plain, strict=True))
        median = statistics.median(values)
        spread = f"{min(values):.3f} – {max(values):.3f}"
        lines.append(f"| {name} | {median:.3f} | {spread} | {ratio:.2f} |")
    return "\n".join(lines)


def compare_stacked(rounds: int, splits: Splits) -> str:
    """A Markdown table: stacked sweeps against as many plain loops one after the other."""
    lines = [
        f"Medians of {rounds} rounds",
        "",
        "| | members | s / epoch of all | × plain loops | range | matrix products alone |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for width, batch_size in NETWORKS:
        for members in (3, 8, 32):
            with tempfile.TemporaryDirectory() as logs:
                contestants = (
                    plain_loop(width, batch_size, splits),
                    stacked_sweep(width, batch_size, members, logs),
                    stacked_products(width, batch_size, members, splits),
                )
                times = [[run() for run in contestants] for _ in range(rounds)]
            stacked = statistics.median(row[1] for row in times)
            ratios = [row[1] / (members * row[0]) for row in times]
            limit = statistics.median(row[2] / (members * row[0]) for row in times)
            lines.append(
                f"| 784-{width}-10, batch {batch_size} | {members} | {stacked:.2f}"
                f" | {statistics.median(ratios):.2f} | {min(ratios):.2f} – {max(ratios):.2f}"
                f" | {limit:.2f} |"
            )
    return "\n".join(lines)


_LOOP = """
import statistics, time, torch
import torch.nn.functional as F
def time_steps(width, batch, steps):
    x, y = torch.rand(20000, 784), torch.randint(0, 10, (20000,))
    net = torch.nn.Sequential(
        torch.nn.Linear(784, width), torch.nn.ReLU(), torch.nn.Linear(width, 10))
    opt = torch.optim.SGD(net.parameters(), 0.1, fused=True)
    times = []
    for step in range(steps):
        rows = torch.randint(0, 20000, (batch,))
        start = time.perf_counter()
        loss = F.cross_entropy(net(x[rows]), y[rows])
        opt.zero_grad()
        loss.backward()
        opt.step()
        times.append(time.perf_counter() - start)
    return 1e6 * statistics.mean(times[steps // 5:])
print(time_steps(64, 256, 300), time_steps(30, 10, 600))
"""


def compare_threads(rounds: int) -> str:
    """A Markdown table: microseconds a step by thread setting, alone and beside a busy process."""
    settings: dict[str, dict[str, str]] = {}
    for threads in range(1, (os.cpu_count() or 1) + 1):
        for label, extra in {
            "default": {},
            "GOMP_SPINCOUNT=10000": {"GOMP_SPINCOUNT": "10000"},
            "OMP_WAIT_POLICY=PASSIVE": {"OMP_WAIT_POLICY": "PASSIVE"},
        }.items():
            if threads > 1 or not extra:  # a single thread waits for nobody
                settings[f"{threads} threads, {label}"] = {"OMP_NUM_THREADS": str(threads), **extra}
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    times: dict[tuple[str, bool], list[list[float]]] = {}
    for _ in range(rounds):
        for busy in (False, True):
            for name, extra in settings.items():
                rival = (
                    subprocess.Popen([sys.executable, "-c", "while True: pass"]) if busy else None
                )
                command = [sys.executable, "-c", _LOOP]
                out = subprocess.run(command, env=clean | extra, capture_output=True, check=True)
                times.setdefault((name, busy), []).append([float(v) for v in out.stdout.split()])
                if rival:
                    rival.kill()
                    rival.wait()
    lines = [
        f"Microseconds a step, medians of {rounds} rounds",
        "",
        "| | 784-64-10, batch 256 | beside a busy process | 784-30-10, batch 10 | beside one |",
        "|---|--:|--:|--:|--:|",
    ]
    for name in settings:
        cells = [
            f"{statistics.median(row[network] for row in times[name, busy]):.0f}"
            for network in (0, 1)
            for busy in (False, True)
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--stacked", action="store_true", help="compare stacked sweeps instead")
    parser.add_argument("--threads", action="store_true", help="compare thread settings instead")
    args = parser.parse_args()
    if args.threads:
        print(compare_threads(args.rounds))
        return
    warnings.simplefilter("ignore")  # what Lightning has to say about template style
    data = MNIST(root=None, train_size=None, standardize=True, batch_size=1, seed=0, limits={})
    data.prepare_data()
    data.setup()
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}\n")
    if args.stacked:
        print(compare_stacked(args.rounds, data.splits))
        return
    for width, batch_size in NETWORKS:
        print(compare(width, batch_size, args.rounds, data.splits, data.root), flush=True)
        print()


if __name__ == "__main__":
    main()
