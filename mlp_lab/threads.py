"""How many threads torch computes with, and how they wait: decided before torch is loaded."""

import os

# Measured by scripts/benchmark.py threads: networks of this size gain nothing from more.
_MOST = 4

# A waiting OpenMP thread spins; the default of libgomp spins so long that on a busy machine each
# step waits for a thread that the system has put aside. This bound is a few microseconds.
_SPINS = "10000"


def set_threads(threads: int | None) -> None:
    """Set up OpenMP for ``threads`` threads; None chooses the default.

    What the user's own environment says (OMP_NUM_THREADS, OMP_WAIT_POLICY, GOMP_SPINCOUNT) stands,
    except that an explicit ``threads`` goes before OMP_NUM_THREADS.
    """
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(threads)
    else:
        os.environ.setdefault("OMP_NUM_THREADS", str(min(_MOST, len(os.sched_getaffinity(0)))))
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)
