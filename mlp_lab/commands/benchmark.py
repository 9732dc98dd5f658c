"""Compare the speed of training with other implementations: ``scripts/benchmark.py``,
``mlp-benchmark``."""

import warnings
from argparse import ArgumentTypeError, Namespace
from collections.abc import Iterable, Sequence
from pathlib import Path

from mlp_lab.commands.application import CommandParser, run_command
from mlp_lab.commands.process import entry_point
from mlp_lab.config.command_line import example
from mlp_lab.errors import UserError, check_installed
from mlp_lab.runs.threads import processes_for, set_threads, threads_from_environment

_SUBJECTS = {
    "stacked": "compare sweeps that train as one stacked network",
    "threads": "compare numbers of threads",
    "cost": "compare a perceptron and an MLP",
    "images": "compare image regression from encoded coordinates",
    "augmentation": "compare augmentation of images, also by other packages",
    "products": "measure the part of training steps that matrix products take, for networks of"
    " coordinates",
    "backgammon": "compare TD learning of backgammon, also by a loop over open-spiel",
    "load": "measure memory, open files and time of sweeps with many jobs and of a run with many"
    " epochs",
}
# Packages that a subject needs; None: without an option.
_PACKAGES: dict[str | None, Sequence[tuple[str, str]]] = {
    None: [("scikit-learn", "sklearn")],
    "load": [("psutil", "psutil")],
}
# Subjects whose measurements are not repeated.
_ONCE = ("products", "load")
_ROUNDS = 5


@entry_point
def benchmark() -> None:
    """Run the ``benchmark`` command with the arguments of the command line."""
    parser = CommandParser(
        usage=example("benchmark", "--stacked --rounds 9"),
        description="Compare the speed of training with other implementations.",
    )
    add = parser.arguments.add_argument
    add("--rounds", type=_rounds, help=f"repetitions of a measurement (default: {_ROUNDS})")
    subjects = parser.arguments.add_mutually_exclusive_group()
    for name, text in _SUBJECTS.items():
        subjects.add_argument(
            f"--{name}", dest="subject", action="store_const", const=name, help=text
        )
    run_command(parser, _benchmark)


def _rounds(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"must be a whole number at least 1, not {text}")
    return int(text)


def _benchmark(args: Namespace) -> None:
    if args.rounds is not None and args.subject in _ONCE:
        raise UserError(f"--rounds: --{args.subject} measures once")
    for package, module in _PACKAGES.get(args.subject, ()):
        check_installed(package, module, "benchmark", "the comparison")
    for table in _tables(args.subject, args.rounds or _ROUNDS):
        print(f"{table}\n", flush=True)


def _tables(subject: str | None, rounds: int) -> Iterable[str]:
    if subject == "threads":
        from mlp_lab.benchmark import thread_speed

        yield thread_speed.compare(rounds)
        return
    if subject == "load":
        from mlp_lab.benchmark import load

        yield from load.measure()
        return
    processes = processes_for(None, threads_from_environment())
    set_threads(None)  # before torch is imported
    import torch

    warnings.simplefilter("ignore")  # Lightning's recommendations
    yield f"{torch.get_num_threads()} threads, torch {torch.__version__}"
    if subject == "products":
        from mlp_lab.benchmark import product_share

        yield product_share.measure("32-true")
        yield product_share.measure("bf16-mixed")
    elif subject in ("cost", "images", "backgammon"):
        yield _compare(subject, rounds)
    else:
        yield from _compare_on_mnist(subject, rounds, processes)


def _compare(subject: str, rounds: int) -> str:
    if subject == "backgammon":
        import torch

        from mlp_lab.benchmark import backgammon_speed  # needs the extra backgammon

        torch.set_num_threads(1)
        return backgammon_speed.compare(rounds)
    from mlp_lab.benchmark import image_speed, network_cost

    return (network_cost if subject == "cost" else image_speed).compare(rounds)


def _compare_on_mnist(subject: str | None, rounds: int, processes: int) -> Iterable[str]:
    import torch

    from mlp_lab.benchmark import augmentation_speed, epoch_speed, sweep_speed
    from mlp_lab.data.mnist import MNIST

    data = MNIST(root=None, train_size=None, standardize=True, batch_size=1, seed=0, limits={})
    data.prepare_data()
    data.setup()
    if subject == "augmentation":
        images = data.images(data.splits["train"][0]).unsqueeze(1)
        yield augmentation_speed.compare(rounds, images, Path("logs/augmentation"))
    elif subject == "stacked":
        torch.set_num_threads(1)  # as in loops and worker processes by default
        yield sweep_speed.compare(rounds, processes, data.splits)
    else:
        yield from epoch_speed.compare(rounds, data.splits, data.root)
