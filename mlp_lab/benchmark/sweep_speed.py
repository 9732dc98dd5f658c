"""Time of a stacked sweep, compared with the same number of plain loops one after the other."""

import io
import math
import tempfile
from contextlib import redirect_stdout
from itertools import count
from pathlib import Path

import torch

from mlp_lab.benchmark.alternatives import has_jax, jax_loops, vmapped_loops
from mlp_lab.benchmark.implementations import (
    NETWORKS,
    Splits,
    epoch_seconds,
    matrix_products,
    plain_loop,
)
from mlp_lab.benchmark.timing import TimedRun, median, ratios, spread, time_in_turn
from mlp_lab.config.compose import compose
from mlp_lab.formatting import markdown
from mlp_lab.sweeps.groups import Job
from mlp_lab.sweeps.jobs import train_jobs

MEMBERS = (1, 3, 8, 32)  # networks per sweep
#: Target ratios to plain loops (upper limits), by width and number of members.
TARGETS = {
    64: dict(zip(MEMBERS, (0.75, 0.30, 0.25, 0.25), strict=True)),
    30: dict(zip(MEMBERS, (0.35, 0.12, 0.07, 0.05), strict=True)),
}


def compare(rounds: int, processes: int, splits: Splits) -> str:
    """Return a Markdown table: seconds per epoch of all members, and ratio to plain loops.

    Args:
        rounds: number of rounds.
        processes: worker processes of the sweep, and threads of the loops with threads.
        splits: training and validation data.
    """
    threads = f"× with {processes} threads"
    header = ["", "members", "s / epoch of all", "× plain loops", "range", "target", threads]
    header += ["matrix products alone", "torch.func.vmap", "JAX, vmap and jit"]
    rows = [
        _row(*network, members, processes, rounds, splits)
        for network in NETWORKS
        for members in MEMBERS
    ]
    title = f"sweep: {processes} processes of one thread each; medians of {rounds} rounds"
    return f"{title}\n\n{markdown(header, rows)}"


def _row(
    width: int, batch_size: int, members: int, processes: int, rounds: int, splits: Splits
) -> list[str]:
    loop = plain_loop(width, batch_size, splits)
    members_per_process = math.ceil(members / processes)
    with tempfile.TemporaryDirectory() as logs:
        runs = {
            "loop": loop,
            "threads": with_threads(processes, loop),
            "sweep": stacked_sweep(width, batch_size, members, processes, logs),
            "products": matrix_products(width, batch_size, splits, members_per_process),
            "vmap": vmapped_loops(width, batch_size, members, splits),
        }
        if has_jax():
            runs["jax"] = jax_loops(width, batch_size, members, splits)
        times = time_in_turn(runs, rounds)
    loops = [members * seconds for seconds in times["loop"]]
    multithreaded = [members * seconds for seconds in times["threads"]]
    ratio = ratios(times["sweep"], loops)
    return [
        f"784-{width}-10, batch {batch_size}",
        str(members),
        median(times["sweep"]),
        median(ratio),
        spread(ratio),
        f"{TARGETS[width][members]:.2f}",
        median(ratios(times["sweep"], multithreaded)),
        median(ratios(times["products"], loops)),
        median(ratios(times["vmap"], loops)),
        median(ratios(times["jax"], loops)) if "jax" in times else "–",
    ]


def with_threads(threads: int, timed_run: TimedRun) -> TimedRun:
    """Return ``timed_run`` with the given number of torch threads."""

    def run() -> float:
        torch.set_num_threads(threads)
        try:
            return timed_run()
        finally:
            torch.set_num_threads(1)

    return run


def stacked_sweep(width: int, batch_size: int, members: int, processes: int, logs: str) -> TimedRun:
    """Return a timed run of a sweep over the learning rate.

    Its time is that of an epoch of the slowest job, the median of the second and third epoch.
    """
    rates = torch.linspace(0.01, 0.1, members).tolist()
    overrides = [f"network.width={width}", f"data.batch_size={batch_size}", "callbacks=none"]
    overrides += ["trainer.max_epochs=3", "trainer.accelerator=cpu"]
    configs = [compose([*overrides, f"optimizer.lr={rate}"]) for rate in rates]
    rounds = count()

    def run() -> float:
        folder = Path(logs) / str(next(rounds))
        jobs = [Job(cfg, [], folder / str(index)) for index, cfg in enumerate(configs)]
        with redirect_stdout(io.StringIO()):
            return max(epoch_seconds(r.folder) for r in train_jobs(jobs, processes=processes))

    return run
