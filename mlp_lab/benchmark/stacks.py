"""A sweep that trains as one network, and as many plain loops one after the other."""

import io
import tempfile
from contextlib import redirect_stdout
from itertools import count
from pathlib import Path

import torch

from mlp_lab.benchmark.contestants import (
    NETWORKS,
    Splits,
    config,
    matrix_products,
    plain_loop,
    seconds_of,
)
from mlp_lab.benchmark.race import Contestant, markdown, median, race, ratios, spread
from mlp_lab.sweeps.jobs import Job, train_jobs

MEMBERS = (3, 8, 32)


def compare(rounds: int, splits: Splits) -> str:
    """A table: seconds an epoch of all members, and beside that of as many plain loops."""
    header = ["", "members", "s / epoch of all", "× plain loops", "range", "matrix products alone"]
    rows = [_row(*network, members, rounds, splits) for network in NETWORKS for members in MEMBERS]
    return f"Medians of {rounds} rounds\n\n{markdown(header, rows)}"


def _row(width: int, batch_size: int, members: int, rounds: int, splits: Splits) -> list[str]:
    with tempfile.TemporaryDirectory() as logs:
        contestants = {
            "loop": plain_loop(width, batch_size, splits),
            "sweep": stacked_sweep(width, batch_size, members, logs),
            "products": matrix_products(width, batch_size, splits, members),
        }
        times = race(contestants, rounds)
    loops = [members * seconds for seconds in times["loop"]]
    beside = ratios(times["sweep"], loops)
    limit = median(ratios(times["products"], loops))
    name = f"784-{width}-10, batch {batch_size}"
    return [name, str(members), median(times["sweep"]), median(beside), spread(beside), limit]


def stacked_sweep(width: int, batch_size: int, members: int, logs: str) -> Contestant:
    """Members of different learning rates, as ``-m`` trains them."""
    rates = torch.linspace(0.01, 0.1, members).tolist()
    words = [["trainer.max_epochs=3", f"optimizer.lr={rate}"] for rate in rates]
    configs = [config(width, batch_size, *own) for own in words]
    rounds = count()

    def run() -> float:
        folder = Path(logs) / str(next(rounds))
        jobs = [Job(cfg, [], folder / str(place)) for place, cfg in enumerate(configs)]
        with redirect_stdout(io.StringIO()):
            return seconds_of(train_jobs(jobs)[0].folder)

    return run
