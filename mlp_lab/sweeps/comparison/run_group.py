"""Repeated runs: means, deviations and intervals over seeds and folds."""

import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlp_lab.sweeps.comparison.compared_run import ComparedRun

# 97.5 % quantiles of Student's t distribution for 1, 2, ... degrees of freedom. SciPy has them, but
# it is only in an optional extra.
_T = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


@dataclass(frozen=True)
class Interval:
    """Mean, standard deviation and half the 95 % confidence interval of the mean over n values."""

    n: int
    mean: float
    std: float
    half_width: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Interval":
        """Return Student's interval; std and half_width are nan for one or infinite values."""
        n = len(values)
        if n == 1 or not all(map(math.isfinite, values)):
            return cls(n, sum(values) / n, math.nan, math.nan)
        std = statistics.stdev(values)
        # Beyond the table, two terms of the expansion in 1 / (degrees of freedom) suffice.
        t = _T[n - 2] if n - 2 < len(_T) else 1.96 + 2.37 / (n - 1)
        return cls(n, statistics.fmean(values), std, t * std / math.sqrt(n))


@dataclass(frozen=True)
class RunGroup:
    """Runs that differ only in the seed and the fold.

    Attributes:
        settings: keys in which groups differ, and their values in this one.
        label: the settings in short; empty if there are none.
        jobs: the finished runs, at least one, best first.
        started: number of runs, including unfinished ones.
        intervals: by split, over the metric in the best epochs of ``jobs``, if they have any.
        tests: by metric, over the values on the test set, if each run is tested.
    """

    settings: dict[str, Any]
    label: str
    jobs: list[ComparedRun]
    started: int
    intervals: dict[str, Interval]
    tests: dict[str, Interval]

    @property
    def count(self) -> str:
        """Number of finished runs: ``3``, or ``2 of 3`` if not all finished."""
        n = len(self.jobs)
        return str(n) if n == self.started else f"{n} of {self.started}"

    def last(self, key: str) -> Interval | None:
        """Return the interval over a column's last values; None if a run has none."""
        values = [job.last(key) for job in self.jobs]
        known = [value for value in values if value is not None]
        return Interval.of(known) if len(known) == len(values) else None

    def curve(self, key: str) -> np.ndarray:
        """Return epoch, mean, standard deviation and number of runs of a column: ``[4, epochs]``.

        Runs that ended before an epoch do not count for it. The deviation is nan for a single run.
        """
        by_epoch: dict[float, list[float]] = defaultdict(list)
        for job in self.jobs:
            for row in job.history:
                if key in row:
                    by_epoch[row["epoch"]].append(row[key])
        rows = [
            (epoch, statistics.fmean(values), _deviation(values), len(values))
            for epoch, values in sorted(by_epoch.items())
        ]
        return np.array(rows).reshape(-1, 4).T

    def curves(self, key: str) -> list[np.ndarray]:
        """Return epochs and values of a column of the history of each run: ``[2, epochs]``."""
        return [
            np.array([(row["epoch"], row[key]) for row in job.history if key in row]).T
            for job in self.jobs
            if any(key in row for row in job.history)
        ]


def _deviation(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else math.nan
