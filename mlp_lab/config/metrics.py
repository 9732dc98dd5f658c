"""The properties of metrics: name, unit, format, order and direction."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

# Factor that makes smaller values better, by mode (``select.mode``).
SIGN = {"min": 1, "max": -1}


@dataclass(frozen=True)
class Metric:
    """The properties of a metric.

    Attributes:
        name: name, without the split.
        unit: unit of its values; empty if it has none.
        percent: whether its values are fractions that are shown in per cent.
        direction: mode in which values are compared: ``min`` or ``max``, whichever is better.
    """

    name: str
    unit: str = ""
    percent: bool = False
    direction: str = "min"

    @property
    def label(self) -> str:
        """The name, followed by the unit if there is one: ``psnr (dB)``."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    def text(self, value: float | None) -> str:
        """Return a value as tables show it: ``12.34 %``, ``0.1234``, or ``-`` for None."""
        if value is None:
            return "-"
        if self.percent:
            return percent(value)
        fixed = value == 0 or 0.001 <= abs(value) < 1000
        return f"{value:.4f}" if fixed else f"{value:.4g}"

    def short_text(self, value: float) -> str:
        """Return a value with three digits, as figures show it: ``12.3%`` or ``0.123``."""
        return f"{100 * value:.3g}%" if self.percent else f"{value:.3g}"


def percent(fraction: float) -> str:
    """Return a fraction in per cent, as tables show it."""
    return f"{100 * fraction:.2f} %"


# All metrics with their properties. Tables and figures show them in this order.
METRICS = {
    metric.name: metric
    for metric in (
        Metric("loss"),
        Metric("error", percent=True),
        Metric("ece", percent=True),
        Metric("largest_error"),
        Metric("nll"),
        Metric("psnr", unit="dB", direction="max"),
        Metric("squared_error"),
        Metric("ssim", direction="max"),
    )
}


def get_metric(key: str) -> Metric:
    """Return the metric of a column: that of ``error`` or ``error/validation``.

    A metric that is not in ``METRICS`` is a plain number of which smaller values are better.
    """
    name = key.partition("/")[0]
    return METRICS.get(name, Metric(name))


def metric_order(key: str) -> tuple[int, str]:
    """Return the sort key of a metric's name or column: the order of ``METRICS``, then the name."""
    name = key.partition("/")[0]
    place = list(METRICS).index(name) if name in METRICS else len(METRICS)
    return place, key


def best_row(history: Sequence[dict[str, float]], key: str, mode: str) -> dict[str, float] | None:
    """Return the row with the best value of ``key``, the first among equals.

    An infinite value can be the best one. Returns None if no row has a value other than nan.
    """
    rows = [row for row in history if not math.isnan(row.get(key, math.nan))]
    return min(rows, key=lambda row: SIGN[mode] * row[key], default=None)
