"""A plain loop by thread setting, alone and beside a process that keeps one core busy."""

import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from mlp_lab.benchmark.timing import markdown, median

_STEPS = [sys.executable, "-m", "mlp_lab.benchmark.plain_steps"]
_BUSY = [sys.executable, "-c", "while True: pass"]
_WAITING = {
    "default": {},
    "GOMP_SPINCOUNT=10000": {"GOMP_SPINCOUNT": "10000"},
    "OMP_WAIT_POLICY=PASSIVE": {"OMP_WAIT_POLICY": "PASSIVE"},
}


def compare(rounds: int) -> str:
    """A table: microseconds a step."""
    times: dict[tuple[str, bool], list[list[float]]] = defaultdict(list)
    for _ in range(rounds):
        for busy in (False, True):
            for name, variables in _settings().items():
                times[name, busy].append(_measure(variables, busy))
    rows = [
        [
            name,
            *(
                median((row[network] for row in times[name, busy]), 0)
                for network in (0, 1)
                for busy in (False, True)
            ),
        ]
        for name in _settings()
    ]
    header = ["", "784-64-10, batch 256", "beside a busy process"]
    header += ["784-30-10, batch 10", "beside one"]
    title = f"Microseconds a step, medians of {rounds} rounds"
    return f"{title}\n\n{markdown(header, rows)}"


def _settings() -> dict[str, dict[str, str]]:
    """Environment variables by what they are called in the table."""
    return {
        f"{threads} thread{'s' if threads > 1 else ''}, {name}": {
            "OMP_NUM_THREADS": str(threads),
            **waiting,
        }
        for threads in range(1, (os.cpu_count() or 1) + 1)
        for name, waiting in _WAITING.items()
        if threads > 1 or not waiting  # a single thread waits for nobody
    }


def _measure(variables: dict[str, str], busy: bool) -> list[float]:
    """Microseconds a step of each network, in a process of its own."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    with _rival() if busy else nullcontext():
        done = subprocess.run(_STEPS, env=clean | variables, capture_output=True, check=True)
    return [float(word) for word in done.stdout.split()]


@contextmanager
def _rival() -> Iterator[None]:
    process = subprocess.Popen(_BUSY)
    try:
        yield
    finally:
        process.kill()
        process.wait()
