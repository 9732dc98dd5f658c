"""A sweep that trains stacked, and as many plain loops one after the other, on the same cores."""

import io
import math
import tempfile
from contextlib import redirect_stdout
from itertools import count
from pathlib import Path

import torch

from mlp_lab.benchmark.contestants import (
    NETWORKS,
    Splits,
    matrix_products,
    plain_loop,
    seconds_of,
)
from mlp_lab.benchmark.timing import Contestant, markdown, median, race, ratios, spread
from mlp_lab.config.compose import compose
from mlp_lab.sweeps.groups import Job
from mlp_lab.sweeps.jobs import train_jobs

MEMBERS = (3, 8, 32)


def compare(rounds: int, processes: int, splits: Splits) -> str:
    """A table: seconds an epoch of all members, and beside that of as many plain loops."""
    threads = f"× with {processes} threads"
    header = ["", "members", "s / epoch of all", "× plain loops", "range", threads, "range"]
    header += ["matrix products alone"]
    rows = [
        _row(*network, members, processes, rounds, splits)
        for network in NETWORKS
        for members in MEMBERS
    ]
    title = f"{processes} processes of one thread each; medians of {rounds} rounds"
    return f"{title}\n\n{markdown(header, rows)}"


def _row(
    width: int, batch_size: int, members: int, processes: int, rounds: int, splits: Splits
) -> list[str]:
    loop = plain_loop(width, batch_size, splits)
    share = math.ceil(members / processes)
    with tempfile.TemporaryDirectory() as logs:
        contestants = {
            "loop": loop,
            "threads": with_threads(processes, loop),
            "sweep": stacked_sweep(width, batch_size, members, processes, logs),
            "products": matrix_products(width, batch_size, splits, share),
        }
        times = race(contestants, rounds)
    loops, threaded = ([members * s for s in times[name]] for name in ("loop", "threads"))
    beside, beside_threaded = ratios(times["sweep"], loops), ratios(times["sweep"], threaded)
    return [
        *(f"784-{width}-10, batch {batch_size}", str(members), median(times["sweep"])),
        *(median(beside), spread(beside), median(beside_threaded), spread(beside_threaded)),
        median(ratios(times["products"], loops)),
    ]


def with_threads(threads: int, contestant: Contestant) -> Contestant:
    """The same in several threads."""

    def run() -> float:
        torch.set_num_threads(threads)
        try:
            return contestant()
        finally:
            torch.set_num_threads(1)

    return run


def stacked_sweep(
    width: int, batch_size: int, members: int, processes: int, logs: str
) -> Contestant:
    """Members of different learning rates, as ``-m`` trains them."""
    rates = torch.linspace(0.01, 0.1, members).tolist()
    words = [f"network.width={width}", f"data.batch_size={batch_size}", "callbacks=none"]
    configs = [compose([*words, "trainer.max_epochs=3", f"optimizer.lr={rate}"]) for rate in rates]
    rounds = count()

    def run() -> float:
        folder = Path(logs) / str(next(rounds))
        jobs = [Job(cfg, [], folder / str(place)) for place, cfg in enumerate(configs)]
        with redirect_stdout(io.StringIO()):
            return max(seconds_of(r.folder) for r in train_jobs(jobs, processes=processes))

    return run
