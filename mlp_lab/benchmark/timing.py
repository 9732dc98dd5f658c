"""Timing of several implementations in turn, and summaries of their times."""

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

# Function that runs once and returns the seconds of one unit, such as an epoch or a step.
TimedRun = Callable[[], float]


def time_in_turn(runs: Mapping[str, TimedRun], rounds: int) -> dict[str, list[float]]:
    """Run all implementations in turn in each round, and return the times of each one."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            times[name].append(run())
    return times


def timed(call: Callable[[], object], repetitions: int) -> TimedRun:
    """Return a timed run: the mean seconds of ``repetitions`` calls after a warm-up."""

    def run() -> float:
        for _ in range(max(1, repetitions // 5)):
            call()
        start = time.perf_counter()
        for _ in range(repetitions):
            call()
        return (time.perf_counter() - start) / repetitions

    return run


def ratios(times: Sequence[float], others: Sequence[float]) -> list[float]:
    """Return the ratio of the times in each round, which have the same machine load."""
    return [time / other for time, other in zip(times, others, strict=True)]


def median(values: Iterable[float], digits: int = 2) -> str:
    """Return the median as text."""
    return f"{statistics.median(values):.{digits}f}"


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Return the smallest and the largest value as text."""
    return f"{min(values):.{digits}f} – {max(values):.{digits}f}"
