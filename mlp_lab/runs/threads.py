"""Set the number of torch's threads and how they wait. This module does not import torch."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Measured with `python scripts/benchmark.py --threads`. Two threads are the fastest for networks of
# this size on an idle machine. One core stays free, because another program makes each step several
# times slower if the threads use all cores. The number does not depend on the load, since the last
# digits of a result depend on it.
_MAX_THREADS = 2

# How long an OpenMP thread spins while it waits for work. Without spinning, a step takes twice as
# long; libgomp's longer default is not faster.
_SPIN_COUNT = "10000"


def set_threads(threads: int | None) -> None:
    """Set the environment variables of OpenMP, which torch reads when it is imported.

    If it is imported already, its number of threads is set as well; how they wait cannot change.
    Variables that the user has set (OMP_NUM_THREADS, OMP_WAIT_POLICY, GOMP_SPINCOUNT) stay as they
    are, except that ``threads`` replaces OMP_NUM_THREADS.

    Args:
        threads: number of threads; None: OMP_NUM_THREADS, or a default.
    """
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(threads)
    else:
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, min(_MAX_THREADS, cores() - 1))))
    prepare_threads()
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads_from_environment())


def prepare_threads() -> None:
    """Set how the threads wait, which has no effect once torch is imported."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPIN_COUNT)


@contextmanager
def restored_threads() -> Iterator[None]:
    """Restore torch's number of threads when the context ends.

    In a notebook, the threads of one call must not affect the next one.
    """
    torch = sys.modules.get("torch")
    number = torch.get_num_threads() if torch else None
    try:
        yield
    finally:
        if torch:
            torch.set_num_threads(number)


def processes_for(requested: int | None, threads: int) -> int:
    """Return the number of worker processes with one thread each.

    Args:
        requested: number that the user requests; None: one per core if ``threads`` is 1, else one.
        threads: number of torch's threads.

    Always 1 on systems other than Linux, where a process that has loaded torch cannot fork safely.
    """
    if sys.platform != "linux":
        return 1
    return requested or (cores() if threads == 1 else 1)


def threads_from_environment() -> int:
    """Return the number in OMP_NUM_THREADS, or 1."""
    value = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(value) if value.isdecimal() else 1


def busy_hint() -> str | None:
    """Return a hint if other programs use the cores that torch's threads need, else None."""
    threads = threads_from_environment()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if threads == 1 or load < cores() - threads + 1:
        return None
    return f"the machine is busy (load {load:.1f}, {cores()} cores): threads=1 may be much faster"


def cores() -> int:
    """Return the number of cores that this process can use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    return min(len(affinity(0)) if affinity else os.cpu_count() or 1, _quota())


def _quota() -> int:
    """Return the limit of CPU time of a container, in cores, at least 1."""
    try:
        time, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, int(time) // int(period))
    except (OSError, ValueError):  # not a container with cgroups 2, or "max": no limit
        return sys.maxsize
