"""Time of a plain loop by thread setting, alone and while another process uses one core."""

import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from mlp_lab.benchmark.timing import median
from mlp_lab.formatting import markdown
from mlp_lab.runs.threads import cores

_STEPS = [sys.executable, "-m", "mlp_lab.benchmark.plain_steps"]
_BUSY = [sys.executable, "-c", "while True: pass"]
_MOST_THREADS = 4
# Environment variables that set how OpenMP threads wait.
_WAIT_SETTINGS = {
    "default": {},
    "GOMP_SPINCOUNT=10000": {"GOMP_SPINCOUNT": "10000"},
    "OMP_WAIT_POLICY=PASSIVE": {"OMP_WAIT_POLICY": "PASSIVE"},
}


def compare(rounds: int) -> str:
    """Return a Markdown table of microseconds per step."""
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
    header = ["", "784-64-10, batch 256", "with a busy process"]
    header += ["784-30-10, batch 10", "with a busy process"]
    title = f"Microseconds per step, medians of {rounds} rounds"
    return f"{title}\n\n{markdown(header, rows)}"


def _settings() -> dict[str, dict[str, str]]:
    """Return the environment variables of each setting, by its name in the table."""
    return {
        f"{threads} thread{'s' if threads > 1 else ''}, {name}": {
            "OMP_NUM_THREADS": str(threads),
            **waiting,
        }
        for threads in range(1, min(cores(), _MOST_THREADS) + 1)
        for name, waiting in _WAIT_SETTINGS.items()
        if threads > 1 or not waiting  # a single thread does not wait
    }


def _measure(variables: dict[str, str], busy: bool) -> list[float]:
    """Measure the microseconds per step of both networks in a new process."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    with _busy_process() if busy else nullcontext():
        process = subprocess.run(_STEPS, env=clean | variables, capture_output=True, check=True)
    return [float(number) for number in process.stdout.split()]


@contextmanager
def _busy_process() -> Iterator[None]:
    """Keep one core busy during the with statement."""
    process = subprocess.Popen(_BUSY)
    try:
        yield
    finally:
        process.kill()
        process.wait()
