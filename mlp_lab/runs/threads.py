"""How many threads torch computes with, and how they wait: decided before torch is loaded."""

import os
import sys
from pathlib import Path

# Chosen by `python scripts/benchmark.py --threads`, whose table stands in the README. Two threads
# are the fastest for networks of this size on a machine that has nothing else to do. But where
# they claim every core, any other program makes each step several times slower, so that one core
# is left free. The number doesn't follow the load: the last digits of a result depend on it.
_MOST = 2

# How long an OpenMP thread spins while it waits for work. A thread that goes to sleep at once
# doubles the time of a step; one that spins for libgomp's whole default gains nothing more.
_SPINS = "10000"


def set_threads(threads: int | None) -> None:
    """Set up OpenMP for ``threads`` threads; None chooses the default.

    What the user's own environment says (OMP_NUM_THREADS, OMP_WAIT_POLICY, GOMP_SPINCOUNT) stands,
    except that an explicit ``threads`` goes before OMP_NUM_THREADS.
    """
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(threads)
    else:
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, min(_MOST, _cores() - 1))))
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)


def processes_for(asked: int | None, threads: int) -> int:
    """How many processes of one thread each may share a work.

    As many as are ``asked`` for; where that is None, one for each core if ``threads`` is 1, else
    one alone. Always one where a process with torch can't be forked safely: but on Linux.
    """
    if sys.platform != "linux":
        return 1
    return asked or (_cores() if threads == 1 else 1)


def said_threads() -> int:
    """The number that OMP_NUM_THREADS says; 1 if it says none."""
    said = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(said) if said.isdecimal() else 1


def busy_hint() -> str | None:
    """A remark if other programs keep the cores busy that our threads would want."""
    threads = said_threads()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if threads == 1 or load < _cores() - threads + 1:
        return None
    return f"the machine is busy (load {load:.1f}, {_cores()} cores): threads=1 may be much faster"


def _cores() -> int:
    """Cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    return min(len(affinity(0)) if affinity else os.cpu_count() or 1, _quota())


def _quota() -> int:
    """Cores' worth of time that a container has, at least one."""
    try:
        time, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, int(time) // int(period))
    except (OSError, ValueError):  # no such system; no limit, which is called "max"
        return sys.maxsize
