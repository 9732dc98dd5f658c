"""How fast training is, beside other ways to train the same network on the same data.

python scripts/benchmark.py                 both networks, as Markdown on standard output
python scripts/benchmark.py --rounds 9      more rounds: less noise
python scripts/benchmark.py --stacked       sweeps that train as one network
python scripts/benchmark.py --threads       which thread settings are the fastest
python scripts/benchmark.py --cost          what a perceptron costs, and an MLP
python scripts/benchmark.py --images        image regression from encoded coordinates
python scripts/benchmark.py --augmentation  distorted pictures, by other packages as well
"""

import argparse
import warnings
from collections.abc import Iterable
from pathlib import Path

from mlp_lab.errors import UserError
from mlp_lab.runs.threads import processes_for, said_threads, set_threads

_SUBJECTS = {
    "stacked": "compare stacked sweeps instead",
    "threads": "compare thread settings instead",
    "cost": "compare networks instead",
    "images": "compare image regression instead",
    "augmentation": "compare distortions of pictures instead",
}


def benchmark() -> None:
    """Measure what the command line asks for; print it as Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    subject = parser.add_mutually_exclusive_group()
    for name, text in _SUBJECTS.items():
        subject.add_argument(f"--{name}", dest="of", action="store_const", const=name, help=text)
    args = parser.parse_args()
    if args.rounds < 1:
        parser.error(f"--rounds={args.rounds}: must be at least 1")
    if args.of == "threads":
        from mlp_lab.benchmark import thread_speed

        print(thread_speed.compare(args.rounds))
        return
    try:
        for table in _tables(args.of, args.rounds):
            print(f"{table}\n", flush=True)
    except UserError as error:
        parser.error(str(error))


def _tables(of: str | None, rounds: int) -> Iterable[str]:
    processes = processes_for(None, said_threads())
    set_threads(None)  # as the commands do, before torch is loaded
    import torch

    from mlp_lab.benchmark import (
        augmentation_speed,
        epoch_speed,
        image_speed,
        network_cost,
        sweep_speed,
    )
    from mlp_lab.data.mnist import MNIST

    warnings.simplefilter("ignore")  # what Lightning has to say about template style
    yield f"{torch.get_num_threads()} threads, torch {torch.__version__}"
    if of == "cost":
        yield network_cost.compare(rounds)
        return
    if of == "images":
        yield image_speed.compare(rounds)
        return
    data = MNIST(root=None, train_size=None, standardize=True, batch_size=1, seed=0, limits={})
    data.prepare_data()
    data.setup()
    if of == "augmentation":
        pictures = data.pictures(data.splits["train"][0]).unsqueeze(1)
        yield augmentation_speed.compare(rounds, pictures, Path("logs/augmentation"))
    elif of == "stacked":
        torch.set_num_threads(1)  # in which loops and processes are, where nothing else is said
        yield sweep_speed.compare(rounds, processes, data.splits)
    else:
        yield from epoch_speed.compare(rounds, data.splits, data.root)
