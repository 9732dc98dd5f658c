"""Contestants that run in turn, and the tables of their times."""

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

# Runs once and returns the seconds of what it measures, an epoch or a step.
Contestant = Callable[[], float]


def race(contestants: Mapping[str, Contestant], rounds: int) -> dict[str, list[float]]:
    """The times of each contestant, round after round, all in one process."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            times[name].append(run())
    return times


def timed(call: Callable[[], object], repetitions: int) -> Contestant:
    """The mean seconds of a call, once warm."""

    def run() -> float:
        for _ in range(repetitions // 5):
            call()
        start = time.perf_counter()
        for _ in range(repetitions):
            call()
        return (time.perf_counter() - start) / repetitions

    return run


def ratios(times: Sequence[float], others: Sequence[float]) -> list[float]:
    """Round by round, so that what slows a whole round slows both."""
    return [time / other for time, other in zip(times, others, strict=True)]


def median(values: Iterable[float], digits: int = 2) -> str:
    return f"{statistics.median(values):.{digits}f}"


def spread(values: Sequence[float], digits: int = 2) -> str:
    """The smallest and the largest."""
    return f"{min(values):.{digits}f} – {max(values):.{digits}f}"


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table: the first column flush left, the others flush right."""
    above, *lines = (f"| {' | '.join(line)} |" for line in (header, *rows))
    return "\n".join([above, f"|---{'|--:' * (len(header) - 1)}|", *lines])
